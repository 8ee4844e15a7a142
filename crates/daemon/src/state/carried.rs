//! What is wrong with no database alone. One of them carries it for all, so that it is one alarm and one message.

use std::collections::BTreeMap;

use backup_core::repository::Word;
use backup_core::scrub::Scrubber;
use chrono::Utc;

use super::{DatabaseState, State};
use crate::alarm::Severity;
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::deliveries::Deliveries;
use crate::left_out::{LeftOut, UNLISTED_FOR};

impl<D: Clone> State<D> {
    /// Enters where it is counted what cannot be delivered.
    pub(crate) fn watch_deliveries(&self, deliveries: Deliveries) {
        if let Some(first) = self.lock().values_mut().next() {
            first.undelivered = Some(deliveries);
        }
    }

    /// Enters that messages could not be delivered before a restart, in the channels that are `meant`.
    pub(crate) fn doubt_deliveries(&self, meant: impl Fn(&Word) -> bool) {
        let databases = self.lock();
        databases.values().filter_map(|state| state.undelivered.as_ref()).for_each(|counted| counted.doubt(&meant));
    }

    /// Enters that the databases of the bucket cannot be listed because of `error`. If the bucket cannot be listed at all,
    /// each database says so itself; as long as none is known, the one without a name.
    pub fn cannot_list_databases(&self, error: &anyhow::Error, scrubber: &Scrubber) {
        let now = Utc::now();
        self.change(&DatabaseName::unknown(), |state| state.unlisted.failed_by(error, scrubber, now));
        let is_seen = |state: &DatabaseState<D>| state.listing.is_some() && !state.unlisted.is_failing();
        if self.lock().values().any(is_seen) {
            let reason =
                scrubber.scrub(&format!("the databases in the bucket cannot be listed: {error:#}")).into_owned();
            let lasting = LeftOut::lasting(reason, Severity::Warning, now);
            self.leave_out(Some(LeftOut { patience: UNLISTED_FOR, ..lasting }));
        }
    }

    /// Enters why some databases are not looked after, or that none is left out. One of those that are looked after carries
    /// the alarm: it has a journal, so that a restart forgets nothing.
    pub fn leave_out(&self, left_out: Option<LeftOut>) {
        carry(&mut self.lock(), |known| {
            let new = left_out?;
            // What could pass and what lasts are known since times of their own.
            let known = known.filter(|known| known.patience == new.patience);
            Some(LeftOut { since: known.map_or(new.since, |known| known.since), ..new })
        });
        self.changed.notify_one();
    }
}

/// Gives what `change` makes of the reason why databases are left out to the one that has the alarm, else to the one that
/// had the reason, else to the first.
pub(super) fn carry<D>(
    databases: &mut BTreeMap<DatabaseName, DatabaseState<D>>,
    change: impl FnOnce(Option<LeftOut>) -> Option<LeftOut>,
) {
    let alarmed = databases.values().position(|state| state.noticed.has(AlarmCode::LeftOut));
    let carrier = alarmed.or_else(|| databases.values().position(|state| state.left_out.is_some())).unwrap_or(0);
    let known = databases.values_mut().find_map(|state| state.left_out.take());
    if let Some(state) = databases.values_mut().nth(carrier) {
        state.left_out = change(known);
    }
}
