//! The settings of a server of which nothing must survive a crash.

use crate::machine::Machine;

const MIB: u64 = 1024 * 1024;

/// Sessions beside the jobs of `pg_restore`: its own leader, ours, the checks', and three that the
/// server reserves for superusers.
const OTHER_SESSIONS: u32 = 24;

/// More workers than this do not make one index faster.
const MAX_INDEX_WORKERS: u32 = 8;

/// What goes onto the server's command line, where neither its files nor ALTER SYSTEM can undo it.
pub(super) fn settings(machine: &Machine, jobs: u32) -> Vec<(&'static str, String)> {
    let index_workers = machine.processors.saturating_sub(1).min(MAX_INDEX_WORKERS);
    let mut settings: Vec<(&'static str, String)> = ALWAYS.map(|(name, value)| (name, value.to_owned())).to_vec();
    settings.extend([
        ("shared_buffers", megabytes(shared_buffers_bytes(machine))),
        ("maintenance_work_mem", megabytes(index_memory_bytes(machine, jobs))),
        ("max_connections", jobs.saturating_add(OTHER_SESSIONS).to_string()),
        // The last, largest indexes are built when the other jobs have nothing left to do.
        ("max_parallel_maintenance_workers", index_workers.to_string()),
        // All parallel workers together never take more than the processors.
        ("max_parallel_workers", machine.processors.to_string()),
        ("max_worker_processes", machine.processors.saturating_add(2).to_string()),
    ]);
    settings
}

const ALWAYS: [(&str, &str); 29] = [
    // No way in but the socket in the private folder.
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("port", super::PORT),
    ("ssl", "off"),
    // Nothing waits for the disk: a machine that loses power has lost the drill anyway.
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    // Rows that are copied into a new table, and new indexes, then write no log at all.
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("archive_mode", "off"),
    // Such a table is synced at commit, which costs nothing without fsync, or, below this threshold,
    // copied into the log after all.
    ("wal_skip_threshold", "0"),
    // A checkpoint only writes for a recovery that will never be. Two gigabytes bound the disk that
    // the log takes.
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "1d"),
    // What was restored before a crash of a session would prove nothing afterwards.
    ("restart_after_crash", "off"),
    // It would compete with the restore for the disk.
    ("autovacuum", "off"),
    // Compiling takes longer than the short queries of the checks.
    ("jit", "off"),
    // A subscription that comes back never connects to its publisher.
    ("max_logical_replication_workers", "0"),
    // A check may hold a lock on every table and index in one transaction: with 24 connections and
    // more this is room for 49,000, in some 15 MB.
    ("max_locks_per_transaction", "2048"),
    // Containers have a /dev/shm of 64 MB. `mmap` takes files in the data folder, which go with it.
    ("shared_memory_type", "mmap"),
    ("dynamic_shared_memory_type", "mmap"),
    ("huge_pages", "off"),
    // Errors of statements are told to the client that made them; the log is for the server's own troubles.
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_min_messages", "log"),
    // The code of an error comes first, where no text of a statement can be taken for it.
    ("log_line_prefix", "%e %m [%p] "),
    ("log_min_error_statement", "panic"),
    ("log_checkpoints", "off"),
    ("log_connections", "off"),
    ("log_statement", "none"),
];

/// A sixteenth of the memory: restores read and write tables once, through small rings of buffers,
/// and the rest of the memory is the kernel's cache.
fn shared_buffers_bytes(machine: &Machine) -> u64 {
    (machine.memory_bytes / 16).clamp(32 * MIB, 256 * MIB)
}

/// A quarter of the memory for all jobs together, since each may build an index.
fn index_memory_bytes(machine: &Machine, jobs: u32) -> u64 {
    (machine.memory_bytes / 4 / u64::from(jobs.max(1))).clamp(16 * MIB, 512 * MIB)
}

fn megabytes(bytes: u64) -> String {
    format!("{}MB", bytes / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(memory_mib: u64, processors: u32, jobs: u32, expected: [&str; 4]) {
        let settings = settings(&Machine { memory_bytes: memory_mib * MIB, processors }, jobs);
        let value = |wanted: &str| settings.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
        let names = ["shared_buffers", "maintenance_work_mem", "max_connections", "max_parallel_maintenance_workers"];
        assert_eq!(names.map(value), expected);
    }

    #[test]
    fn memory_and_workers_by_the_size_of_the_machine() {
        check(256, 1, 1, ["32MB", "64MB", "25", "0"]);
        check(512, 2, 4, ["32MB", "32MB", "28", "1"]);
        check(4096, 4, 4, ["256MB", "256MB", "28", "3"]);
        check(65_536, 64, 64, ["256MB", "256MB", "88", "8"]);
        check(65_536, 64, 2, ["256MB", "512MB", "26", "8"]);
    }

    #[test]
    fn no_setting_is_given_twice() {
        let settings = settings(&Machine { memory_bytes: 1, processors: 1 }, 1);
        let names: std::collections::BTreeSet<_> = settings.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), settings.len());
    }
}
