//! Signatures of manifests: Ed25519, in the encodings of openssl.
//!
//! A manifest holds the digest of every object beside it, its id, its database and its prefix, so its signature binds
//! all of these to each other and to the holder of the private key.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What stands in front of the 32 bytes of a private key in PKCS#8, RFC 8410, section 7.
const PRIVATE_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The same for a public key in SubjectPublicKeyInfo, RFC 8410, section 4.
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const KEY_BYTES: usize = 32;

/// More public keys than a rotation needs.
const MAX_SIGNERS: usize = 100;

/// The private key of `BACKUP_SIGNING_KEY`.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

/// The public keys of `VERIFY_TRUSTED_KEYS`. Without one, manifests need no signature.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Signers(Vec<[u8; KEY_BYTES]>);

/// Why a text is no key. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// Neither PEM nor the line of base64 in it.
    #[error("is not an Ed25519 private key as backup keygen --signing prints it, or in PEM")]
    Private,
    /// The same of public keys; its place in the list is told.
    #[error("key {0} is not an Ed25519 public key as backup keygen --signing prints it, or in PEM")]
    Public(usize),
    /// A private key in the place of a public one; its place in the list is told.
    #[error("key {0} is a private key, which belongs to backup alone; give the public one")]
    PrivateForPublic(usize),
    /// The list has none, or too many.
    #[error("holds no key, or more than {MAX_SIGNERS}")]
    Number,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("it is not signed, and VERIFY_TRUSTED_KEYS is set, so its writer is not known")]
    Missing,
    #[error("its signature is by none of the keys of VERIFY_TRUSTED_KEYS ({0}), or it was changed since")]
    Wrong(String),
}

impl SigningKey {
    /// Reads a PKCS#8 key, in PEM or as the base64 of it alone.
    ///
    /// # Errors
    /// [`SigningKeyError::Private`].
    pub fn parse(text: &Secret) -> Result<Self, SigningKeyError> {
        let base64: Zeroizing<String> = Zeroizing::new(words(text.expose()).collect());
        let der = BASE64_STANDARD.decode(base64.as_bytes()).map(Zeroizing::new);
        let der = der.map_err(|_| SigningKeyError::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| SigningKeyError::Private)?;
        Ok(Self(Arc::new(pair)))
    }

    /// A new pair, both as the base64 that [`SigningKey::parse`] and [`Signers::parse`] read: the private key, and
    /// the public one.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn generate() -> std::io::Result<(Secret, String)> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        let filled = SystemRandom::new().fill(seed.as_mut_slice());
        filled.map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
        let der = Zeroizing::new([PRIVATE_HEAD.as_slice(), seed.as_slice()].concat());
        let private = Secret::new(BASE64_STANDARD.encode(der.as_slice()));
        let key = Self::parse(&private).map_err(std::io::Error::other)?;
        Ok((private, BASE64_STANDARD.encode(key.public_der())))
    }

    /// `ed25519-` and 16 hexadecimal digits of the SHA-256 of the public key in DER.
    pub fn key_id(&self) -> String {
        key_id(self.0.public_key().as_ref())
    }

    /// Who believes this key alone.
    pub fn signers(&self) -> Signers {
        Signers(self.0.public_key().as_ref().try_into().into_iter().collect())
    }

    /// The signature of `message` as base64, always of 88 characters.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        BASE64_STANDARD.encode(self.0.sign(message))
    }

    fn public_der(&self) -> Vec<u8> {
        [PUBLIC_HEAD.as_slice(), self.0.public_key().as_ref()].concat()
    }
}

impl Signers {
    /// Reads public keys in PEM, or as the base64 of each alone, apart by commas, white space and line breaks.
    ///
    /// # Errors
    /// If one is not a key, or there is none.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let keys: Vec<_> =
            words(text).enumerate().map(|(index, word)| public_key(index + 1, word)).collect::<Result<_, _>>()?;
        if (1..=MAX_SIGNERS).contains(&keys.len()) { Ok(Self(keys)) } else { Err(SigningKeyError::Number) }
    }

    /// These keys and those of `more`.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Whether there is any, and so whether manifests must be signed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// If `signature` is not one of `message` by any of these keys.
    pub(super) fn check(&self, message: &[u8], signature: Option<&str>) -> Result<(), SignatureError> {
        let signature = signature.ok_or(SignatureError::Missing)?;
        let signature = BASE64_STANDARD.decode(signature).unwrap_or_default();
        let holds = |key: &[u8; KEY_BYTES]| UnparsedPublicKey::new(&ED25519, key).verify(message, &signature).is_ok();
        let given = || self.0.iter().map(|key| key_id(key)).collect::<Vec<_>>().join(", ");
        if self.0.iter().any(holds) { Ok(()) } else { Err(SignatureError::Wrong(given())) }
    }
}

fn public_key(number: usize, word: &str) -> Result<[u8; KEY_BYTES], SigningKeyError> {
    let der = BASE64_STANDARD.decode(word).map_err(|_| SigningKeyError::Public(number))?;
    if der.starts_with(&PRIVATE_HEAD) {
        return Err(SigningKeyError::PrivateForPublic(number));
    }
    let key = der.strip_prefix(&PUBLIC_HEAD).and_then(|key| key.try_into().ok());
    key.ok_or(SigningKeyError::Public(number))
}

/// The text without the first and last lines of PEM, and without comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("-----"));
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace())).filter(|word| !word.is_empty())
}

fn key_id(public_key: &[u8]) -> String {
    let digest = digest(&SHA256, &[PUBLIC_HEAD.as_slice(), public_key].concat());
    format!("ed25519-{}", hex::encode(&digest.as_ref()[..8]))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.key_id())
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|key| key_id(key))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// The example of RFC 8410, section 10.3, and its public key of section 10.1.
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    const PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn keys_are_read_in_the_encodings_of_openssl() {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{PRIVATE}\n-----END PRIVATE KEY-----\n");
        for text in [PRIVATE, &pem, &format!("  {PRIVATE}\n")] {
            let key = SigningKey::parse(&secret(text)).unwrap();
            assert_eq!(BASE64_STANDARD.encode(key.public_der()), PUBLIC);
        }
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n");
        let (_, other) = SigningKey::generate().unwrap();
        let signers = Signers::parse(&format!("# old\n{pem}\n{other} # new\n")).unwrap();
        assert_eq!(signers.0.len(), 2);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        for wrong in ["", "x", "canary-canary-canary", PUBLIC, &PRIVATE[..60]] {
            let error = SigningKey::parse(&secret(wrong)).unwrap_err().to_string();
            assert!(error.contains("is not an Ed25519 private key") && !error.contains("canary"), "{error}");
        }
        for (wrong, error) in [
            ("", SigningKeyError::Number),
            ("x", SigningKeyError::Public(1)),
            (PRIVATE, SigningKeyError::PrivateForPublic(1)),
            (&format!("{PUBLIC}, {}", &PUBLIC[..20]), SigningKeyError::Public(2)),
        ] {
            assert_eq!(Signers::parse(wrong).unwrap_err(), error, "{wrong}");
        }
    }

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_only() {
        let (private, public) = SigningKey::generate().unwrap();
        let (_, stranger) = SigningKey::generate().unwrap();
        let key = SigningKey::parse(&private).unwrap();
        let signature = key.sign(b"message");
        assert_eq!(signature.len(), 88);
        let both = Signers::parse(&format!("{stranger}\n{public}")).unwrap();
        both.check(b"message", Some(&signature)).unwrap();
        assert!(matches!(both.check(b"massage", Some(&signature)), Err(SignatureError::Wrong(_))));
        assert_eq!(both.check(b"message", None), Err(SignatureError::Missing));
        let stranger = Signers::parse(&stranger).unwrap();
        for signature in [signature.as_str(), "", "AAAA", &"0".repeat(88)] {
            assert!(matches!(stranger.check(b"message", Some(signature)), Err(SignatureError::Wrong(_))));
        }
    }

    #[test]
    fn debug_output_shows_no_secret_r070() {
        let shown = format!("{:?}", SigningKey::parse(&secret(PRIVATE)).unwrap());
        assert!(shown.starts_with("SigningKey(ed25519-") && shown.len() < 50, "{shown}");
    }
}
