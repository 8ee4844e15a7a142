//! The catalogue of alarms: for each its name, who raises it, how it is told and where a person reads on. A new alarm is
//! an entry here, and a condition in the `alarms.rs` of each service that raises it.

use serde::Serialize;

use crate::daemon::Daemon::{self, Backup, Verify};

/// How far an alarm goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The service does not do what it is for: runs do not succeed, or a drill has failed.
    Broken,
    /// It follows from what is broken, and says less: the newest result is too old, or there is none.
    Late,
    /// Something else, on its own.
    Aside,
}

/// What is known of an alarm before it is ever raised.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in pages, metrics, messages and keys: a promise.
    name: &'static str,
    raised_by: &'static [Daemon],
    pub(crate) reach: Reach,
    /// Of alarms that are equally urgent, the one with the lowest rank is told first.
    pub(crate) rank: u8,
    /// A few words that end a title.
    pub(crate) headline: &'static str,
    /// One sentence.
    pub(crate) what_to_do: &'static str,
    /// The document and its heading, from the root of the repository.
    pub(crate) runbook: &'static str,
}

macro_rules! catalogue {
    ($($(#[$meaning:meta])* $code:ident { $($field:ident: $value:expr,)* })*) => {
        /// What an alarm is about. The names are a promise: pages, metrics and messages show them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(into = "&'static str")]
        pub enum AlarmCode {
            $($(#[$meaning])* $code,)*
        }

        impl AlarmCode {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),*];

            /// What the catalogue says of it.
            pub(crate) const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$code => &Entry { $($field: $value),* },)*
                }
            }
        }
    };
}

catalogue! {
    /// The bucket could not be listed since the start, or for long.
    BucketUnseen {
        name: "bucket_unseen",
        raised_by: &[Backup, Verify],
        reach: Reach::Broken,
        rank: 3,
        headline: "the bucket cannot be listed",
        what_to_do: "Do what the reason says, or check the endpoint, the credentials and the network of the bucket.",
        runbook: "docs/troubleshooting.md#bucket",
    }
    /// There is no full backup.
    NoBackup {
        name: "no_backup",
        raised_by: &[Backup],
        reach: Reach::Late,
        rank: 1,
        headline: "there is no backup",
        what_to_do: "Run `backup check` and look into the log of the last run.",
        runbook: "docs/runbooks.md#backups-are-stale",
    }
    /// The newest backup, or the last passed drill, is too old.
    Stale {
        name: "stale",
        raised_by: &[Backup, Verify],
        reach: Reach::Late,
        rank: 1,
        headline: "the newest result is too old",
        what_to_do: "Look into the log of the last run and remove what made it fail.",
        runbook: "docs/runbooks.md#backups-are-stale",
    }
    /// Runs fail, one after the other.
    Failing {
        name: "failing",
        raised_by: &[Backup],
        reach: Reach::Broken,
        rank: 0,
        headline: "runs fail",
        what_to_do: "Look into the log of the last run and remove what made it fail.",
        runbook: "docs/runbooks.md#backups-are-stale",
    }
    /// The newest backup is much smaller than usual.
    Shrunk {
        name: "shrunk",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 2,
        headline: "the newest backup is much smaller",
        what_to_do: "Look whether data is missing in the database; if not, run `backup accept-size`.",
        runbook: "docs/runbooks.md#the-newest-backup-is-much-smaller",
    }
    /// Two clusters store their backups in one repository.
    SharedRepository {
        name: "shared_repository",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 3,
        headline: "two clusters share a repository",
        what_to_do: "Give one of the two clusters another BACKUP_PREFIX.",
        runbook: "docs/troubleshooting.md#retention-and-health",
    }
    /// This machine's clock and the store's do not agree.
    ClockSkew {
        name: "clock_skew",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 3,
        headline: "the clock is wrong",
        what_to_do: "Set the clock of this machine by NTP.",
        runbook: "docs/troubleshooting.md#retention-and-health",
    }
    /// Retention does not finish, run after run.
    RetentionDegraded {
        name: "retention_degraded",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 3,
        headline: "old backups are not deleted",
        what_to_do: "Do what the reason says, or check whether the credentials of the bucket may delete.",
        runbook: "docs/troubleshooting.md#retention-and-health",
    }
    /// The last drill failed.
    DrillFailed {
        name: "drill_failed",
        raised_by: &[Verify],
        reach: Reach::Broken,
        rank: 0,
        headline: "a drill failed",
        what_to_do: "Do not rely on this backup: look at the findings and make a new backup.",
        runbook: "docs/runbooks.md#a-drill-failed",
    }
    /// The last drill could not run, or was stopped.
    CouldNotRun {
        name: "could_not_run",
        raised_by: &[Verify],
        reach: Reach::Broken,
        rank: 2,
        headline: "drills cannot run",
        what_to_do: "Look into the log of the last drill; it says nothing about the backup.",
        runbook: "docs/troubleshooting.md#could-not-run",
    }
    /// No drill has passed yet.
    NeverPassed {
        name: "never_passed",
        raised_by: &[Verify],
        reach: Reach::Late,
        rank: 2,
        headline: "no drill has passed",
        what_to_do: "Look why no drill has passed; nothing is proven until one has.",
        runbook: "docs/troubleshooting.md#could-not-run",
    }
    /// No backup has appeared in time.
    BackupSilent {
        name: "backup_silent",
        raised_by: &[Verify],
        reach: Reach::Broken,
        rank: 1,
        headline: "no backup arrives",
        what_to_do: "Look whether the backup service runs.",
        runbook: "docs/runbooks.md#backups-are-stale",
    }
    /// Runs take much longer than usual.
    Slow {
        name: "slow",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 3,
        headline: "runs take long",
        what_to_do: "Look what slows the database, the network or the bucket down.",
        runbook: "docs/runbooks.md#runs-or-restores-take-long",
    }
    /// Drills have left records, and none has passed for long.
    NeverProven {
        name: "never_proven",
        raised_by: &[Backup],
        reach: Reach::Aside,
        rank: 3,
        headline: "no drill has passed for long",
        what_to_do: "Look whether the service verify runs and what its drills say.",
        runbook: "docs/runbooks.md#drills-do-not-prove-any-more",
    }
    /// The database does not exist.
    DatabaseMissing {
        name: "database_missing",
        raised_by: &[Backup],
        reach: Reach::Broken,
        rank: 3,
        headline: "the database does not exist",
        what_to_do: "Find out what dropped or renamed the database; keep its backups.",
        runbook: "docs/runbooks.md#the-database-is-missing",
    }
    /// A restore takes longer than it may.
    SlowRecovery {
        name: "slow_recovery",
        raised_by: &[Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "a restore takes too long",
        what_to_do: "Raise VERIFY_JOBS or the power of the server, or VERIFY_MAX_RECOVERY_TIME.",
        runbook: "docs/runbooks.md#runs-or-restores-take-long",
    }
    /// The next drill does not fit on the disk.
    SpoolSmall {
        name: "spool_small",
        raised_by: &[Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "the next drill does not fit",
        what_to_do: "Give VERIFY_SPOOL_DIR a larger volume.",
        runbook: "docs/runbooks.md#the-next-drill-does-not-fit",
    }
    /// The newest run has made no backup, and does not go on any more.
    NewestIncomplete {
        name: "newest_incomplete",
        raised_by: &[Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "the newest run made no backup",
        what_to_do: "Look into the log of backup for what ended its last run.",
        runbook: "docs/runbooks.md#a-run-or-its-data-is-gone",
    }
    /// A backup has lost its data.
    DataLost {
        name: "data_lost",
        raised_by: &[Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "a backup has lost its data",
        what_to_do: "Find out what deletes in the bucket, make a new backup, and delete what is left of the lost one.",
        runbook: "docs/runbooks.md#a-run-or-its-data-is-gone",
    }
    /// Not every database is looked after.
    LeftOut {
        name: "left_out",
        raised_by: &[Backup, Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "databases are left out",
        what_to_do: "Look which databases are left out and why; nothing is known of them.",
        runbook: "docs/runbooks.md#databases-are-left-out",
    }
    /// A message could not be delivered.
    Undelivered {
        name: "undelivered",
        raised_by: &[Backup, Verify],
        reach: Reach::Aside,
        rank: 3,
        headline: "messages are not delivered",
        what_to_do: "Check WEBHOOK_URL and SMTP_URL with the command `notify`.",
        runbook: "docs/alerts.md#delivery",
    }
}

impl AlarmCode {
    /// The code that is called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.entry().name == name)
    }

    /// Those that `service` can raise, which its metrics show at any time.
    pub fn all_of(service: Daemon) -> impl Iterator<Item = Self> {
        Self::ALL
            .iter()
            .copied()
            .filter(move |code| code.entry().raised_by.iter().any(|by| by.program() == service.program()))
    }
}

impl From<AlarmCode> for &'static str {
    fn from(code: AlarmCode) -> Self {
        code.entry().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The anchors of a document, as they are made of its headings.
    fn anchors(document: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
        let text = std::fs::read_to_string(&path).unwrap();
        let headings =
            text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        let anchor = |heading: &str| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|character| character.is_alphanumeric() || *character == '-').collect()
        };
        headings.map(anchor).collect()
    }

    #[test]
    fn every_runbook_is_a_heading_that_is_there() {
        for code in AlarmCode::ALL {
            let (document, anchor) = code.entry().runbook.split_once('#').unwrap();
            assert!(anchors(document).iter().any(|there| there == anchor), "{code:?}: {}", code.entry().runbook);
        }
    }

    #[test]
    fn every_name_is_found_again() {
        for code in AlarmCode::ALL {
            assert_eq!(AlarmCode::named(code.entry().name), Some(*code));
        }
    }
}
