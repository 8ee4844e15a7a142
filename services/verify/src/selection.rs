//! Which backup a drill takes.

use backup_drill::Selector;
use rand::Rng;

use crate::config::SelectionPolicy;

impl SelectionPolicy {
    /// What the `number`th drill of a daemon takes.
    pub(crate) fn selector(&self, number: u64) -> Selector {
        match self {
            // Every second of them is the oldest, which needs the oldest key.
            Self::Newest { random_every: every @ 1.. } if number.is_multiple_of(*every) => {
                if (number / every).is_multiple_of(2) { Selector::Older } else { Selector::Oldest }
            }
            Self::Newest { .. } => Selector::Newest,
            Self::Random => Selector::Random,
            Self::Always(id) => Selector::Named(id.clone()),
        }
    }

    /// Whether a newer backup than the last drilled one asks for a drill.
    pub(crate) fn asks_for_newest(&self) -> bool {
        match self {
            Self::Newest { .. } => true,
            Self::Random | Self::Always(_) => false,
        }
    }

    /// What a process takes that drills once and cannot count: chance stands in for a counter.
    pub(crate) fn selector_once(&self) -> Selector {
        match self {
            Self::Newest { random_every: every @ 1.. } => self.selector(rand::rng().random_range(1..=every * 2)),
            _ => self.selector(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_so_many_drills_one_takes_an_older_backup_and_each_second_of_them_the_oldest_r038() {
        let drills = |random_every, selector: Selector| {
            let selection_policy = SelectionPolicy::Newest { random_every };
            (1..=20).filter(|number| selection_policy.selector(*number) == selector).collect::<Vec<_>>()
        };
        assert_eq!(drills(5, Selector::Oldest), [5, 15]);
        assert_eq!(drills(5, Selector::Older), [10, 20]);
        assert_eq!((drills(1, Selector::Oldest).len(), drills(1, Selector::Older).len()), (10, 10));
        assert_eq!(drills(0, Selector::Newest).len(), 20);
        assert_eq!(SelectionPolicy::Random.selector(5), Selector::Random);
    }

    #[test]
    fn a_process_that_drills_once_takes_an_older_backup_by_chance() {
        let selection_policy = SelectionPolicy::Newest { random_every: 2 };
        let taken: Vec<Selector> = (0..200).map(|_| selection_policy.selector_once()).collect();
        assert!([Selector::Older, Selector::Oldest, Selector::Newest].iter().all(|selector| taken.contains(selector)));
        assert_eq!(SelectionPolicy::Newest { random_every: 0 }.selector_once(), Selector::Newest);
    }
}
