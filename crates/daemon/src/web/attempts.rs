//! How often a wrong token may be tried.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::connection::Network;

/// The time in which wrong tokens are counted.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Maximum number of wrong tokens of one address in a window: a person with a bad password manager needs a few.
const MAX_OF_ONE_ADDRESS: u32 = 10;

/// Maximum number of wrong tokens of all addresses in a window.
const MAX_OF_ALL: u32 = 100;

/// Maximum number of addresses that are remembered for the right token they have shown.
const MAX_KNOWN: usize = 64;

/// Wrong tokens of the current window.
#[derive(Debug)]
pub(super) struct Attempts {
    began: Instant,
    wrong: u32,
    /// At most [`MAX_OF_ALL`] addresses, since each has shown one.
    wrong_of: BTreeMap<Network, u32>,
    /// Addresses that have shown the right token once: a crowd of others does not keep them out.
    known: BTreeSet<Network>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { began: Instant::now(), wrong: 0, wrong_of: BTreeMap::new(), known: BTreeSet::new() }
    }
}

impl Attempts {
    /// Whether a token that comes from `from` may be looked at now.
    pub(super) fn may_try(&mut self, from: Network, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.wrong) = (now, 0);
            self.wrong_of.clear();
        }
        let is_known = self.known.contains(&from);
        let own = self.wrong_of.get(&from).copied().unwrap_or_default();
        own < MAX_OF_ONE_ADDRESS && (is_known || self.wrong < MAX_OF_ALL)
    }

    /// Counts a wrong token.
    pub(super) fn was_wrong(&mut self, from: Network) {
        self.wrong = self.wrong.saturating_add(1);
        *self.wrong_of.entry(from).or_default() += 1;
    }

    /// Remembers who has shown the right token.
    pub(super) fn was_right(&mut self, from: Network) {
        if self.known.len() < MAX_KNOWN {
            self.known.insert(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(host: u32) -> Network {
        Network(IpAddr::from(host.to_be_bytes()))
    }

    #[test]
    fn an_address_has_ten_wrong_tokens_in_ten_seconds() {
        let (mut attempts, begun) = (Attempts::default(), Instant::now());
        let late = begun + WINDOW - Duration::from_secs(1);
        for _ in 0..MAX_OF_ONE_ADDRESS {
            assert!(attempts.may_try(from(1), begun));
            attempts.was_wrong(from(1));
        }
        assert!(!attempts.may_try(from(1), late) && attempts.may_try(from(2), late));
        assert!(attempts.may_try(from(1), begun + WINDOW));
    }

    #[test]
    fn a_crowd_of_addresses_has_a_hundred_and_does_not_keep_out_who_was_right() {
        let (mut attempts, begun) = (Attempts::default(), Instant::now());
        attempts.was_right(from(1));
        for host in 2..10_000 {
            if attempts.may_try(from(host), begun) {
                attempts.was_wrong(from(host));
            }
        }
        assert_eq!((attempts.wrong, attempts.wrong_of.len()), (MAX_OF_ALL, MAX_OF_ALL as usize));
        assert!(attempts.may_try(from(1), begun) && !attempts.may_try(from(20_000), begun));
    }
}
