//! One writer for every compression.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use super::{Compression, part::PartWriter};

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
