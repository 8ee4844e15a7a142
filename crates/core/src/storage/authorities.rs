//! Who may vouch for the certificate of a store.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Authorities for TLS to the store.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorities {
    /// Those of this machine.
    System,
    /// Those in this PEM text, and no others. Made by [`Authorities::from_pem`], since the HTTP client
    /// takes a text that it cannot read for a mistake in the program.
    Given(Vec<u8>),
}

impl Authorities {
    /// Takes the certificates of a PEM text; anything else in it is ignored.
    ///
    /// # Errors
    /// If it holds no certificate, or one that cannot be parsed. The message does not quote it: a wrong path
    /// may lead to a private key.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        const MESSAGE: &str = "the file that it names holds no usable certificate in PEM form";
        let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = found.map_err(|_| MESSAGE)?;
        let mut roots = RootCertStore::empty();
        let usable = certificates.into_iter().all(|certificate| roots.add(certificate).is_ok());
        if usable && !roots.is_empty() { Ok(Self::Given(pem.as_bytes().to_vec())) } else { Err(MESSAGE) }
    }

    /// TLS to servers other than the store: those of this machine count, and the given ones besides. An own authority is
    /// there for an own store, which does not make public services untrusted.
    ///
    /// # Errors
    /// If the cryptography library refuses its own defaults.
    pub fn for_other_servers(&self) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates_for_other_servers());
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }

    /// The certificates of the authorities of [`Authorities::for_other_servers`] that the TLS library can read.
    pub fn certificates_for_other_servers(&self) -> Vec<CertificateDer<'static>> {
        let given: &[u8] = match self {
            Self::System => &[],
            Self::Given(pem) => pem,
        };
        let given = CertificateDer::pem_slice_iter(given).filter_map(Result::ok);
        let all = rustls_native_certs::load_native_certs().certs.into_iter().chain(given);
        all.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()).collect()
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::System => "System",
            Self::Given(_) => "Given",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_without_being_quoted_r084() {
        for pem in [
            "",
            "hunter2",
            "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nhunter2",
            "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
        ] {
            let error = Authorities::from_pem(pem).unwrap_err();
            assert!(error.contains("no usable certificate") && !error.contains("hunter2"), "{error}");
        }
    }
}
