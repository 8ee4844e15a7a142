//! What the rules keep if some backups take no places: each view of a group leaves some out, and what is kept in any of
//! them stays. A view more only keeps more.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Candidate, KeepReason, RetentionPolicy, keep};
use crate::standing::{Doubt, Standing};

/// Some of a group, by their places in it.
struct View {
    /// Those that take places.
    seen: Vec<usize>,
    /// Those of them for which the view decides.
    decided: BTreeSet<usize>,
}

/// Why each backup of `group`, the newest first, is kept in any view; no reasons for those that may go.
pub(super) fn keep_in_any(group: &[&Candidate], now: DateTime<Utc>, policy: &RetentionPolicy) -> Vec<Vec<KeepReason>> {
    let mut kept: Vec<Vec<KeepReason>> = vec![Vec::new(); group.len()];
    for View { seen, decided } in views(group) {
        let candidates: Vec<&Candidate> = seen.iter().map(|place| group[*place]).collect();
        let reasons = seen.into_iter().zip(keep(&candidates, now, policy));
        for (place, reasons) in reasons.filter(|(place, _)| decided.contains(place)) {
            let new: Vec<KeepReason> = reasons.into_iter().filter(|reason| !kept[place].contains(reason)).collect();
            kept[place].extend(new);
        }
    }
    kept
}

fn views(group: &[&Candidate]) -> Vec<View> {
    let view = |is_seen: &dyn Fn(&Candidate) -> bool, is_decided: &dyn Fn(&Candidate) -> bool| {
        let places = |wanted: &dyn Fn(&Candidate) -> bool| {
            (0..group.len()).filter(|place| wanted(group[*place])).collect::<Vec<usize>>()
        };
        let seen = places(is_seen);
        let decided = seen.iter().copied().filter(|place| is_decided(group[*place])).collect();
        View { seen, decided }
    };
    let all = |_: &Candidate| true;
    let mut views =
        vec![view(&all, &all), view(&|one| one.standing == Standing::Counts, &all), view(&|one| one.is_signed, &all)];
    let batches: BTreeSet<Batch> = group.iter().filter_map(|one| Batch::of(one)).collect();
    for batch in batches {
        views.push(view(&|one| batch.sees(one), &|one| Batch::of(one) == Some(batch)));
    }
    // What is marked as too small takes no place in any of them.
    let is_usual = |place: &usize| !group[*place].suspect;
    let usual = |view: &View| View {
        seen: view.seen.iter().copied().filter(is_usual).collect(),
        decided: view.decided.clone(),
    };
    if group.iter().any(|one| one.suspect) {
        let usual: Vec<View> = views.iter().map(usual).collect();
        views.extend(usual);
    }
    views
}

/// Those of a batch that do not count, for one kind of reasons, and that are of one size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Batch {
    number: usize,
    peers: Peers,
}

/// In this order what stands later takes no place from what stands before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Peers {
    /// Of a burst, by the rank of their size.
    Burst(usize),
    /// Far smaller than the others, by the rank of their size.
    Small(usize),
    /// Of another time, of all sizes.
    OtherTime,
}

impl Batch {
    /// `None` for what counts.
    fn of(one: &Candidate) -> Option<Self> {
        let Standing::Doubtful { batch: number, doubt } = one.standing else { return None };
        let peers = match doubt {
            Doubt::Burst { rank } => Peers::Burst(rank),
            Doubt::Small { rank } => Peers::Small(rank),
            Doubt::OtherTime { .. } => Peers::OtherTime,
        };
        Some(Self { number, peers })
    }

    /// Whether `one` takes a place from those of this batch: what counts does, and of the batch itself what is not
    /// smaller. What was copied into the bucket together competes with itself, with what counts, and with one of each
    /// other batch: so also a bucket that is only ever copied can be pruned.
    fn sees(self, one: &Candidate) -> bool {
        let leads = matches!(one.standing, Standing::Doubtful { doubt: Doubt::OtherTime { leads: true }, .. });
        let Some(Self { number, peers }) = Self::of(one) else { return true };
        match self.peers {
            Peers::OtherTime => leads || (number == self.number && peers == self.peers),
            Peers::Burst(_) | Peers::Small(_) => number == self.number && peers <= self.peers,
        }
    }
}
