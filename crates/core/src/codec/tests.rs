use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::encryption::Label;
use super::*;
use crate::stored::Digests;

mod damage;

const CODECS: [Compression; 3] = [Compression::None, Compression::Gzip { level: 6 }, Compression::Zstd { level: 3 }];

async fn encode_all(plain: Vec<u8>, compression: Compression, part_bytes: usize) -> (Vec<usize>, Vec<u8>, Digests) {
    let codec = Codec { compression, encryption: Encryption::None };
    let mut stored = encode(io::Cursor::new(plain), codec, &Label::default(), part_bytes, Default::default());
    let (mut sizes, mut bytes) = (Vec::new(), Vec::new());
    while let Some(part) = stored.next_part().await {
        sizes.push(part.len());
        bytes.extend_from_slice(&part);
    }
    (sizes, bytes, stored.finish().await.unwrap())
}

/// By the libraries alone, without our decoder.
fn decompress(stored: &[u8], compression: Compression) -> Vec<u8> {
    let mut plain = Vec::new();
    match compression {
        Compression::None => plain.extend_from_slice(stored),
        Compression::Gzip { .. } => {
            io::Read::read_to_end(&mut flate2::read::GzDecoder::new(stored), &mut plain).unwrap();
        }
        Compression::Zstd { .. } => plain = zstd::decode_all(stored).unwrap(),
    }
    plain
}

#[tokio::test]
async fn every_size_comes_back_bit_exact_in_equal_parts_r035() {
    const PART: usize = 64 * 1024;
    for compression in CODECS {
        for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 1_000_003] {
            let plain: Vec<u8> = (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let (sizes, bytes, digests) = encode_all(plain.clone(), compression, PART).await;
            assert_eq!(decompress(&bytes, compression), plain, "{compression} {size}");
            assert!(sizes.iter().rev().skip(1).all(|part| *part == PART), "{compression} {size}: {sizes:?}");
            assert_eq!((digests.plain_bytes, digests.stored_bytes), (size as u64, bytes.len() as u64));
            use sha2::{Digest, Sha256};
            assert_eq!(digests.plain_sha256, hex::encode(Sha256::digest(&plain)));
            assert_eq!(digests.stored_sha256, hex::encode(Sha256::digest(&bytes)));
        }
    }
}

/// Gives `left` bytes, then an error.
struct FailsLate {
    left: usize,
}

impl AsyncRead for FailsLate {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.left.min(buffer.remaining());
        buffer.put_slice(&vec![7; count]);
        self.left -= count;
        Poll::Ready(if count == 0 { Err(io::Error::other("pg_dump failed: its own words")) } else { Ok(()) })
    }
}

#[tokio::test]
async fn a_source_that_fails_late_never_finishes_and_keeps_its_own_words() {
    for compression in CODECS {
        let codec = Codec { compression, encryption: Encryption::None };
        let mut stored = encode(FailsLate { left: 1_000_000 }, codec, &Label::default(), 64 * 1024, Default::default());
        while stored.next_part().await.is_some() {}
        assert_eq!(stored.finish().await.unwrap_err().to_string(), "pg_dump failed: its own words");
    }
}

#[tokio::test]
async fn a_failing_source_is_noticed_while_nobody_takes_parts() {
    let codec = Codec { compression: Compression::None, encryption: Encryption::None };
    // Fits into the channels, so that the error is reached although no part is ever taken.
    let stored = encode(FailsLate { left: 1_000_000 }, codec, &Label::default(), 64 << 20, Default::default());
    tokio::time::timeout(std::time::Duration::from_secs(5), stored.broken()).await.unwrap();
}
