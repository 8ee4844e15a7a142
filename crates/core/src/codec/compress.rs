//! One writer for every compression.
//!
//! `pg_dump` writes bytea as hexadecimal text, in which short matches are everywhere and worth
//! nothing. At zstd's fast levels, a longest "shortest match" halves the time for them and makes the
//! result smaller; docs/decisions has the figures. The stream stays one that any zstd decodes.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use zstd::zstd_safe::CParameter;

use super::{Compression, part::PartWriter};

/// Levels up to this one search fast; the higher ones were asked for to search long.
const LAST_FAST_LEVEL: i32 = 4;

/// The largest that zstd takes (`ZSTD_MINMATCH_MAX`).
const SHORTEST_MATCH_BYTES: u32 = 7;

pub(super) enum Compressor {
    None(PartWriter),
    Gzip(GzEncoder<PartWriter>),
    Zstd(zstd::stream::write::Encoder<'static, PartWriter>),
}

impl Compressor {
    pub(super) fn new(compression: Compression, parts: PartWriter) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(parts),
            Compression::Gzip { level } => Self::Gzip(GzEncoder::new(parts, flate2::Compression::new(level))),
            Compression::Zstd { level } => {
                let mut encoder = zstd::stream::write::Encoder::new(parts, level)?;
                // So that `zstd -d` by hand notices damage, too.
                encoder.include_checksum(true)?;
                if level <= LAST_FAST_LEVEL {
                    encoder.set_parameter(CParameter::MinMatch(SHORTEST_MATCH_BYTES))?;
                }
                Self::Zstd(encoder)
            }
        })
    }

    pub(super) fn write_all(&mut self, plain: &[u8]) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.write_all(plain),
            Self::Gzip(writer) => writer.write_all(plain),
            Self::Zstd(writer) => writer.write_all(plain),
        }
    }

    /// Writes the end of the compressed stream and gives the parts back.
    pub(super) fn finish(self) -> io::Result<PartWriter> {
        match self {
            Self::None(writer) => Ok(writer),
            Self::Gzip(writer) => writer.finish(),
            Self::Zstd(writer) => writer.finish(),
        }
    }
}
