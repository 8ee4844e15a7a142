//! Alarms of drills and of what a listing shows: each is raised by its cause and ends with it.

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::process::wait_until;
use e2e::proxy::Operation;
use e2e::receiver::Receiver;
use serde_json::Value;

use super::DrillStand;
use super::stand::DRILL_LIMIT;
use crate::clock::{Clock, Steady};
use crate::daemon::alarms::{Watched, has, has_not};
use crate::daemon::poll::codes;
use crate::daemon::{Running, SOON, Script};
use crate::notify::{address, bodies, types};

/// What was never proven, is proven, and is proven too long ago.
#[test]
fn proofs_that_are_missing_or_too_old_are_alarms_until_a_drill_passes() {
    let test = "drill::alarms::proofs_that_are_missing_or_too_old_are_alarms_until_a_drill_passes";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Stays, 1) else { return };
    let stand = DrillStand::small("zstd");
    let script = Script::of(
        "pg_restore",
        r#"[ -e "$D/mended" ] || { : > "$D/held"; while [ -d "$D" ] && ! [ -e "$D/go" ]; do sleep 0.05; done; exit 1; }
           exec "$REAL" "$@""#,
    );
    let run = script.on(stand.verify()).env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_INTERVAL", "86400");
    let run = run.envs([("VERIFY_ATTEST", "true"), ("VERIFY_MAX_AGE", "120"), ("VERIFY_MIN_INTERVAL", "0")]);
    let verify = Watched::start("verify", &stand.stand, clock.on(run));
    let of_severity = |severity: &'static str| {
        move |status: &Value| {
            let alarms = status["alarms"].as_array().unwrap();
            alarms.iter().any(|alarm| alarm["code"] == "never_passed" && alarm["severity"] == severity)
        }
    };
    script.wait_for("held");
    verify.daemon.wait_for(SOON, of_severity("warning"));
    script.give("go");
    verify.daemon.wait_for(DRILL_LIMIT, of_severity("critical"));
    verify.wait_for_onset(SOON, "never_passed");
    script.give("mended");
    stand.copy_as(-TimeDelta::minutes(1));
    stand.remove_original();
    verify.wait_for_end(DRILL_LIMIT, "never_passed");
    verify.daemon.wait_for(DRILL_LIMIT, |status| codes(status).is_empty());

    clock.step(TimeDelta::seconds(200));
    let status = verify.wait_for_onset(SOON, "stale");
    assert!(status["alarms"].to_string().contains("the last passed drill is"), "{status:#}");
    stand.copy_as(-TimeDelta::minutes(2));
    verify.wait_for_end(DRILL_LIMIT, "stale");
}

/// Nothing that this service writes itself, and no run that fails, is a first backup; and a restart ends no alarm.
#[test]
fn a_first_backup_that_does_not_come_is_an_alarm_until_it_is_there_and_so_is_a_last_one_that_is_gone() {
    let drills = DrillStand::small("zstd");
    let stand = &drills.stand;
    stand.s3.objects().into_keys().for_each(|key| stand.s3.delete(&key));
    let failed = format!("{}-backup-failed-auth", BackupId::new(Utc::now() - TimeDelta::minutes(2)));
    stand.s3.write(&format!("postgres-backups/{}/events/{failed}", stand.database.name), "");
    let run = |max_age| {
        let run = drills.verify().env("VERIFY_SOURCE_DATABASE", &stand.database.name).env("BACKUP_MAX_AGE", max_age);
        run.env("VERIFY_ATTEST", "true").env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_INTERVAL", "86400")
    };
    let looks = |number| {
        let listed = || stand.proxy.requests_of(Operation::ListObjectsV2).len();
        let before = listed();
        assert!(wait_until(SOON, || listed() >= before + number));
    };
    let verify = Watched::start("verify", stand, run("60"));
    let status = verify.wait_for_onset(SOON, "backup_silent");
    assert!(status["alarms"].to_string().contains("backup has tried and failed (auth)"), "{status:#}");
    verify.wait_for_messages("backup_silent", &["firing"]);
    looks(4);
    assert_eq!(codes(&verify.daemon.status()), ["backup_silent"]);
    let log = verify.daemon.process.stderr_so_far();
    assert!(!log.contains("the first backup is there"), "{log}");

    let verify = verify.again(run("3600"));
    verify.daemon.wait_for(SOON, |status| codes(status) == ["backup_silent"]);
    looks(4);
    assert_eq!(codes(&verify.daemon.status()), ["backup_silent"]);
    verify.wait_for_messages("backup_silent", &["firing"]);
    stand.run_ok();
    verify.wait_for_end(DRILL_LIMIT, "backup_silent");
    verify.wait_for_messages("backup_silent", &["firing", "resolved"]);
    verify
        .daemon
        .wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed" && codes(status).is_empty());

    let all = stand.s3.objects().into_keys().map(|key| (stand.s3.read(&key), key)).collect::<Vec<_>>();
    all.iter().for_each(|(_, key)| stand.s3.delete(key));
    let status = verify.wait_for_onset(SOON, "backup_silent");
    assert!(status["alarms"].to_string().contains("there is no full backup any more"), "{status:#}");
    all.into_iter().for_each(|(content, key)| stand.s3.write(&key, content));
    verify.daemon.wait_for(SOON, |status| codes(status).is_empty());
}

#[test]
fn a_clock_that_the_store_does_not_believe_is_the_reason_that_is_told() {
    let test = "drill::alarms::a_clock_that_the_store_does_not_believe_is_the_reason_that_is_told";
    let Some(clock) = Clock::at(test, Utc::now(), Steady::Stays, 1) else { return };
    let stand = DrillStand::small("zstd");
    clock.step(-TimeDelta::minutes(20));
    let daemon = Running::start(clock.on(stand.verify().env("VERIFY_INTERVAL", "86400")));
    let status = daemon.wait_for(SOON, has("bucket_unseen"));
    let words = status["alarms"].to_string();
    assert!(words.contains("RequestTimeTooSkewed") && words.contains("s behind the store's"), "{words}");
    clock.step(TimeDelta::minutes(20));
    daemon.wait_for(DRILL_LIMIT, |status| codes(status).is_empty());
}

#[test]
fn drills_that_do_not_pass_any_more_are_an_alarm_until_one_does() {
    let stand = DrillStand::small("zstd");
    let passed_at = Utc::now() - TimeDelta::days(9);
    let record = stand.key(&format!("drill-{}-passed.json", passed_at.format("%Y%m%dT%H%M%SZ")));
    stand.stand.s3.write(&record, "{}");
    stand.stand.s3.set_modified(&record, passed_at.into());
    let run = stand.stand.backup().env("BACKUP_INTERVAL", "86400").env("BUCKET_POLL_INTERVAL", "5");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, has("never_proven"));
    let output = stand.verify().env("VERIFY_ATTEST", "true").args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    daemon.wait_for(SOON, |status| codes(status).is_empty());
}

#[test]
fn runs_without_a_manifest_and_manifests_without_data_are_alarms_until_they_are_gone() {
    let stand = DrillStand::of("CREATE TABLE t AS SELECT 1 AS id", &[("BACKUP_TIMEOUT", "60")]);
    let dump = |id: &str| stand.stand.key(id, &format!("{}.dump.zst", stand.stand.database.name));
    let older = stand.copy_as(TimeDelta::minutes(30));
    stand.copy_as(TimeDelta::minutes(60));
    let daemon = Running::start(stand.verify().env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_INTERVAL", "86400"));
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed");
    for file in stand.stand.objects().into_keys().filter(|key| key.contains(&stand.id)) {
        stand.stand.s3.delete(&file);
    }
    // An older one is young enough, but something else than retention deletes here.
    let status = daemon.wait_for(SOON, has("data_lost"));
    assert!(status["alarms"].to_string().contains(&stand.id), "{status:#}");
    let died = BackupId::new(Utc::now() - TimeDelta::minutes(10)).to_string();
    stand.stand.s3.write(&dump(&died), "x");
    daemon.wait_for(SOON, has("newest_incomplete"));
    stand.stand.s3.delete(&dump(&died));
    daemon.wait_for(SOON, has_not("newest_incomplete"));
    stand.stand.s3.delete(&dump(&older));
    let others = "; 1 other backup has lost its data";
    daemon.wait_for(SOON, |status| status["alarms"].to_string().contains(others));
    stand.stand.s3.delete(&stand.stand.key(&older, "manifest.json"));
    stand.copy_as(TimeDelta::zero());
    daemon.wait_for(SOON, has_not("data_lost"));
}

/// The more is deleted, the less a listing shows: what an earlier process has told holds until there is a newer backup.
#[test]
fn a_database_of_which_every_backup_was_deleted_stays_an_alarm_after_a_restart() {
    let (stand, receiver) = (DrillStand::small("zstd"), Receiver::start());
    let run = || {
        let run = stand.verify().env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_INTERVAL", "86400");
        run.env("VERIFY_ATTEST", "true").env("WEBHOOK_URL", address("json", &receiver))
    };
    let mut daemon = Running::start(run());
    daemon.wait_for(DRILL_LIMIT, |status| status["last_report"]["verdict"] == "passed");
    let all = stand.stand.objects().into_keys().filter(|key| !key.contains("/events/"));
    all.for_each(|key| stand.stand.s3.delete(&key));
    daemon.wait_for(SOON, has("data_lost"));
    assert!(wait_until(SOON, || types(&receiver) == ["alarm.raised"]), "{:?}", types(&receiver));
    let told = bodies(&receiver).remove(0);
    assert_eq!(told["data"]["backup_id"], stand.id.as_str(), "{told:#}");
    assert!(told["data"]["text"].as_str().unwrap().contains(&format!("\nBackup: {}\n", stand.id)), "{told:#}");
    let is_noted = || stand.stand.events().iter().any(|name| name.contains("told-verify"));
    assert!(wait_until(SOON, is_noted), "{:?}", stand.stand.events());
    daemon.process.kill9();
    let daemon = Running::start(run());
    let status = daemon.wait_for(DRILL_LIMIT, |status| has("data_lost")(status) && has("drill_failed")(status));
    assert_eq!(daemon.get("/health").0, 503, "{status:#}");
    assert!(types(&receiver).iter().all(|kind| kind != "alarm.resolved"), "{:?}", types(&receiver));
}

/// Anyone who can write to the bucket can make an empty object of any name.
#[test]
fn the_name_of_an_object_ends_no_alarm_of_a_drill_that_could_not_run() {
    let stand = DrillStand::small("zstd");
    let run = || {
        let run = stand.verify().env("VERIFY_DATABASE_URL", "postgresql://drill:x@127.0.0.1:1/postgres");
        run.env("VERIFY_ATTEST", "true").env("VERIFY_INTERVAL", "86400").env("RETRY_ATTEMPTS", "1")
    };
    let noted = |part: &str| stand.stand.events().into_iter().find(|name| name.contains(part));
    let mut daemon = Running::start(run());
    daemon.wait_for(DRILL_LIMIT, has("could_not_run"));
    assert!(wait_until(SOON, || noted("alarm-verify-could_not_run-raised").is_some()), "{:?}", stand.stand.events());
    daemon.process.kill9();
    let name =
        format!("{}-aaaaaaaaaaaaaaaa-drill-passed", (Utc::now() + TimeDelta::seconds(2)).format("%Y%m%dT%H%M%SZ"));
    let known = stand.stand.s3.objects().into_keys().find(|key| key.contains("/events/")).unwrap();
    stand.stand.s3.write(&format!("{}/{name}", known.rsplit_once('/').unwrap().0), "");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let daemon = Running::start(run());
    daemon.wait_for(DRILL_LIMIT, |status| has("could_not_run")(status) && status["state"] == "waiting");
    assert_eq!(noted("could_not_run-resolved"), None, "{:?}", stand.stand.events());
}

#[test]
fn a_restore_that_takes_longer_than_it_may_is_an_alarm_until_one_does_not() {
    let stand = DrillStand::small("zstd");
    let script = Script::of("pg_restore", r#"[ -e "$D/slept" ] || { : > "$D/slept"; sleep 26; }; exec "$REAL" "$@""#);
    let verify = script.on(stand.verify()).env("VERIFY_MAX_RECOVERY_TIME", "25").env("VERIFY_INTERVAL", "10");
    let daemon = Running::start(verify);
    let status = daemon.wait_for(DRILL_LIMIT, has("slow_recovery"));
    assert_eq!(status["last_report"]["verdict"], "passed", "{status:#}");
    daemon.wait_for(DRILL_LIMIT, has_not("slow_recovery"));
}

#[test]
fn a_drill_that_will_not_fit_is_an_alarm_until_a_backup_fits() {
    let stand = DrillStand::small("zstd");
    stand.copy_with(TimeDelta::minutes(-1), |manifest| manifest["database"]["size_bytes"] = (1_u64 << 40).into());
    let verify = stand.verify().env("BUCKET_POLL_INTERVAL", "5").env("VERIFY_INTERVAL", "86400");
    let daemon = Running::start(verify.env("VERIFY_MIN_INTERVAL", "0"));
    let status = daemon.wait_for(SOON, has("spool_small"));
    assert!(status["alarms"].to_string().contains("bytes free, and the next drill needs"), "{status:#}");
    stand.copy_with(TimeDelta::minutes(-2), |_| ());
    daemon.wait_for(DRILL_LIMIT, has_not("spool_small"));
    daemon.wait_for(DRILL_LIMIT, |status| codes(status).is_empty());
}
