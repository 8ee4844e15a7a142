//! A few bytes there and back, before the first dump depends on it.

use std::io::Cursor;

use anyhow::{Context, ensure};

use super::{Encryption, Keyring, Label, Required};
use crate::codec::{Codec, Compression, Decoding, decode_reader, encode};
use crate::private::PrivateDir;

const PROBE: &[u8] = b"probe of the encryption\n";

/// What a probe has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Encrypted and decrypted again; by these key ids.
    RoundTrip(Vec<String>),
    /// Encrypted for these key ids, whose private keys are elsewhere, as they should be.
    OneWay(Vec<String>),
}

/// Encrypts, and decrypts if the key is here; `None` without encryption.
///
/// # Errors
/// If a backup with this encryption could not be made or, as far as is known here, not be read.
pub async fn probe(encryption: &Encryption) -> anyhow::Result<Option<Probe>> {
    let label = Label { database: "probe".to_owned(), backup: "probe".to_owned(), object: "probe".to_owned() };
    let codec = Codec { compression: Compression::None, encryption: encryption.clone() };
    let decoding = Decoding::from(&codec);
    let known = encryption.clone();
    // Beside the encryption: deriving keys takes most of the time.
    let key_ids = tokio::task::spawn_blocking(move || known.key_ids());
    let mut stored = encode(Cursor::new(PROBE), codec, &label, 1024 * 1024, std::sync::Arc::default());
    let mut bytes = Vec::new();
    while let Some(part) = stored.next_part().await {
        bytes.extend_from_slice(&part);
    }
    let digests = stored.finish().await.context("encrypt a probe")?;
    let key_ids = key_ids.await.context("compute key ids")?;
    match encryption {
        Encryption::None => return Ok(None),
        Encryption::Age(_) => {
            ensure!(bytes.starts_with(b"age-encryption.org/v1\n"), "what was encrypted is not an age file");
            return Ok(Some(Probe::OneWay(key_ids)));
        }
        Encryption::Aes256Cbc(passphrase) => {
            let keyring = Keyring { passphrases: vec![passphrase.clone()], ..Keyring::default() };
            let folder = PrivateDir::create().context("make a private folder")?;
            let required = Required { decoding, key_ids: &key_ids, iterations: encryption.iterations() };
            let opening = keyring.opening(required, &label, folder.path()).context("decrypt the probe")?;
            let mut plain = decode_reader(Cursor::new(bytes), opening, &digests);
            let mut found = Vec::new();
            while let Some(chunk) = plain.next_chunk().await {
                found.extend_from_slice(&chunk);
            }
            plain.finish().await.context("decrypt the probe")?;
            ensure!(found == PROBE, "the probe came back changed");
        }
    }
    Ok(Some(Probe::RoundTrip(key_ids)))
}
