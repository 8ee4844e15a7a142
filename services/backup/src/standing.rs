//! Which backups take places from others when retention counts.
//!
//! Anyone who can write to the bucket can invent an id, and a manifest, and as many of both as they like. Not to be
//! invented is when the store says that an object was written. So an id is held against that, what was written in a
//! burst counts once, and what is far smaller than the rest does not count. What does not count is kept and deleted by
//! the same rules as everything else; it only takes no place from what counts.

use std::collections::{BTreeMap, BTreeSet};

use backup_core::repository::{Backup, BackupId};
use chrono::{DateTime, TimeDelta, Utc};

use crate::batches::{batches, most_of, written_at};
use crate::shrink::is_far_below;
use crate::timing::Timing;

/// How far in the future the time of a backup may lie. Further, a clock was wrong when it was made,
/// and no rule should take it for the newest.
pub(crate) const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// How long after its id a backup may have been written and still count, at least: a run takes its time, and a copy of
/// a bucket that is made every night is a day late.
const MIN_LATE: TimeDelta = TimeDelta::days(2);

/// Number of sizes of a batch that are told apart, the largest first; the smaller ones are one. Each of them costs a
/// forger as much as the dump that it shall displace.
const MAX_RANKS: usize = 16;

/// By how much a dump must be smaller than the others if it is compressed in another way than these.
const MAX_SHRINK_PERCENT_OF_OTHERS: u64 = 99;

/// Whether a backup takes places from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It takes its place.
    Counts,
    /// It takes a place only from those that were written together with it.
    Doubtful {
        /// The same number for all that were written at about one time.
        batch: usize,
        /// What is odd about it.
        doubt: Doubt,
    },
}

impl Standing {
    /// Whether it was written at another time than its id says.
    pub(crate) fn is_of_another_time(self) -> bool {
        matches!(self, Self::Doubtful { doubt: Doubt::OtherTime { .. }, .. })
    }
}

/// Why a backup takes no place from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// A larger one, or a newer one of the same size, was written at about the same time, and counts for both.
    Burst {
        /// Number of sizes above its own in its batch, of those with the same doubt; see [`MAX_RANKS`].
        rank: usize,
    },
    /// Its dump is far smaller than the others.
    Small {
        /// As of [`Doubt::Burst`].
        rank: usize,
    },
    /// It was written at another time than its id says: copied from another bucket, or forged.
    OtherTime {
        /// Whether it is the newest of its batch, which stands for the batch among others of this kind.
        leads: bool,
    },
}

/// What a backup must be like to count.
#[derive(Debug, Clone)]
pub(crate) struct StandingRule {
    /// What is written within this time counts once.
    burst: TimeDelta,
    /// Of what is written within this time, the largest tells what is usual: if the gaps of a schedule differ, there is
    /// room for many small ones in the longest.
    usual: TimeDelta,
    /// How long after its id a backup may have been written.
    max_late: TimeDelta,
    /// `BACKUP_MAX_SHRINK_PERCENT`.
    max_shrink_percent: u64,
    /// From which backup on an operator has accepted a smaller size.
    accepted_from: Option<BackupId>,
}

impl StandingRule {
    /// By the schedule: two runs lie at least half of its shortest gap apart, if they are not a burst, and at most its
    /// longest.
    pub(crate) fn of(timing: &Timing, max_shrink_percent: u64, now: DateTime<Utc>) -> Self {
        let gap_seconds = i64::try_from(timing.schedule.shortest_gap_seconds(now)).unwrap_or(i64::MAX / 1_000_000);
        let usual = most_of(timing.schedule.longest_gap_seconds(now));
        let run = TimeDelta::from_std(timing.run_timeout).unwrap_or(MIN_LATE);
        let max_late = MIN_LATE.max(run * 2);
        Self { burst: TimeDelta::seconds(gap_seconds) / 2, usual, max_late, max_shrink_percent, accepted_from: None }
    }

    /// The same rule, with a size that was accepted.
    pub(crate) fn accepting(&self, accepted_from: Option<BackupId>) -> Self {
        Self { accepted_from, ..self.clone() }
    }

    fn is_timely(&self, backup: &Backup) -> bool {
        let late = written_at(backup) - backup.id.time();
        -CLOCK_TOLERANCE <= late && late <= self.max_late
    }
}

/// The standing of each of `group`, which are of one kind, in their order.
pub(crate) fn standings(group: &[&Backup], rule: &StandingRule) -> Vec<Standing> {
    let batches = batches(group, rule.burst);
    let timely: Vec<bool> = group.iter().map(|backup| rule.is_timely(backup)).collect();
    let is_small = small(group, &batches, &timely, rule);
    // The largest of each batch, and of equal ones the newest: a writer who adds to a batch can have the last word, and has
    // less to write than a database. Those of another time have a leader of their own, of any size: the newest, since
    // backups that were copied together are of as many times as they are.
    let claim = |place: usize| (if timely[place] { group[place].dump_bytes } else { 0 }, &group[place].id);
    let mut leaders: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    for place in (0..group.len()).filter(|place| !is_small[*place] || !timely[*place]) {
        let leader = leaders.entry((batches[place], timely[place])).or_insert(place);
        if claim(place) > claim(*leader) {
            *leader = place;
        }
    }
    let leaders: BTreeSet<usize> = leaders.into_values().collect();
    let ranks = ranks(group, &batches, &timely, &is_small);
    let standing = |place: usize| {
        let (batch, leads, rank) = (batches[place], leaders.contains(&place), ranks[place]);
        match (timely[place], is_small[place]) {
            (false, _) => Standing::Doubtful { batch, doubt: Doubt::OtherTime { leads } },
            (true, true) => Standing::Doubtful { batch, doubt: Doubt::Small { rank } },
            (true, false) if leads => Standing::Counts,
            (true, false) => Standing::Doubtful { batch, doubt: Doubt::Burst { rank } },
        }
    };
    (0..group.len()).map(standing).collect()
}

/// Of each, how many sizes of its batch are above its own, among those that are small or not as it is.
fn ranks(group: &[&Backup], batches: &[usize], timely: &[bool], is_small: &[bool]) -> Vec<usize> {
    let mut sizes: BTreeMap<(usize, bool), BTreeSet<u64>> = BTreeMap::new();
    for place in (0..group.len()).filter(|place| timely[*place]) {
        let largest = sizes.entry((batches[place], is_small[place])).or_default();
        largest.insert(group[place].dump_bytes);
        if largest.len() > MAX_RANKS {
            largest.pop_first();
        }
    }
    let rank = |place: usize| {
        let largest = sizes.get(&(batches[place], is_small[place]));
        largest.map_or(0, |largest| largest.iter().rev().take_while(|bytes| **bytes > group[place].dump_bytes).count())
    };
    (0..group.len()).map(rank).collect()
}

/// Whether each of `group` is far smaller than the largest dumps of other times; if all are of one time, than those of
/// other `bursts`.
fn small(group: &[&Backup], bursts: &[usize], timely: &[bool], rule: &StandingRule) -> Vec<bool> {
    let times = batches(group, rule.usual);
    let [of_times, of_bursts] = [&times[..], bursts].map(|batches| (Sizes::of(group, batches, timely, rule), batches));
    let is_small = |place: usize| {
        let is_small = |(sizes, batches): &(Sizes, &[usize])| sizes.is_small(group[place], batches[place], rule);
        is_small(&of_times).or_else(|| is_small(&of_bursts)).unwrap_or(false)
    };
    (0..group.len()).map(is_small).collect()
}

/// The largest dump of each batch, and how it is stored.
struct Sizes<'backup> {
    largest: BTreeMap<(usize, &'backup str), u64>,
    /// For each way to store a dump, the sizes of those that are stored so, and of all others, in order.
    ordered: BTreeMap<&'backup str, [Vec<u64>; 2]>,
}

impl<'backup> Sizes<'backup> {
    fn of(group: &[&'backup Backup], batches: &[usize], timely: &[bool], rule: &StandingRule) -> Self {
        let mut largest = BTreeMap::new();
        for ((backup, batch), timely) in group.iter().zip(batches).zip(timely) {
            if *timely && rule.accepted_from.as_ref().is_none_or(|from| backup.id >= *from) {
                let largest: &mut u64 = largest.entry((*batch, backup.dump_name.as_str())).or_default();
                *largest = backup.dump_bytes.max(*largest);
            }
        }
        // There are as many as there are suffixes.
        let names: BTreeSet<&str> = group.iter().map(|backup| backup.dump_name.as_str()).collect();
        let ordered = names.into_iter().map(|wanted| {
            let sizes = [true, false].map(|is_alike| {
                let sizes = largest.iter().filter(|((_, name), _)| (*name == wanted) == is_alike);
                let mut sizes: Vec<u64> = sizes.map(|(_, bytes)| *bytes).collect();
                sizes.sort_unstable();
                sizes
            });
            (wanted, sizes)
        });
        let ordered = ordered.collect();
        Self { largest, ordered }
    }

    /// Whether the dump is far smaller than those of other batches than `batch`, its own; `None` if there are none.
    fn is_small(&self, backup: &Backup, batch: usize, rule: &StandingRule) -> Option<bool> {
        if rule.max_shrink_percent >= 100 || rule.accepted_from.as_ref().is_some_and(|from| backup.id < *from) {
            return Some(false);
        }
        let [alike, unlike] = self.ordered.get(backup.dump_name.as_str())?;
        let own = |is_alike: bool| {
            let own = self.largest.range((batch, "")..(batch + 1, ""));
            let own = own.filter(move |((_, name), _)| (*name == backup.dump_name) == is_alike);
            own.map(|(_, bytes)| *bytes).collect::<Vec<u64>>()
        };
        let usual = [
            (median_without(alike, own(true)), rule.max_shrink_percent),
            (median_without(unlike, own(false)), MAX_SHRINK_PERCENT_OF_OTHERS),
        ];
        let mut usual = usual.into_iter().filter_map(|(usual, percent)| Some((usual?, percent))).peekable();
        usual.peek()?;
        Some(usual.any(|(usual, percent)| is_far_below(usual, backup.dump_bytes, percent)))
    }
}

/// The median of `ordered` without those of its sizes that are left out; `None` if none are left.
fn median_without(ordered: &[u64], mut left_out: Vec<u64>) -> Option<u64> {
    left_out.sort_unstable();
    let mut place = ordered.len().checked_sub(left_out.len())? / 2;
    for (before, bytes) in left_out.iter().enumerate() {
        // Of equal sizes the first ones are left out.
        let equal = left_out[..before].iter().filter(|other| *other == bytes).count();
        let left_out_at = ordered.partition_point(|size| size < bytes) + equal;
        place += usize::from(left_out_at <= place);
    }
    ordered.get(place).copied()
}

#[cfg(test)]
pub(crate) mod tests;
