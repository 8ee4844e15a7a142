//! How long lent keys are used, and when new ones are asked for.

use std::time::{Duration, SystemTime};

/// Keys are renewed this long before they expire: time for some attempts, and more than clocks usually differ.
const MAX_LEAD: Duration = Duration::from_secs(5 * 60);

/// Keys that do not say when they expire are asked for again after this time. Those of a profile may have been changed.
const MAX_AGE_WITHOUT_EXPIRY: Duration = Duration::from_secs(15 * 60);

/// When keys were lent and until when they are good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) lent_at: SystemTime,
    /// When new ones were asked for last.
    pub(super) asked_at: SystemTime,
    pub(super) expires_at: Option<SystemTime>,
}

impl Lease {
    pub(super) fn new(now: SystemTime, expires_at: Option<SystemTime>) -> Self {
        Self { lent_at: now, asked_at: now, expires_at }
    }

    /// Whether the keys can still be used.
    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether new keys should be asked for. Between two questions there is a pause, as long as the keys are good: a
    /// service that does not answer, or gives the same keys again, is not asked before each request.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let Some(expires_at) = self.expires_at else {
            return since(self.asked_at, now) >= MAX_AGE_WITHOUT_EXPIRY;
        };
        let lead = (since(self.lent_at, expires_at) / 4).min(MAX_LEAD);
        let left = since(now, expires_at);
        left.is_zero() || (left <= lead && since(self.asked_at, now) >= lead / 5)
    }
}

/// Zero if the clock was set back.
fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// R128: keys of an hour are renewed five minutes before its end, and asked for once a minute from then on.
    #[test]
    fn keys_are_renewed_before_they_expire_and_not_asked_for_all_the_time_r128() {
        let lease = Lease::new(at(1000), Some(at(1000 + 3600)));
        let due = |second: u64| lease.is_due(at(1000 + second));
        assert_eq!([0, 3299, 3300, 3600, 9999].map(due), [false, false, true, true, true]);
        let asked = Lease { asked_at: at(1000 + 3300), ..lease };
        let due = |second: u64| asked.is_due(at(1000 + second));
        assert_eq!([3301, 3359, 3360, 3600].map(due), [false, false, true, true]);
        assert!(lease.is_valid(at(4599)) && !lease.is_valid(at(4600)));
        assert!(!lease.is_due(at(10)), "a clock that was set back");
    }

    #[test]
    fn short_lives_and_lives_without_an_end_have_their_own_pace_r128() {
        let short = Lease::new(at(0), Some(at(20)));
        assert_eq!([14, 15, 20].map(|second| short.is_due(at(second))), [false, true, true]);
        let endless = Lease::new(at(0), None);
        assert_eq!([899, 900].map(|second| endless.is_due(at(second))), [false, true]);
        assert!(endless.is_valid(at(1_000_000)));
    }
}
