//! Room on the disk of a drill: asked for at the start, and told from damage if it does not suffice.

use anyhow::{Context, anyhow};
use backup_core::repository::Manifest;

use crate::config::{DrillConfig, Target};
use crate::evidence::{DrillError, Evidence};
use crate::report::Finding;

/// Room for the restored database, as a multiple of the source's size: indexes are built in temporary files.
const ROOM_PERCENT: u64 = 120;

/// What an empty server of ours takes: what `initdb` writes, 40 MB, and the first segments of its log.
const SERVER_BYTES: u64 = 96 * 1024 * 1024;

/// The log of a restore: rows that several jobs copy write none, those of one job their size. Beyond the throwaway
/// server's `max_wal_size` it is written over.
const LOG_PERCENT: u64 = 25;
const LOG_PERCENT_OF_ONE_JOB: u64 = 100;
const MAX_LOG_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The words of every operating system for it, since our servers and tools run in locale C.
const DISK_FULL: &str = ": No space left on device (space)";

/// How a line of a throwaway server's log begins that says the same: with the code of the error (`disk_full`).
const DISK_FULL_IN_LOG: &str = "53100 ";

/// What `pg_restore` says, with libpq's words, whose server is gone.
const CONNECTION_LOST: [&str; 3] =
    ["server closed the connection unexpectedly", "terminating connection", "connection to server"];

/// The spool holds the archive, and with a throwaway server that server and the restored database, too. Before the
/// server there are encrypted bytes whose MAC is checked before they are decrypted; the fetch looks at the room for
/// these itself.
///
/// # Errors
/// How many bytes are free, and how many the drill needs.
pub(crate) fn check(config: &DrillConfig, manifest: &Manifest) -> anyhow::Result<()> {
    let wanted_bytes = wanted_bytes(config, manifest);
    let free_bytes = backup_core::spool::free_bytes(&config.spool_dir).context("look at VERIFY_SPOOL_DIR")?;
    anyhow::ensure!(
        free_bytes >= wanted_bytes,
        "{} has {free_bytes} bytes free, and this drill needs {wanted_bytes}: the archive and the restored \
         database; give VERIFY_SPOOL_DIR a larger volume",
        config.spool_dir.display()
    );
    Ok(())
}

/// What a drill of this backup takes on the disk.
pub(crate) fn wanted_bytes(config: &DrillConfig, manifest: &Manifest) -> u64 {
    wanted_for(config, manifest.dump.digests.plain_bytes, manifest.database.size_bytes)
}

/// What a drill takes on the disk of an archive of `plain_bytes`, from a database of `database_bytes`.
pub fn wanted_for(config: &DrillConfig, plain_bytes: u64, database_bytes: u64) -> u64 {
    let restored_bytes = match config.target {
        Target::Ephemeral => server_bytes(database_bytes, config.jobs),
        Target::External { .. } => 0,
    };
    plain_bytes.saturating_add(restored_bytes)
}

/// What a throwaway server takes with a database of so many bytes in it.
fn server_bytes(database_bytes: u64, jobs: usize) -> u64 {
    let percent = |percent: u64| (database_bytes / 100).saturating_mul(percent);
    let log_percent = if jobs > 1 { LOG_PERCENT } else { LOG_PERCENT_OF_ONE_JOB };
    let log_bytes = percent(log_percent).min(MAX_LOG_BYTES);
    percent(ROOM_PERCENT).saturating_add(log_bytes).saturating_add(SERVER_BYTES)
}

/// What became of a restore, and of the proof of it. If the disk was full, or the server went away so that nothing
/// could be proven, neither says anything about the backup, nor do the findings from `first_finding` on. `log` is the
/// end of the server's log, which is looked at and never quoted.
pub(crate) fn unless_server_failed(
    outcome: Result<(), DrillError>,
    first_finding: usize,
    log: &str,
    evidence: &mut Evidence,
) -> Result<(), DrillError> {
    let found = evidence.report.findings.get(first_finding..).unwrap_or_default();
    if found.is_empty() || matches!(outcome, Err(DrillError::Stopped(_))) {
        return outcome;
    }
    let words: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    let is_lost = words.iter().any(|words| CONNECTION_LOST.iter().any(|lost| words.contains(lost)));
    let is_complaint = |finding: &Finding| finding.check == "restore" && finding.message.contains(DISK_FULL);
    let is_logged = log.lines().any(|line| line.starts_with(DISK_FULL_IN_LOG));
    if is_logged || found.iter().any(is_complaint) {
        evidence.discount_from(first_finding, "the disk of the drill is full");
        return Err(DrillError::CouldNotRun(anyhow!("the disk of the drill is full; give it a larger volume")));
    }
    if is_lost && matches!(outcome, Err(DrillError::CouldNotRun(_))) {
        evidence.discount_from(first_finding, "the server of the drill went away");
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_takes_room_beside_its_database() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(server_bytes(0, 4), SERVER_BYTES);
        assert_eq!(server_bytes(100 * MIB, 4), (120 + 25 + 96) * MIB);
        assert_eq!(server_bytes(100 * MIB, 1), (120 + 100 + 96) * MIB);
        assert_eq!(server_bytes(100_000 * MIB, 1), (120_000 + 2_048 + 96) * MIB);
        assert_eq!(server_bytes(u64::MAX, 1), u64::MAX);
    }
}
