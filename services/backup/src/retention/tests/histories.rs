//! What holds for every history of backups and every policy (R010).

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::standing::Doubt;

/// Ages in minutes: a few hours, weeks or years, and sometimes the future.
fn age() -> impl Strategy<Value = i64> {
    prop_oneof![-20..600_i64, 0..60_000_i64, 0..2_000_000_i64, Just(7 * 24 * 60), -90_000..0_i64]
}

fn standing() -> impl Strategy<Value = Standing> {
    let doubt = prop_oneof![
        (0..3_usize).prop_map(|rank| Doubt::Burst { rank }),
        any::<bool>().prop_map(|leads| Doubt::OtherTime { leads }),
        (0..3_usize).prop_map(|rank| Doubt::Small { rank }),
    ];
    prop_oneof![
        Just(Standing::Counts),
        (0..3_usize, doubt).prop_map(|(batch, doubt)| Standing::Doubtful { batch, doubt })
    ]
}

fn candidate() -> impl Strategy<Value = Candidate> {
    // A small random part makes equal ids as likely as equal times.
    let rare = || prop::bool::weighted(0.2);
    let proven = || prop::option::weighted(0.3, 0..700_i64);
    let parts = (age(), 0..3_u8, any::<bool>(), (proven(), proven()), rare(), rare(), standing());
    parts.prop_map(|(age, random, partial, (proven, once), suspect, is_signed, standing)| {
        let time = at(NOW) - Duration::minutes(age);
        let id = format!("{}-{random:016x}", time.format("%Y%m%dT%H%M%SZ"));
        let kind = if partial { Kind::Partial } else { Kind::Full };
        let [proven_since, once_proven_since] =
            [proven, once].map(|hours| hours.map(|hours| at(NOW) - Duration::hours(hours)));
        Candidate { id, time, kind, proven_since, once_proven_since, standing, is_signed, suspect, stored_bytes: 1 }
    })
}

prop_compose! {
    pub(super) fn policy()(
        keep_days in prop_oneof![Just(0), Just(7), 0..400_u32], keep_last in 1..6_u32,
        keep_daily in 0..4_u32, keep_weekly in 0..4_u32, keep_monthly in 0..4_u32,
        keep_yearly in 0..3_u32, max_deletes in prop_oneof![0..8_u32, Just(u32::MAX)],
    ) -> RetentionPolicy {
        RetentionPolicy { keep_days, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly, max_deletes }
    }
}

fn ids_where(plan: &PrunePlan, wanted: fn(&Verdict) -> bool) -> BTreeSet<String> {
    let lines = plan.lines.iter().filter(|line| wanted(&line.verdict));
    lines.map(|line| line.id.clone()).collect()
}

fn deleted(plan: &PrunePlan) -> BTreeSet<String> {
    ids_where(plan, |verdict| *verdict == Verdict::Delete)
}

pub(super) fn kept(plan: &PrunePlan) -> BTreeSet<String> {
    ids_where(plan, |verdict| matches!(verdict, Verdict::Keep(_)))
}

/// The ids that no plan may touch, worked out without the code under test: of each kind the newest
/// `keep_last`, the newest proven one and the newest that was proven once, and all from the future.
fn untouchable(history: &[Candidate], policy: &RetentionPolicy) -> BTreeSet<String> {
    let limit = at(NOW) + Duration::minutes(10);
    let mut safe: BTreeSet<String> = BTreeSet::new();
    safe.extend(history.iter().filter(|one| one.time > limit).map(|one| one.id.clone()));
    let partials_only = |id: &str| history.iter().all(|one| one.id != id || one.kind == Kind::Partial);
    for want_partial in [false, true] {
        // Ids sort by time; one that is listed with both kinds is full.
        let group = history.iter().filter(|one| one.time <= limit && partials_only(&one.id) == want_partial);
        let ids: BTreeSet<&String> = group.clone().map(|one| &one.id).collect();
        safe.extend(ids.into_iter().rev().take(policy.keep_last as usize).cloned());
        safe.extend(group.clone().filter(|one| one.proven_since.is_some()).map(|one| &one.id).max().cloned());
        let once = group.filter(|one| one.proven_since.or(one.once_proven_since).is_some());
        safe.extend(once.map(|one| &one.id).max().cloned());
    }
    safe
}

/// The policy with one of its rules, chosen by `rule`, asking for more.
fn more_generous(policy: &RetentionPolicy, rule: usize, by: u32) -> RetentionPolicy {
    let mut more = policy.clone();
    let RetentionPolicy { keep_days, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly, max_deletes: _ } =
        &mut more;
    let rules = [keep_days, keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly];
    *rules.into_iter().nth(rule).expect("one of six") += by;
    more
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_loses_what_the_rules_protect_r010(
        history in prop::collection::vec(candidate(), 0..24),
        policy in policy(),
        picked in any::<Index>(),
        rule in 0..6_usize,
        by in 1..40_u32,
    ) {
        let now = at(NOW);
        let ids: BTreeSet<String> = history.iter().map(|one| one.id.clone()).collect();
        let made = as_operator(&history, &policy);
        let (gone, stays) = (deleted(&made), kept(&made));

        // Kept, deleted and deferred are all there is, each once, the newest first.
        prop_assert_eq!(made.refused.as_ref(), None);
        prop_assert_eq!(made.lines.iter().map(|line| &line.id).collect::<BTreeSet<_>>(), ids.iter().collect());
        prop_assert_eq!(made.lines.len(), ids.len());
        prop_assert!(made.lines.is_sorted_by(|one, next| (one.time, &one.id) > (next.time, &next.id)));

        prop_assert!(gone.is_disjoint(&untouchable(&history, &policy)));
        prop_assert!(gone.len() <= policy.max_deletes as usize);
        let deferred = ids_where(&made, |verdict| *verdict == Verdict::Deferred);
        prop_assert!(deferred.is_empty() || gone.len() == policy.max_deletes as usize);
        prop_assert!(gone.iter().all(|gone| deferred.iter().all(|left| gone < left)));

        // An authority that the listing bears out changes nothing; one that it does not, stops all.
        let mut reversed = history.clone();
        reversed.reverse();
        if !history.is_empty() {
            let authority = Authority::Committed(picked.get(&history).id.clone());
            prop_assert_eq!(&plan(&reversed, now, &policy, &authority, None), &made);
            reversed.retain(|one| authority != Authority::Committed(one.id.clone()));
            let refused = plan(&reversed, now, &policy, &authority, None);
            prop_assert!(deleted(&refused).is_empty());
            let is_reported = matches!(refused.refused, Some(Refusal::ListingInconsistent { .. }));
            prop_assert!(is_reported);
        }

        // Once all has gone that may go, the next plan finds nothing, and keeps the same.
        let unlimited = RetentionPolicy { max_deletes: u32::MAX, ..policy.clone() };
        let gone_at_last = deleted(&as_operator(&history, &unlimited));
        prop_assert!(gone.is_subset(&gone_at_last));
        let rest: Vec<_> = history.iter().filter(|one| !gone_at_last.contains(&one.id)).cloned().collect();
        let again = as_operator(&rest, &unlimited);
        prop_assert_eq!(kept(&again), stays.clone());
        prop_assert!(deleted(&again).is_empty());

        // What is much smaller than usual takes no place from what is not.
        let good: BTreeSet<&String> = history.iter().filter(|one| !one.suspect).map(|one| &one.id).collect();
        let usual: Vec<_> = history.iter().filter(|one| good.contains(&one.id)).cloned().collect();
        prop_assert!(kept(&as_operator(&usual, &policy)).is_subset(&stays));

        // A rule that asks for more never keeps less.
        prop_assert!(stays.is_subset(&kept(&as_operator(&history, &more_generous(&policy, rule, by)))));
    }
}
