//! The step between compression and the bucket. docs/format.md has both layouts byte for byte, docs/decisions/0014
//! says why they are what they are.
//!
//! `age` files authenticate each chunk of 64 KiB, so they are decrypted as they arrive. AES-256-CBC authenticates
//! nothing: its objects are stored with a MAC over all of them, and a reader holds that against the whole object
//! before it decrypts the first block.

mod cbc;
mod keyring;
mod passphrase;
mod probe;
mod recipients;
mod sealer;
mod wipe;

use std::fmt;

pub use keyring::{KeyError, Keyring, Opening, Required, Unauthenticated, Unlock};
pub use passphrase::{ITERATIONS, MAX_ITERATIONS, Passphrase, PassphraseError};
pub use probe::{Probe, probe};
pub use recipients::{AgeError, Identities, Recipients, generate as generate_age_pair};

pub(super) use cbc::CbcReader;
pub(super) use passphrase::Mac;
pub use passphrase::MacError;
pub(super) use sealer::Sealer;
pub(super) use wipe::on_wiped_stack;

/// What encrypts. The keys for the way back are a [`Keyring`].
#[derive(Debug, Clone)]
pub enum Encryption {
    /// Bytes as they are; the store may encrypt on its side.
    None,
    /// AES-256-CBC as `openssl enc` writes it, with a MAC in the manifest.
    Aes256Cbc(Passphrase),
    /// The age format, for these public keys.
    Age(Recipients),
}

/// The name of an encryption, which is all that a manifest and a suffix tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// Bytes as they are.
    None,
    /// See [`Encryption::Aes256Cbc`].
    Aes256Cbc,
    /// See [`Encryption::Age`].
    Age,
}

/// What an object is bound to, beside its bytes. A MAC covers it, so that the same ciphertext in another place is
/// refused. None of it holds a line break.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// The folder of the database, which is its encoded name.
    pub database: String,
    /// The id of the backup.
    pub backup: String,
    /// The object's name beside the manifest, which tells its role, compression and encryption.
    pub object: String,
}

impl Encryption {
    /// Which one it is.
    pub fn cipher(&self) -> Cipher {
        match self {
            Self::None => Cipher::None,
            Self::Aes256Cbc(_) => Cipher::Aes256Cbc,
            Self::Age(_) => Cipher::Age,
        }
    }

    /// The fingerprints of the keys that can decrypt. The first call for a passphrase takes a fraction of a second.
    pub fn key_ids(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Aes256Cbc(passphrase) => vec![passphrase.key_id()],
            Self::Age(recipients) => recipients.key_ids().to_vec(),
        }
    }

    /// The iterations of PBKDF2, if there are any.
    pub fn iterations(&self) -> Option<u32> {
        matches!(self, Self::Aes256Cbc(_)).then_some(ITERATIONS)
    }
}

impl Cipher {
    /// The name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Age => "age",
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
