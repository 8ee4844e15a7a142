//! How large the machine is, or the container that this process is in.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Taken if the system does not tell its memory.
const UNKNOWN_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;

/// Memory for the table of contents of an archive: at least this, some 300,000 entries...
const MIN_CONTENTS_BYTES: u64 = 128 * 1024 * 1024;

/// ...and at most this, some five million.
const MAX_CONTENTS_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The longest path of control groups that is walked.
const MAX_DEPTH: usize = 32;

/// What this process and its children may use.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Physical memory, or the limit of the control group if that is lower.
    pub memory_bytes: u64,
    /// Processors that we may use at once.
    pub processors: u32,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let physical = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limits = group_limit_files(&groups).into_iter().filter_map(|file| limit_bytes(&file));
        let memory_bytes = limits.chain(physical).min().unwrap_or(UNKNOWN_MEMORY_BYTES);
        let processors = available_parallelism().map_or(1, usize::from);
        Self { memory_bytes, processors: u32::try_from(processors).unwrap_or(u32::MAX) }
    }
}

impl Machine {
    /// What the table of contents of an archive may take in memory: a quarter, since a drill has a server beside it and
    /// computes with the entries.
    pub fn contents_bytes(&self) -> u64 {
        (self.memory_bytes / 4).clamp(MIN_CONTENTS_BYTES, MAX_CONTENTS_BYTES)
    }
}

/// `MemTotal` of `/proc/meminfo`, which is in KiB.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Every file that may hold a limit of ours: the groups of `/proc/self/cgroup` and those above them,
/// in the layouts of both versions. In a container, only the topmost may be visible.
fn group_limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().take(MAX_DEPTH).map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

/// `None` if there is no file, or if it says `max`.
fn limit_bytes(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_as_the_kernel_tells_it() {
        assert_eq!(total_bytes("MemTotal:       24683700 kB\nMemFree: 1 kB\n"), Some(24_683_700 * 1024));
        assert_eq!(total_bytes("MemFree: 1 kB\n"), None);
        let files = |groups: &str| -> Vec<String> {
            group_limit_files(groups).iter().map(|file| file.display().to_string()).collect()
        };
        let expected = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"];
        assert_eq!(files("0::/a/b\n"), expected);
        assert_eq!(files("5:cpu:/x\n4:memory:/\n"), ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    }

    #[test]
    fn a_table_of_contents_takes_a_quarter_within_bounds_r151() {
        let contents_mib =
            |memory_mib: u64| Machine { memory_bytes: memory_mib << 20, processors: 1 }.contents_bytes() >> 20;
        assert_eq!([256, 2048, 65536].map(contents_mib), [128, 512, 2048]);
    }

    #[test]
    fn this_machine_has_memory_and_processors() {
        let here = Machine::here();
        assert!(here.memory_bytes >= 64 * 1024 * 1024 && here.processors >= 1, "{here:?}");
    }
}
