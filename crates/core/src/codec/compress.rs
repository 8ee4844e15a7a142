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
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::write::GzEncoder;
use zstd::zstd_safe::{CParameter, Strategy};

use super::{Compression, encryption::Sealer, part::PartWriter};

/// Plain bytes of one zstd frame: twice the window of the fast levels, so that what a new frame
/// forgets costs nothing that could be measured.
pub(super) const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Frames compressed at once. A dump has stretches that PostgreSQL writes faster than one thread
/// compresses; a second one keeps up with them, and more would only take cores from the database.
const WORKERS: usize = 2;

/// Frames begun and not written yet: beside the one that it compresses, each worker has its next one, so that it
/// does not wait for the writer.
const FRAMES_AT_ONCE: usize = 2 * WORKERS;

/// Levels up to this one search fast; the higher ones were asked for to search long.
const LAST_FAST_LEVEL: i32 = 4;

/// Of the table of matches, as a power of two: 128 KiB stay in the processor's cache beside the bytes. The 17 of
/// level 3 takes a fifth more time, and finds 0 to 3 % more.
const FAST_HASH_LOG: u32 = 15;

/// The largest that zstd takes (`ZSTD_MINMATCH_MAX`).
const MIN_MATCH_BYTES: u32 = 7;

/// What compressed bytes go through on their way into parts.
type Below = Sealer<PartWriter>;

pub(super) enum Compressor {
    None(Below),
    Gzip(GzEncoder<Below>),
    Zstd(FrameWriter),
}

impl Compressor {
    pub(super) fn new(compression: Compression, below: Below) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(below),
            Compression::Gzip { level } => Self::Gzip(GzEncoder::new(below, flate2::Compression::new(level))),
            Compression::Zstd { level } => Self::Zstd(FrameWriter::new(level, below)?),
        })
    }

    /// Takes the next plain bytes, at most [`FRAME_BYTES`] of them.
    pub(super) fn write(&mut self, plain: Vec<u8>) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.write_all(&plain),
            Self::Gzip(writer) => writer.write_all(&plain),
            Self::Zstd(writer) => writer.begin_frame(plain),
        }
    }

    /// Writes the end of the compressed stream and gives back what is below.
    pub(super) fn finish(self) -> io::Result<Below> {
        match self {
            Self::None(writer) => Ok(writer),
            Self::Gzip(writer) => writer.finish(),
            Self::Zstd(writer) => writer.finish(),
        }
    }
}

/// Writes plain bytes as one zstd frame after the other. Frames do not depend on each other, so [`WORKERS`] of them
/// are compressed at once; they are written in order.
pub(super) struct FrameWriter {
    workers: Vec<Worker>,
    frames_begun: usize,
    frames_written: usize,
    below: Below,
}

impl FrameWriter {
    fn new(level: i32, below: Below) -> io::Result<Self> {
        let workers = (0..WORKERS).map(|_| Worker::start(level)).collect::<io::Result<_>>()?;
        Ok(Self { workers, frames_begun: 0, frames_written: 0, below })
    }

    /// Hands the bytes to the worker whose turn it is, once its first frame is written if it has two.
    fn begin_frame(&mut self, plain: Vec<u8>) -> io::Result<()> {
        if self.frames_begun - self.frames_written == FRAMES_AT_ONCE {
            self.write_frame()?;
        }
        let worker = &self.workers[self.frames_begun % WORKERS];
        worker.plain.send(plain).map_err(|_| worker_ended())?;
        self.frames_begun += 1;
        Ok(())
    }

    /// Waits for the oldest frame and writes it.
    fn write_frame(&mut self) -> io::Result<()> {
        let worker = &self.workers[self.frames_written % WORKERS];
        let frame = worker.frames.recv().map_err(|_| worker_ended())??;
        self.frames_written += 1;
        self.below.write_all(&frame)
    }

    /// The last frames; an empty stream is one empty frame, since no bytes at all are no zstd stream.
    fn finish(mut self) -> io::Result<Below> {
        if self.frames_begun == 0 {
            self.begin_frame(Vec::new())?;
        }
        while self.frames_written < self.frames_begun {
            self.write_frame()?;
        }
        Ok(self.below)
    }
}

/// A thread that turns plain bytes into frames, one after the other. It ends when its input does.
struct Worker {
    plain: SyncSender<Vec<u8>>,
    frames: Receiver<io::Result<Vec<u8>>>,
}

impl Worker {
    fn start(level: i32) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        // So that `zstd -d` by hand notices damage, too.
        compressor.include_checksum(true)?;
        if level <= LAST_FAST_LEVEL {
            compressor.set_parameter(CParameter::Strategy(Strategy::ZSTD_fast))?;
            compressor.set_parameter(CParameter::MinMatch(MIN_MATCH_BYTES))?;
            compressor.set_parameter(CParameter::HashLog(FAST_HASH_LOG))?;
        }
        let (plain, input) = sync_channel::<Vec<u8>>(1);
        let (output, frames) = sync_channel(1);
        std::thread::Builder::new().name("compress".to_owned()).spawn(move || {
            for plain in input {
                if output.send(compressor.compress(&plain)).is_err() {
                    return; // The frames are no longer wanted.
                }
            }
        })?;
        Ok(Self { plain, frames })
    }
}

fn worker_ended() -> io::Error {
    io::Error::other("a thread of the compressor ended early")
}
