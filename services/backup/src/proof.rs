//! Whether drills still prove what is made here, by the records that they leave.

use backup_core::repository::{Catalog, Drill};
use chrono::{DateTime, TimeDelta, Utc};

/// Number of records whose gaps tell how often drills take place.
const RECENT: usize = 5;

/// What is allowed without a passed drill: twice the longest gap, and at least the first. The second, if one record tells
/// of no gap.
const MIN_ALLOWED: TimeDelta = TimeDelta::days(3);
const ALLOWED_FOR_ONE: TimeDelta = TimeDelta::days(8);

/// When a drill passed last, and by when the next one has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    /// `None`: no record of a passed one is left.
    pub(crate) passed_at: Option<DateTime<Utc>>,
    /// From then on it is an alarm.
    pub(crate) due_by: DateTime<Utc>,
}

impl Proof {
    /// By the records in `catalog`; `None` if there is none: then no drill is expected to leave any.
    pub(crate) fn of(catalog: &Catalog) -> Option<Self> {
        let drills = || catalog.backups.iter().flat_map(|backup| &backup.drills);
        let mut times: Vec<DateTime<Utc>> = drills().map(Drill::known_at).collect();
        times.sort_unstable();
        let (oldest, recent) = (*times.first()?, &times[times.len().saturating_sub(RECENT)..]);
        let longest_gap = recent.windows(2).map(|pair| pair[1] - pair[0]).max();
        let allowed = longest_gap.map_or(ALLOWED_FOR_ONE, |gap| (gap * 2).max(MIN_ALLOWED));
        let passed_at = drills().filter(|drill| drill.passed).map(Drill::known_at).max();
        Some(Self { passed_at, due_by: passed_at.unwrap_or(oldest) + allowed })
    }

    /// What a listing shows `now`, with what was known `before`: records that are gone have been there, and as long as no
    /// other drill has passed, the next one is due no later.
    pub(crate) fn after(before: Option<Self>, now: Option<Self>) -> Option<Self> {
        let (Some(before), Some(now)) = (before, now) else { return now.or(before) };
        if now.passed_at > before.passed_at {
            return Some(now);
        }
        Some(Self { passed_at: before.passed_at, due_by: before.due_by.min(now.due_by) })
    }
}

/// Whether a passed drill is missing by `proof`, or is still missing since an alarm was raised at `raised_at`. Only a drill
/// that has passed since ends that alarm, also if the records are gone by which it was raised, or the process was
/// restarted: when it was raised, none had passed for [`MIN_ALLOWED`].
pub(crate) fn is_overdue(proof: Option<Proof>, raised_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let passed_at = proof.and_then(|proof| proof.passed_at);
    // One that was raised by a clock which was ahead is not waited for.
    let is_unanswered = |raised_at: DateTime<Utc>| passed_at.is_none_or(|at| at <= raised_at.min(now) - MIN_ALLOWED);
    proof.is_some_and(|proof| now > proof.due_by) || raised_at.is_some_and(is_unanswered)
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{BackupId, Layout};
    use backup_core::storage::{ListedObject, Prefix};

    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    /// Records of these days, passed or not, beside one backup.
    fn proof(records: &[(i64, bool)]) -> Option<Proof> {
        let start = Layout::new(Prefix::parse("p").unwrap(), "app").start().join(BackupId::new(day(0)).as_str());
        let records = records.iter().map(|(at, passed)| {
            let verdict = if *passed { "passed" } else { "failed" };
            (format!("drill-{}-{verdict}.json", day(*at).format("%Y%m%dT%H%M%SZ")), day(*at))
        });
        let files = ["app.dump", "manifest.json"].map(|name| (name.to_owned(), day(0))).into_iter().chain(records);
        let objects = files.map(|(name, at)| ListedObject { key: start.join(&name), bytes: 1, modified: Some(at) });
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        Proof::of(&Catalog::from_listing(&layout, objects.collect(), day(100)))
    }

    #[test]
    fn the_next_proof_is_due_by_the_rhythm_of_the_last_ones() {
        assert_eq!(proof(&[]), None, "no drill writes here");
        let due = |records| proof(records).map(|proof| (proof.passed_at, proof.due_by));
        assert_eq!(due(&[(1, true)]), Some((Some(day(1)), day(9))));
        assert_eq!(due(&[(1, true), (2, true)]), Some((Some(day(2)), day(5))));
        assert_eq!(due(&[(1, true), (8, true), (15, true)]), Some((Some(day(15)), day(29))));
        assert_eq!(due(&[(1, true), (2, false), (3, false)]), Some((Some(day(1)), day(4))));
        assert_eq!(due(&[(1, false)]), Some((None, day(9))));
    }

    #[test]
    fn records_that_are_gone_put_no_proof_off() {
        let due = |before: &[(i64, bool)], now: &[(i64, bool)]| {
            Proof::after(proof(before), proof(now)).map(|proof| (proof.passed_at, proof.due_by))
        };
        let known = Some((Some(day(2)), day(5)));
        assert_eq!(due(&[(1, true), (2, true)], &[]), known);
        assert_eq!(due(&[(1, true), (2, true)], &[(1, true)]), known);
        assert_eq!(due(&[(1, true), (2, true)], &[(2, true)]), known);
        assert_eq!(due(&[(1, false)], &[(8, false)]), Some((None, day(9))));
        // What fails later is no reason to wait longer.
        assert_eq!(due(&[(1, true), (2, true)], &[(1, true), (2, true), (12, false)]), known);
        assert_eq!(due(&[(1, true), (2, true)], &[(8, true)]), Some((Some(day(8)), day(16))));
        assert_eq!((due(&[], &[]), due(&[], &[(8, true)])), (None, Some((Some(day(8)), day(16)))));
    }

    #[test]
    fn only_a_drill_that_passes_ends_the_alarm() {
        let is_overdue = |records: &[(i64, bool)], raised_at: Option<i64>, now: i64| {
            is_overdue(proof(records), raised_at.map(day), day(now))
        };
        let records = [(1, true), (2, true), (3, false), (4, false)];
        assert_eq!([5, 6].map(|now| is_overdue(&records, None, now)), [false, true]);
        // The records are gone, all or some, and the process was restarted.
        assert!(is_overdue(&[], Some(6), 7) && is_overdue(&[(1, true)], Some(6), 7));
        assert!(is_overdue(&[(7, false)], Some(6), 7));
        assert!(!is_overdue(&[(7, true)], Some(6), 8));
        // It had passed when the alarm was raised, and the listing did not show it yet.
        assert!(!is_overdue(&[(6, true)], Some(6), 7));
        // The clock was set back since.
        assert!(is_overdue(&[(2, true)], Some(300), 7) && !is_overdue(&[(7, true)], Some(300), 7));
    }
}
