//! Whether runs take much longer than they use to.

use std::time::Duration;

use backup_core::repository::{Catalog, Kind};

/// Number of runs before the last one that tell what is usual, and how few of them tell nothing.
const HISTORY: usize = 7;
const MIN_HISTORY: usize = 3;

/// A run that takes less is not slow, even if the others took much less.
const FLOOR: Duration = Duration::from_secs(600);

/// Of the time between two runs, what one may take, in percent; no matter for intervals shorter than the second.
const MAX_PERCENT_OF_INTERVAL: u32 = 80;
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// How long runs took, by the listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The last run that made a backup.
    last: Option<Duration>,
    /// The median of those before it.
    usual: Option<Duration>,
}

/// A run that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlowRun {
    /// How long it takes or took.
    pub(crate) takes: Duration,
    /// What it is held against: what runs use to take, or the time between two of them.
    pub(crate) than: Than,
}

/// What a slow run is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Than {
    /// What the runs before it took.
    Usual(Duration),
    /// The time between two runs.
    Interval(Duration),
}

impl Pace {
    /// Of the runs in `catalog` that made backups of this kind. What took longer than `run_timeout` was copied here.
    pub(crate) fn of(catalog: &Catalog, kind: Kind, run_timeout: Duration) -> Self {
        let runs = catalog.backups.iter().filter(|backup| backup.kind == kind);
        let mut runs = runs.map(|backup| backup.took(run_timeout));
        let last = runs.next().flatten();
        let mut before: Vec<Duration> = runs.take(HISTORY).flatten().collect();
        before.sort_unstable();
        let usual = before.get(before.len() / 2).copied().filter(|_| before.len() >= MIN_HISTORY);
        Self { last, usual }
    }

    /// The last run or the `running` one, if it is slow for runs every `interval`. A run that has begun does not end it,
    /// so that it does not come and go.
    pub(crate) fn slow(&self, running: Option<Duration>, interval: Duration) -> Option<SlowRun> {
        running.into_iter().chain(self.last).find_map(|takes| self.judge(takes, interval))
    }

    fn judge(&self, takes: Duration, interval: Duration) -> Option<SlowRun> {
        let usual = self.usual.filter(|usual| takes > *usual * 2 && takes > FLOOR).map(Than::Usual);
        let allowed = interval * MAX_PERCENT_OF_INTERVAL / 100;
        let too_near = (interval >= SHORTEST_INTERVAL && takes > allowed).then_some(Than::Interval(interval));
        Some(SlowRun { takes, than: usual.or(too_near)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn a_run_is_slow_beside_the_ones_before_it_or_beside_the_schedule() {
        let pace = |last: u64, usual: Option<u64>| Pace { last: Some(minutes(last)), usual: usual.map(minutes) };
        let usual = Some(Than::Usual(minutes(20)));
        for (pace, running, interval, expected) in [
            (pace(40, Some(20)), None, DAY, None),
            (pace(41, Some(20)), None, DAY, usual),
            (pace(20, Some(20)), Some(41), DAY, usual),
            (pace(41, Some(20)), Some(1), DAY, usual),
            (pace(9, Some(1)), None, DAY, None),
            (pace(600, None), None, DAY, None),
            (pace(48, None), None, minutes(60), None),
            (pace(49, None), None, minutes(60), Some(Than::Interval(minutes(60)))),
            (pace(1, None), None, Duration::from_secs(10), None),
        ] {
            let found = pace.slow(running.map(minutes), interval).map(|slow| slow.than);
            assert_eq!(found, expected, "{pace:?} {running:?}");
        }
    }
}
