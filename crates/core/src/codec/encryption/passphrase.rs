//! A passphrase and what is derived from it: for each object the key and IV of the cipher, and once the key of MACs.
//!
//! The cipher's are what `openssl enc -pbkdf2` derives from the passphrase and the object's salt of eight bytes. The
//! MAC's come from the same function over [`MAC_SALT`], which is longer than any salt of openssl, so that neither key
//! says anything about the other.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use ring::hmac;
use ring::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use zeroize::Zeroizing;

use super::Label;
use crate::secret::Secret;

/// Iterations of PBKDF2-HMAC-SHA-256 for what is written: the figure of OWASP's cheat sheet on the storage of
/// passwords. A key of 32 random characters needs none of them; a sentence that a person made up does. They cost a
/// fraction of a second for each object. Unit tests encrypt thousands of times.
pub const ITERATIONS: u32 = if cfg!(test) { 100 } else { 600_000 };

/// What a manifest may ask for: above, a reader would compute for as long as the writer of the manifest likes.
pub const MAX_ITERATIONS: u32 = 2_000_000;

/// The salt of openssl's layout, in bytes.
pub(super) const SALT_BYTES: usize = 8;

/// What the key of MACs and the key id are derived with, in place of a random salt.
const MAC_SALT: &[u8] = b"postgres-backup mac 1";

/// The message whose MAC is the key id.
const KEY_ID: &[u8] = b"postgres-backup key id 1";

const FEWEST_CHARACTERS: usize = 32;

/// `openssl` reads no longer ones from a file.
const MAX_BYTES: usize = 512;

/// The text of `BACKUP_ENCRYPTION_KEY`.
#[derive(Clone)]
pub struct Passphrase {
    text: Secret,
    /// Derived when it is first needed: that takes long, and the same one serves every object.
    mac_key: Arc<OnceLock<hmac::Key>>,
}

/// Why a text is no key. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Too easy to guess.
    #[error("is shorter than {FEWEST_CHARACTERS} characters; make one with: openssl rand -base64 48")]
    TooShort,
    /// More than openssl would take.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// `openssl -pass` would end at the line break.
    #[error("holds a line break or another control character")]
    Control,
}

/// Why an object's MAC does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// The manifest has none.
    #[error("the manifest holds no MAC of the stored bytes")]
    Missing,
    /// It is of other bytes, of another object, or made with another key.
    #[error("the MAC of the stored bytes is wrong: they are not what was stored for this object with this key")]
    Wrong,
}

impl Passphrase {
    /// Takes a key that is long enough to be one.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn new(text: Secret) -> Result<Self, PassphraseError> {
        let exposed = text.expose();
        if exposed.chars().count() < FEWEST_CHARACTERS {
            return Err(PassphraseError::TooShort);
        }
        if exposed.len() > MAX_BYTES {
            return Err(PassphraseError::TooLong);
        }
        if exposed.chars().any(char::is_control) {
            return Err(PassphraseError::Control);
        }
        Ok(Self { text, mac_key: Arc::default() })
    }

    /// `aes-` and 16 hexadecimal digits that tell this key from another one. Each guess of a passphrase costs
    /// [`ITERATIONS`] to compare with it, as it does with the ciphertext.
    pub fn key_id(&self) -> String {
        let tag = hmac::sign(&self.mac_key(ITERATIONS), KEY_ID);
        format!("aes-{}", hex::encode(&tag.as_ref()[..8]))
    }

    /// Key and IV for the object with this salt: 32 and 16 bytes.
    pub(super) fn cipher_key(&self, salt: &[u8; SALT_BYTES], iterations: u32) -> Zeroizing<[u8; 48]> {
        let mut derived = Zeroizing::new([0; 48]);
        self.derive(salt, iterations, derived.as_mut_slice());
        derived
    }

    fn mac_key(&self, iterations: u32) -> hmac::Key {
        let derived = || {
            let mut key = Zeroizing::new([0; 32]);
            self.derive(MAC_SALT, iterations, key.as_mut_slice());
            hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())
        };
        if iterations == ITERATIONS { self.mac_key.get_or_init(derived).clone() } else { derived() }
    }

    fn derive(&self, salt: &[u8], iterations: u32, key: &mut [u8]) {
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        derive(PBKDF2_HMAC_SHA256, iterations, salt, self.text.expose().as_bytes(), key);
    }

    /// Begins the MAC of the object that `label` names, with the text in front of its bytes.
    pub(in crate::codec) fn mac(&self, label: &Label, iterations: u32) -> Mac {
        let mut context = hmac::Context::with_key(&self.mac_key(iterations));
        context.update(header(label, iterations).as_bytes());
        Mac { context, stored_bytes: 0 }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase(***)")
    }
}

/// What stands before the bytes in the message of a MAC. It ends with an empty line and no value holds a line break,
/// so no two labels share one. The salt of the cipher is among the bytes.
fn header(label: &Label, iterations: u32) -> String {
    let Label { database, backup, object } = label;
    format!(
        "postgres-backup aes-256-cbc hmac-sha-256 1\ndatabase {database}\nbackup {backup}\nobject {object}\n\
         iterations {iterations}\n\n"
    )
}

/// The MAC of an object that passes by.
pub(in crate::codec) struct Mac {
    context: hmac::Context,
    stored_bytes: u64,
}

impl Mac {
    pub(in crate::codec) fn update(&mut self, stored: &[u8]) {
        self.context.update(stored);
        self.stored_bytes += stored.len() as u64;
    }

    /// The MAC in lower-case hexadecimal, with the length behind the bytes.
    pub(in crate::codec) fn finish(mut self) -> String {
        self.context.update(format!("\nbytes {}\n", self.stored_bytes).as_bytes());
        hex::encode(self.context.sign())
    }

    /// # Errors
    /// If `expected` is not the MAC of what has passed.
    pub(in crate::codec) fn check(self, expected: Option<&str>) -> Result<(), MacError> {
        let expected = expected.ok_or(MacError::Missing)?;
        let found = self.finish();
        // Both sides through a hash of their own: how far they agree shows in no time that could be measured.
        let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        if digest(expected).as_ref() == digest(&found).as_ref() { Ok(()) } else { Err(MacError::Wrong) }
    }
}
