//! Why stored bytes did not become what was dumped.

use std::fmt;
use std::io;

use super::encryption::MacError;

/// An error of any kind.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the stored bytes ended early, as their reader tells it.
#[derive(Debug)]
pub enum SourceError {
    /// The object is missing or not the one that was stored.
    Damaged(BoxError),
    /// It could not be read, which says nothing about the object.
    Failed(BoxError),
}

/// One end of the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What lies in the bucket.
    Stored,
    /// What `pg_dump` wrote.
    Plain,
}

/// Why an object did not become the bytes that were dumped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The object is missing or not the one that was stored.
    #[error("download")]
    Lost(#[source] BoxError),
    /// The object cannot be read.
    #[error("download")]
    Download(#[source] BoxError),
    /// There are fewer or more bytes than the manifest says.
    #[error("{found} {side} bytes in place of {expected}")]
    Size {
        /// Of which bytes.
        side: Side,
        /// What the manifest says.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// More plain bytes come than the manifest says; how many is not known.
    #[error("more than {0} plain bytes")]
    TooLong(u64),
    /// The bytes are as many as the manifest says, and other ones.
    #[error("the SHA-256 of the {side} bytes is {found} in place of {expected}")]
    Digest {
        /// Of which bytes.
        side: Side,
        /// What the manifest says.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The stored bytes are what the manifest says, as far as is known, and do not decompress.
    #[error("decompress")]
    Decompress(#[source] io::Error),
    /// The stored bytes are what the manifest says, as far as is known, and do not decrypt.
    #[error("decrypt: {0}")]
    Decrypt(String),
    /// They are not what was encrypted, or not for this place. Not one of them was decrypted.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// Encrypted bytes could not be kept until their MAC was checked.
    #[error("keep the encrypted bytes in {0}")]
    Keep(std::path::PathBuf, #[source] io::Error),
    /// A part of this program ended before its work did.
    #[error("a step of the decoder ended early")]
    Ended,
}

impl From<SourceError> for DecodeError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Damaged(error) => Self::Lost(error),
            SourceError::Failed(error) => Self::Download(error),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stored => "stored",
            Self::Plain => "plain",
        })
    }
}

impl DecodeError {
    /// Whether the backup is damaged. Otherwise nothing is known about it: the store or the network
    /// failed, or this program did.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Size { .. } | Self::TooLong(_) | Self::Digest { .. } => true,
            Self::Decompress(_) | Self::Decrypt(_) | Self::Mac(_) => true,
            Self::Download(_) | Self::Keep(..) | Self::Ended => false,
        }
    }
}

pub(super) fn check_size(side: Side, expected: u64, found: u64) -> Result<(), DecodeError> {
    if found == expected { Ok(()) } else { Err(DecodeError::Size { side, expected, found }) }
}

pub(super) fn check_digest(side: Side, expected: &str, found: String) -> Result<(), DecodeError> {
    if found == expected {
        return Ok(());
    }
    Err(DecodeError::Digest { side, expected: expected.to_owned(), found })
}
