//! Objects that were made or changed by a writer to the bucket. The digests in the manifest always agree:
//! what refuses them is the encryption alone.

use super::*;

/// Where the payload of an age file begins.
fn payload(stored: &[u8]) -> usize {
    let last = stored.windows(5).position(|window| window == b"\n--- ").unwrap();
    last + 1 + stored[last + 1..].iter().position(|byte| *byte == b'\n').unwrap() + 1
}

/// Refused, by the encryption, after at most `most_bytes` of the true plain bytes were let out.
#[track_caller]
fn assert_refused(name: &str, plain: &[u8], most_bytes: usize, outcome: &(Vec<u8>, Result<(), DecodeError>)) {
    let (let_out, verdict) = outcome;
    let error = verdict.as_ref().expect_err(name);
    assert!(matches!(error, DecodeError::Decrypt(_) | DecodeError::Mac(_)), "{name}: {error}");
    assert!(error.is_damage(), "{name}: {error}");
    assert!(let_out.len() <= most_bytes && plain.starts_with(let_out), "{name}: {} bytes let out", let_out.len());
}

/// R076: the chunks of age are 64 KiB of plain bytes and a tag. Nothing from the first bad one on is let out.
#[tokio::test]
async fn chunks_of_age_that_were_moved_are_refused_r076() {
    const STORED: usize = AGE_CHUNK + 16;
    let pair = age();
    let plain = noise(4 * AGE_CHUNK + 1000);
    let (stored, digests) = pair.encode(&plain, Compression::None, &label("a")).await;
    let (other, _) = pair.encode(&plain, Compression::None, &label("b")).await;
    let (head, nonce) = (payload(&stored), 16);
    let chunk = |of: &[u8], number: usize| {
        let start = payload(of) + nonce + number * STORED;
        of[start..of.len().min(start + STORED)].to_vec()
    };
    let build = |chunks: &[Vec<u8>]| [&stored[..head + nonce], &chunks.concat()].concat();
    let all: Vec<Vec<u8>> = (0..5).map(|number| chunk(&stored, number)).collect();
    assert_eq!(build(&all), stored);
    let foreign = chunk(&other, 2);
    let cases = [
        ("swapped", build(&[&all[..1], &[all[2].clone(), all[1].clone()], &all[3..]].concat()), 1),
        ("duplicated", build(&[&all[..2], &all[1..]].concat()), 2),
        ("removed", build(&[&all[..2], &all[3..]].concat()), 2),
        ("the last one cut", stored[..stored.len() - 1].to_vec(), 4),
        ("cut at a boundary", build(&all[..4]), 3),
        ("cut to the header", stored[..head + nonce].to_vec(), 0),
        ("bytes appended", [stored.as_slice(), b"x"].concat(), 4),
        ("itself appended", [stored.as_slice(), &stored].concat(), 4),
        ("another backup's chunk", build(&[&all[..2], &[foreign], &all[3..]].concat()), 2),
        ("another backup's header", [&other[..payload(&other)], &stored[head..]].concat(), 0),
        ("another nonce", [&stored[..head], &[0; 16], &stored[head + nonce..]].concat(), 0),
    ];
    for (name, damaged, good_chunks) in cases {
        let opening = pair.opening(Compression::None, &label("a"));
        let outcome = decode(&damaged, opening, &believing(&damaged, &digests)).await;
        assert_refused(name, &plain, good_chunks * AGE_CHUNK, &outcome);
    }
}

/// R076, R022: after any change to an object with a MAC, not one byte is let out.
#[tokio::test]
async fn changed_objects_with_a_mac_are_refused_before_a_byte_is_decrypted_r076() {
    let pair = cbc();
    let plain = noise(200_000);
    let (stored, digests) = pair.encode(&plain, Compression::None, &label("a")).await;
    let (other, other_digests) = pair.encode(&plain, Compression::None, &label("b")).await;
    let swapped = [&stored[..16], &stored[32..48], &stored[16..32], &stored[48..]].concat();
    let cases = [
        ("another salt", [b"Salted__", &other[8..16], &stored[16..]].concat()),
        ("no head", stored[16..].to_vec()),
        ("blocks swapped", swapped),
        ("a block duplicated", [&stored[..32], &stored[16..]].concat()),
        ("a block removed", [&stored[..32], &stored[48..]].concat()),
        ("cut by a byte", stored[..stored.len() - 1].to_vec()),
        ("cut by a block", stored[..stored.len() - 16].to_vec()),
        ("nothing left", Vec::new()),
        ("a byte appended", [stored.as_slice(), b"x"].concat()),
        ("itself appended", [stored.as_slice(), &stored].concat()),
        ("another object's blocks", [&stored[..4096], &other[4096..]].concat()),
        ("another object", other.clone()),
    ];
    for (name, damaged) in cases {
        let opening = pair.opening(Compression::None, &label("a"));
        let outcome = decode(&damaged, opening, &believing(&damaged, &digests)).await;
        assert_refused(name, &plain, 0, &outcome);
    }
    // With its own MAC and digests, under the other's label.
    for elsewhere in [
        label("b.other"),
        Label { backup: "20261123T030000Z-x".to_owned(), ..label("b") },
        Label { database: "app_staging".to_owned(), ..label("b") },
        Label { database: "app\nbackup 2".to_owned(), ..label("b") },
    ] {
        let outcome = decode(&other, pair.opening(Compression::None, &elsewhere), &other_digests).await;
        assert_refused("another label", &plain, 0, &outcome);
    }
    decode(&other, pair.opening(Compression::None, &label("b")), &other_digests).await.1.unwrap();
}

#[tokio::test]
async fn a_missing_or_wrong_mac_is_refused_r080() {
    let pair = cbc();
    let (stored, digests) = pair.encode(b"plain", Compression::None, &label("a")).await;
    for (mac, expected) in [
        (None, MacError::Missing),
        (Some(String::new()), MacError::Wrong),
        (Some("0".repeat(64)), MacError::Wrong),
        (digests.stored_hmac_sha256.clone().map(|mac| mac.to_uppercase()), MacError::Wrong),
        (digests.stored_hmac_sha256.clone().map(|mac| mac[..63].to_owned()), MacError::Wrong),
    ] {
        let digests = Digests { stored_hmac_sha256: mac, ..digests.clone() };
        let (let_out, verdict) = decode(&stored, pair.opening(Compression::None, &label("a")), &digests).await;
        assert!(matches!(verdict, Err(DecodeError::Mac(error)) if error == expected), "{expected}");
        assert!(let_out.is_empty());
    }
}

/// R021: single bits anywhere, under digests that agree.
#[tokio::test]
async fn one_flipped_bit_is_refused_by_the_encryption_alone_r021() {
    for pair in [cbc(), age()] {
        let plain = noise(2000);
        let (stored, digests) = pair.encode(&plain, Compression::Zstd { level: 1 }, &label("a")).await;
        for _ in 0..500 {
            let position = rand::random_range(0..stored.len());
            let mut damaged = stored.clone();
            damaged[position] ^= 1 << rand::random_range(0..8);
            let opening = pair.opening(Compression::Zstd { level: 1 }, &label("a"));
            let outcome = decode(&damaged, opening, &believing(&damaged, &digests)).await;
            assert_refused(&format!("byte {position}"), &plain, 0, &outcome);
        }
    }
}

/// R020, for encrypted objects against a manifest that is right, and against one that agrees.
#[tokio::test]
async fn cut_objects_are_refused_r020() {
    for pair in [cbc(), age()] {
        for compression in COMPRESSIONS {
            let plain = noise(300_000);
            let (stored, digests) = pair.encode(&plain, compression, &label("a")).await;
            for length in [0, 1, 16, 100, stored.len() / 2, stored.len() - 100, stored.len() - 16, stored.len() - 1] {
                let damaged = &stored[..length];
                let opening = || pair.opening(compression, &label("a"));
                let (_, verdict) = decode(damaged, opening(), &digests).await;
                assert!(matches!(verdict, Err(DecodeError::Size { .. })), "{length}: {verdict:?}");
                let outcome = decode(damaged, opening(), &believing(damaged, &digests)).await;
                assert_refused(&format!("{length} bytes"), &plain, 300_000, &outcome);
            }
        }
    }
}

/// R020: a header that ends early, at a line break above all.
#[tokio::test]
async fn a_header_of_age_that_is_cut_anywhere_is_refused_r020() {
    let pair = age();
    let (stored, digests) = pair.encode(b"plain", Compression::None, &label("a")).await;
    for length in 0..payload(&stored) {
        let opening = pair.opening(Compression::None, &label("a"));
        let outcome = decode(&stored[..length], opening, &believing(&stored[..length], &digests)).await;
        assert_refused(&format!("{length} bytes"), b"plain", 0, &outcome);
    }
}

/// R078. The times are generous: what is refused would take minutes, or never end.
#[tokio::test]
async fn work_that_a_stranger_asks_for_is_refused_at_once_r078() {
    let started = Instant::now();
    let (cbc, age) = (cbc(), age());
    let decoding = Decoding { decompression: Decompression::None, encryption: Cipher::Aes256Cbc };
    let key_ids = cbc.encryption.key_ids();
    for iterations in [0, MAX_ITERATIONS + 1, 1 << 31, u32::MAX] {
        let required = Required { decoding, key_ids: &key_ids, iterations: Some(iterations) };
        let refused = cbc.keyring.opening(required, &label("a"), &std::env::temp_dir()).unwrap_err();
        assert_eq!(refused, KeyError::Iterations(iterations));
    }
    let required = Required { decoding, key_ids: &key_ids, iterations: None };
    assert!(cbc.keyring.opening(required, &label("a"), &std::env::temp_dir()).is_err());
    let (_, digests) = age.encode(b"plain", Compression::None, &label("a")).await;
    let salt = "A".repeat(22);
    let body = "B".repeat(43);
    let scrypt =
        |work: u32| format!("age-encryption.org/v1\n-> scrypt {salt} {work}\n{body}\n--- {body}\n").into_bytes();
    let stanza = format!("-> X25519 {body}\n{body}\n");
    let endless = format!("age-encryption.org/v1\n{}", stanza.repeat(100_000)).into_bytes();
    // Lines that fill the bound for headers to its last byte.
    let to_the_bound = format!("age-encryption.org/v1\n{}", "-> x\n\n".repeat(10_000)).into_bytes();
    let one_line = [b"age-encryption.org/v1\n".as_slice(), &vec![b'x'; 10_000_000]].concat();
    for (name, mut stored) in [
        ("2^18", scrypt(18)),
        ("2^40", scrypt(40)),
        ("endless header", endless),
        ("endless short lines", to_the_bound),
        ("endless line", one_line),
    ] {
        stored.extend_from_slice(&[7; 100]);
        let opening = age.opening(Compression::None, &label("a"));
        let outcome = decode(&stored, opening, &believing(&stored, &digests)).await;
        assert_refused(name, b"plain", 0, &outcome);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
