//! One writer for every compression.
//!
//! zstd gets the stream in frames of [`FRAME_BYTES`], each compressed from one piece of memory: fed
//! in small pieces, it spends a third of its time on a window that is split in two. Frames follow
//! each other in the object, as RFC 8878 allows, and `zstd -d` reads them as one stream.
//!
//! `pg_dump` writes bytea as hexadecimal text, in which short matches are everywhere and worth
//! nothing. At zstd's fast levels, a longest "shortest match" halves the time for them and makes the
//! result smaller; docs/decisions has the figures.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use zstd::zstd_safe::CParameter;

use super::{Compression, part::PartWriter};

/// Plain bytes of one zstd frame: twice the window of the fast levels, so that what a new frame
/// forgets costs nothing that could be measured.
const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Levels up to this one search fast; the higher ones were asked for to search long.
const LAST_FAST_LEVEL: i32 = 4;

/// The largest that zstd takes (`ZSTD_MINMATCH_MAX`).
const SHORTEST_MATCH_BYTES: u32 = 7;

pub(super) enum Compressor {
    None(PartWriter),
    Gzip(GzEncoder<PartWriter>),
    Zstd(FrameWriter),
}

impl Compressor {
    pub(super) fn new(compression: Compression, parts: PartWriter) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(parts),
            Compression::Gzip { level } => Self::Gzip(GzEncoder::new(parts, flate2::Compression::new(level))),
            Compression::Zstd { level } => Self::Zstd(FrameWriter::new(level, parts)?),
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

/// Collects plain bytes and writes them as one zstd frame after the other.
pub(super) struct FrameWriter {
    compressor: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    frame: Vec<u8>,
    frames: u64,
    parts: PartWriter,
}

impl FrameWriter {
    fn new(level: i32, parts: PartWriter) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        // So that `zstd -d` by hand notices damage, too.
        compressor.include_checksum(true)?;
        if level <= LAST_FAST_LEVEL {
            compressor.set_parameter(CParameter::MinMatch(SHORTEST_MATCH_BYTES))?;
        }
        Ok(Self { compressor, plain: Vec::new(), frame: Vec::new(), frames: 0, parts })
    }

    fn write_all(&mut self, mut plain: &[u8]) -> io::Result<()> {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(FRAME_BYTES - self.plain.len()));
            self.plain.extend_from_slice(now);
            if self.plain.len() == FRAME_BYTES {
                self.write_frame()?;
            }
            plain = later;
        }
        Ok(())
    }

    fn write_frame(&mut self) -> io::Result<()> {
        self.frame.clear();
        self.frame.reserve_exact(zstd::zstd_safe::compress_bound(self.plain.len()));
        self.compressor.compress_to_buffer(&self.plain, &mut self.frame)?;
        self.plain.clear();
        self.frames += 1;
        self.parts.write_all(&self.frame)
    }

    /// The last frame; an empty stream is one empty frame, since no bytes at all are no zstd stream.
    fn finish(mut self) -> io::Result<PartWriter> {
        if !self.plain.is_empty() || self.frames == 0 {
            self.write_frame()?;
        }
        Ok(self.parts)
    }
}
