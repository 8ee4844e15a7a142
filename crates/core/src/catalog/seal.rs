//! The manifest's digest of itself. Every other object has its digest in the manifest; without one of its
//! own, a flipped bit in the manifest could go unseen.
//!
//! The last field, `manifest_sha256`, is the SHA-256 of the whole file with [`UNSEALED`] in the field's place. It
//! guards against damage, not against a person who may write into the bucket.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Manifest;

/// What stands in the place of the digest while it is computed.
pub const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize)]
struct Sealed<'manifest> {
    #[serde(flatten)]
    manifest: &'manifest Manifest,
    manifest_sha256: &'static str,
}

#[derive(Deserialize)]
struct Seal {
    manifest_sha256: String,
}

/// The text of `manifest.json`.
///
/// # Errors
/// Where a value cannot be written as JSON.
pub(super) fn write(manifest: &Manifest) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Sealed { manifest, manifest_sha256: UNSEALED }).map(|text| seal(&text))
}

/// Puts the digest in the place of the last [`UNSEALED`] in `text`.
pub fn seal(text: &str) -> String {
    match text.rsplit_once(UNSEALED) {
        Some((head, tail)) => format!("{head}{}{tail}", hex::encode(Sha256::digest(text))),
        None => text.to_owned(),
    }
}

/// Whether `text` is exactly what was sealed.
pub(super) fn is_intact(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let Ok(Seal { manifest_sha256 }) = serde_json::from_str(text) else { return false };
    match text.rsplit_once(manifest_sha256.as_str()) {
        Some((head, tail)) if manifest_sha256.len() == UNSEALED.len() => {
            hex::encode(Sha256::digest(format!("{head}{UNSEALED}{tail}"))) == manifest_sha256
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_sealed_text_shows_r021() {
        let sealed =
            seal(&format!("{{\n  \"format\": 1,\n  \"notes\": [],\n  \"manifest_sha256\": \"{UNSEALED}\"\n}}"));
        assert!(is_intact(sealed.as_bytes()));
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_intact(&damaged), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(!is_intact(&sealed.as_bytes()[..length]), "{length} bytes");
        }
        assert!(!is_intact(format!("{sealed}\n").as_bytes()));
    }
}
