//! Which certificates are believed.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use super::version_1::Version1;

/// How much of a certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Only that the server holds its key.
    Nothing,
    /// Also that a known authority issued it.
    Chain,
    /// Also that it is made out to the host's name.
    Full,
}

/// The certificate whose key the server has proven to hold.
#[derive(Debug, Default)]
pub(super) struct Believed(Mutex<Option<Vec<u8>>>);

impl Believed {
    /// The certificate as DER; `None` before the handshake, or if nothing was proven.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, certificate: &CertificateDer<'_>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(certificate.to_vec());
    }
}

/// libpq's rules as a verifier of rustls.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) depth: Depth,
    pub(super) roots: RootCertStore,
    /// Everything in the file of authorities: it may name the server's own certificate.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) believed: Arc<Believed>,
}

impl Verifier {
    /// PostgreSQL's own manual makes a self-signed certificate that is an authority too, and has
    /// clients take it as root.crt. A web verifier refuses that; an operator who put this very certificate
    /// into the file meant it, as long as it has not expired.
    fn is_pinned(&self, certificate: &CertificateDer<'_>, error: &Error) -> bool {
        let out_of_time = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            )
        );
        !out_of_time && self.pinned.iter().any(|pinned| pinned == certificate)
    }

    /// Without verification, a certificate too old-fashioned to be parsed (version 1, as
    /// `openssl x509 -req` used to make) is taken, since nothing depends on it; it is then not
    /// remembered, so that channel binding cannot rest on it.
    fn checked(
        &self,
        certificate: &CertificateDer<'_>,
        result: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match result {
            Ok(valid) => {
                self.believed.remember(certificate);
                Ok(valid)
            }
            Err(_) if self.depth == Depth::Nothing && ParsedCertificate::try_from(certificate).is_err() => {
                Ok(HandshakeSignatureValid::assertion())
            }
            Err(error) => Err(error),
        }
    }

    /// A certificate of version 1 that is itself in the file of authorities.
    fn pinned_version_1(&self, certificate: &CertificateDer<'_>) -> Option<Version1> {
        let is_pinned = self.depth != Depth::Nothing && self.pinned.iter().any(|pinned| pinned == certificate);
        is_pinned.then(|| Version1::read(certificate)).flatten()
    }

    fn verify_pinned(
        &self,
        certificate: &Version1,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !certificate.is_valid_at(now.as_secs()) {
            return Err(CertificateError::Expired.into());
        }
        if self.depth == Depth::Full && !certificate.is_of(&server_name.to_str()) {
            let presented = certificate.common_name().map(str::to_owned).into_iter().collect();
            return Err(CertificateError::NotValidForNameContext { expected: server_name.to_owned(), presented }.into());
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.depth == Depth::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        if let Some(certificate) = self.pinned_version_1(end_entity) {
            return self.verify_pinned(&certificate, server_name, now);
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let chain =
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all);
        match chain {
            Err(error) if !self.is_pinned(end_entity, &error) => return Err(error),
            Err(_) | Ok(()) => {}
        }
        if self.depth == Depth::Full {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls12_signature(message, certificate, signature, &self.algorithms);
        self.checked(certificate, result)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = match self.pinned_version_1(certificate) {
            Some(pinned) => {
                let key = SubjectPublicKeyInfoDer::from(pinned.public_key);
                verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
            }
            None => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        };
        self.checked(certificate, result)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
