//! Chance that a seed decides.

use std::time::Duration;

/// A generator of numbers (splitmix64). Equal seeds give equal numbers.
pub(super) struct Lot(u64);

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    /// From the first number of seconds to the second.
    pub(super) fn seconds(&mut self, (least, most): (u64, u64)) -> Duration {
        Duration::from_secs(least + self.below(usize::try_from(most - least).unwrap() + 1) as u64)
    }
}
