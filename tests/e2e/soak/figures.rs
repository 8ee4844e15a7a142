//! What a daemon uses, over one life.

use std::fs;

/// What it used at a moment at which nothing ran and nothing was wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) life: u32,
    /// Memory of its own. Parts of the program are resident once they were needed, which differs with each fault.
    pub(super) anonymous_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    pub(super) children: u64,
    /// Backups in the bucket: their names are known to both.
    pub(super) backups: u64,
}

/// Growth that is none: what the allocator keeps, of each thread on its own.
const SLACK_KIB: u64 = 8 * 1024;

/// What a backup in the bucket may take in the memory of a daemon.
const BACKUP_KIB: u64 = 16;

/// Fewer samples of one life tell nothing.
const MIN_SAMPLES: usize = 20;

impl Sample {
    /// Of the process `pid`; `None` if it is gone.
    pub(super) fn of(pid: u32, backups: u64) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
        };
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        Some(Self {
            life: pid,
            anonymous_kib: field("RssAnon")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
            threads: field("Threads")?,
            children: children.map(|children| children.split_whitespace().count() as u64).sum(),
            backups,
        })
    }
}

/// The median of one figure.
fn median(samples: &[Sample], figure: impl Fn(&Sample) -> u64) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(figure).collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}

/// The figures of the last life, in words, and what has grown.
pub(super) fn judged(name: &str, samples: &[Sample]) -> (String, Vec<String>) {
    let Some(last) = samples.last() else { return (format!("{name}: no samples"), Vec::new()) };
    let life: Vec<Sample> = samples.iter().filter(|sample| sample.life == last.life).copied().collect();
    let tenth = (life.len() / 10).max(1);
    let (begin, end) = (&life[..tenth], &life[life.len() - tenth..]);
    let pair = |figure: fn(&Sample) -> u64| (median(begin, figure), median(end, figure));
    let (memory, descriptors) = (pair(|sample| sample.anonymous_kib), pair(|sample| sample.descriptors));
    let (threads, children) = (pair(|sample| sample.threads), pair(|sample| sample.children));
    let backups = pair(|sample| sample.backups);
    let words = format!(
        "{name}, first tenth and last tenth of {} samples of its last life: memory {} and {} KiB, descriptors {} and {}, \
         threads {} and {}, children {} and {}, backups in the bucket {} and {}",
        life.len(),
        memory.0,
        memory.1,
        descriptors.0,
        descriptors.1,
        threads.0,
        threads.1,
        children.0,
        children.1,
        backups.0,
        backups.1
    );
    if life.len() < MIN_SAMPLES {
        return (words, Vec::new());
    }
    let allowed_kib = memory.0 + SLACK_KIB + BACKUP_KIB * backups.1.saturating_sub(backups.0);
    let grown = [
        ("memory", memory.1, allowed_kib),
        ("descriptors", descriptors.1, descriptors.0 + 2),
        ("threads", threads.1, threads.0 + 2),
        ("children", children.1, 0),
    ];
    let grown = grown.into_iter().filter(|(_, now, allowed)| now > allowed);
    (words, grown.map(|(what, now, allowed)| format!("{name}: {what} {now}, at most {allowed} allowed")).collect())
}
