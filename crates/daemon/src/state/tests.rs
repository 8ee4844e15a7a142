use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use chrono::TimeDelta;

use super::*;
use crate::alarm::Severity;
use crate::left_out::LeftOut;

/// Wrong while its own state says so.
fn judge(state: &DatabaseState<bool>, _: DateTime<Utc>) -> Vec<Condition> {
    let condition = Condition::new(AlarmCode::Stale, Severity::Critical, "why".to_owned());
    Vec::from_iter(state.own.then_some(condition))
}

#[test]
fn each_database_has_alarms_of_its_own_and_keeps_their_time() {
    let start: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
    let later = |seconds| start + TimeDelta::seconds(seconds);
    let database = || DatabaseState::new("daily".to_owned(), std::time::Duration::ZERO, start, true);
    let (app, crm) = (DatabaseName::from("app"), DatabaseName::from("crm"));
    let state = State::new([(app.clone(), database()), (crm.clone(), database())]);
    assert_eq!(state.alarms(judge, start).len(), 2);
    assert_eq!(state.notice(judge, later(60)), [], "a start has its time");
    state.change(&app, |state| state.activity = Activity::Waiting);
    let changes = state.notice(judge, later(5));
    assert!(matches!(&changes[..], [AlarmChange::Raised(alarm)] if alarm.database == app), "{changes:?}");
    assert_eq!(state.notice(judge, later(61)).len(), 1, "the other one is looked at now");
    let since = |alarms: Vec<Alarm>| alarms.into_iter().map(|alarm| alarm.since).collect::<Vec<_>>();
    assert_eq!(since(state.alarms(judge, later(100))), [later(5), later(61)]);
    state.change(&crm, |state| state.own = false);
    assert!(matches!(&state.notice(judge, later(101))[..], [AlarmChange::Resolved(alarm)] if alarm.database == crm));
    assert_eq!(since(state.alarms(judge, later(102))), [later(5)]);
}

#[test]
fn a_clock_that_is_set_back_after_the_start_delays_no_alarm() {
    let start: DateTime<Utc> = "2026-11-29T03:00:00Z".parse().unwrap();
    let app = DatabaseName::from("app");
    let own = DatabaseState::new("daily".to_owned(), std::time::Duration::ZERO, start, true);
    let state = State::new([(app, own)]);
    assert_eq!(state.notice(judge, start - TimeDelta::seconds(60)), [], "a start has its time");
    assert_eq!(state.notice(judge, start - TimeDelta::hours(3)).len(), 1);
}

#[test]
fn a_database_that_is_removed_departs_after_its_alarms() {
    let app = DatabaseName::from("app");
    let own = DatabaseState::new("daily".to_owned(), std::time::Duration::ZERO, Utc::now(), true);
    let state = State::new([(app.clone(), own)]);
    state.change(&app, |state| state.activity = Activity::Waiting);
    assert_eq!(state.notice(judge, Utc::now()).len(), 1);
    state.remove(&app);
    let changes = state.notice(judge, Utc::now());
    let expected = matches!(&changes[..], [AlarmChange::Resolved(_), AlarmChange::Departed(of)] if *of == app);
    assert!(expected, "{changes:?}");
}

fn nameless() -> DatabaseState<()> {
    DatabaseState::new(String::new(), std::time::Duration::from_secs(60), Utc::now(), ())
}

/// One of the databases carries the alarm, the same one as long as it is there, from the first moment on.
#[test]
fn what_is_left_out_is_one_alarm_however_many_databases_there_are() {
    let state = State::new(["b", "c"].map(|name| (DatabaseName::from(name), nameless())));
    let left_out = |reason: &str, minutes| LeftOut {
        patience: TimeDelta::minutes(5),
        ..LeftOut::lasting(reason.to_owned(), Severity::Warning, Utc::now() + TimeDelta::minutes(minutes))
    };
    let alarms = |minutes| {
        let alarms = state.alarms(|_, _| Vec::new(), Utc::now() + TimeDelta::minutes(minutes));
        alarms.into_iter().map(|alarm| (alarm.database, alarm.code, alarm.message)).collect::<Vec<_>>()
    };
    state.leave_out(Some(left_out("first", 0)));
    assert_eq!(alarms(4), []);
    state.leave_out(Some(left_out("second", 3)));
    state.add(DatabaseName::from("a"), nameless());
    state.leave_out(Some(left_out("third", 4)));
    assert_eq!(alarms(6), [(DatabaseName::from("b"), AlarmCode::LeftOut, "third".to_owned())]);
    state.leave_out(None);
    assert_eq!(alarms(6), []);
}

#[test]
fn what_the_store_says_stands_in_the_alarm_that_it_is_not_seen() {
    let app = DatabaseName::from("app");
    let state = State::new([(app.clone(), nameless())]);
    let judge: Judge<()> = |_, _| {
        let message = "the bucket could not be listed".to_owned();
        let (code, severity) = (AlarmCode::BucketUnseen, Severity::Warning);
        vec![Condition::new(code, severity, message)]
    };
    let message = || state.alarms(judge, Utc::now()).pop().unwrap().message;
    assert_eq!(message(), "the bucket could not be listed");
    let (error, scrubber) = (
        anyhow::anyhow!("403 with canary-secret").context("list"),
        Scrubber::new([&Secret::new("canary-secret".to_owned())]),
    );
    state.change(&app, |state| state.unlisted.failed_by(&error, &scrubber, Utc::now()));
    assert_eq!(message(), "the bucket could not be listed: list: 403 with ***");
}

/// Channels are of the process: what they refuse is one alarm, and one message, however many databases there are.
#[test]
fn what_cannot_be_delivered_is_one_alarm_however_many_databases_there_are() {
    let state = State::new([(DatabaseName::unknown(), nameless())]);
    let deliveries = Deliveries::to(["ntfy"]);
    state.watch_deliveries(deliveries.clone());
    for name in ["a", "b", "c"] {
        state.add(DatabaseName::from(name), nameless());
    }
    state.remove(&DatabaseName::unknown());
    let alarms = || state.alarms(|_, _| Vec::new(), Utc::now()).into_iter().map(|alarm| alarm.database);
    assert_eq!(alarms().count(), 0);
    deliveries.given_up("ntfy", "answered 500");
    assert_eq!(alarms().collect::<Vec<_>>(), [DatabaseName::from("a")]);
    state.remove(&DatabaseName::from("a"));
    assert_eq!(alarms().collect::<Vec<_>>(), [DatabaseName::from("b")]);
}

/// The database that carried the alarm before a restart carries it after it, also if another one comes first by now.
#[test]
fn what_is_left_out_is_the_alarm_of_the_same_database_after_a_restart() {
    let (new, old) = (DatabaseName::from("a"), DatabaseName::from("m"));
    let state = State::new([&new, &old].map(|name| (name.clone(), nameless())));
    let judge: Judge<()> = |_, _| Vec::new();
    state.leave_out(Some(LeftOut::lasting("r".to_owned(), Severity::Warning, Utc::now())));
    let begin = |database| state.change(database, |state| state.activity = Activity::Waiting);
    begin(&new);
    assert_eq!(state.notice(judge, Utc::now()), [], "the journal of the other one was not read");
    let past = std::collections::BTreeMap::from([(AlarmCode::LeftOut, (Utc::now(), Severity::Warning))]);
    state.change(&old, |state| state.noticed.remember(&past));
    begin(&old);
    let changes = state.notice(judge, Utc::now());
    assert!(matches!(&changes[..], [AlarmChange::Resumed(alarm)] if alarm.database == old), "{changes:?}");
}

/// A prefix may be too large to be listed while each folder in it can be.
#[test]
fn databases_that_cannot_be_listed_are_left_out_if_the_bucket_answers_otherwise() {
    let app = DatabaseName::from("app");
    let state = State::new([(app.clone(), nameless())]);
    let judge: Judge<()> = |_, _| Vec::new();
    let alarms = |minutes| state.alarms(judge, Utc::now() + TimeDelta::minutes(minutes));
    let listed = || crate::listing::Listing::of("app", &backup_core::repository::Catalog::default(), Utc::now());
    let error = anyhow::anyhow!("too large, canary-secret");
    let scrubber = Scrubber::new([&Secret::new("canary-secret".to_owned())]);
    state.cannot_list_databases(&error, &scrubber);
    assert_eq!(alarms(11), [], "nothing answers, which each database says itself");
    state.change(&app, |state| state.listed(listed()));
    state.cannot_list_databases(&error, &scrubber);
    assert_eq!(alarms(9), []);
    assert!(alarms(11)[0].message.ends_with("cannot be listed: too large, ***"), "{:?}", alarms(11));
}
