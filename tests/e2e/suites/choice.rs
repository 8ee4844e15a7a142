//! Which items of a suite a run tries: all, some by name, or a sample at random.

use std::collections::BTreeSet;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// `all`, ids separated by commas, or nothing for a sample.
const SUITE: &str = "SUITE";

/// The seed of a sample that shall be taken again.
const SEED: &str = "SUITE_SEED";

/// How many items a sample has, instead of what its suite has time for.
const SIZE: &str = "SUITE_SIZE";

/// What `SUITE` and `SUITE_SEED` ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Everything.
    All,
    /// Items by their ids, each perhaps with a mode: `M002`, `M002/role`.
    These(Vec<String>),
    /// As many as a suite has time for, at random.
    Sample {
        /// The same seed chooses the same items.
        seed: u64,
    },
}

impl Choice {
    /// What the environment asks for. Says on standard error how to repeat a sample.
    #[track_caller]
    pub(super) fn from_env() -> Self {
        let choice = match env::var(SUITE).ok().filter(|text| !text.is_empty()).as_deref() {
            Some("all") => Self::All,
            Some(ids) => Self::These(ids.split(',').map(|id| id.trim().to_owned()).collect()),
            None => {
                let seed = env::var(SEED).ok().filter(|text| !text.is_empty());
                let seed =
                    seed.map_or_else(seed_of_now, |text| text.parse().unwrap_or_else(|_| panic!("{SEED}: {text}")));
                Self::Sample { seed }
            }
        };
        if let Self::Sample { seed } = choice {
            eprintln!("a sample; to take it again: {SEED}={seed}");
        }
        choice
    }

    /// Whether an item is one of those that were asked for by name.
    pub(super) fn names(&self, id: &str, mode: &str) -> bool {
        matches!(self, Self::These(ids) if ids.iter().any(|asked| asked == id || *asked == format!("{id}/{mode}")))
    }

    /// Panics if an item was asked for that is not in `ids`.
    #[track_caller]
    pub(super) fn assert_names_only(&self, ids: &BTreeSet<String>) {
        let Self::These(asked) = self else { return };
        let id = |asked: &str| asked.split('/').next().unwrap_or_default().to_owned();
        let unknown: Vec<&String> = asked.iter().filter(|asked| !ids.contains(&id(asked))).collect();
        assert!(unknown.is_empty(), "{SUITE}: there is no {unknown:?}");
    }

    /// The items that this run tries, in their order. `is_named` says which were asked for by name; a sample has
    /// everything that `is_always_in`, and at random others until there are `sample_size`.
    pub(super) fn of<T>(
        &self,
        all: Vec<T>,
        sample_size: usize,
        is_named: impl Fn(&T) -> bool,
        is_always_in: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        match self {
            Self::All => all,
            Self::These(_) => all.into_iter().filter(is_named).collect(),
            Self::Sample { seed } => sample(all, size_from_env().unwrap_or(sample_size), *seed, is_always_in),
        }
    }
}

fn sample<T>(all: Vec<T>, size: usize, seed: u64, is_always_in: impl Fn(&T) -> bool) -> Vec<T> {
    let mut random = Random(seed);
    let ranked = all.into_iter().enumerate().map(|(index, item)| (!is_always_in(&item), random.next(), index, item));
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(is_by_chance, rank, index, _)| (*is_by_chance, *rank, *index));
    ranked.truncate(size);
    ranked.sort_by_key(|(_, _, index, _)| *index);
    ranked.into_iter().map(|(_, _, _, item)| item).collect()
}

fn size_from_env() -> Option<usize> {
    let text = env::var(SIZE).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{SIZE}: {text}")))
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}

/// SplitMix64: every seed is a good one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_of(seed: u64) -> Vec<u32> {
        let choice = Choice::Sample { seed };
        choice.of((0..100).collect(), 10, |_| false, |number| *number == 50)
    }

    #[test]
    fn a_sample_is_repeated_by_its_seed_and_has_what_is_always_in() {
        assert_eq!(sample_of(7), sample_of(7));
        assert_ne!(sample_of(7), sample_of(8));
        for seed in 0..20 {
            let sample = sample_of(seed);
            assert!(sample.len() == 10 && sample.contains(&50) && sample.is_sorted(), "{sample:?}");
        }
    }

    #[test]
    fn items_are_named_with_or_without_a_mode() {
        let choice = Choice::These(vec!["M1".to_owned(), "M2/role".to_owned()]);
        assert!(choice.names("M1", "role") && choice.names("M1", "superuser"));
        assert!(choice.names("M2", "role") && !choice.names("M2", "superuser"));
        assert!(!Choice::All.names("M1", "role"));
    }
}
