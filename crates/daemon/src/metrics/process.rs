//! The usual metrics of a process, by the names that every client library of Prometheus uses. Linux.

use std::fs;

use chrono::{DateTime, Utc};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

use super::family::{Families, Sample, timestamp};

/// What the system says of this process, which began at `started_at`. What it does not say is 0.
pub(super) fn add_to(families: &mut Families, started_at: DateTime<Utc>) {
    let cpu_seconds = getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0.0, |usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1_000_000.0);
    let max_fds = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let open_fds = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let one = |value: f64| [Sample::new([], value)];
    families.counter("process_cpu_seconds_total", "User and system time of this process.", one(cpu_seconds));
    families.gauge("process_start_time_seconds", "When this process began.", one(timestamp(started_at)));
    families.gauge("process_open_fds", "Open file descriptors.", one(open_fds as f64));
    families.gauge("process_max_fds", "Maximum number of open file descriptors.", one(max_fds as f64));
    families.gauge("process_resident_memory_bytes", "Memory in use.", one(bytes_of(&status, "VmRSS:")));
    families.gauge("process_virtual_memory_bytes", "Address space in use.", one(bytes_of(&status, "VmSize:")));
}

/// The value of a line such as `VmRSS: 12345 kB`.
fn bytes_of(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or(0.0, |kibibytes| (kibibytes * 1024) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_bytes() {
        let status = "Name:\tbackup\nVmSize:\t   2048 kB\nVmRSS:\t     12 kB\n";
        assert_eq!((bytes_of(status, "VmRSS:"), bytes_of(status, "VmSize:")), (12_288.0, 2_097_152.0));
        assert_eq!(bytes_of(status, "VmHWM:"), 0.0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let mut families = Families::default();
        add_to(&mut families, Utc::now());
        let text = families.text();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples.len(), 6, "{text}");
        assert!(samples.iter().all(|line| !line.ends_with(" 0.0")), "{text}");
    }
}
