//! What is wrong as far as a service can know that makes no drills: by listings, and by records of the drills of others.

use std::fmt;

use backup_daemon::{AlarmCode, Condition, DatabaseState, Severity};
use chrono::{DateTime, TimeDelta, Utc};

use crate::alarms::{of_known_damage, of_listings};
use crate::backup_life::BackupLife;
use crate::status::Facts;

/// One thing that is wrong, besides what every listing shows.
enum Detail {
    /// The newest backup is too old, and `backup` lives. In a service that drills, each drill says so.
    NewestIsOld { age_seconds: i64, max_age_seconds: u64, life: BackupLife },
    /// There was a full backup, and there is none, while `backup` lives.
    BackupsGone { life: BackupLife },
    /// There has been no full backup since `backup` or this service was first seen here.
    NoBackup { since: DateTime<Utc>, life: BackupLife },
    /// A drill failed, by its record.
    DrillFailed { at: DateTime<Utc> },
    /// The newest record of a passed drill is too old.
    ProofIsOld { age_seconds: i64, max_age_seconds: u64 },
}

/// Everything that is wrong. That no drill is known is not wrong by itself: others may drill and leave no records.
pub(crate) fn conditions(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Vec<Condition> {
    let mut all = of_listings(state, now);
    let is_told = |code| all.iter().any(|condition: &Condition| condition.code == code);
    // What is in the bucket now is not known, or a silent `backup` is told already.
    let is_blind = is_told(AlarmCode::BucketUnseen) || is_told(AlarmCode::BackupSilent);
    let newest = if is_blind { None } else { of_newest(state, now) };
    for detail in [newest, of_last_drill(&state.own), of_last_pass(state, now)].into_iter().flatten() {
        let (code, subjects) = (detail.code(), state.own.subjects(detail.code()));
        let (severity, message) = (Severity::Critical, detail.to_string());
        let condition = Condition { subjects, ..Condition::new(code, severity, message) };
        if !all.iter().any(|known| known.code == condition.code) {
            all.push(condition);
        }
    }
    if !all.iter().any(|known| known.code == AlarmCode::DrillFailed) {
        all.extend(of_known_damage(&state.own));
    }
    all
}

fn of_newest(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Option<Detail> {
    state.listing.as_ref()?;
    let (facts, life) = (&state.own, state.own.backup.clone());
    let max_age = TimeDelta::from_std(facts.backup_max_age).unwrap_or(TimeDelta::MAX);
    match facts.backup.newest_at {
        Some(at) => (now - at > max_age).then(|| Detail::NewestIsOld {
            age_seconds: (now - at).num_seconds(),
            max_age_seconds: facts.backup_max_age.as_secs(),
            life,
        }),
        // A manifest was read.
        None if facts.promised.is_some() => Some(Detail::BackupsGone { life }),
        None => {
            let since = facts.backup.first_at.map_or(state.started_at, |first_at| first_at.min(state.started_at));
            (now - since > max_age).then_some(Detail::NoBackup { since, life })
        }
    }
}

fn of_last_drill(facts: &Facts) -> Option<Detail> {
    let failed = facts.recorded_drill.filter(|drill| !drill.passed)?;
    Some(Detail::DrillFailed { at: failed.time })
}

fn of_last_pass(state: &DatabaseState<Facts>, now: DateTime<Utc>) -> Option<Detail> {
    let (age_seconds, max_age_seconds) = ((now - state.own.last_passed_at?).num_seconds(), state.max_age_seconds);
    let is_old = age_seconds > i64::try_from(max_age_seconds).unwrap_or(i64::MAX);
    is_old.then_some(Detail::ProofIsOld { age_seconds, max_age_seconds })
}

impl Detail {
    fn code(&self) -> AlarmCode {
        match self {
            Self::NewestIsOld { .. } | Self::ProofIsOld { .. } => AlarmCode::Stale,
            Self::BackupsGone { .. } => AlarmCode::DataLost,
            Self::NoBackup { .. } => AlarmCode::BackupSilent,
            Self::DrillFailed { .. } => AlarmCode::DrillFailed,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewestIsOld { age_seconds, max_age_seconds, life } => write!(
                formatter,
                "the newest full backup is {age_seconds} s old, and {max_age_seconds} s are allowed; {life}"
            ),
            Self::BackupsGone { life } => write!(formatter, "there is no full backup any more; {life}"),
            Self::NoBackup { since, life } => {
                write!(formatter, "there has been no full backup since {}; {life}", since.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::DrillFailed { at } => {
                write!(formatter, "the last recorded drill, of {}, failed", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::ProofIsOld { age_seconds, max_age_seconds } => write!(
                formatter,
                "the newest record of a passed drill is {age_seconds} s old, and {max_age_seconds} s are allowed"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backup_core::repository::{BackupId, Catalog, Drill};
    use backup_daemon::Listing;
    use backup_drill::Promised;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    /// A service that has begun at hour 0, has seen the bucket, and allows a day for a backup and a week for a drill.
    fn watched() -> DatabaseState<Facts> {
        let mut facts = Facts::new(Duration::from_secs(60));
        facts.backup_max_age = Duration::from_secs(24 * 3600);
        let mut state = DatabaseState::new("looks".to_owned(), Duration::from_secs(7 * 24 * 3600), at(0), facts);
        state.listed(Listing::of("app", &Catalog::default(), at(0)));
        state
    }

    fn with_backup(mut state: DatabaseState<Facts>, hours: i64) -> DatabaseState<Facts> {
        let by = BackupId::new(at(hours));
        state.own.promised = Some(Promised { by, max_age: None, run_timeout: None, sizes: None });
        state.own.backup = BackupLife {
            newest_at: Some(at(hours)),
            first_at: Some(at(hours)),
            seen_at: Some(at(hours)),
            unfailed_ends_by: Some(at(hours)),
            failures: None,
        };
        state
    }

    #[track_caller]
    fn check(state: &DatabaseState<Facts>, now: i64, expected: &[(&str, &str)]) {
        let found = conditions(state, at(now));
        let found: Vec<(&str, &str)> = found.iter().map(|one| (one.code.into(), one.message.as_str())).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((code, message), (wanted, words)) in found.iter().zip(expected) {
            assert!(code == wanted && message.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_first_backup_has_its_time_from_the_first_trace_of_backup() {
        let mut state = watched();
        check(&state, 24, &[]);
        check(&state, 25, &[("backup_silent", "no full backup since 1970-01-01 00:00 UTC; nothing of backup")]);
        state.own.backup.first_at = Some(at(-10));
        check(&state, 14, &[]);
        check(&state, 15, &[("backup_silent", "since 1969-12-31 14:00 UTC")]);
        state.listing = None;
        check(&state, 99, &[]);
    }

    #[test]
    fn an_old_newest_backup_is_told_once_by_what_backup_does() {
        let mut state = with_backup(watched(), 1);
        check(&state, 25, &[]);
        check(&state, 26, &[("backup_silent", "is 90000 s old, and 86400 s are allowed; nothing new of backup since")]);
        state.own.backup.seen_at = Some(at(20));
        state.own.backup.failures = Some((3, "auth".to_owned()));
        check(
            &state,
            26,
            &[("stale", "is 90000 s old, and 86400 s are allowed; backup has tried and failed (auth) 3 times")],
        );
        state.own.backup.newest_at = None;
        check(&state, 26, &[("data_lost", "there is no full backup any more; backup has tried")]);
        // What is there now is not known; what was known to be wrong is not told anew.
        (0..2).for_each(|_| state.unlisted.failed(at(26)));
        check(&state, 26, &[("bucket_unseen", "could not be listed since")]);
    }

    #[test]
    fn of_drills_records_alone_are_told() {
        let mut state = with_backup(watched(), 1);
        check(&state, 2, &[]);
        state.own.recorded_drill = Some(Drill { time: at(2), passed: false, recorded_at: None });
        check(&state, 3, &[("drill_failed", "the last recorded drill, of 1970-01-01 02:00 UTC, failed")]);
        state.own.recorded_drill = Some(Drill { time: at(3), passed: true, recorded_at: None });
        state.own.last_passed_at = Some(at(3));
        state.own.damaged.insert(BackupId::new(at(2)));
        check(&state, 3, &[("drill_failed", "has failed its last drill, and is still there")]);
        state.own.damaged.clear();
        check(&with_backup(state.clone(), 170), 171, &[]);
        check(
            &with_backup(state.clone(), 170),
            172,
            &[("stale", "the newest record of a passed drill is 608400 s old")],
        );
        // Of two things with one code, the newest backup counts more.
        state.own.backup.seen_at = Some(at(170));
        check(&state, 172, &[("stale", "the newest full backup is")]);
    }
}
