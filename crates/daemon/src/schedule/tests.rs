use std::collections::BTreeSet;

use chrono::{NaiveDateTime, TimeZone};

use super::*;

mod daylight_saving;

/// Reads a time such as `2026-08-22T03:00:00Z`, of any offset.
#[track_caller]
pub(super) fn at(time: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(time).expect(time).to_utc()
}

#[track_caller]
pub(super) fn cron_in(zone: &str, expression: &str) -> Schedule {
    Schedule::cron(expression, zone.parse().expect(zone)).expect(expression)
}

#[track_caller]
pub(super) fn every(seconds: u64) -> Schedule {
    Schedule::interval(seconds).expect("a valid interval")
}

/// The next ticks in UTC after `after` are `expected`, and looking back finds each of them again.
#[track_caller]
fn check(expression: &str, after: &str, expected: &[&str]) {
    let schedule = cron_in("UTC", expression);
    let ticks = schedule.upcoming(expected.len(), at(after));
    let expected: Vec<_> = expected.iter().map(|time| at(time)).collect();
    assert_eq!(ticks, expected, "{expression} after {after}");
    for tick in ticks {
        let second = Duration::seconds(1);
        assert_eq!(schedule.previous_before(tick), Some(tick), "{expression}");
        assert_eq!(schedule.previous_before(tick + second), Some(tick), "{expression}");
        assert!(schedule.previous_before(tick - second) < Some(tick), "{expression}");
    }
}

#[test]
fn next_ticks_are_strictly_after() {
    // 22 August 2026 is a Saturday.
    check("0 3 * * *", "2026-08-22T03:00:00Z", &["2026-08-23T03:00:00Z", "2026-08-24T03:00:00Z"]);
    check("0 3 * * *", "2026-08-22T02:59:59.9Z", &["2026-08-22T03:00:00Z"]);
    check("0 3 * * *", "2026-08-22T03:00:00.1Z", &["2026-08-23T03:00:00Z"]);
    check("*/20 * * * *", "2026-12-31T23:39:59Z", &["2026-12-31T23:40:00Z", "2027-01-01T00:00:00Z"]);
    check("10-20/5 1,13 * * *", "2026-08-22T01:16:00Z", &["2026-08-22T01:20:00Z", "2026-08-22T13:10:00Z"]);
    check("0 0 31 * *", "2026-08-31T00:00:00Z", &["2026-10-31T00:00:00Z", "2026-12-31T00:00:00Z"]);
    check("0 0 29 2 *", "2096-02-28T00:00:00Z", &["2096-02-29T00:00:00Z"]);
    check("0 0 1 jan,JUL *", "2026-01-01T00:00:00Z", &["2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"]);
}

#[test]
fn days_of_the_week_are_those_of_crontab_r098() {
    let saturday = "2026-08-22T12:00:00Z";
    for sunday in ["0", "7", "SUN", "sun", "0,7", "*/7"] {
        check(&format!("0 3 * * {sunday}"), saturday, &["2026-08-23T03:00:00Z", "2026-08-30T03:00:00Z"]);
    }
    check("0 3 * * 1", saturday, &["2026-08-24T03:00:00Z"]);
    check("0 3 * * Mon", saturday, &["2026-08-24T03:00:00Z"]);
    for weekend in ["FRI-SUN", "5-7", "5-0", "fri,sat,7"] {
        let expected = ["2026-08-23T03:00:00Z", "2026-08-28T03:00:00Z", "2026-08-29T03:00:00Z", "2026-08-30T03:00:00Z"];
        check(&format!("0 3 * * {weekend}"), saturday, &expected);
    }
    let odd = ["2026-08-23T03:00:00Z", "2026-08-24T03:00:00Z", "2026-08-26T03:00:00Z", "2026-08-28T03:00:00Z"];
    check("0 3 * * 1-7/2", saturday, &odd);
    check("0 3 * * SUN-MON,3,FRI", saturday, &odd);
    check("0 3 * * 0-6/2", saturday, &["2026-08-23T03:00:00Z", "2026-08-25T03:00:00Z"]);
}

#[test]
fn nicknames_r098() {
    let after = "2026-08-22T12:30:00Z";
    check("@hourly", after, &["2026-08-22T13:00:00Z", "2026-08-22T14:00:00Z"]);
    check("@daily", after, &["2026-08-23T00:00:00Z", "2026-08-24T00:00:00Z"]);
    check(" @Midnight ", after, &["2026-08-23T00:00:00Z", "2026-08-24T00:00:00Z"]);
    check("@weekly", after, &["2026-08-23T00:00:00Z", "2026-08-30T00:00:00Z"]);
    check("@monthly", after, &["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"]);
    check("@yearly", after, &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]);
    check("@annually", after, &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]);
}

#[test]
fn what_is_not_five_field_crontab_is_refused_with_the_reason_r098() {
    #[track_caller]
    fn refused(expression: &str, reason: &str) {
        let error = Schedule::cron(expression, Tz::UTC).expect_err(expression).to_string();
        assert!(error.contains(reason), "{expression}: {error}");
    }
    refused(
        "0 0 3 * * *",
        "6 fields instead of five (minute, hour, day of month, month, day of week); this is five-field cron without seconds and years",
    );
    refused("0 0 3 * * * 2026", "7 fields");
    refused("", "0 fields");
    refused("0 3 * *", "4 fields");
    refused("TZ=UTC 0 3 * * *", "the time zone is a setting of its own");
    refused("@daily 3", "stands alone");
    refused("@reboot", "is not known; there are @hourly");
    refused("0 0 31 2 *", "never fires");
    refused("0 0 31 4,6,9,11 *", "never fires");
    refused("0 3 1 * MON", "set one of them to *");
    refused("0 3 1-31 * MON", "set one of them to *");
    refused("0 3 */2 * 0-6", "set one of them to *");
    refused("60 3 * * *", "minute field: holds what is not a number from 0 to 59");
    refused("0 24 * * *", "hour field");
    refused("0 3 0 * *", "day of month field");
    refused("0 3 * 13 *", "month field: holds what is not a number from 1 to 12 or a name from JAN to DEC");
    refused("0 3 * * 8", "day of week field");
    refused("0 3 * * MONDAY", "a name from SUN to SAT");
    refused("0 3 * MON *", "month field");
    for extension in [
        "0 3 L * *",
        "0 3 15W * *",
        "0 3 LW * *",
        "0 3 L-3 * *",
        "0 3 ? * *",
        "0 3 * * ?",
        "0 3 * * 5L",
        "0 3 * * MON#2",
        "? 3 * * *",
    ] {
        refused(extension, "L, W, # and ? are not part of crontab");
    }
    refused("*/90 * * * *", "the step must be a number from 1 to 59");
    refused("*/0 * * * *", "the step");
    refused("*/ * * * *", "the step");
    refused("5/15 * * * *", "a step needs a range or *, such as 5-59/5");
    refused("0 20-4 * * *", "runs backwards; write it as two ranges");
    refused("0 3 * * SAT-MON", "runs backwards");
    for text in ["1,,2", ",", "+1", "-1", "1-", "1-2-3", "1.5", "**", "~", "0x1", "1e1", "00001", "é", "٣"] {
        refused(&format!("{text} 3 * * *"), "minute field");
    }
    refused(&format!("0 {} * * *", "9".repeat(5_000)), "hour field");
    for canary in ["canary", "canary 1 2 3 4", "@canary", "*/canary 1 2 3 4", "1-canary 1 2 3 4"] {
        let error = Schedule::cron(canary, Tz::UTC).expect_err(canary).to_string();
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn odd_intervals_are_refused_r098() {
    for seconds in [0, 9, 31 * 86_400 + 1, u64::MAX] {
        let error = Schedule::interval(seconds).expect_err("out of range");
        assert_eq!(error, ScheduleError::IntervalOutOfRange { seconds });
    }
    assert!(Schedule::interval(10).is_ok() && Schedule::interval(31 * 86_400).is_ok());
}

#[test]
fn schedules_are_shown_as_they_are_meant() {
    assert_eq!(cron_in("Europe/Berlin", " 30\t2 * *  * ").to_string(), "30 2 * * * Europe/Berlin");
    assert_eq!(cron_in("UTC", "@daily").to_string(), "@daily UTC");
    let shown = |seconds| every(seconds).to_string();
    assert_eq!([shown(172_800), shown(21_600)], ["every 2 d", "every 6 h"]);
    assert_eq!([shown(5_400), shown(90)], ["every 90 min", "every 90 s"]);
    assert_eq!(cron_in("Asia/Tokyo", "@daily").time_zone(), Tz::Asia__Tokyo);
    assert_eq!(every(60).time_zone(), Tz::UTC);
}

#[test]
fn a_run_is_due_if_a_tick_passed_since_the_last_success_r097() {
    #[track_caller]
    fn check(schedule: &Schedule, last_success: Option<&str>, now: &str, expected: bool) {
        assert_eq!(schedule.is_due(last_success.map(at), at(now)), expected, "{last_success:?} {now}");
    }
    let daily = cron_in("UTC", "0 3 * * *");
    check(&daily, None, "2026-08-22T12:00:00Z", true);
    check(&daily, Some("2026-08-22T03:00:00Z"), "2026-08-23T02:59:59Z", false);
    check(&daily, Some("2026-08-22T03:00:00Z"), "2026-08-23T03:00:00Z", true);
    check(&daily, Some("2026-08-22T02:59:59Z"), "2026-08-22T03:00:00Z", true);
    check(&daily, Some("2026-01-01T00:00:00Z"), "2026-08-22T12:00:00Z", true);
    check(&daily, Some("2026-08-25T00:00:00Z"), "2026-08-22T12:00:00Z", false);
    let interval = every(3_600);
    check(&interval, None, "2026-08-22T12:00:00Z", true);
    check(&interval, Some("2026-08-22T11:00:01Z"), "2026-08-22T12:00:00Z", false);
    check(&interval, Some("2026-08-22T11:00:00Z"), "2026-08-22T12:00:00Z", true);
    check(&interval, Some("2026-08-22T13:00:00Z"), "2026-08-22T12:00:00Z", false);
}

#[test]
fn the_next_tick_counts_from_the_last_and_survives_a_wrong_clock_r097() {
    #[track_caller]
    fn check(schedule: &Schedule, last_tick: Option<&str>, now: &str, expected: &str) {
        assert_eq!(schedule.next_tick(last_tick.map(at), at(now)), Some(at(expected)), "{last_tick:?}");
    }
    let (now, hourly, interval) = ("2026-08-22T12:10:00Z", cron_in("UTC", "@hourly"), every(3_600));
    check(&hourly, None, now, "2026-08-22T13:00:00Z");
    check(&hourly, Some("2026-08-20T11:00:00Z"), now, "2026-08-22T13:00:00Z");
    // Set back by an hour: 13:00 has run. Set back by a year: it has not, even if a later run is remembered.
    check(&hourly, Some("2026-08-22T13:00:00Z"), now, "2026-08-22T14:00:00Z");
    check(&hourly, Some("2026-08-22T14:10:00Z"), now, "2026-08-22T15:00:00Z");
    check(&hourly, Some("2026-08-22T14:10:01Z"), now, "2026-08-22T13:00:00Z");
    check(&hourly, Some("2027-08-22T13:00:00Z"), now, "2026-08-22T13:00:00Z");
    check(&interval, None, now, "2026-08-22T13:10:00Z");
    check(&interval, Some("2026-08-22T11:30:00Z"), now, "2026-08-22T12:30:00Z");
    check(&interval, Some("2026-08-22T11:10:00Z"), now, "2026-08-22T13:10:00Z");
    check(&interval, Some("2026-08-20T11:30:00Z"), now, "2026-08-22T12:30:00Z");
    check(&interval, Some("2026-08-22T12:30:00Z"), now, "2026-08-22T13:10:00Z");
}

#[test]
fn intervals_have_no_ticks_of_their_own() {
    let interval = every(60);
    let start = at("2026-08-22T12:00:30Z");
    assert_eq!(interval.previous_before(start), None);
    let expected = ["2026-08-22T12:01:30Z", "2026-08-22T12:02:30Z"].map(at);
    assert_eq!(interval.upcoming(2, start), expected);
}

#[test]
fn the_longest_gap_spans_weekends_nights_and_the_one_we_are_in() {
    #[track_caller]
    fn check(schedule: &Schedule, from: &str, expected: u64) {
        assert_eq!(schedule.longest_gap_seconds(at(from)) / 60, expected, "{schedule}");
    }
    check(&every(7_200), "2026-08-22T12:00:00Z", 2 * 60);
    check(&cron_in("UTC", "0 3 * * *"), "2026-08-22T12:00:00Z", 24 * 60);
    check(&cron_in("UTC", "0 3 * * MON-FRI"), "2026-08-24T12:00:00Z", 72 * 60);
    check(&cron_in("UTC", "*/5 8-17 * * MON-FRI"), "2026-08-24T12:00:00Z", 62 * 60 + 5);
    check(&cron_in("UTC", "@monthly"), "2026-08-24T12:00:00Z", 31 * 24 * 60);
    check(&cron_in("UTC", "* 0-3,22-23 * * *"), "2026-08-24T12:00:00Z", 18 * 60 + 1);
    // A season of rest counts while it lasts.
    check(&cron_in("UTC", "0 3 * 1-6 *"), "2026-08-24T12:00:00Z", 185 * 24 * 60);
    // The night of the change to winter time has 25 hours.
    check(&cron_in("Europe/Berlin", "0 3 * * *"), "2026-10-01T12:00:00Z", 25 * 60);
    check(&cron_in("Europe/Berlin", "0 3 * * *"), "2026-11-01T12:00:00Z", 24 * 60);
}

#[test]
fn the_ends_of_the_calendar_are_ends_and_no_panic() {
    let schedule = cron_in("Pacific/Kiritimati", "* * * * *");
    for time in [DateTime::<Utc>::MAX_UTC, at("2100-01-01T00:00:00Z")] {
        assert_eq!(schedule.next_after(time), None);
        assert!(schedule.upcoming(3, time).is_empty());
    }
    let first = at("1970-01-01T00:01:00Z");
    assert_eq!(cron_in("UTC", "* * * * *").next_after(DateTime::<Utc>::MIN_UTC), Some(first));
    assert_eq!(schedule.previous_before(DateTime::<Utc>::MIN_UTC), None);
    assert_eq!(schedule.previous_before(DateTime::<Utc>::MAX_UTC), None);
    assert_eq!(cron_in("UTC", "@yearly").upcoming(usize::MAX, at("2026-08-22T00:00:00Z")).len(), 74);
    assert_eq!(schedule.upcoming(usize::MAX, first).len(), UPCOMING_LIMIT);
    assert_eq!(every(60).next_after(DateTime::<Utc>::MAX_UTC), None);
}
