//! What the rules keep if some backups take no places: each view of a group leaves some out, and what is kept in any of
//! them stays. A view more only keeps more.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Candidate, KeepReason, RetentionPolicy, keep};
use crate::standing::{Doubt, Standing};

/// Why each backup of `group`, the newest first, is kept in any view; no reasons for those that may go.
pub(super) fn keep_in_any(group: &[&Candidate], now: DateTime<Utc>, policy: &RetentionPolicy) -> Vec<Vec<KeepReason>> {
    let mut kept = keep(group, now, policy);
    for places in views(group) {
        let seen: Vec<&Candidate> = places.iter().map(|place| group[*place]).collect();
        for (place, reasons) in places.into_iter().zip(keep(&seen, now, policy)) {
            let new: Vec<KeepReason> = reasons.into_iter().filter(|reason| !kept[place].contains(reason)).collect();
            kept[place].extend(new);
        }
    }
    kept
}

/// The places in `group` that each view sees; all of them is a view that every caller has anyway.
fn views(group: &[&Candidate]) -> Vec<Vec<usize>> {
    let places_of = |is_seen: &dyn Fn(&Candidate) -> bool| {
        (0..group.len()).filter(|place| is_seen(group[*place])).collect::<Vec<usize>>()
    };
    let counts = |one: &Candidate| one.standing == Standing::Counts;
    let mut views = vec![
        places_of(&|one| !one.suspect),
        places_of(&counts),
        places_of(&|one| counts(one) && !one.suspect),
        places_of(&|one| one.is_signed),
        places_of(&|one| one.is_signed && !one.suspect),
    ];
    let batch_of = |one: &&Candidate| match one.standing {
        Standing::Counts => None,
        Standing::Doubtful { batch, doubt } => Some((batch, matches!(doubt, Doubt::OtherTime { .. }))),
    };
    let batches: BTreeSet<(usize, bool)> = group.iter().filter_map(batch_of).collect();
    // Those that were copied into the bucket together compete with each other, with what counts, and with one of each
    // other batch, so that also a bucket that is only ever copied can be pruned.
    let is_seen = |one: &Candidate, (seen, of_other_time): (usize, bool)| match one.standing {
        Standing::Counts => true,
        Standing::Doubtful { batch, doubt: Doubt::OtherTime { leads } } => of_other_time && (batch == seen || leads),
        Standing::Doubtful { batch, doubt: Doubt::Burst | Doubt::Small } => batch == seen && !of_other_time,
    };
    views.extend(batches.into_iter().map(|batch| places_of(&|one| is_seen(one, batch))));
    views.dedup();
    views
}
