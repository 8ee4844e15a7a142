//! A certificate by which a role logs in, and its key: two files in PEM form, as libpq takes them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::ConninfoError;

/// Far larger than every certificate with its chain.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What neither the group of a key of root nor others may do: all but that the group may read.
const FORBIDDEN_BITS_OF_ROOT: u32 = 0o037;

/// What only the owner of another key may do.
const FORBIDDEN_BITS: u32 = 0o077;

/// A certificate with its key. Both are read again for each connection, since short-lived ones are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The file of the certificate, with those of authorities between it and the server's, if there are any.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
}

impl ClientCertificate {
    /// What TLS is given.
    ///
    /// # Errors
    /// A file that cannot be used; its contents are never shown.
    pub(in crate::postgres) fn load(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ConninfoError> {
        Ok((certificates(&self.certificate)?, key(&self.key)?))
    }
}

/// The path of a certificate that can be used now, so that a wrong one is an error of the configuration.
pub(super) fn read_certificate(value: &str) -> Result<PathBuf, ConninfoError> {
    certificates(Path::new(value)).map(|_| PathBuf::from(value))
}

/// As [`read_certificate`], for a key.
pub(super) fn read_key(value: &str) -> Result<PathBuf, ConninfoError> {
    key(Path::new(value)).map(|_| PathBuf::from(value))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConninfoError> {
    let refused = |reason: &str| ConninfoError::ClientCertificate { reason: reason.to_owned() };
    let pem = read(path).map_err(|error| refused(&error.kind().to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| refused("it holds no certificate in PEM form"))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, ConninfoError> {
    let refused = |reason: &str| ConninfoError::ClientKey { reason: reason.to_owned() };
    let metadata = fs::metadata(path).map_err(|error| refused(&error.kind().to_string()))?;
    // As libpq checks it (PQconnectPoll), so that pg_dump does not refuse what our own session has taken.
    let forbidden = if metadata.uid() == 0 { FORBIDDEN_BITS_OF_ROOT } else { FORBIDDEN_BITS };
    if metadata.mode() & forbidden != 0 {
        return Err(refused(
            "its group or others can read it; it may have the mode 0600 at most, or 0640 if it belongs to root",
        ));
    }
    let pem = read(path).map_err(|error| refused(&error.kind().to_string()))?;
    if is_encrypted(&pem) {
        return Err(refused(
            "it is encrypted, and there is no one who types its password; write it without one: openssl pkey -in KEY -out \
             NEW",
        ));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| refused("it holds no private key in PEM form"))
}

/// By the two ways in which PEM says so: PKCS #8 (RFC 7468), and the headers of older keys (RFC 1421).
fn is_encrypted(pem: &[u8]) -> bool {
    let text = Zeroizing::new(String::from_utf8_lossy(pem).into_owned());
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if read as u64 > MAX_FILE_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[track_caller]
    fn check_key(contents: &str, mode: u32, expected: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), contents).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = read_key(file.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("has an sslkey file that cannot be used: "), "{error}");
        assert!(error.contains(expected) && !error.contains("swordfish"), "{error}");
    }

    #[test]
    fn a_key_is_refused_for_what_libpq_refuses_it_and_not_quoted_r070() {
        check_key("swordfish", 0o600, "no private key in PEM form");
        check_key("", 0o600, "no private key in PEM form");
        check_key("swordfish", 0o604, "others can read it");
        check_key("swordfish", 0o620, "others can read it");
        for head in ["BEGIN ENCRYPTED PRIVATE KEY", "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"] {
            check_key(&format!("-----{head}-----\nswordfish"), 0o600, "it is encrypted");
        }
        assert!(read_key("/nowhere").unwrap_err().to_string().contains("not found"));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_and_not_quoted_r070() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "swordfish").unwrap();
        let error = read_certificate(file.path().to_str().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "has an sslcert file that cannot be used: it holds no certificate in PEM form");
    }
}
