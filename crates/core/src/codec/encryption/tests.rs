//! There and back, and everything that must not come back.

use std::collections::HashSet;
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::cbc::{CbcWriter, random_salt};
use super::*;
use crate::codec::{Codec, Compression, DecodeError, Decoding, Decompression, decode_reader, encode};
use crate::secret::Secret;
use crate::stored::Digests;

mod hostile;
mod keys;

const COMPRESSIONS: [Compression; 3] =
    [Compression::None, Compression::Gzip { level: 1 }, Compression::Zstd { level: 1 }];

/// Plain bytes of one chunk of an age file.
const AGE_CHUNK: usize = 64 * 1024;

/// An encryption, and every key for the way back.
struct Pair {
    encryption: Encryption,
    keyring: Keyring,
}

fn passphrase(word: &str) -> Passphrase {
    Passphrase::new(Secret::new(format!("{word}-0123456789-0123456789-0123456789"))).unwrap()
}

fn cbc() -> Pair {
    let passphrase = passphrase("first");
    let keyring = Keyring { passphrases: vec![passphrase.clone()], ..Keyring::default() };
    Pair { encryption: Encryption::Aes256Cbc(passphrase), keyring }
}

fn age() -> Pair {
    let (private, public) = generate_age_pair();
    let keyring = Keyring { identities: Identities::parse(&private).unwrap(), ..Keyring::default() };
    Pair { encryption: Encryption::Age(Recipients::parse(&public).unwrap()), keyring }
}

fn label(object: &str) -> Label {
    Label { database: "app".to_owned(), backup: "20261122T030000Z-x".to_owned(), object: object.to_owned() }
}

/// Bytes that do not repeat and hardly compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(next).flat_map(u64::to_le_bytes).take(bytes).collect()
}

impl Pair {
    async fn encode(&self, plain: &[u8], compression: Compression, label: &Label) -> (Vec<u8>, Digests) {
        let codec = Codec { compression, encryption: self.encryption.clone() };
        let mut stored = encode(Cursor::new(plain.to_vec()), codec, label, 1 << 20, Default::default());
        let mut bytes = Vec::new();
        while let Some(part) = stored.next_part().await {
            bytes.extend_from_slice(&part);
        }
        (bytes, stored.finish().await.unwrap())
    }

    fn opening(&self, compression: Compression, label: &Label) -> Opening {
        let decoding = Decoding::from(&Codec { compression, encryption: self.encryption.clone() });
        let (key_ids, iterations) = (self.encryption.key_ids(), self.encryption.iterations());
        let required = Required { decoding, key_ids: &key_ids, iterations };
        self.keyring.opening(required, label, &std::env::temp_dir()).unwrap()
    }
}

/// All plain bytes that were let out, and the verdict.
async fn decode(stored: &[u8], opening: Opening, digests: &Digests) -> (Vec<u8>, Result<(), DecodeError>) {
    let mut plain = decode_reader(Cursor::new(stored.to_vec()), opening, digests);
    let mut let_out = Vec::new();
    while let Some(chunk) = plain.next_chunk().await {
        let_out.extend_from_slice(&chunk);
    }
    (let_out, plain.finish().await.map(drop))
}

/// The digests of a manifest whose writer has stored these bytes and knows no better.
fn believing(stored: &[u8], digests: &Digests) -> Digests {
    let stored_sha256 = hex::encode(Sha256::digest(stored));
    Digests { stored_bytes: stored.len() as u64, stored_sha256, ..digests.clone() }
}

#[tokio::test]
async fn every_size_comes_back_bit_exact_r035() {
    let plain = noise(3 * AGE_CHUNK + 1);
    for pair in [cbc(), age()] {
        for compression in COMPRESSIONS {
            for bytes in [0, 1, 15, 16, 17, AGE_CHUNK - 1, AGE_CHUNK, AGE_CHUNK + 1, 3 * AGE_CHUNK, plain.len()] {
                let plain = &plain[..bytes];
                let (stored, digests) = pair.encode(plain, compression, &label("a")).await;
                assert_eq!(digests, believing(&stored, &digests));
                let (let_out, verdict) = decode(&stored, pair.opening(compression, &label("a")), &digests).await;
                verdict.unwrap();
                assert!(let_out == plain, "{} {compression} {bytes}", pair.encryption.cipher());
            }
        }
    }
}

#[tokio::test]
async fn only_a_cipher_that_authenticates_nothing_has_a_mac_in_the_manifest() {
    let of = async |pair: Pair| pair.encode(b"x", Compression::None, &label("a")).await.1.stored_hmac_sha256;
    assert_eq!(of(cbc()).await.map(|mac| mac.len()), Some(64));
    assert_eq!(of(age()).await, None);
}

#[tokio::test]
async fn encrypted_bytes_that_wait_for_their_mac_have_no_name_r085() {
    let pair = cbc();
    let plain = noise(100_000);
    let (stored, digests) = pair.encode(&plain, Compression::None, &label("a")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut opening = pair.opening(Compression::None, &label("a"));
    let Unlock::Aes256Cbc { folder: kept_in, .. } = &mut opening.unlock else { panic!("no CBC") };
    *kept_in = folder.path().to_owned();
    let mut plain = decode_reader(Cursor::new(stored.clone()), opening.clone(), &digests);
    plain.next_chunk().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    while plain.next_chunk().await.is_some() {}
    plain.finish().await.unwrap();
    drop(folder);
    let error = decode(&stored, opening, &digests).await.1.unwrap_err();
    assert!(matches!(error, DecodeError::Keep(..)) && !error.is_damage(), "{error}");
}

/// R077, for what our own code draws: the salt decides on key and IV of an object.
#[test]
fn a_hundred_thousand_salts_do_not_repeat_r077() {
    let pair = cbc();
    let Encryption::Aes256Cbc(passphrase) = &pair.encryption else { panic!("no CBC") };
    let salt_of = || {
        let writer = CbcWriter::new(passphrase, &label("a"), Vec::new()).unwrap();
        writer.finish().unwrap().0[8..16].to_vec()
    };
    let salts: HashSet<Vec<u8>> = (0..100_000).map(|_| salt_of()).collect();
    assert_eq!(salts.len(), 100_000);
    let key_of = |salt: &Vec<u8>| passphrase.cipher_key(&salt.as_slice().try_into().unwrap(), 1).to_vec();
    let keys: HashSet<Vec<u8>> = salts.iter().take(1000).map(key_of).collect();
    assert_eq!(keys.len(), 1000);
}

/// R077: the payload key of an age file follows from its file key and nonce, and each file has an ephemeral share.
#[test]
fn shares_and_nonces_of_age_files_do_not_repeat_r077() {
    let pair = age();
    let Encryption::Age(recipients) = &pair.encryption else { panic!("no age") };
    let (mut shares, mut nonces) = (HashSet::new(), HashSet::new());
    for _ in 0..1000 {
        let file = recipients.encrypt(Vec::new()).unwrap().finish().unwrap();
        let text = String::from_utf8_lossy(&file).into_owned();
        shares.insert(text.lines().find(|line| line.starts_with("-> X25519 ")).unwrap().to_owned());
        // Behind it are the 16 bytes of the tag of an empty chunk.
        nonces.insert(file[file.len() - 32..file.len() - 16].to_vec());
    }
    assert_eq!((shares.len(), nonces.len()), (1000, 1000));
}

#[test]
fn without_random_bytes_nothing_is_encrypted_r077() {
    let error = random_salt(|_| Err(std::io::Error::other("no random bytes"))).unwrap_err();
    assert_eq!(error.to_string(), "no random bytes");
}

#[tokio::test]
async fn a_probe_comes_back_where_the_key_is_here_r039() {
    let ids = |pair: &Pair| pair.encryption.key_ids();
    let (cbc, age) = (cbc(), age());
    assert_eq!(probe(&cbc.encryption).await.unwrap(), Some(Probe::RoundTrip(ids(&cbc))));
    assert_eq!(probe(&age.encryption).await.unwrap(), Some(Probe::OneWay(ids(&age))));
    assert_eq!(probe(&Encryption::None).await.unwrap(), None);
}
