//! Which backups may go: a pure plan from what a listing shows. It deletes nothing itself.
//!
//! Each group, full and partial, is planned for itself. In a group a backup stays if any rule of
//! [`RetentionPolicy`] asks for it; what no rule asks for is deleted, the oldest first and at most
//! [`RetentionPolicy::max_deletes`] in one run. A plan that looks wrong deletes nothing at all, see
//! [`Refusal`].
//!
//! Applied and made again with the same `now`, a plan finds nothing more to delete.

mod forecast;
mod reason;
mod tiers;
mod views;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use backup_core::repository::Kind;
use chrono::{DateTime, Duration, Utc};

pub(crate) use forecast::Forecast;
pub(crate) use reason::{KeepReason, Refusal};

use crate::standing::{CLOCK_TOLERANCE, Standing};

/// How many days the newest proven backup stays after a record says that a newer one is proven, at least and at most:
/// as `keep_days` says, so that hardly more is kept than was asked for, and long enough for a drill to find out that
/// the record lies.
const MIN_PROVEN_DAYS: u32 = 3;
const MAX_PROVEN_DAYS: u32 = 14;

/// How long the newest proven backup stays after a record says that a newer one is proven.
fn proven_stays(policy: &RetentionPolicy) -> Duration {
    Duration::days(policy.keep_days.clamp(MIN_PROVEN_DAYS, MAX_PROVEN_DAYS).into())
}

/// A committed backup. What has no manifest is none and must not be in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Sorts by time: `20261122T030000Z-` and 16 random characters.
    pub(crate) id: String,
    /// When the backup was started, by its id.
    pub(crate) time: DateTime<Utc>,
    /// The group it is planned in.
    pub(crate) kind: Kind,
    /// Since when a record says that a drill restored it and found it whole, if no later one says otherwise.
    pub(crate) proven_since: Option<DateTime<Utc>>,
    /// The same if a later one says otherwise. It may be forged.
    pub(crate) once_proven_since: Option<DateTime<Utc>>,
    /// Whether it takes places from others.
    pub(crate) standing: Standing,
    /// Whether its manifest was read and bears a signature of ours. Only an operator's `backup prune` reads manifests.
    pub(crate) is_signed: bool,
    /// Whether it is so much smaller than usual that it may be of another database. It is kept as any other,
    /// and takes no place from those that are not.
    pub(crate) suspect: bool,
    /// Bytes of all its objects in the bucket.
    pub(crate) stored_bytes: u64,
}

/// What to keep of each group. Every rule adds; a rule of 0 asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetentionPolicy {
    /// Keeps what is younger than this many times 24 hours; of exactly that age it may go.
    pub(crate) keep_days: u32,
    /// Keeps this many of the newest, however old. At least 1; with 0, a plan that would empty a
    /// group is refused.
    pub(crate) keep_last: u32,
    /// Keeps the newest of each of this many days (UTC), counting only days that have a backup.
    pub(crate) keep_daily: u32,
    /// The same for ISO weeks, which begin on Monday.
    pub(crate) keep_weekly: u32,
    /// The same for months.
    pub(crate) keep_monthly: u32,
    /// The same for years.
    pub(crate) keep_yearly: u32,
    /// Most deletions in one run, over both groups.
    pub(crate) max_deletes: u32,
}

/// What entitles a run to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authority {
    /// This run committed the backup of this id, which the listing must therefore show.
    Committed(String),
    /// An operator typed `backup prune`.
    Operator,
}

/// What happens to one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays, for all of these reasons; there is at least one.
    Keep(Vec<KeepReason>),
    /// It goes now.
    Delete,
    /// No rule keeps it, but this run must not delete it: enough older ones go already, or the plan
    /// is refused.
    Deferred,
}

/// One backup and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// As in [`Candidate`].
    pub(crate) id: String,
    /// As in [`Candidate`].
    pub(crate) time: DateTime<Utc>,
    /// As in [`Candidate`].
    pub(crate) stored_bytes: u64,
    /// As in [`Candidate`].
    pub(crate) standing: Standing,
    /// What happens to it.
    pub(crate) verdict: Verdict,
}

/// What one run of retention does: made by [`plan`], to be shown or applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrunePlan {
    /// Every backup once, the newest first.
    pub(crate) lines: Vec<Line>,
    /// Why nothing is deleted although the rules would. Then no line says [`Verdict::Delete`].
    pub(crate) refused: Option<Refusal>,
}

impl PrunePlan {
    /// What to delete, in the order in which to do it: the oldest first.
    pub(crate) fn deletions(&self) -> impl Iterator<Item = &Line> {
        let lines = self.lines.iter().rev();
        lines.filter(|line| line.verdict == Verdict::Delete)
    }
}

/// Decides what becomes of every backup of one database. With a `doubt`, nothing is deleted.
///
/// The result depends neither on the order of `candidates` nor on repetitions: of several with the
/// same id, the plan sees one, with what keeps it longer of theirs.
pub(crate) fn plan(
    candidates: &[Candidate],
    now: DateTime<Utc>,
    policy: &RetentionPolicy,
    authority: &Authority,
    doubt: Option<Refusal>,
) -> PrunePlan {
    let backups = newest_first(candidates);
    let mut reasons: BTreeMap<&str, Vec<KeepReason>> = BTreeMap::new();
    let mut emptied = None;
    for kind in [Kind::Full, Kind::Partial] {
        let group: Vec<&Candidate> = backups.iter().filter(|one| one.kind == kind).collect();
        let kept = views::keep_in_any(&group, now, policy);
        let is_emptied = !kept.iter().flatten().any(|why| *why != KeepReason::FutureDated);
        let loses_some = kept.iter().any(Vec::is_empty);
        if is_emptied && loses_some {
            emptied = emptied.or(Some(Refusal::WouldEmptyGroup(kind)));
        }
        reasons.extend(group.iter().map(|one| one.id.as_str()).zip(kept));
    }
    let refused = missing(&backups, authority).or(doubt).or(emptied);
    let allowed = match refused {
        Some(_) => 0,
        None => policy.max_deletes as usize,
    };
    let deleted: BTreeSet<&str> =
        backups.iter().rev().map(|one| one.id.as_str()).filter(|id| reasons[id].is_empty()).take(allowed).collect();
    let lines = backups.iter().map(|one| {
        let id = one.id.as_str();
        let verdict = match reasons.remove(id).unwrap_or_default() {
            reasons if !reasons.is_empty() => Verdict::Keep(reasons),
            _ if deleted.contains(id) => Verdict::Delete,
            _ => Verdict::Deferred,
        };
        let (id, time, stored_bytes, standing) = (one.id.clone(), one.time, one.stored_bytes, one.standing);
        Line { id, time, stored_bytes, standing, verdict }
    });
    let lines = lines.collect();
    PrunePlan { lines, refused }
}

/// Each backup once, the newest first; the id decides between equal times.
fn newest_first(candidates: &[Candidate]) -> Vec<Candidate> {
    let mut by_id: BTreeMap<&str, Candidate> = BTreeMap::new();
    for candidate in candidates {
        by_id
            .entry(&candidate.id)
            .and_modify(|known| {
                known.time = known.time.max(candidate.time);
                known.kind = known.kind.min(candidate.kind);
                let earliest = |one: Option<DateTime<Utc>>, other| one.into_iter().chain(other).min();
                known.proven_since = earliest(known.proven_since, candidate.proven_since);
                known.once_proven_since = earliest(known.once_proven_since, candidate.once_proven_since);
                known.standing = known.standing.min(candidate.standing);
                known.is_signed |= candidate.is_signed;
                known.suspect &= candidate.suspect;
                known.stored_bytes = known.stored_bytes.max(candidate.stored_bytes);
            })
            .or_insert_with(|| candidate.clone());
    }
    let mut backups: Vec<Candidate> = by_id.into_values().collect();
    backups.sort_by(|one, other| (other.time, &other.id).cmp(&(one.time, &one.id)));
    backups
}

/// Why each backup of `group`, the newest first, is kept; no reasons for those that may go.
fn keep(group: &[&Candidate], now: DateTime<Utc>, policy: &RetentionPolicy) -> Vec<Vec<KeepReason>> {
    let mut rules = Rules::new(now, policy);
    group
        .iter()
        .map(|backup| match backup.time - now > CLOCK_TOLERANCE {
            true => vec![KeepReason::FutureDated],
            false => rules.apply(backup),
        })
        .collect()
}

/// The rules of a policy while they go down a group from its newest backup.
struct Rules<'policy> {
    now: DateTime<Utc>,
    policy: &'policy RetentionPolicy,
    seen: u32,
    proven: Proven,
    once_proven: Proven,
    tiers: [tiers::Tier; 4],
}

impl<'policy> Rules<'policy> {
    fn new(now: DateTime<Utc>, policy: &'policy RetentionPolicy) -> Self {
        let tiers = tiers::of(policy);
        Self { now, policy, seen: 0, proven: Proven::default(), once_proven: Proven::default(), tiers }
    }

    fn apply(&mut self, backup: &Candidate) -> Vec<KeepReason> {
        let RetentionPolicy { keep_days, keep_last, .. } = *self.policy;
        let mut reasons = Vec::new();
        if self.seen < keep_last {
            reasons.push(KeepReason::Newest(keep_last));
        }
        self.seen += 1;
        // A backup of the next ten minutes has a negative age, which is younger than nothing.
        if keep_days > 0 && self.now - backup.time < Duration::days(keep_days.into()) {
            reasons.push(KeepReason::YoungerThanDays(keep_days));
        }
        reasons.extend(self.tiers.iter_mut().filter_map(|tier| tier.apply(backup.time)));
        let until = self.now - proven_stays(self.policy);
        reasons.extend(self.proven.apply(backup.proven_since, until));
        // A record that says that a drill failed can be forged as well as one that says that it passed, so it takes the
        // protection from no backup either: it only adds that of the newest one without such a record.
        let once = backup.proven_since.into_iter().chain(backup.once_proven_since).min();
        let reason = match self.once_proven.apply(once, until) {
            Some(KeepReason::NewestProven) if backup.proven_since.is_none() => Some(KeepReason::OnceProven),
            reason => reason,
        };
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
        reasons
    }
}

/// Which of the proven backups stay, from the newest on.
#[derive(Default)]
struct Proven {
    /// Since when a newer one is said to be proven.
    newer_since: Option<DateTime<Utc>>,
}

impl Proven {
    /// The newest proven one stays, and what was it at `until` or later: a record beside a newer backup can be forged,
    /// and must not take the protection from the one that is really whole before a drill has looked.
    fn apply(&mut self, proven_since: Option<DateTime<Utc>>, until: DateTime<Utc>) -> Option<KeepReason> {
        let since = proven_since?;
        match self.newer_since {
            None => {
                self.newer_since = Some(since);
                Some(KeepReason::NewestProven)
            }
            Some(newer) if since < newer => {
                self.newer_since = Some(since);
                (newer > until).then_some(KeepReason::NewestProvenUntil(newer.date_naive()))
            }
            Some(_) => None,
        }
    }
}

fn missing(backups: &[Candidate], authority: &Authority) -> Option<Refusal> {
    match authority {
        Authority::Operator => None,
        Authority::Committed(id) if backups.iter().any(|one| one.id == *id) => None,
        Authority::Committed(id) => Some(Refusal::ListingInconsistent { committed: id.clone() }),
    }
}
