//! What the rules keep if some backups take no places: each view of a group leaves some out, and what is kept in any of
//! them stays. A view more only keeps more.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut keep_in = |View { seen, decided }: View| {
        let candidates: Vec<&Candidate> = seen.iter().map(|place| group[*place]).collect();
        let reasons = seen.into_iter().zip(keep(&candidates, now, policy));
        for (place, reasons) in reasons.filter(|(place, _)| decided.contains(place)) {
            let new: Vec<KeepReason> = reasons.into_iter().filter(|reason| !kept[place].contains(reason)).collect();
            kept[place].extend(new);
        }
    };
    // What is marked as too small takes no place in any of them.
    let has_suspects = group.iter().any(|one| one.suspect);
    for view in views(group) {
        let usual = has_suspects.then(|| view.without_suspects(group));
        keep_in(view);
        usual.into_iter().for_each(&mut keep_in);
    }
    kept
}

/// One after the other: another writer decides how many there are.
fn views<'all>(group: &'all [&Candidate]) -> impl Iterator<Item = View> + 'all {
    let places = |wanted: &dyn Fn(&Candidate) -> bool| {
        (0..group.len()).filter(|place| wanted(group[*place])).collect::<Vec<usize>>()
    };
    let whole = |seen: Vec<usize>| View { decided: seen.iter().copied().collect(), seen };
    let first = [
        whole(places(&|_| true)),
        whole(places(&|one| one.standing == Standing::Counts)),
        whole(places(&|one| one.is_signed)),
    ];
    // No view of a batch looks at what is in other batches and takes no place from others: that may be any number.
    let of_all = places(&|one| Batch::of(one).is_none() || is_leader(one));
    let mut by_number: BTreeMap<usize, BTreeMap<Batch, Vec<usize>>> = BTreeMap::new();
    for (place, batch) in group.iter().enumerate().filter_map(|(place, one)| Some((place, Batch::of(one)?))) {
        by_number.entry(batch.number).or_default().entry(batch).or_default().push(place);
    }
    let of_batches = by_number.into_values().flat_map(move |batches| {
        let own: Vec<usize> = batches.values().flatten().copied().collect();
        let mut near: Vec<usize> = of_all.iter().chain(&own).copied().collect();
        near.sort_unstable();
        near.dedup();
        batches.into_iter().map(move |(batch, decided)| View {
            seen: near.iter().copied().filter(|place| batch.sees(group[*place])).collect(),
            decided: decided.into_iter().collect(),
        })
    });
    first.into_iter().chain(of_batches)
}

impl View {
    fn without_suspects(&self, group: &[&Candidate]) -> Self {
        let seen = self.seen.iter().copied().filter(|place| !group[*place].suspect).collect();
        Self { seen, decided: self.decided.clone() }
    }
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
        let Some(Self { number, peers }) = Self::of(one) else { return true };
        match self.peers {
            Peers::OtherTime => is_leader(one) || (number == self.number && peers == self.peers),
            Peers::Burst(_) | Peers::Small(_) => number == self.number && peers <= self.peers,
        }
    }
}

/// Whether `one` stands for its batch among those of another time.
fn is_leader(one: &Candidate) -> bool {
    matches!(one.standing, Standing::Doubtful { doubt: Doubt::OtherTime { leads: true }, .. })
}
