//! What the kernel tells about processes under `/proc`.

use std::{collections::BTreeMap, fs};

/// The arguments of a process, the program's name first. Empty if it is gone or a zombie.
pub fn command_line(pid: u32) -> Vec<String> {
    split(fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// The environment that a process was started with. Empty if it is gone, a zombie or of another
/// else's.
pub fn environment(pid: u32) -> BTreeMap<String, String> {
    let entries = split(fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
    entries.iter().filter_map(|entry| entry.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect()
}

/// Whether a process exists and is more than a zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the state follows the last one.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Every live process whose command line contains `part` and that has the variable `marker.0` with
/// the value `marker.1`, so that one test does not see the processes of another.
pub fn processes_named(part: &str, marker: (&str, &str)) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("list /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = pids
        .filter(|pid| command_line(*pid).join(" ").contains(part))
        .filter(|pid| environment(*pid).get(marker.0).is_some_and(|value| value == marker.1))
        .collect();
    found.sort_unstable();
    found
}

fn split(bytes: Vec<u8>) -> Vec<String> {
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}
