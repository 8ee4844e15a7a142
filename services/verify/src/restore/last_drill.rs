//! What drills have said of the backup that a person is about to restore.

use backup_core::repository::{Backup, Catalog, Drill, Repository};
use backup_core::stop::Stop;
use backup_core::text::age;
use backup_drill::{DrillConfig, own_records};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// The last drill of a backup, as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LastDrill {
    /// By a record that was written with the credentials of this process.
    Recorded(Drill),
    /// By a record that was not, so that it may be forged, or of a `verify` with other credentials.
    Claimed(Drill),
    /// There is no record.
    None,
    /// Records cannot be read now, which is no reason not to restore.
    Unread(String),
}

impl LastDrill {
    /// Of `backup`.
    ///
    /// # Errors
    /// Only if a stop comes first.
    pub(crate) async fn of(
        backup: &Backup,
        repository: &Repository,
        config: &DrillConfig,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let alone = Catalog { backups: vec![backup.clone()], ..Catalog::default() };
        let own = async { anyhow::Ok(own_records(config, repository, &alone, |_| {}).await) };
        Ok(match stop.or(own).await? {
            Ok(own) => Self::among(&own.into_iter().map(|(drill, _)| drill).collect::<Vec<_>>(), &backup.drills),
            Err(error) => Self::Unread(error.to_string()),
        })
    }

    /// Of the drills that are our `own`, the newest first, and of `all`.
    fn among(own: &[Drill], all: &[Drill]) -> Self {
        match (own.first(), all.iter().max_by_key(|drill| drill.time)) {
            (Some(own), _) => Self::Recorded(*own),
            (None, Some(claimed)) => Self::Claimed(*claimed),
            (None, None) => Self::None,
        }
    }

    /// For a person who decides whether to restore it.
    pub(crate) fn sentence(&self, now: DateTime<Utc>) -> String {
        let when = |drill: &Drill| {
            let time = drill.time.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("{} ago, at {time}", age((now - drill.time).max(TimeDelta::zero())))
        };
        match self {
            Self::Recorded(drill) if drill.passed => format!("proven: its last drill passed {}", when(drill)),
            Self::Recorded(drill) => format!(
                "its last drill FAILED {}: what comes back may not be what was there; `verify list` shows the others",
                when(drill)
            ),
            Self::Claimed(drill) => format!(
                "not known to be proven: its last drill {} {}, by a record that was not written with these credentials",
                if drill.passed { "passed" } else { "FAILED" },
                when(drill)
            ),
            Self::None => "not proven: the bucket has no record of a drill of it".to_owned(),
            Self::Unread(reason) => format!("not known: the records of its drills cannot be read now: {reason}"),
        }
    }

    /// Whether the backup is known to have come back as it was, or nothing speaks against it.
    pub(crate) fn is_warning(&self) -> bool {
        matches!(self, Self::Recorded(drill) | Self::Claimed(drill) if !drill.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(hour: i64, passed: bool) -> Drill {
        let start: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
        Drill { time: start + TimeDelta::hours(hour), passed, recorded_at: None }
    }

    /// How it is told three hours after the start: whether as a warning, and in which words.
    #[track_caller]
    fn check(own: &[Drill], all: &[Drill], expected: (bool, &str)) {
        let last = LastDrill::among(own, all);
        let told = last.sentence(drill(3, true).time);
        assert_eq!(last.is_warning(), expected.0);
        assert!(told.starts_with(expected.1), "{told}");
    }

    #[test]
    fn the_last_drill_is_told_and_a_record_of_others_is_none_to_rely_on() {
        let (passed, failed) = (drill(0, true), drill(1, false));
        check(&[passed], &[passed], (false, "proven: its last drill passed 3 h ago, at 2026-11-29T03:00:00Z"));
        check(&[failed, passed], &[passed, failed], (true, "its last drill FAILED 2 h ago, at 2026-11-29T04:00:00Z: "));
        // Another writer adds a later one.
        check(&[failed], &[failed, drill(2, true)], (true, "its last drill FAILED 2 h ago"));
        check(&[], &[failed, drill(2, true)], (false, "not known to be proven: its last drill passed 60 min ago"));
        check(&[], &[passed, failed], (true, "not known to be proven: its last drill FAILED 2 h ago"));
        check(&[], &[], (false, "not proven: "));
    }
}
