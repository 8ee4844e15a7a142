//! Records of drills that their writer knows again. Anyone who can write to the bucket can write a record; only
//! `verify` has the key of its MAC, which is derived from its own credential of the bucket.

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

use crate::secret::Secret;
use crate::storage::ObjectKey;

/// What the key is derived for, so that it is no key for anything else.
const PURPOSE: &[u8] = b"record of a drill, written by verify";

/// The last field of a record, up to its value.
const FIELD: &str = ",\n  \"record_hmac_sha256\": \"";

/// What stands after the value.
const END: &str = "\"\n}";

/// What stands in the place of the MAC while it is computed.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Writes and recognises records of drills.
pub struct RecordKey(Key);

impl RecordKey {
    /// The key of the holder of `credential`. With another one, earlier records are no longer known.
    pub fn of(credential: &Secret) -> Self {
        let key = sign(&Key::new(HMAC_SHA256, credential.expose().as_bytes()), PURPOSE);
        Self(Key::new(HMAC_SHA256, key.as_ref()))
    }

    /// The text of the record at `key`: `report`, a JSON object of several lines, with its MAC as the last field.
    pub fn seal(&self, key: &ObjectKey, report: &str) -> String {
        let report = report.trim_end().strip_suffix('}').unwrap_or(report).trim_end();
        let unsealed = format!("{report}{FIELD}{ZEROS}{END}");
        let mac = hex::encode(sign(&self.0, &message(key, &unsealed)));
        format!("{report}{FIELD}{mac}{END}")
    }

    /// Whether `text` is what was written with this key to `key`.
    pub fn knows(&self, key: &ObjectKey, text: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let Some((report, mac)) = text.strip_suffix(END).and_then(|text| text.rsplit_once(FIELD)) else { return false };
        let Ok(mac) = hex::decode(mac) else { return false };
        verify(&self.0, &message(key, &format!("{report}{FIELD}{ZEROS}{END}")), &mac).is_ok()
    }
}

/// The place is part of it, so that a record of one backup is none of another, and none of another time or verdict.
fn message(key: &ObjectKey, unsealed: &str) -> Vec<u8> {
    [key.as_str().as_bytes(), b"\0", unsealed.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Prefix;

    #[test]
    fn a_record_is_known_at_its_place_with_its_key_and_as_it_was_written() {
        let prefix = Prefix::parse("p").unwrap();
        let (here, there) = (prefix.key("a/drill-1-passed.json"), prefix.key("b/drill-1-passed.json"));
        let key = RecordKey::of(&Secret::new("canary of a credential".to_owned()));
        let text = key.seal(&here, "{\n  \"verdict\": \"passed\"\n}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((json["verdict"].as_str(), text.contains("canary")), (Some("passed"), false));
        assert!(key.knows(&here, text.as_bytes()) && !key.knows(&there, text.as_bytes()));
        assert!(!RecordKey::of(&Secret::new("another".to_owned())).knows(&here, text.as_bytes()));
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            assert!(!key.knows(&here, &changed), "{place}");
            assert!(!key.knows(&here, &text.as_bytes()[..place]), "{place}");
        }
        assert!(!key.knows(&here, b"{}") && !key.knows(&here, b""));
    }
}
