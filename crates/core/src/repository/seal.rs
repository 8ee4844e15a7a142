//! The manifest's digest of itself. Every other object has its digest in the manifest; without one of its
//! own, a flipped bit in the manifest could go unseen.
//!
//! The last field, `manifest_sha256`, is the SHA-256 of the whole file with [`UNSEALED`] in the field's place. It
//! guards against damage, not against a person who may write into the bucket. A signature does: `signature`, before
//! the digest, is that of the whole file with [`UNSIGNED`] in its place and [`UNSEALED`] in the digest's.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Manifest;
use super::signing::{SignatureError, Signers, SigningKey};

/// What stands in the place of the digest while it is computed.
pub const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands in the place of a signature while it is computed.
const UNSIGNED: &str = "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize)]
struct Sealed<'manifest> {
    #[serde(flatten)]
    manifest: &'manifest Manifest,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
    manifest_sha256: &'static str,
}

#[derive(Deserialize)]
struct Seal {
    signature: Option<String>,
    manifest_sha256: String,
}

/// The text of `manifest.json`, signed if there is a key.
///
/// # Errors
/// If a value cannot be written as JSON.
pub(super) fn write(manifest: &Manifest, signing_key: Option<&SigningKey>) -> serde_json::Result<String> {
    let signed_by = signing_key.map(SigningKey::key_id);
    let signature = signing_key.map(|_| UNSIGNED);
    let message = serde_json::to_string_pretty(&Sealed { manifest, signed_by, signature, manifest_sha256: UNSEALED })?;
    let text = match (signing_key, message.rsplit_once(UNSIGNED)) {
        (Some(key), Some((head, tail))) => format!("{head}{}{tail}", key.sign(message.as_bytes())),
        _ => message,
    };
    Ok(seal(&text))
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
    let Ok(Seal { manifest_sha256, .. }) = serde_json::from_str(text) else { return false };
    match text.rsplit_once(manifest_sha256.as_str()) {
        Some((head, tail)) if manifest_sha256.len() == UNSEALED.len() => {
            hex::encode(Sha256::digest(format!("{head}{UNSEALED}{tail}"))) == manifest_sha256
        }
        _ => false,
    }
}

/// Whether `text`, which is intact, was signed by one of `signers`.
///
/// # Errors
/// [`SignatureError`].
pub(super) fn check_signature(text: &[u8], signers: &Signers) -> Result<(), SignatureError> {
    let text = std::str::from_utf8(text).map_err(|_| SignatureError::Missing)?;
    let Seal { signature, manifest_sha256 } = serde_json::from_str(text).map_err(|_| SignatureError::Missing)?;
    let signature = signature.ok_or(SignatureError::Missing)?;
    let without = |text: String, value: &str, placeholder: &str| match text.rsplit_once(value) {
        Some((head, tail)) => format!("{head}{placeholder}{tail}"),
        None => text,
    };
    let unsealed = without(text.to_owned(), &manifest_sha256, UNSEALED);
    signers.check(without(unsealed, &signature, UNSIGNED).as_bytes(), Some(&signature))
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
