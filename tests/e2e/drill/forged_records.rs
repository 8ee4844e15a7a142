//! Records of drills that `verify` has not written.

use chrono::{TimeDelta, Utc};

use super::DrillStand;
use super::stand::DRILL_LIMIT;
use crate::daemon::Running;

/// Neither a record of now nor one of the year 2999 makes a page green or keeps a start from drilling.
#[test]
fn a_forged_record_makes_nothing_green_and_skips_no_drill() {
    let stand = DrillStand::small("zstd");
    let now = Utc::now().format("%Y%m%dT%H%M%SZ");
    let text = r#"{"verdict": "passed", "proven": true}"#;
    for name in [format!("drill-{now}-passed.json"), "drill-29990101T000000Z-passed.json".to_owned()] {
        stand.stand.s3.write(&stand.key(&name), text);
    }
    // What would pass is damaged: green could come from the records alone.
    let mut dump = stand.pristine(&stand.dump_key()).to_vec();
    let middle = dump.len() / 2;
    dump[middle] ^= 1;
    stand.stand.s3.write(&stand.dump_key(), dump);
    let daemon = Running::start(stand.verify().env("VERIFY_INTERVAL", "86400"));
    let status = daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object());
    assert_eq!(status["last_report"]["verdict"], "failed", "{status:#}");
    assert!(status["recorded_drill"].is_null() && status["last_passed_at"].is_null(), "{status:#}");
    assert_eq!(daemon.get("/health").0, 503);
}

/// A record of another backup, or of another time, is none.
#[test]
fn a_record_counts_at_its_own_place_only() {
    let stand = DrillStand::small("zstd");
    let attest = || stand.verify().env("VERIFY_ATTEST", "true").env("VERIFY_INTERVAL", "86400");
    stand.drill_with(attest()).assert_verdict("passed", 0);
    let record = |text: &str| {
        let keys = stand.stand.s3.objects().into_keys();
        keys.filter(|key| key.contains("/drill-") && key.contains(text)).collect::<Vec<_>>()
    };
    let [own] = record("-passed.json").try_into().expect("one record");
    let text = stand.stand.s3.read(&own);
    stand.stand.s3.delete(&own);
    let later = (Utc::now() + TimeDelta::minutes(1)).format("%Y%m%dT%H%M%SZ");
    stand.stand.s3.write(&stand.key(&format!("drill-{later}-passed.json")), &text);
    let daemon = Running::start(attest());
    let status = daemon.wait_for(DRILL_LIMIT, |status| status["last_report"].is_object());
    assert_eq!(status["last_report"]["verdict"], "passed", "it drilled: {status:#}");
    assert!(status["recorded_drill"].is_null(), "{status:#}");
}
