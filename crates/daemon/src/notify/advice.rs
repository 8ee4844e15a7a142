//! What each alarm is called in a title, and what to do about it, in one sentence.

use crate::alarm::AlarmCode;

/// A few words.
pub(super) fn headline(code: AlarmCode) -> &'static str {
    match code {
        AlarmCode::BucketUnseen => "the bucket does not answer",
        AlarmCode::NoBackup => "there is no backup",
        AlarmCode::Stale => "the newest result is too old",
        AlarmCode::Failing => "runs fail",
        AlarmCode::Shrunk => "the newest backup is much smaller",
        AlarmCode::SharedRepository => "two clusters share a repository",
        AlarmCode::ClockSkew => "the clock is wrong",
        AlarmCode::RetentionDegraded => "old backups are not deleted",
        AlarmCode::DrillFailed => "a drill failed",
        AlarmCode::CouldNotRun => "drills cannot run",
        AlarmCode::NeverPassed => "no drill has passed",
        AlarmCode::BackupSilent => "no backup arrives",
        AlarmCode::Undelivered => "messages are not delivered",
    }
}

/// One sentence.
pub(super) fn what_to_do(code: AlarmCode) -> &'static str {
    match code {
        AlarmCode::BucketUnseen => "Check the endpoint, the credentials and the network of the bucket.",
        AlarmCode::NoBackup => "Run `backup check` and look into the log of the last run.",
        AlarmCode::Stale | AlarmCode::Failing => "Look into the log of the last run and remove what made it fail.",
        AlarmCode::Shrunk => "Look whether data is missing in the database; if not, run `backup accept-size`.",
        AlarmCode::SharedRepository => "Give one of the two clusters another BACKUP_PREFIX.",
        AlarmCode::ClockSkew => "Set the clock of this machine by NTP.",
        AlarmCode::RetentionDegraded => "Check whether the credentials of the bucket may delete.",
        AlarmCode::DrillFailed => "Do not rely on this backup: look at the findings and make a new backup.",
        AlarmCode::CouldNotRun => "Look into the log of the last drill; it says nothing about the backup.",
        AlarmCode::NeverPassed => "Look why no drill has passed; nothing is proven until one has.",
        AlarmCode::BackupSilent => "Look whether the backup service runs.",
        AlarmCode::Undelivered => "Check the addresses in WEBHOOK_URL with the command `notify`.",
    }
}
