//! What is said once about a database and its bucket, and not again after each run.

use std::sync::Once;

/// What was said already.
#[derive(Debug)]
pub(crate) struct SaidOnce {
    /// That deletions only hide objects.
    pub(crate) hidden_deletions: Once,
    /// That the store refuses the sweep of unfinished uploads. What it refused once, it refuses.
    pub(crate) refused_sweep: Once,
}

impl Default for SaidOnce {
    fn default() -> Self {
        Self { hidden_deletions: Once::new(), refused_sweep: Once::new() }
    }
}
