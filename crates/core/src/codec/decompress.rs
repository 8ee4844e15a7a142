//! One reader for every compression.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use super::Decompression;

/// The largest window that a frame may ask for, as a power of two: 128 MiB, which is also where
/// `zstd -d` draws the line. Level 19 asks for 8 MiB.
const LARGEST_WINDOW_LOG: u32 = 27;

/// Plain bytes out of `stored`, which is read to its end: anything that follows the last frame or member
/// must be another one, so that nothing hides behind a stream.
pub(super) enum Decompressor<R: BufRead> {
    None(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
}

impl<R: BufRead> Decompressor<R> {
    pub(super) fn new(decompression: Decompression, stored: R) -> io::Result<Self> {
        Ok(match decompression {
            Decompression::None => Self::None(stored),
            Decompression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Decompression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(stored)?;
                decoder.window_log_max(LARGEST_WINDOW_LOG)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }
}

impl<R: BufRead> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(stored) => stored.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}
