use std::time::Duration;

use backup_core::repository::{Catalog, Drill};
use backup_core::stop::Stop;
use backup_daemon::notify::Safe;
use backup_drill::{BackupFacts, ChooseError, Promised, Report};

use super::*;
use crate::journal::PastDrills;

fn at(minutes: i64) -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

/// Started at minute 0; a drill may take 30 minutes, and its result grows old in 60.
fn state() -> DatabaseState<Facts> {
    let facts = Facts::new(Duration::from_secs(1800));
    DatabaseState::new("test".to_owned(), Duration::from_secs(3600), at(0), facts)
}

/// The sentences of all alarms.
fn words(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<String> {
    conditions(state, now).into_iter().map(|condition| condition.message).collect()
}

fn codes(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<(AlarmCode, Severity)> {
    conditions(state, now).into_iter().map(|condition| (condition.code, condition.severity)).collect()
}

fn report(verdict: Verdict, ended_at: DateTime<Utc>) -> Report {
    let error = ChooseError::Unclear("why".to_owned());
    Report { verdict, ended_at, ..Report::without_backup(ended_at, &error, &Stop::default()) }
}

#[test]
fn it_is_never_green_before_a_drill_has_passed_r107() {
    let mut state = state();
    let waiting = "no drill has ended since the start; the first one still has time";
    assert_eq!(words(&state, at(0)), [waiting]);
    assert_eq!(words(&state, at(30)), [waiting]);
    assert_eq!(words(&state, at(31)), ["no drill has passed yet"]);
    state.own.drilled(report(Verdict::Failed, at(5)));
    assert_eq!(words(&state, at(5)), ["the last drill failed: why", "no drill has passed yet"]);
    state.own.drilled(report(Verdict::Passed, at(6)));
    assert!(words(&state, at(6)).is_empty());
}

/// Two services that are deployed together: before the first backup there is nothing to be wrong, for a while.
#[test]
fn waiting_for_the_first_backup_is_red_only_when_that_is_late() {
    let mut state = state();
    state.own.first_backup_by = Some(at(60));
    assert_eq!(words(&state, at(60)), [] as [&str; 0]);
    assert_eq!(
        words(&state, at(61)),
        ["there is no backup, and the first one was due by 2026-11-22 13:00 UTC; nothing of backup in the bucket"]
    );
    state.own.first_backup_by = None;
    assert_eq!(words(&state, at(61)), ["no drill has passed yet"]);
    // The first drill has its time from the moment on at which the first backup can have come.
    state.own.first_drill_since = Some(at(60));
    assert_eq!(codes(&state, at(61)), [(AlarmCode::NeverPassed, Severity::Warning)]);
    assert_eq!(codes(&state, at(91)), [(AlarmCode::NeverPassed, Severity::Critical)]);
    // In the line of many databases it waits as long as a proof may be old, and has its time from then on.
    (state.awaits_turn, state.max_age_seconds) = (true, 2 * 3600);
    assert_eq!(codes(&state, at(180)), [(AlarmCode::NeverPassed, Severity::Warning)]);
    assert_eq!(codes(&state, at(181)), [(AlarmCode::NeverPassed, Severity::Critical)]);
    (state.awaits_turn, state.run_started_at) = (false, Some(at(170)));
    assert_eq!(codes(&state, at(200)), [(AlarmCode::NeverPassed, Severity::Warning)]);
    assert_eq!(codes(&state, at(201)), [(AlarmCode::NeverPassed, Severity::Critical)]);
}

#[test]
fn a_drill_that_did_not_pass_is_an_alarm_until_one_passes() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(1)));
    for (count, verdict, expected) in [
        (1, Verdict::Failed, "the last drill failed: why"),
        (2, Verdict::CouldNotRun, "the last drill could not run: why"),
        (3, Verdict::Stopped, "the last drill was stopped: why"),
        (4, Verdict::CouldNotRun, "the last drill could not run: why"),
    ] {
        state.own.drilled(report(verdict, at(2)));
        assert_eq!((words(&state, at(2)), state.own.consecutive_failures), (vec![expected.to_owned()], count));
    }
    state.own.drilled(report(Verdict::Passed, at(3)));
    assert_eq!((words(&state, at(3)).len(), state.own.consecutive_failures), (0, 0));
}

fn drill_of(id: &BackupId, verdict: Verdict, proven: Option<bool>, ended_at: DateTime<Utc>) -> Report {
    let backup = BackupFacts {
        id: id.clone(),
        manifest_sha256: String::new(),
        database: "app".to_owned(),
        kind: backup_core::repository::Kind::Full,
        snapshot_at: id.time(),
        server_version: String::new(),
        tool: String::new(),
        stored_bytes: 0,
        plain_bytes: 0,
    };
    Report { backup: Some(backup), proven, ..report(verdict, ended_at) }
}

/// That another backup comes back does not mend the one that is damaged.
#[test]
fn a_damaged_backup_is_an_alarm_until_it_passes_or_is_gone() {
    let (old, new) = (BackupId::new(at(-20)), BackupId::new(at(-10)));
    let mut state = state();
    state.own.drilled(drill_of(&old, Verdict::Failed, Some(false), at(1)));
    assert_eq!(words(&state, at(1))[0], "the last drill failed: why");
    state.own.drilled(drill_of(&new, Verdict::Passed, Some(true), at(2)));
    let damaged = format!("{old} has failed its last drill, and is still there");
    assert_eq!(words(&state, at(2)), [damaged.as_str()]);
    assert_eq!(codes(&state, at(2)), [(AlarmCode::DrillFailed, Severity::Critical)]);
    let mut gone = state.clone();
    gone.own.observe(&Catalog::default(), at(3));
    assert!(!codes(&gone, at(3)).contains(&(AlarmCode::DrillFailed, Severity::Critical)));
    state.own.drilled(drill_of(&new, Verdict::CouldNotRun, None, at(3)));
    assert_eq!(words(&state, at(3)), ["the last drill could not run: why", damaged.as_str()]);
    state.own.damaged.insert(new.clone());
    assert!(words(&state, at(3))[1].ends_with("still there; 1 other backup has failed its own"));
    state.own.drilled(drill_of(&new, Verdict::Passed, None, at(4)));
    assert_eq!(words(&state, at(4)), [damaged.as_str()]);
    // A drill that fails for another reason says nothing of the backup.
    state.own.drilled(drill_of(&new, Verdict::Failed, None, at(5)));
    state.own.drilled(drill_of(&old, Verdict::Passed, Some(true), at(6)));
    assert_eq!(words(&state, at(6)), [] as [&str; 0]);
}

#[test]
fn a_newest_backup_that_is_gone_is_told_before_older_ones_that_have_lost_their_data() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(0)));
    let [old, middle, new] = [-30, -20, -10].map(|minute| BackupId::new(at(minute)));
    state.own.lost = vec![old.clone()];
    assert_eq!(words(&state, at(1)), [format!("{old} has lost its data: its manifest is alone")]);
    state.own.lost = vec![middle.clone(), old.clone()];
    let lost = format!("{middle} has lost its data: its manifest is alone; 1 other backup has lost its data");
    assert_eq!(words(&state, at(1)), [lost.as_str()]);
    state.own.gone = Some(Gone::Seen(new.clone()));
    let gone = format!(
        "{new}, which was the newest full backup, is gone, and no newer one has come; 2 other backups have lost their data"
    );
    assert_eq!(words(&state, at(1)), [gone]);
    let subjects = conditions(&state, at(1)).remove(0).subjects;
    assert_eq!(subjects, [&middle, &old, &new].map(BackupId::to_string), "each is told");
    // Its manifest is there.
    state.own.gone = Some(Gone::Seen(middle));
    assert_eq!(words(&state, at(1)), [lost.as_str()]);
}

/// Another process that drills all the time must not hide that nothing is proven.
#[test]
fn skipped_drills_give_the_first_one_no_more_time() {
    let mut state = state();
    let skipped = |minute| Report { started_at: at(minute), ..report(Verdict::Skipped, at(minute)) };
    for minute in [20, 40, 60] {
        state.run_started_at = Some(at(minute));
        let severity = if minute <= 50 { Severity::Warning } else { Severity::Critical };
        assert_eq!(codes(&state, at(minute)), [(AlarmCode::NeverPassed, severity)], "{minute}");
        state.own.drilled(skipped(minute));
    }
    state.own.drilled(report(Verdict::Passed, at(61)));
    assert_eq!(codes(&state, at(61)), []);
}

#[test]
fn a_skipped_drill_neither_turns_red_nor_green_r064() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(1)));
    state.own.drilled(report(Verdict::Skipped, at(2)));
    assert!(words(&state, at(2)).is_empty());
    state.own.drilled(report(Verdict::Failed, at(3)));
    state.own.drilled(report(Verdict::Skipped, at(4)));
    assert_eq!(words(&state, at(4)), ["the last drill failed: why"]);
    assert_eq!((state.own.consecutive_failures, state.own.skipped_for_another), (1, 2));
    assert_eq!(words(&state, at(62)).len(), 2, "skipping for ever grows old, too");
}

/// A foreign session that keeps the lock of drills stops them for as long as it lives.
#[test]
fn drills_that_are_skipped_again_and_again_could_not_run() {
    let mut state = state();
    state.max_age_seconds = 1_000_000;
    let skipped = |minute| Report { started_at: at(minute), ..report(Verdict::Skipped, at(minute)) };
    state.own.drilled(report(Verdict::Passed, at(1)));
    [100, 120].into_iter().for_each(|minute| state.own.drilled(skipped(minute)));
    assert_eq!(codes(&state, at(200)), []);
    state.own.drilled(skipped(140));
    assert_eq!(codes(&state, at(130)), [], "another drill may take as long");
    assert_eq!(codes(&state, at(200)), [(AlarmCode::CouldNotRun, Severity::Warning)]);
    state.own.drilled(report(Verdict::CouldNotRun, at(210)));
    assert_eq!(codes(&state, at(211)), [(AlarmCode::CouldNotRun, Severity::Warning)]);
    assert!(words(&state, at(211))[0].starts_with("the last drill could not run"));
    [300, 320, 340].into_iter().for_each(|minute| state.own.drilled(skipped(minute)));
    assert_eq!(codes(&state, at(400)).len(), 1);
    state.own.drilled(report(Verdict::Passed, at(401)));
    assert_eq!(codes(&state, at(401)), []);
}

#[test]
fn a_passed_drill_grows_old() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(0)));
    assert!(words(&state, at(60)).is_empty());
    assert_eq!(words(&state, at(61)), ["the last passed drill is 3660 s old, and 3600 s are allowed"]);
}

#[test]
fn records_in_the_bucket_count_as_drills() {
    let mut state = state();
    state.own.remember(
        Some(Drill { time: at(-10), passed: true, recorded_at: None }),
        Some(at(-10)),
        Default::default(),
        Safe::default(),
    );
    assert!(words(&state, at(0)).is_empty());
    state.own.remember(
        Some(Drill { time: at(-5), passed: false, recorded_at: None }),
        Some(at(-10)),
        Default::default(),
        Safe::default(),
    );
    assert_eq!(words(&state, at(0)), ["the last drill, of 2026-11-22 11:55 UTC, failed"]);
    state.own.drilled(report(Verdict::Passed, at(1)));
    assert!(words(&state, at(1)).is_empty());
}

#[test]
fn what_cannot_run_is_a_warning_until_the_third_time() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(1)));
    for severity in [Severity::Warning, Severity::Warning, Severity::Critical] {
        state.own.drilled(report(Verdict::CouldNotRun, at(2)));
        assert_eq!(codes(&state, at(2)), [(AlarmCode::CouldNotRun, severity)]);
    }
    state.own.drilled(report(Verdict::Failed, at(3)));
    assert_eq!(codes(&state, at(3)), [(AlarmCode::DrillFailed, Severity::Critical)]);
}

#[test]
fn a_first_drill_that_has_time_is_no_more_than_a_warning() {
    let state = state();
    assert_eq!(codes(&state, at(30)), [(AlarmCode::NeverPassed, Severity::Warning)]);
    assert_eq!(codes(&state, at(31)), [(AlarmCode::NeverPassed, Severity::Critical)]);
}

/// While `backup` writes anything, it can tell by itself.
#[test]
fn backup_is_silent_if_neither_a_backup_nor_a_failure_of_it_is_young() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(0)));
    state.max_age_seconds = 1_000_000;
    let life = |newest: Option<i64>, seen: Option<i64>| BackupLife {
        newest_at: newest.map(at),
        seen_at: seen.map(at),
        ..BackupLife::default()
    };
    state.own.backup = life(Some(0), Some(0));
    assert_eq!(words(&state, at(6000)), [] as [&str; 0], "how old it may be is not known yet");
    let by = backup_core::repository::BackupId::new(at(0));
    let promised = Promised { by, max_age: Some(Duration::from_secs(3600)), run_timeout: None, sizes: None };
    state.own.promise(promised, None);
    assert_eq!(words(&state, at(60)), [] as [&str; 0]);
    let silent = "the newest full backup is 3660 s old, and 3600 s are allowed; nothing new of backup since \
                  2026-11-22 12:00 UTC";
    assert_eq!(words(&state, at(61)), [silent]);
    assert_eq!(codes(&state, at(61)), [(AlarmCode::BackupSilent, Severity::Critical)]);
    state.own.backup = life(Some(0), Some(59));
    assert_eq!(words(&state, at(61)), [] as [&str; 0], "it tries");
    assert_eq!(words(&state, at(120)).len(), 1);
    state.own.backup = life(None, None);
    assert_eq!(words(&state, at(61)), ["there is no full backup any more; nothing of backup in the bucket"]);
    // A process that has slept has not looked since.
    state.own.backup = life(Some(0), Some(0));
    state.listing = Some(backup_daemon::Listing::of("app", &Default::default(), at(59)));
    assert_eq!(words(&state, at(120)), [] as [&str; 0]);
}

#[test]
fn a_drill_that_could_not_run_before_the_restart_is_known() {
    let mut state = state();
    let passed = Drill { time: at(-90), passed: true, recorded_at: None };
    state.own.remember(Some(passed), Some(at(-10)), Default::default(), Safe::default());
    let mut past = PastDrills { last: Some((at(-5), Verdict::CouldNotRun)), in_a_row: 1, ..PastDrills::default() };
    state.own.past(&past);
    assert_eq!(codes(&state, at(0)), [(AlarmCode::CouldNotRun, Severity::Warning)]);
    past.in_a_row = 3;
    state.own.past(&past);
    assert_eq!(codes(&state, at(0)), [(AlarmCode::CouldNotRun, Severity::Critical)]);
    state.own.drilled(report(Verdict::Passed, at(1)));
    assert_eq!(codes(&state, at(1)), []);
}

#[test]
fn drills_that_were_killed_are_told_until_one_ends() {
    let mut state = state();
    let passed = Drill { time: at(-90), passed: true, recorded_at: None };
    state.own.remember(Some(passed), Some(at(-10)), Default::default(), Safe::default());
    let unended = vec![at(-3), at(-6), at(-9)];
    state.own.past(&PastDrills { unended: unended[..2].to_vec(), ..PastDrills::default() });
    assert_eq!(codes(&state, at(0)), []);
    state.own.past(&PastDrills { unended, ..PastDrills::default() });
    assert_eq!(codes(&state, at(0)), [(AlarmCode::CouldNotRun, Severity::Critical)]);
    assert!(words(&state, at(0))[0].starts_with("the last 3 drills were killed before their end"));
    state.own.drilled(report(Verdict::Passed, at(1)));
    assert_eq!(codes(&state, at(1)), []);
}

#[test]
fn what_a_listing_and_the_figures_of_drills_show_is_told_beside_the_drills() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(0)));
    let id = |minute| backup_core::repository::BackupId::new(at(minute));
    state.own.unfinished = Some((id(0), None));
    assert_eq!(codes(&state, at(60)), []);
    let by = id(-60);
    let promised = Promised { by, max_age: None, run_timeout: Some(Duration::from_secs(1800)), sizes: None };
    state.own.promise(promised, None);
    state.own.backup.newest_at = Some(at(0));
    assert_eq!(codes(&state, at(30)), []);
    assert_eq!(codes(&state, at(31)), [(AlarmCode::NewestIncomplete, Severity::Warning)]);
    // Its own start says more than the manifest of an earlier run.
    state.own.unfinished = Some((id(0), Some(Duration::from_secs(7200))));
    assert_eq!(codes(&state, at(31)), []);
    assert!(codes(&state, at(121)).contains(&(AlarmCode::NewestIncomplete, Severity::Warning)));
    state.own.unfinished = None;
    state.own.lost = vec![id(0)];
    assert_eq!(codes(&state, at(1)), [(AlarmCode::DataLost, Severity::Critical)]);
    state.own.lost.clear();
    state.own.gone = Some(Gone::Seen(id(0)));
    assert_eq!(codes(&state, at(1)), [(AlarmCode::DataLost, Severity::Critical)]);
    state.own.gone = None;
    state.own.recovery_seconds = Some(61.5);
    assert_eq!(codes(&state, at(1)), [], "no bound is given");
    state.own.max_recovery_time = Some(Duration::from_secs(61));
    assert_eq!(codes(&state, at(1)), [(AlarmCode::SlowRecovery, Severity::Warning)]);
    state.own.recovery_seconds = Some(60.9);
    (state.own.spool_needed_bytes, state.own.spool_free_bytes) = (100, Some(99));
    assert_eq!(codes(&state, at(1)), [(AlarmCode::SpoolSmall, Severity::Warning)]);
    state.own.spool_free_bytes = Some(100);
    assert_eq!(codes(&state, at(1)), []);
}

/// One failed look may pass. What `backup` does is not seen meanwhile, so nothing is said of it.
#[test]
fn a_bucket_that_does_not_answer_is_an_alarm_of_its_own() {
    let mut state = state();
    state.own.drilled(report(Verdict::Passed, at(0)));
    state.own.promised = Some(Promised { by: state_id(), max_age: None, run_timeout: None, sizes: None });
    let of_the_bucket = |state: &DatabaseState<Facts>, now| {
        let mut codes = codes(state, now);
        codes.retain(|(code, _)| matches!(code, AlarmCode::BucketUnseen | AlarmCode::BackupSilent));
        codes
    };
    assert_eq!(of_the_bucket(&state, at(1)), [(AlarmCode::BackupSilent, Severity::Critical)]);
    state.unlisted.failed(at(1));
    assert_eq!(of_the_bucket(&state, at(1)), [(AlarmCode::BackupSilent, Severity::Critical)]);
    state.unlisted.failed(at(6));
    assert_eq!(of_the_bucket(&state, at(6)), [(AlarmCode::BucketUnseen, Severity::Warning)]);
    let late = at(1 + 26 * 60 + 1);
    assert_eq!(of_the_bucket(&state, late), [(AlarmCode::BucketUnseen, Severity::Critical)]);
}

fn state_id() -> backup_core::repository::BackupId {
    backup_core::repository::BackupId::new(at(0))
}

/// Nothing is known of drills then, neither good nor bad.
#[test]
fn of_a_bucket_that_has_not_answered_yet_only_that_is_told() {
    let mut state = DatabaseState::new(String::new(), Duration::from_secs(86_400), at(0), Facts::new(Duration::ZERO));
    state.unlisted.failed(at(0));
    state.unlisted.failed(at(1));
    assert_eq!(codes(&state, at(2)), [(AlarmCode::BucketUnseen, Severity::Warning)]);
}
