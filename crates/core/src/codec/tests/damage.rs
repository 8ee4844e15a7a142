//! What a decoder must refuse, and what it says of it.

use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::*;
use crate::codec::encryption::Opening;

/// Stored bytes arrive in chunks that end nowhere in particular.
const CHUNK: usize = 10_007;

/// Decodes `chunks`; all plain bytes that were let out, and the verdict.
async fn decode_chunks(
    chunks: Vec<StoredChunk>,
    decompression: Decompression,
    expected: &Digests,
) -> (Vec<u8>, Result<Decoded, DecodeError>) {
    let (sender, receiver) = mpsc::channel(1);
    let pump = tokio::spawn(async move {
        for chunk in chunks {
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
        Duration::ZERO
    });
    let mut plain = Plain::start(pump, receiver, Opening::plain(decompression), expected);
    let mut bytes = Vec::new();
    while let Some(chunk) = plain.next_chunk().await {
        bytes.extend_from_slice(&chunk);
    }
    (bytes, plain.finish().await)
}

async fn decode_all(
    stored: &[u8],
    decompression: Decompression,
    expected: &Digests,
) -> (Vec<u8>, Result<Decoded, DecodeError>) {
    let chunks = stored.chunks(CHUNK).map(|chunk| Ok(Some(Bytes::copy_from_slice(chunk))));
    decode_chunks(chunks.chain([Ok(None)]).collect(), decompression, expected).await
}

/// About `bytes` bytes that compress to some two thirds.
fn plain_text(bytes: usize) -> Vec<u8> {
    let mut random = rand::rng();
    (0..bytes).map(|_| random.random_range(b'a'..=b't')).collect()
}

async fn encoded(plain: &[u8], compression: Compression) -> (Vec<u8>, Digests, Decompression) {
    let (_, stored, digests) = encode_all(plain.to_vec(), compression, 1 << 20).await;
    (stored, digests, Decoding::from(&Codec { compression, encryption: Encryption::None }).decompression)
}

/// The digests of a backup whose writer stored `stored` and believed that it was right.
fn believing(stored: &[u8], digests: &Digests) -> Digests {
    let stored_sha256 = hex::encode(Sha256::digest(stored));
    Digests { stored_bytes: stored.len() as u64, stored_sha256, ..digests.clone() }
}

#[tokio::test]
async fn every_size_comes_back_through_the_decoder_r035() {
    for compression in CODECS {
        for bytes in [0, 1, CHUNK, 1 << 20, (1 << 20) + 1, 9_000_000] {
            let plain = plain_text(bytes);
            let (stored, digests, decoding) = encoded(&plain, compression).await;
            let (decoded, verdict) = decode_all(&stored, decoding, &digests).await;
            verdict.unwrap();
            assert!(decoded == plain, "{compression} {bytes}");
        }
    }
}

/// R020: each way to cut or lengthen the object, first against the manifest as it was written, then
/// against one that was written for the damaged bytes.
#[tokio::test]
async fn cut_and_lengthened_objects_are_refused_r020() {
    for compression in CODECS {
        let plain = plain_text(300_000);
        let (stored, digests, decoding) = encoded(&plain, compression).await;
        let half = stored.len() / 2;
        let cut = |length: usize| stored[..length].to_vec();
        let longer = |tail: &[u8]| [&stored, tail].concat();
        for damaged in [
            cut(stored.len() - 1),
            cut(stored.len() - 100),
            cut(half),
            cut(1),
            cut(0),
            longer(&[0]),
            longer(b"trailing garbage"),
            longer(&[0; 5000]),
            longer(&stored),
        ] {
            let name = format!("{compression}, {} bytes in place of {}", damaged.len(), stored.len());
            let (_, verdict) = decode_all(&damaged, decoding, &digests).await;
            let error = verdict.expect_err(&name);
            let told = matches!(error, DecodeError::Size { side: Side::Stored, .. } | DecodeError::TooLong(_));
            assert!(told && error.is_damage(), "{name}: {error}");
            let (_, verdict) = decode_all(&damaged, decoding, &believing(&damaged, &digests)).await;
            let error = verdict.expect_err(&name);
            assert!(error.is_damage() && !error.to_string().contains("stored"), "{name}: {error}");
        }
    }
}

/// R021: one bit anywhere.
#[tokio::test]
async fn one_flipped_bit_is_refused_wherever_it_is_r021() {
    for compression in CODECS {
        let plain = plain_text(50_000);
        let (stored, digests, decoding) = encoded(&plain, compression).await;
        let mut random = rand::rng();
        for _ in 0..400 {
            let position = random.random_range(0..stored.len());
            let mut damaged = stored.clone();
            damaged[position] ^= 1 << random.random_range(0..8);
            let (_, verdict) = decode_all(&damaged, decoding, &digests).await;
            let error = verdict.expect_err("a flipped bit");
            // A flipped length may make a stream longer, which ends it at once.
            let told = matches!(error, DecodeError::Digest { side: Side::Stored, .. } | DecodeError::TooLong(_));
            assert!(told && error.is_damage(), "{compression} {position}: {error}");
        }
    }
}

#[tokio::test]
async fn the_error_names_the_side_that_differs() {
    let plain = plain_text(100_000);
    for compression in CODECS {
        let (stored, digests, decoding) = encoded(&plain, compression).await;
        let other = "0".repeat(64);
        for (expected, words) in [
            (Digests { stored_sha256: other.clone(), ..digests.clone() }, "the SHA-256 of the stored bytes is "),
            (Digests { plain_sha256: other.clone(), ..digests.clone() }, "the SHA-256 of the plain bytes is "),
            (Digests { plain_bytes: 100_001, ..digests.clone() }, "100000 plain bytes in place of 100001"),
            (Digests { plain_bytes: 99_999, ..digests.clone() }, "more than 99999 plain bytes"),
            (Digests { stored_bytes: 7, ..digests.clone() }, "stored bytes in place of 7"),
        ] {
            let (_, verdict) = decode_all(&stored, decoding, &expected).await;
            let error = verdict.unwrap_err();
            assert!(error.to_string().contains(words) && error.is_damage(), "{compression}: {error}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_would_decompress_for_ever_is_stopped_at_once() {
    for compression in [Compression::Gzip { level: 9 }, Compression::Zstd { level: 3 }] {
        let (stored, digests, decoding) = encoded(&vec![0; 20_000_000], compression).await;
        let expected = Digests { plain_bytes: 1000, ..digests };
        let (let_out, verdict) = decode_all(&stored, decoding, &expected).await;
        assert!(matches!(verdict, Err(DecodeError::TooLong(1000))), "{compression}");
        assert_eq!(let_out.len(), 0, "{compression}");
    }
}

#[tokio::test]
async fn a_frame_that_wants_a_huge_window_is_refused() {
    let plain = vec![0; 1000];
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    io::Write::write_all(&mut encoder, &plain).unwrap();
    let stored = encoder.finish().unwrap();
    let (_, digests, decoding) = encoded(&plain, Compression::Zstd { level: 1 }).await;
    let (_, verdict) = decode_all(&stored, decoding, &believing(&stored, &digests)).await;
    assert!(matches!(verdict, Err(DecodeError::Decompress(_))), "{verdict:?}");
}

#[tokio::test]
async fn what_the_network_does_is_not_called_damage() {
    for compression in CODECS {
        let (stored, digests, decoding) = encoded(&plain_text(100_000), compression).await;
        let begin = || vec![Ok(Some(Bytes::copy_from_slice(&stored[..stored.len() / 2])))];

        let mut chunks = begin();
        chunks.push(Err(SourceError::Failed("the connection was lost".into())));
        let error = decode_chunks(chunks, decoding, &digests).await.1.unwrap_err();
        assert!(matches!(error, DecodeError::Download(_)) && !error.is_damage(), "{compression}: {error}");

        let mut chunks = begin();
        chunks.push(Err(SourceError::Damaged("there is no such object".into())));
        let error = decode_chunks(chunks, decoding, &digests).await.1.unwrap_err();
        assert!(matches!(error, DecodeError::Lost(_)) && error.is_damage(), "{compression}: {error}");

        // Without its end, a stream that stops is an accident of ours.
        let error = decode_chunks(begin(), decoding, &digests).await.1.unwrap_err();
        assert!(matches!(error, DecodeError::Ended) && !error.is_damage(), "{compression}: {error}");
    }
}

#[test]
fn unknown_codecs_are_named_and_refused() {
    assert_eq!(Decoding::from_names("zstd", "none").unwrap().suffix(), ".zst");
    assert_eq!(Decoding::from_names("gzip", "none").unwrap().suffix(), ".gz");
    assert_eq!(Decoding::from_names("none", "none").unwrap().suffix(), "");
    assert_eq!(Decoding::from_names("zstd", "age").unwrap().suffix(), ".zst.age");
    assert_eq!(Decoding::from_names("gzip", "aes-256-cbc").unwrap().suffix(), ".gz.enc");
    assert_eq!(Decoding::from_names("zstd", "rot13").unwrap_err().to_string(), "no encryption \"rot13\"");
    assert!(Decoding::from_names(&"x".repeat(5000), "none").unwrap_err().to_string().len() < 200);
}
