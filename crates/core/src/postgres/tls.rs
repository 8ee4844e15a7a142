//! TLS to PostgreSQL: which certificates are believed, and channel binding.
//!
//! The verification follows libpq's `sslmode`, not the web's habits: a certificate may be checked
//! against given authorities without its name (`verify-ca`), or not at all (`require`).

mod binding;
mod verifier;
mod version_1;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) use binding::BoundStream;

use verifier::{Believed, Depth, Verifier};

/// Larger than every bundle of authorities; they have some 200 KiB.
const MAX_ROOT_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What must be true of a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verification {
    /// Nothing; the connection is private only against those who merely listen.
    None,
    /// It was issued by an authority in this PEM file, or is itself in it.
    Chain(PathBuf),
    /// As `Chain`, and it is made out to the name that we connect to.
    Full(PathBuf),
}

/// Why no TLS connection can even be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file of authorities cannot be read.
    #[error("read the sslrootcert file {file}")]
    Read {
        /// Its path.
        file: String,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
    /// The file holds no usable certificate.
    #[error("the sslrootcert file {file} holds no certificate in PEM form")]
    NoCertificate {
        /// Its path.
        file: String,
    },
    /// The cryptography library refuses its own defaults.
    #[error("set up TLS")]
    Library(#[from] rustls::Error),
}

/// A certificate by which a client logs in, with its chain and its key.
pub(super) type ClientLogin = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Makes one TLS connection, with a memory of its own for the certificate that it was shown.
pub(super) struct PgTls {
    inner: MakeRustlsConnect,
    believed: Arc<Believed>,
    needs_name: bool,
}

impl PgTls {
    /// Reads the authorities, if any are needed, and shows the server the certificate of `client`, if it asks for one. Use a
    /// new one for each connection.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate. Its contents are never shown: a wrong
    /// path may lead to a private key.
    pub(super) fn new(verification: &Verification, client: Option<ClientLogin>) -> Result<Self, TlsSetupError> {
        let (file, depth) = match verification {
            Verification::None => (None, Depth::Nothing),
            Verification::Chain(file) => (Some(file), Depth::Chain),
            Verification::Full(file) => (Some(file), Depth::Full),
        };
        let certificates = match file {
            Some(file) => read_certificates(file)?,
            None => Vec::new(),
        };
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if let Some(file) = file.filter(|_| usable == 0) {
            return Err(TlsSetupError::NoCertificate { file: file.display().to_string() });
        }
        let provider = Arc::new(ring::default_provider());
        let believed = Arc::new(Believed::default());
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verifier {
            depth,
            roots,
            pinned: certificates,
            algorithms: provider.signature_verification_algorithms,
            believed: Arc::clone(&believed),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match client {
            Some((certificates, key)) => config.with_client_cert_resolver(certified(certificates, key)?),
            None => config.with_no_client_auth(),
        };
        let needs_name = depth == Depth::Full;
        Ok(Self { inner: MakeRustlsConnect::new(config), believed, needs_name })
    }
}

/// As rustls makes it, but certificates of version 1, which it cannot parse, are taken as libpq takes them.
fn certified(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<dyn ResolvesClientCert>, rustls::Error> {
    let certified = CertifiedKey::new(certificates, ring::sign::any_supported_type(&key)?);
    match certified.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(error),
        Ok(()) | Err(_) => Ok(Arc::new(SingleCertAndKey::from(certified))),
    }
}

fn read_certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let shown = file.display().to_string();
    let read = || -> io::Result<Vec<u8>> {
        if std::fs::metadata(file)?.len() > MAX_ROOT_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        std::fs::read(file)
    };
    let pem = read().map_err(|source| TlsSetupError::Read { file: shown.clone(), source })?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsSetupError::NoCertificate { file: shown })
}

type Inner = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

impl MakeTlsConnect<Socket> for PgTls {
    type Stream = BoundStream;
    type TlsConnect = PgTlsConnect;
    type Error = rustls_pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, name: &str) -> Result<PgTlsConnect, Self::Error> {
        // An address is not sent to the server, so it can stand for a name that TLS cannot carry.
        let sendable = self.needs_name || ServerName::try_from(name).is_ok();
        let name = if sendable { name } else { "0.0.0.0" };
        let inner = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.inner, name)?;
        Ok(PgTlsConnect { inner, believed: Arc::clone(&self.believed) })
    }
}

/// One TLS handshake to come.
pub(super) struct PgTlsConnect {
    inner: Inner,
    believed: Arc<Believed>,
}

impl TlsConnect<Socket> for PgTlsConnect {
    type Stream = BoundStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<BoundStream>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = self.inner.connect(stream).await?;
            let end_point = self.believed.certificate().and_then(|der| binding::end_point(&der));
            Ok(BoundStream::new(stream, end_point))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(contents: &str, expected: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        let error = PgTls::new(&Verification::Full(file.path().to_owned()), None).err().unwrap();
        let shown = format!("{error:#}").replace(file.path().to_str().unwrap(), "FILE");
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_file_without_certificates_is_refused_and_not_quoted_r070() {
        let expected = "the sslrootcert file FILE holds no certificate in PEM form";
        check("", expected);
        check("swordfish", expected);
        check("-----BEGIN CERTIFICATE-----\nswordfish!\n-----END CERTIFICATE-----\n", expected);
        check("-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END PRIVATE KEY-----\n", expected);
        check("-----BEGIN CERTIFICATE-----\nc3dvcmRmaXNo\n-----END CERTIFICATE-----\n", expected);
    }

    #[test]
    fn no_verification_needs_no_file() {
        assert!(PgTls::new(&Verification::None, None).is_ok());
    }
}
