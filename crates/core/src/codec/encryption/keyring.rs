//! What a reader holds: every key that some backup in the repository may need.

use std::path::{Path, PathBuf};

use super::{Cipher, Identities, Label, MAX_ITERATIONS, Passphrase};
use crate::codec::{Decoding, Decompression};

/// Of what a manifest says, so many ids are shown.
const MAX_SHOWN: usize = 10;

/// Keys of all kinds, old and new.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    /// For `aes-256-cbc`.
    pub passphrases: Vec<Passphrase>,
    /// For `age`.
    pub identities: Identities,
    /// What becomes of objects whose MAC is missing or wrong.
    pub unauthenticated: Unauthenticated,
}

impl Keyring {
    /// Whether any key was given.
    pub fn has_keys(&self) -> bool {
        !self.passphrases.is_empty() || !self.identities.is_empty()
    }
}

/// What becomes of objects of `aes-256-cbc` whose MAC is missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unauthenticated {
    /// They are refused before a byte is decrypted.
    #[default]
    Refused,
    /// The operator has asked for them: they are decrypted, and the reader is told.
    Allowed,
}

/// How the stored bytes of one object become plain again, with the key for it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The second step.
    pub decompression: Decompression,
    /// The first step.
    pub unlock: Unlock,
}

/// See [`Keyring::opening`].
#[derive(Debug, Clone)]
pub enum Unlock {
    /// The bytes are not encrypted.
    None,
    /// One of these keys fits.
    Age(Identities),
    /// The MAC of all bytes comes first, so they are kept in a nameless file in `folder` meanwhile.
    Aes256Cbc {
        /// The key.
        passphrase: Passphrase,
        /// Of PBKDF2.
        iterations: u32,
        /// What the MAC covers beside the bytes.
        label: Label,
        /// A private folder.
        folder: PathBuf,
        /// What becomes of bytes that the MAC does not cover.
        unauthenticated: Unauthenticated,
    },
}

/// What a manifest says about the way back.
#[derive(Debug, Clone, Copy)]
pub struct Required<'manifest> {
    /// The names of both steps.
    pub decoding: Decoding,
    /// The keys that can decrypt.
    pub key_ids: &'manifest [String],
    /// Of PBKDF2; `None` if the manifest does not say.
    pub iterations: Option<u32>,
}

/// Why an object cannot be opened with these keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key of the ring is one that the backup names.
    #[error("no key fits: the backup wants {wanted}, and given are {given}")]
    NoKey {
        /// The ids in the manifest.
        wanted: String,
        /// The ids of the ring.
        given: String,
    },
    /// A number whose only purpose is to make this program compute forever.
    #[error("the manifest asks for {0} iterations of PBKDF2; from 1 to {MAX_ITERATIONS} are taken")]
    Iterations(u32),
}

impl Opening {
    /// Of an object that is not encrypted.
    pub fn plain(decompression: Decompression) -> Self {
        Self { decompression, unlock: Unlock::None }
    }
}

impl Keyring {
    /// The key for the object of `label`, whose manifest says what is `required`.
    ///
    /// Blocks: a passphrase is derived when it is first needed, which takes a fraction of a second.
    ///
    /// # Errors
    /// If no key fits, or the manifest asks for more work than is sane.
    pub fn opening(&self, required: Required<'_>, label: &Label, folder: &Path) -> Result<Opening, KeyError> {
        let Required { decoding, key_ids: wanted, iterations } = required;
        let unlock = match decoding.encryption {
            Cipher::None => Unlock::None,
            Cipher::Age if self.identities.key_ids().iter().any(|id| wanted.contains(id)) => {
                Unlock::Age(self.identities.clone())
            }
            Cipher::Age => return Err(self.no_key(wanted)),
            Cipher::Aes256Cbc => {
                let iterations = iterations.unwrap_or_default();
                if !(1..=MAX_ITERATIONS).contains(&iterations) {
                    return Err(KeyError::Iterations(iterations));
                }
                let fits = |passphrase: &&Passphrase| wanted.contains(&passphrase.key_id());
                let passphrase = self.passphrases.iter().find(fits).ok_or_else(|| self.no_key(wanted))?.clone();
                Unlock::Aes256Cbc {
                    passphrase,
                    iterations,
                    label: label.clone(),
                    folder: folder.to_owned(),
                    unauthenticated: self.unauthenticated,
                }
            }
        };
        Ok(Opening { decompression: decoding.decompression, unlock })
    }

    /// The fingerprints of all keys. Blocks as [`Keyring::opening`] does.
    pub fn key_ids(&self) -> Vec<String> {
        let passphrases = self.passphrases.iter().map(Passphrase::key_id);
        passphrases.chain(self.identities.key_ids().iter().cloned()).collect()
    }

    fn no_key(&self, wanted: &[String]) -> KeyError {
        KeyError::NoKey { wanted: shown(wanted), given: shown(&self.key_ids()) }
    }
}

/// Ids of a manifest are foreign text: what does not look like one is not shown.
fn shown(ids: &[String]) -> String {
    let is_id =
        |id: &&String| id.len() <= 40 && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let ids: Vec<&str> = ids.iter().filter(is_id).take(MAX_SHOWN).map(String::as_str).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}
