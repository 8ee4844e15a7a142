//! Records of drills: the one that was written is known, and nothing else is.

use backup_core::repository::{DrillRecord, RecordKey};
use backup_core::secret::Secret;
use backup_core::storage::Prefix;

use crate::run::{Target, words};

const REPORT: &str = "{\n  \"verdict\": \"passed\",\n  \"tables\": []\n}";

#[test]
fn only_the_record_that_was_written_is_known() {
    let key = RecordKey::of(&Secret::new("a credential of the bucket".to_owned()));
    let place = Prefix::parse("p").expect("a prefix").key("app/drill-20261122T040000Z-passed.json");
    let written = key.seal(&place, REPORT);
    assert!(key.knows(&place, written.as_bytes()));
    let words = words(&[
        "\"record_hmac_sha256\": \"",
        ",\n  \"record_hmac_sha256\": \"",
        "\"\n}",
        "}",
        "\n",
        "0000",
        "passed",
        "failed",
        "é",
        "{\n  \"verdict\": \"passed\"\n}",
    ]);
    let items = vec![written.clone().into_bytes(), REPORT.as_bytes().to_vec()];
    Target { name: "record", items, words, once: Vec::new(), bytes_per_byte: 16 }.fuzz(|bytes| {
        // Hexadecimal digits may be written in capitals.
        let is_written = bytes.eq_ignore_ascii_case(written.as_bytes());
        assert!(!key.knows(&place, bytes) || is_written);
        // Reading it ends, also if it is no record.
        DrillRecord::open(bytes).is_ok().then(|| assert!(bytes.starts_with(b"{")));
        let Ok(report) = std::str::from_utf8(bytes) else { return };
        let sealed = key.seal(&place, report);
        assert!(key.knows(&place, sealed.as_bytes()));
        assert!(!key.knows(&Prefix::parse("q").expect("a prefix").key("x"), sealed.as_bytes()));
    });
}
