//! Channel binding `tls-server-end-point` (RFC 5929, section 4).
//!
//! tokio-postgres-rustls 0.13 parses the whole certificate as its inner part, which never works,
//! so that it never offers a binding and `channel_binding=require` (in every URL that Neon hands
//! out) always fails. Hence the binding is computed here, and its stream is wrapped.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

type Inner = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A TLS stream that knows which certificate it rests on.
pub(in crate::postgres) struct BoundStream {
    inner: Pin<Box<Inner>>,
    end_point: Option<Vec<u8>>,
}

impl BoundStream {
    pub(super) fn new(inner: Inner, end_point: Option<Vec<u8>>) -> Self {
        Self { inner: Box::pin(inner), end_point }
    }
}

impl TlsStream for BoundStream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for BoundStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for BoundStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(context)
    }
}

/// The hash of a DER certificate with the function of its signature; MD5 and SHA-1 give way to
/// SHA-256. `None` for a signature that names no such function (Ed25519, RSA-PSS): PostgreSQL then
/// logs in without binding.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    // 1.2.840.113549.1.1 (PKCS #1) and 1.2.840.10045.4 (ANSI X9.62 signatures).
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let algorithm = signature_algorithm(certificate)?;
    let rsa = algorithm.strip_prefix(RSA);
    let ecdsa = algorithm.strip_prefix(ECDSA);
    match (rsa, ecdsa) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Some(Sha256::digest(certificate).to_vec()),
        (Some([12]), _) | (_, Some([3, 3])) => Some(Sha384::digest(certificate).to_vec()),
        (Some([13]), _) | (_, Some([3, 4])) => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The object identifier in `Certificate ::= SEQUENCE { tbs, SEQUENCE { OBJECT IDENTIFIER, .. }, .. }`
/// (RFC 5280, section 4.1), encoded.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (contents, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = element(contents, SEQUENCE)?;
    let (algorithm, _) = element(after_tbs, SEQUENCE)?;
    Some(element(algorithm, OBJECT_IDENTIFIER)?.0)
}

/// Splits one DER element with this tag into its contents and what follows it.
pub(super) fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = bytes.split_first().filter(|(first, _)| **first == tag)?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let join = |sum: usize, digit: &u8| (sum << 8) | usize::from(*digit);
            (digits.iter().fold(0, join), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// An empty certificate body, signed with `algorithm`.
    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let oid_bytes = u8::try_from(algorithm.len()).unwrap();
        // The long form of the outer length, which real certificates always have.
        let mut der = vec![0x30, 0x81, oid_bytes + 6, 0x30, 0x00, 0x30, oid_bytes + 2, 0x06, oid_bytes];
        der.extend_from_slice(algorithm);
        der.extend_from_slice(&[0x03, 0x00]);
        der[2] = u8::try_from(der.len() - 3).unwrap();
        der
    }

    #[track_caller]
    fn check(algorithm: &[u8], hash_bytes: Option<usize>) {
        assert_eq!(end_point(&certificate(algorithm)).map(|hash| hash.len()), hash_bytes);
    }

    #[test]
    fn the_signature_decides_the_hash() {
        check(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], Some(32)); // RSA, SHA-1
        check(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Some(32)); // RSA, SHA-256
        check(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Some(48)); // RSA, SHA-384
        check(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Some(64)); // RSA, SHA-512
        check(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], Some(32)); // ECDSA, SHA-256
        check(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Some(48)); // ECDSA, SHA-384
        check(&[0x2b, 0x65, 0x70], None); // Ed25519
    }

    #[test]
    fn a_broken_certificate_has_no_binding() {
        let whole = certificate(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
        for length in 0..whole.len() {
            assert_eq!(end_point(&whole[..length]), None);
        }
    }
}
