//! Changes of the clock in 2026: Berlin 29 March and 25 October at 01:00Z, New York 8 March at
//! 07:00Z and 1 November at 06:00Z, Lord Howe by half an hour on 4 April at 15:00Z and 3 October at
//! 15:30Z.

use super::*;

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";
const HAVANA: &str = "America/Havana"; // changes at midnight

#[track_caller]
fn check(zone: &str, expression: &str, after: &str, expected: &[&str]) {
    let ticks = cron_in(zone, expression).upcoming(expected.len(), at(after));
    let expected: Vec<_> = expected.iter().map(|time| at(time)).collect();
    assert_eq!(ticks, expected, "{expression} {zone}");
}

#[test]
fn a_nightly_time_that_is_left_out_runs_right_after_r095() {
    let nights = ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
    check(BERLIN, "30 2 * * *", "2026-03-27T12:00:00Z", &nights);
    let nights = ["2026-03-07T02:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"];
    check(NEW_YORK, "30 2 * * *", "2026-03-06T12:00:00Z", &nights);
    let nights = ["2026-10-03T02:15:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"];
    check(LORD_HOWE, "15 2 * * *", "2026-10-02T12:00:00Z", &nights);
    // Several that are left out run once, together with one that is not.
    check(
        BERLIN,
        "*/30 2,3 * * *",
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"],
    );
}

#[test]
fn a_nightly_time_that_comes_twice_runs_the_first_time_r095() {
    let nights = ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"];
    check(BERLIN, "30 2 * * *", "2026-10-23T12:00:00Z", &nights);
    // Nor does it run again for one who asks in between.
    check(BERLIN, "30 2 * * *", "2026-10-25T02:10:00+01:00", &nights[2..]);
    let nights = ["2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"];
    check(NEW_YORK, "30 1 * * *", "2026-10-30T12:00:00Z", &nights);
    let nights = ["2026-11-01T02:30:00-05:00", "2026-11-02T02:30:00-05:00"];
    check(NEW_YORK, "30 2 * * *", "2026-10-31T12:00:00Z", &nights);
    let nights = ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"];
    check(LORD_HOWE, "45 1 * * *", "2026-04-04T12:00:00Z", &nights);
}

#[test]
fn a_quarterly_rhythm_is_kept_over_every_change_r095() {
    for zone in [BERLIN, NEW_YORK, LORD_HOWE, HAVANA] {
        let ticks = cron_in(zone, "*/15 * * * *").upcoming(1_000, at("2026-03-06T00:00:00Z"));
        let late = cron_in(zone, "*/15 * * * *").upcoming(1_000, at("2026-10-24T00:00:00Z"));
        for pair in ticks.windows(2).chain(late.windows(2)) {
            assert_eq!((pair[1] - pair[0]).num_minutes(), 15, "{zone} {pair:?}");
        }
    }
}

#[test]
fn exactly_one_run_a_day_all_year_r095() {
    for (zone, expression) in [
        (BERLIN, "30 2 * * *"),
        (NEW_YORK, "30 2 * * *"),
        (NEW_YORK, "30 1 * * *"),
        (LORD_HOWE, "45 1 * * *"),
        (HAVANA, "30 0 * * *"),
    ] {
        let schedule = cron_in(zone, expression);
        let tz = schedule.time_zone();
        let start = tz.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().expect("midnight").to_utc();
        let ticks = schedule.upcoming(365, start);
        let days: BTreeSet<_> = ticks.iter().map(|tick| tick.with_timezone(&tz).date_naive()).collect();
        assert_eq!(days.len(), 365, "{zone}");
        assert_eq!(days.last().expect("many days").to_string(), "2026-12-31", "{zone}");
        assert!(ticks.is_sorted_by(|earlier, later| earlier < later), "{zone}");
    }
}

#[test]
fn a_day_that_never_was_runs_when_the_next_begins_r095() {
    // Samoa had no 30 December 2011.
    let nights = ["2011-12-29T03:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T03:00:00+14:00"];
    check("Pacific/Apia", "0 3 * * *", "2011-12-29T12:00:00Z", &nights);
    check("Pacific/Apia", "0 * 30 * *", "2011-12-01T12:00:00Z", &["2012-01-30T00:00:00+14:00"]);
}

/// Every tick between two instants by the rules as written, found by trying every minute.
fn by_trying(schedule: &Schedule, from: DateTime<Utc>, until: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
    let Kind::Cron { crontab, zone } = &schedule.0 else { panic!("not a crontab") };
    let matches = |wall: NaiveDateTime| crontab.next_after(wall - Duration::seconds(1)) == Some(wall);
    let minute = Duration::minutes(1);
    let mut found = BTreeSet::new();
    let mut latest = from.with_timezone(zone).naive_local();
    let mut instant = from + minute;
    while instant <= until {
        let wall = instant.with_timezone(zone).naive_local();
        if crontab.is_every_hour() {
            found.extend(matches(wall).then_some(instant));
        } else {
            // Wall times seen for the first time now: one, none in a second pass, many after a gap.
            while latest < wall {
                latest += minute;
                found.extend(matches(latest).then_some(instant));
            }
        }
        instant += minute;
    }
    found
}

#[test]
fn every_tick_around_every_change_is_the_one_the_rules_say_r095() {
    let changes = [
        (BERLIN, "2026-03-28T00:00:00Z"),
        (BERLIN, "2026-10-24T00:00:00Z"),
        (NEW_YORK, "2026-03-07T06:00:00Z"),
        (NEW_YORK, "2026-10-31T06:00:00Z"),
        (LORD_HOWE, "2026-04-04T00:00:00Z"),
        (LORD_HOWE, "2026-10-03T00:00:00Z"),
        (HAVANA, "2026-03-07T06:00:00Z"),
        (HAVANA, "2026-10-31T06:00:00Z"),
        ("Antarctica/Troll", "2026-03-28T00:00:00Z"),
        ("Antarctica/Troll", "2026-10-24T00:00:00Z"),
    ];
    let expressions = [
        "* * * * *",
        "*/7 * * * *",
        "17 * * * *",
        "0 */6 * * *",
        "30 */2 * * *",
        "45 1 * * *",
        "30 2 * * *",
        "*/20 0-3 * * *",
        "* 1,2 * * *",
        "5,55 0,1,2,3 * * SUN",
        "0 3 29 3 *",
    ];
    for (zone, start) in changes {
        let (from, until) = (at(start), at(start) + Duration::hours(50));
        for expression in expressions {
            let schedule = cron_in(zone, expression);
            let expected: Vec<_> = by_trying(&schedule, from, until).into_iter().collect();
            let forward: Vec<_> = std::iter::successors(schedule.next_after(from), |tick| schedule.next_after(*tick))
                .take_while(|tick| *tick <= until)
                .collect();
            assert_eq!(forward, expected, "{expression} {zone} {start}");
            // From times that are no ticks too, such as the second pass of an hour.
            for minutes in (0..50 * 60).step_by(11) {
                let after = from + Duration::minutes(minutes);
                let next = schedule.next_after(after).filter(|tick| *tick <= until);
                let index = expected.partition_point(|tick| *tick <= after);
                assert_eq!(next, expected.get(index).copied(), "{expression} {zone} after {after}");
            }
            let backward = expected.iter().rev().step_by(37).find(|tick| {
                schedule.previous_before(**tick) != Some(**tick)
                    || schedule.previous_before(**tick + Duration::milliseconds(1)) != Some(**tick)
            });
            assert_eq!(backward, None, "{expression} {zone} {start}");
        }
    }
}
