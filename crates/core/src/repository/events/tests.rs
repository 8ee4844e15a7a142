use nix::sys::resource::{UsageWho, getrusage};

use super::*;
use crate::storage::Prefix;

fn id(text: &str) -> BackupId {
    BackupId::parse(text).unwrap()
}

fn listed_as(prefix: &Prefix, event: Event, key: &str) -> ListedEvent {
    ListedEvent { event, key: prefix.key(key), written: None }
}

#[test]
fn old_events_go_but_those_of_a_listed_run_and_the_acceptance_that_counts() {
    let prefix = Prefix::parse("p").unwrap();
    let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse().unwrap();
    let started = EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
    let accepted = |from: &str| EventKind::SizeAccepted { from: id(from), signature: None };
    let (listed, old) = ("20260101T000000Z-calpt5zmzst5hrp2", "20260102T000000Z-calpt5zmzst5hrp2");
    let mut events = vec![
        listed_as(&prefix, Event { id: id(listed), kind: started.clone() }, "listed"),
        listed_as(&prefix, Event { id: id(old), kind: started.clone() }, "old"),
        listed_as(&prefix, Event { id: id(old), kind: accepted("20250101T000000Z-calpt5zmzst5hrp2") }, "superseded"),
        listed_as(&prefix, Event { id: id(old), kind: accepted(listed) }, "counts"),
    ];
    let young = (0..1_001).map(|minute| {
        let id = BackupId::new(now - TimeDelta::minutes(minute));
        listed_as(&prefix, Event { id, kind: started.clone() }, &format!("young {minute}"))
    });
    events.extend(young);
    events.sort_by(|one, other| other.event.id.cmp(&one.event.id));
    let journal = Journal { events, starts: Vec::new() };
    let outdated = journal.outdated(now, |id| id.as_str() == listed);
    let mut names: Vec<&str> = outdated.iter().map(|key| key.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["p/old", "p/superseded", "p/young 1000"]);
    assert_eq!(journal.accepted_from().max(), Some(&id(listed)));
}

/// However many events follow, an alarm that holds is known with its time.
#[test]
fn what_is_in_force_stays_and_what_is_over_goes() {
    let prefix = Prefix::parse("p").unwrap();
    let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse().unwrap();
    let (by, code) = (Author::Backup, Word::of("stale"));
    let raised = |severity| Kept::AlarmRaised { by, code: code.clone(), severity: Word::of(severity) };
    let told = |occasion, severity: Option<&'static str>| Kept::Told {
        by,
        family: Word::of("main"),
        occasion: Word::of(occasion),
        severity: severity.map(Word::of),
        since: now,
        codes: vec![code.clone()],
        to: None,
    };
    let told_in = |channel, occasion, severity| match told(occasion, severity) {
        Kept::Told { by, family, occasion, severity, since, codes, .. } => {
            Kept::Told { by, family, occasion, severity, since, codes, to: Some(Word::of(channel)) }
        }
        other => other,
    };
    let old = [
        ("raised", raised("warning")),
        ("resolved", Kept::AlarmResolved { by, code: code.clone() }),
        ("raised again", raised("warning")),
        ("worse", raised("critical")),
        ("onset", told("onset", Some("critical"))),
        ("over", told("resolved", None)),
        ("onset again", told("onset", Some("warning"))),
        ("in mail", told_in("mail", "reminder", Some("critical"))),
        ("in mail again", told_in("mail", "reminder", Some("critical"))),
        ("reminder", told_in("slack", "reminder", Some("critical"))),
    ];
    let old = old.into_iter().enumerate().map(|(second, (name, kept))| {
        let at = now - TimeDelta::days(100) + TimeDelta::seconds(i64::try_from(second).unwrap());
        let kind = EventKind::Kept(kept, Tag::none());
        listed_as(&prefix, Event { id: BackupId::new(at), kind }, name)
    });
    let mut events: Vec<_> = old.collect();
    events.reverse();
    let journal = Journal { events, starts: Vec::new() };
    let outdated = journal.outdated(now, |_| false);
    let mut names: Vec<&str> = outdated.iter().map(|key| key.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["p/in mail", "p/onset", "p/onset again", "p/over", "p/raised", "p/resolved"]);
}

/// A line of each kind that tells of the state of a service, older than what another writer adds.
#[test]
fn no_number_of_lines_that_are_added_ends_what_others_say() {
    let prefix = Prefix::parse("p").unwrap();
    let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse().unwrap();
    let of = |age: TimeDelta, kind, name: &str| listed_as(&prefix, Event { id: BackupId::new(now - age), kind }, name);
    let kept = |kept| EventKind::Kept(kept, Tag::none());
    let (code, severity) = (Word::of("could_not_run"), Word::of("critical"));
    let raised = |by| kept(Kept::AlarmRaised { by, code: code.clone(), severity: severity.clone() });
    let resolved = |by| kept(Kept::AlarmResolved { by, code: code.clone() });
    let drill = |verdict| EventKind::DrillEnded { verdict: Word::of(verdict) };
    let failed = |again| EventKind::BackupFailed { class: Word::of("auth"), again };
    let states = || {
        let by = [Author::Backup, Author::Verify].into_iter();
        let lines = by.flat_map(|by| [raised(by), resolved(by)]);
        lines.chain([drill("failed"), drill("could_not_run"), EventKind::DrillStarted, failed(false)])
    };
    let added =
        [drill("passed"), drill("stopped"), failed(true), EventKind::BackupStopped, EventKind::DatabaseAppeared];
    let day = TimeDelta::days(1);
    let mut events: Vec<_> = states().map(|kind| of(day, kind, "state")).collect();
    for second in 0..MAX_EVENTS as i64 + 1 {
        let age = TimeDelta::seconds(second);
        events.extend(added.iter().map(|kind| of(age, kind.clone(), "added")));
        events.extend([Author::Backup, Author::Verify].map(|by| of(age, resolved(by), "void")));
        events.extend(states().map(|kind| of(age - day, kind, "of the future")));
    }
    events.push(of(TimeDelta::days(91), raised(Author::Verify), "old"));
    events.sort_by(|one, other| other.event.id.cmp(&one.event.id));
    let outdated = Journal { events, starts: Vec::new() }.outdated(now, |_| false);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    outdated.iter().for_each(|key| *names.entry(key.as_str()).or_default() += 1);
    assert_eq!(names, BTreeMap::from([("p/added", added.len()), ("p/of the future", 4), ("p/old", 1)]));
}

/// What this thread has computed, so that a busy machine makes no work look long.
fn cpu_time() -> Duration {
    let user = getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time();
    Duration::from_micros(u64::try_from(user.tv_sec() * 1_000_000 + user.tv_usec()).unwrap())
}

/// Another writer chooses how many there are.
#[test]
fn a_hundred_thousand_alarms_are_judged_in_seconds() {
    let prefix = Prefix::parse("p").unwrap();
    let now: DateTime<Utc> = "2026-11-22T00:00:00Z".parse().unwrap();
    let event = |number: usize| {
        let letters = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
        let (code, severity) = (Word::parse(&letters).unwrap(), Word::of("critical"));
        let kind = EventKind::Kept(Kept::AlarmRaised { by: Author::Verify, code, severity }, Tag::none());
        let id = BackupId::new(now - TimeDelta::days(100) - TimeDelta::seconds(i64::try_from(number).unwrap()));
        listed_as(&prefix, Event { id, kind }, &number.to_string())
    };
    let journal = Journal { events: (0..100_000).map(event).collect(), starts: Vec::new() };
    let begun = cpu_time();
    assert_eq!(journal.outdated(now, |_| false).len(), 0, "all are in force");
    let took = cpu_time() - begun;
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn starts_that_keep_coming_do_not_move_the_first_one() {
    let at = |minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    let journal = Journal { starts: (0..100).map(at).rev().collect(), ..Journal::default() };
    assert_eq!(journal.first_start(at(50), at(80)), Some(at(51)));
    assert_eq!(journal.first_start(at(-9), at(80)), Some(at(0)));
    assert_eq!(journal.first_start(at(99), at(200)), None);
}
