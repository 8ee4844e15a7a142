//! Plain bytes (what `pg_dump` writes) to stored bytes (what lies in the bucket), with digests of
//! both. Compression and hashing run on blocking threads and overlap with the network.
//!
//! ```text
//! Plain reader -> feed (async) -+-> digest thread -> plain digest
//!                               +-> compress -> encrypt -> part -> digest -> parts, in order, all equal but the last
//! ```
//!
//! And back, refusing everything that is not exactly what was written:
//!
//! ```text
//! download (async) -> digest -> decrypt -> decompress -+-> digest thread -> plain digest
//!                                                      +-> plain chunks, in order
//! ```

mod compress;
mod decode;
mod decompress;
mod encode;
pub mod encryption;
mod error;
mod part;
mod source;

use std::fmt;

use encryption::{Cipher, Encryption};

pub use decode::{Decoded, Plain, decode, decode_reader};
pub use encode::encode;
pub use error::{DecodeError, Side, SourceError};
pub use source::StoredChunk;

/// How plain bytes become stored bytes. Suffixes tell a person how to go back by hand.
#[derive(Debug, Clone)]
pub struct Codec {
    /// The first step.
    pub compression: Compression,
    /// The second step.
    pub encryption: Encryption,
}

/// The compression of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Bytes as they are.
    None,
    /// RFC 1952, levels 1 to 9.
    Gzip {
        /// 1 (fast) to 9 (small).
        level: u32,
    },
    /// RFC 8878 with the content checksum, levels 1 to 19.
    Zstd {
        /// 1 (fast) to 19 (small).
        level: i32,
    },
}

/// How stored bytes become plain bytes: a [`Codec`] without what only a writer needs, the level and the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoding {
    /// The second step.
    pub decompression: Decompression,
    /// The first step.
    pub encryption: Cipher,
}

/// See [`Compression`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decompression {
    /// Bytes as they are.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// A name in a manifest that its format does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {step} {name:?}")]
pub struct UnknownCodec {
    step: &'static str,
    name: String,
}

impl Codec {
    /// The end of an object's name: `.zst`, `.gz` or nothing, then `.age`, `.enc` or nothing.
    pub fn suffix(&self) -> &'static str {
        Decoding::from(self).suffix()
    }

    /// Every suffix that an object may carry, for the grammar of keys.
    pub const SUFFIXES: [&'static str; 9] =
        ["", ".gz", ".zst", ".age", ".gz.age", ".zst.age", ".enc", ".gz.enc", ".zst.enc"];
}

impl Decoding {
    /// Reads the names that a manifest has for both steps.
    ///
    /// # Errors
    /// If the format has none of that name.
    pub fn from_names(compression: &str, encryption: &str) -> Result<Self, UnknownCodec> {
        let decompression = match compression {
            "none" => Decompression::None,
            "gzip" => Decompression::Gzip,
            "zstd" => Decompression::Zstd,
            name => return Err(UnknownCodec::new("compression", name)),
        };
        let encryption = match encryption {
            "none" => Cipher::None,
            "aes-256-cbc" => Cipher::Aes256Cbc,
            "age" => Cipher::Age,
            name => return Err(UnknownCodec::new("encryption", name)),
        };
        Ok(Self { decompression, encryption })
    }

    /// See [`Codec::suffix`].
    pub fn suffix(self) -> &'static str {
        match (self.decompression, self.encryption) {
            (Decompression::None, Cipher::None) => "",
            (Decompression::Gzip, Cipher::None) => ".gz",
            (Decompression::Zstd, Cipher::None) => ".zst",
            (Decompression::None, Cipher::Age) => ".age",
            (Decompression::Gzip, Cipher::Age) => ".gz.age",
            (Decompression::Zstd, Cipher::Age) => ".zst.age",
            (Decompression::None, Cipher::Aes256Cbc) => ".enc",
            (Decompression::Gzip, Cipher::Aes256Cbc) => ".gz.enc",
            (Decompression::Zstd, Cipher::Aes256Cbc) => ".zst.enc",
        }
    }
}

impl From<&Codec> for Decoding {
    fn from(codec: &Codec) -> Self {
        let decompression = match codec.compression {
            Compression::None => Decompression::None,
            Compression::Gzip { .. } => Decompression::Gzip,
            Compression::Zstd { .. } => Decompression::Zstd,
        };
        Self { decompression, encryption: codec.encryption.cipher() }
    }
}

impl UnknownCodec {
    /// The name is foreign text: what is shown of it is short.
    fn new(step: &'static str, name: &str) -> Self {
        Self { step, name: name.chars().take(40).collect() }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Gzip { level } => write!(formatter, "gzip level {level}"),
            Self::Zstd { level } => write!(formatter, "zstd level {level}"),
        }
    }
}

#[cfg(test)]
mod tests;
