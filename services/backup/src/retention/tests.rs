use super::*;

mod forecast;
mod forged;
mod histories;

const NOW: &str = "2026-11-22T03:00:00Z"; // a Sunday

#[track_caller]
fn at(time: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(time).expect(time).to_utc()
}

/// Keeps nothing but the newest, so that each test shows the rule it adds.
const NEWEST_ONLY: RetentionPolicy = RetentionPolicy {
    keep_days: 0,
    keep_last: 1,
    keep_daily: 0,
    keep_weekly: 0,
    keep_monthly: 0,
    keep_yearly: 0,
    max_deletes: 1_000,
};

/// A full backup made at `time`, such as `2026-11-22T03:00:00Z`.
fn full(time: &str) -> Candidate {
    let id = format!("{}-0123456789abcdef", time.replace(['-', ':'], ""));
    Candidate {
        id,
        time: at(time),
        kind: Kind::Full,
        proven_since: None,
        once_proven_since: None,
        standing: Standing::Counts,
        is_signed: false,
        suspect: false,
        stored_bytes: 7,
    }
}

fn partial(time: &str) -> Candidate {
    let mut backup = full(time);
    backup.id = backup.id.replace("0123456789abcdef", "fedcba9876543210");
    Candidate { kind: Kind::Partial, ..backup }
}

fn proven(backup: Candidate) -> Candidate {
    Candidate { proven_since: Some(DateTime::UNIX_EPOCH), ..backup }
}

/// One full backup a night before `NOW`, the newest first.
fn nights(count: i64) -> Vec<Candidate> {
    let night = |days| (at(NOW) - Duration::days(days)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    (0..count).map(|days| full(&night(days))).collect()
}

fn as_operator(candidates: &[Candidate], policy: &RetentionPolicy) -> PrunePlan {
    plan(candidates, at(NOW), policy, &Authority::Operator, None)
}

/// One word or list of reasons per line, the newest first.
fn verdicts(plan: &PrunePlan) -> Vec<String> {
    let verdict = |line: &Line| match &line.verdict {
        Verdict::Keep(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            reasons.join(", ")
        }
        Verdict::Delete => "delete".to_owned(),
        Verdict::Deferred => "deferred".to_owned(),
    };
    plan.lines.iter().map(verdict).collect()
}

/// An operator's plan for `candidates`, the newest first, says `expected` of each.
#[track_caller]
fn check(policy: RetentionPolicy, candidates: &[Candidate], expected: &[&str]) {
    let plan = as_operator(candidates, &policy);
    assert_eq!(verdicts(&plan), expected);
    assert_eq!(plan.refused, None);
    let (ids, given): (Vec<_>, Vec<_>) =
        (plan.lines.iter().map(|line| &line.id).collect(), candidates.iter().map(|one| &one.id).collect());
    assert_eq!(ids, given);
}

#[test]
fn the_newest_stay_however_old_r009() {
    let policy = RetentionPolicy { keep_last: 3, ..NEWEST_ONLY };
    check(policy.clone(), &nights(5), &["newest 3", "newest 3", "newest 3", "delete", "delete"]);
    let old =
        ["2019-03-01T00:00:00Z", "2018-03-01T00:00:00Z", "2017-03-01T00:00:00Z", "2016-03-01T00:00:00Z"].map(full);
    check(policy.clone(), &old, &["newest 3", "newest 3", "newest 3", "delete"]);
    check(policy, &old[..2], &["newest 3", "newest 3"]);
    check(NEWEST_ONLY, &nights(2), &["newest", "delete"]);
    check(NEWEST_ONLY, &[], &[]);
}

#[test]
fn the_young_stay_up_to_the_exact_age_r010() {
    let policy = RetentionPolicy { keep_days: 7, ..NEWEST_ONLY };
    let backups =
        ["2026-11-22T02:00:00Z", "2026-11-15T03:00:01Z", "2026-11-15T03:00:00Z", "2026-11-15T02:59:59Z"].map(full);
    check(policy.clone(), &backups, &["newest, younger than 7 days", "younger than 7 days", "delete", "delete"]);
    let policy = RetentionPolicy { keep_days: 1, ..policy };
    check(policy, &backups[..2], &["newest, younger than 1 day", "delete"]);
    let policy = RetentionPolicy { keep_days: u32::MAX, ..NEWEST_ONLY };
    check(
        policy,
        &[full("2026-11-22T03:00:00Z"), full("0001-01-01T00:00:00Z")],
        &["newest, younger than 4294967295 days", "younger than 4294967295 days"],
    );
}

#[test]
fn each_tier_keeps_the_newest_of_each_period_that_has_one_r010() {
    let days = [
        "2026-11-22T01:00:00Z",
        "2026-11-22T00:00:00Z",
        "2026-11-21T23:59:59Z",
        "2026-11-21T22:00:00Z",
        "2026-11-02T12:00:00Z",
        "2026-11-01T12:00:00Z",
    ]
    .map(full);
    let policy = RetentionPolicy { keep_daily: 3, ..NEWEST_ONLY };
    check(
        policy,
        &days,
        &["newest, daily 2026-11-22", "delete", "daily 2026-11-21", "delete", "daily 2026-11-02", "delete"],
    );

    // Weeks begin on Monday, and 1 January 2027 belongs to the last week of 2026.
    let weeks = [
        "2026-11-22T01:00:00Z",
        "2026-11-16T00:00:00Z",
        "2026-11-15T23:00:00Z",
        "2026-01-01T00:00:00Z",
        "2025-12-29T00:00:00Z",
        "2025-12-28T00:00:00Z",
    ]
    .map(full);
    let policy = RetentionPolicy { keep_weekly: 4, ..NEWEST_ONLY };
    check(
        policy,
        &weeks,
        &["newest, weekly 2026-W47", "delete", "weekly 2026-W46", "weekly 2026-W01", "delete", "weekly 2025-W52"],
    );

    let months = [
        "2026-11-22T01:00:00Z",
        "2026-11-01T00:00:00Z",
        "2026-10-31T23:59:59Z",
        "2025-11-30T00:00:00Z",
        "2025-10-01T00:00:00Z",
    ]
    .map(full);
    let policy = RetentionPolicy { keep_monthly: 3, ..NEWEST_ONLY };
    check(policy, &months, &["newest, monthly 2026-11", "delete", "monthly 2026-10", "monthly 2025-11", "delete"]);

    let years = [
        "2026-11-22T01:00:00Z",
        "2026-01-01T00:00:00Z",
        "2025-12-31T23:59:59Z",
        "2020-06-01T00:00:00Z",
        "2019-06-01T00:00:00Z",
    ]
    .map(full);
    let policy = RetentionPolicy { keep_yearly: 3, ..NEWEST_ONLY };
    check(policy, &years, &["newest, yearly 2026", "delete", "yearly 2025", "yearly 2020", "delete"]);
}

#[test]
fn tiers_add_up_r010() {
    let policy = RetentionPolicy {
        keep_days: 2,
        keep_last: 2,
        keep_daily: 1,
        keep_weekly: 1,
        keep_monthly: 2,
        keep_yearly: 1,
        max_deletes: 9,
    };
    let backups =
        ["2026-11-22T01:00:00Z", "2026-11-21T01:00:00Z", "2026-10-30T01:00:00Z", "2026-10-29T01:00:00Z"].map(full);
    let all = "newest 2, younger than 2 days, daily 2026-11-22, weekly 2026-W47, monthly 2026-11, yearly 2026";
    check(policy, &backups, &[all, "newest 2, younger than 2 days", "monthly 2026-10", "delete"]);
}

/// A record beside a newer backup can be forged: it takes nothing from the older one before a drill has looked.
#[test]
fn what_was_the_newest_proven_one_stays_for_a_while() {
    let mut backups = nights(5);
    let since = |days| Some(at(NOW) - Duration::days(days));
    (backups[1].proven_since, backups[3].proven_since) = (since(2), since(3));
    check(NEWEST_ONLY, &backups, &["newest", "newest proven", "delete", "newest proven until 2026-11-20", "delete"]);
    (backups[1].proven_since, backups[3].proven_since) = (since(3), since(4));
    check(NEWEST_ONLY, &backups, &["newest", "newest proven", "delete", "delete", "delete"]);
    // Many records of one moment count as the one.
    (backups[1].proven_since, backups[2].proven_since, backups[3].proven_since) = (since(0), since(0), since(9));
    let expected = ["newest", "newest proven", "delete", "newest proven until 2026-11-22", "delete"];
    check(NEWEST_ONLY, &backups, &expected);
    // One that was proven after a newer one was never the newest.
    (backups[1].proven_since, backups[2].proven_since, backups[3].proven_since) = (since(1), None, since(0));
    check(NEWEST_ONLY, &backups, &["newest", "newest proven", "delete", "delete", "delete"]);
}

/// A record that says that a drill failed ends that a backup is proven, and can be forged as well: the older backup that is
/// still proven stays beside it.
#[test]
fn a_failed_drill_protects_the_newest_that_is_still_proven_and_takes_nothing_from_what_was_proven_before() {
    let mut backups = nights(5);
    let since = |days| Some(at(NOW) - Duration::days(days));
    backups[1].once_proven_since = since(10);
    (backups[3].proven_since, backups[3].once_proven_since) = (since(20), since(20));
    let once = "newest proven before its last drill failed";
    check(NEWEST_ONLY, &backups, &["newest", once, "delete", "newest proven", "delete"]);
    // A newer one takes their places, each after a while.
    (backups[0].proven_since, backups[0].once_proven_since) = (since(2), since(2));
    let until = "newest proven until 2026-11-20";
    check(NEWEST_ONLY, &backups, &["newest, newest proven", until, "delete", until, "delete"]);
    (backups[0].proven_since, backups[0].once_proven_since) = (since(4), since(4));
    check(NEWEST_ONLY, &backups, &["newest, newest proven", "delete", "delete", "delete", "delete"]);
}

#[test]
fn the_newest_proven_one_stays_however_old_r010() {
    let mut backups = nights(5);
    backups[2].proven_since = Some(DateTime::UNIX_EPOCH);
    backups[4].proven_since = Some(DateTime::UNIX_EPOCH);
    check(NEWEST_ONLY, &backups, &["newest", "delete", "newest proven", "delete", "delete"]);
}

#[test]
fn partial_backups_never_take_the_place_of_full_ones() {
    let policy = RetentionPolicy { keep_daily: 1, ..NEWEST_ONLY };
    let backups = [
        proven(partial("2026-11-22T02:00:00Z")),
        partial("2026-11-22T01:00:00Z"),
        full("2026-11-21T02:00:00Z"),
        full("2026-11-21T01:00:00Z"),
        proven(full("2026-11-20T01:00:00Z")),
    ];
    check(
        policy,
        &backups,
        &["newest, daily 2026-11-22, newest proven", "delete", "newest, daily 2026-11-21", "delete", "newest proven"],
    );
}

#[test]
fn what_is_dated_in_the_future_neither_counts_nor_goes() {
    let policy = RetentionPolicy { keep_days: 1, keep_yearly: 1, ..NEWEST_ONLY };
    let backups = [
        proven(full("2027-12-31T00:00:00Z")),
        full("2026-11-22T03:10:01Z"),
        full("2026-11-22T03:10:00Z"), // within the tolerance
        proven(full("2026-11-20T03:00:00Z")),
        full("2026-11-19T03:00:00Z"),
    ];
    let newest = "newest, younger than 1 day, yearly 2026";
    check(policy, &backups, &["dated in the future", "dated in the future", newest, "newest proven", "delete"]);
    // Without an age rule, a negative age is no reason to stay.
    check(NEWEST_ONLY, &backups[2..3], &["newest"]);
    let slightly_ahead = [full("2026-11-22T03:09:00Z"), full("2026-11-22T03:08:00Z")];
    check(NEWEST_ONLY, &slightly_ahead, &["newest", "delete"]);
}

#[test]
fn thirty_failed_nights_delete_nothing_r008() {
    let backups: Vec<_> = nights(40).split_off(30);
    let policy = RetentionPolicy { keep_days: 7, keep_last: 3, ..NEWEST_ONLY };
    let failed = Authority::Committed("20261122T030000Z-never-committed".to_owned());
    let plan = plan(&backups, at(NOW), &policy, &failed, None);
    assert_eq!(plan.deletions().count(), 0);
    // Even an operator cannot get below the newest three.
    let plan = as_operator(&backups, &policy);
    assert_eq!(verdicts(&plan)[..4], ["newest 3", "newest 3", "newest 3", "delete"]);
}

#[test]
fn a_listing_without_what_was_just_committed_deletes_nothing_r014() {
    let committed = Authority::Committed(nights(1)[0].id.clone());
    let policy = RetentionPolicy { max_deletes: 1, ..NEWEST_ONLY };
    let complete = plan(&nights(4), at(NOW), &policy, &committed, None);
    assert_eq!(verdicts(&complete), ["newest", "deferred", "deferred", "delete"]);
    assert_eq!(complete.refused, None);

    for listing in [vec![], nights(4).split_off(1)] {
        let plan = plan(&listing, at(NOW), &policy, &committed, None);
        assert_eq!(plan.deletions().count(), 0);
        assert_eq!(plan.lines.len(), listing.len());
        let refusal = plan.refused.expect("a refusal").to_string();
        let expected = "nothing deleted: the listing does not show backup \
                        20261122T030000Z-0123456789abcdef, which this run has committed; check";
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn a_plan_that_would_empty_a_group_is_refused_r010() {
    let nothing = RetentionPolicy { keep_last: 0, ..NEWEST_ONLY };
    let plan = as_operator(&nights(2), &nothing);
    assert_eq!(verdicts(&plan), ["deferred", "deferred"]);
    let refusal = plan.refused.expect("a refusal").to_string();
    assert_eq!(refusal, "nothing deleted: every full backup would go; keep at least the newest one");
    // One group is enough, and a backup of a wrong clock is none to rely on.
    let backups = [
        full("2027-01-01T00:00:00Z"),
        proven(full("2026-11-22T01:00:00Z")),
        full("2026-11-21T00:00:00Z"),
        partial("2026-11-20T00:00:00Z"),
    ];
    assert_eq!(as_operator(&backups, &nothing).refused, Some(Refusal::WouldEmptyGroup(Kind::Partial)));
    let backups = [full("2027-01-01T00:00:00Z"), full("2026-11-21T00:00:00Z")];
    let plan = as_operator(&backups, &nothing);
    assert_eq!(plan.refused, Some(Refusal::WouldEmptyGroup(Kind::Full)));
    assert_eq!(verdicts(&plan), ["dated in the future", "deferred"]);
    assert_eq!(as_operator(&backups[..1], &nothing).refused, None);
}

#[test]
fn at_most_max_deletes_go_the_oldest_first_over_both_groups_r010() {
    let mut backups = nights(4);
    backups.push(partial("2026-11-18T00:00:00Z"));
    backups.push(full("2026-11-17T00:00:00Z"));
    backups.push(partial("2026-11-16T00:00:00Z"));
    let policy = |max_deletes| RetentionPolicy { max_deletes, ..NEWEST_ONLY };
    check(policy(2), &backups, &["newest", "deferred", "deferred", "deferred", "newest", "delete", "delete"]);
    check(policy(0), &backups, &["newest", "deferred", "deferred", "deferred", "newest", "deferred", "deferred"]);
    let plan = as_operator(&backups, &policy(3));
    let deleted: Vec<&str> = plan.deletions().map(|line| &line.id[..8]).collect();
    assert_eq!(deleted, ["20261116", "20261117", "20261119"]);
}

#[test]
fn order_and_repetition_of_the_listing_do_not_matter() {
    let policy = RetentionPolicy { keep_last: 2, ..NEWEST_ONLY };
    let mut backups = nights(6);
    backups[4].proven_since = Some(DateTime::UNIX_EPOCH);
    let expected = as_operator(&backups, &policy);
    let mut shuffled: Vec<_> = backups.iter().rev().chain(&backups[..3]).cloned().collect();
    // A page listed again before the drill's mark was seen.
    shuffled.push(Candidate { proven_since: None, stored_bytes: 0, ..backups[4].clone() });
    shuffled.swap(0, 5);
    assert_eq!(as_operator(&shuffled, &policy), expected);
    assert_eq!(verdicts(&expected), ["newest 2", "newest 2", "delete", "delete", "newest proven", "delete"]);
    assert!(expected.lines.iter().all(|line| line.stored_bytes == 7));
    // What is listed as both kinds counts as full.
    let both = [Candidate { kind: Kind::Partial, ..backups[0].clone() }, backups[0].clone(), backups[1].clone()];
    check_verdicts(&both, &["newest", "delete"]);
    // Equal times are told apart by id.
    let twin = Candidate { id: "20261122T030000Z-ffffffffffffffff".to_owned(), ..backups[0].clone() };
    let plan = as_operator(&[backups[0].clone(), twin.clone()], &NEWEST_ONLY);
    assert_eq!((&plan.lines[0].id, verdicts(&plan)), (&twin.id, vec!["newest".into(), "delete".into()]));
}

#[track_caller]
fn check_verdicts(candidates: &[Candidate], expected: &[&str]) {
    assert_eq!(verdicts(&as_operator(candidates, &NEWEST_ONLY)), expected);
}
