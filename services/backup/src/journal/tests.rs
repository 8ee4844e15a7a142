use backup_core::repository::Layout;
use backup_core::storage::{ListedObject, Prefix};

use super::*;

/// What the journal tells at this hour of runs at the hours of `events`, `S` a start, `F` a failure, `A` one that repeats
/// another, `T` a stop and `B` a backup, with a tick at each full hour and three attempts: how many have failed in a row,
/// and the class of the last one.
fn failures(events: &[(f64, char)], now: f64) -> (u32, Option<FailureClass>) {
    let events: Vec<_> = events.iter().map(|(hour, what)| (*hour, *what, None)).collect();
    failures_written(&events, now)
}

/// As [`failures`], with the hours at which the store has written each.
fn failures_written(events: &[(f64, char, Option<f64>)], now: f64) -> (u32, Option<FailureClass>) {
    let failures = all_failures(events, now);
    (failures.in_a_row, failures.last_class)
}

fn at(hour: f64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds((hour * 3600.0) as i64)
}

fn all_failures(events: &[(f64, char, Option<f64>)], now: f64) -> Failures {
    let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
    let objects = events.iter().flat_map(|(hour, what, written)| {
        let (id, modified) = (BackupId::new(at(*hour)), written.map(at));
        let listed = move |key| ListedObject { key, bytes: 1, modified };
        let failed = |again| EventKind::BackupFailed { class: Word::of("auth"), again };
        let kind = match what {
            'S' => EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None },
            'F' => failed(false),
            'A' => failed(true),
            'T' => EventKind::BackupStopped,
            'B' => {
                let keys = ["app.dump", "manifest.json"].map(|name| layout.start().join(&format!("{id}/{name}")));
                return keys.map(listed).to_vec();
            }
            other => panic!("{other}"),
        };
        vec![listed(layout.event_key(&Event { id, kind }))]
    });
    let catalog = Catalog::from_listing(&layout, objects.collect(), at(now));
    assert_eq!(catalog.foreign_objects, 0);
    let config = crate::config::tests::hourly();
    let failures = Failures::since_newest(&catalog, Kind::Full, at(now)).with_killed(&catalog, &config, at(now));
    assert_eq!(failures.last_at.is_some(), failures.in_a_row > 0);
    failures
}

#[track_caller]
fn check(events: &[(f64, char)], now: f64, expected: (u32, Option<FailureClass>)) {
    assert_eq!(failures(events, now), expected);
}

const KILLED: Option<FailureClass> = Some(FailureClass::Killed);
const AUTH: Option<FailureClass> = Some(FailureClass::Auth);

/// Else a restart would make an outage begin anew.
#[test]
fn a_row_of_failures_began_with_its_first() {
    for (events, first, last) in [
        (&[(1.0, 'B'), (2.0, 'F'), (2.1, 'A'), (3.0, 'F'), (4.0, 'F')][..], Some(2.0), Some(4.0)),
        (&[(0.5, 'F'), (1.0, 'B'), (2.1, 'A')], Some(2.1), Some(2.1)),
        (&[(1.0, 'B'), (2.0, 'S'), (3.0, 'S'), (3.5, 'F')], Some(2.0), Some(3.5)),
        (&[(0.5, 'F'), (1.0, 'B')], None, None),
    ] {
        let events: Vec<_> = events.iter().map(|(hour, what)| (*hour, *what, None)).collect();
        let failures = all_failures(&events, 5.0);
        assert_eq!((failures.first_at, failures.last_at), (first.map(at), last.map(at)), "{events:?}");
    }
}

#[test]
fn runs_that_are_killed_have_failed() {
    // The last may go on elsewhere, for six hours.
    let four = [(0.0, 'B'), (1.0, 'S'), (2.0, 'S'), (3.0, 'S'), (4.0, 'S')];
    check(&four, 4.1, (3, KILLED));
    check(&four, 10.1, (3, KILLED));
    check(&four, 10.2, (4, KILLED));
    check(&[(1.0, 'S'), (2.0, 'S'), (2.5, 'F')], 3.0, (2, AUTH));
    check(&[(0.5, 'F'), (1.0, 'S'), (2.0, 'S')], 2.1, (2, KILLED));
}

/// After a kill between two ticks, the run is repeated as after a failure.
#[test]
fn a_restart_loop_between_two_ticks_is_one_run_that_was_killed() {
    let starts = [(1.1, 'S'), (1.2, 'S'), (1.3, 'S'), (1.4, 'S'), (1.5, 'S')];
    check(&starts[..3], 1.4, (0, None));
    check(&starts[..4], 1.5, (1, KILLED));
    check(&starts, 1.6, (1, KILLED));
    check(&[(1.1, 'F'), (1.2, 'S'), (1.3, 'S'), (1.4, 'S'), (1.5, 'S')], 1.6, (1, AUTH));
}

/// Else a restart while the server is down would end the alarm.
#[test]
fn a_database_is_missing_until_the_journal_tells_of_a_run_that_has_found_it() {
    let at = |hour: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
    let is_missing = |events: &[&'static str]| {
        let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
        let objects = events.iter().zip(1..).map(|(class, hour)| {
            let kind = match *class {
                "started" => EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None },
                class => EventKind::BackupFailed { class: Word::of(class), again: false },
            };
            let key = layout.event_key(&Event { id: BackupId::new(at(hour)), kind });
            ListedObject { key, bytes: 1, modified: Some(at(hour)) }
        });
        let catalog = Catalog::from_listing(&layout, objects.collect(), at(100));
        Failures::since_newest(&catalog, Kind::Full, at(100)).is_database_missing
    };
    assert!(!is_missing(&["database_unreachable"]));
    assert!(is_missing(&["started", "database_missing", "database_unreachable"]));
    assert!(!is_missing(&["database_missing", "lock", "database_unreachable"]));
    assert!(!is_missing(&["database_missing", "started"]));
}

#[test]
fn runs_that_end_or_may_go_on_were_not_killed() {
    for events in [
        &[(1.0, 'S')][..],
        // Three attempts of one run.
        &[(1.0, 'S'), (1.1, 'S'), (1.2, 'S')],
        &[(1.0, 'S'), (1.0, 'B')],
        // What succeeds later is what counts, whichever process has made it.
        &[(1.0, 'S'), (2.0, 'S'), (2.0, 'B')],
        &[(1.0, 'S'), (1.2, 'T'), (2.0, 'S')],
        // The clock of another machine is ahead.
        &[(20.0, 'S'), (21.0, 'S'), (22.0, 'S')],
    ] {
        check(events, 3.0, (0, None));
    }
    check(&[(1.0, 'S'), (1.1, 'F'), (2.0, 'S'), (2.1, 'F')], 3.0, (2, AUTH));
    // It fails in the second in which it began: their order in that second is by chance.
    for _ in 0..20 {
        check(&[(1.0, 'S'), (1.0, 'F'), (2.0, 'S'), (2.0, 'F')], 3.0, (2, AUTH));
        check(&[(1.0, 'S'), (1.0, 'F'), (1.2, 'S'), (1.2, 'A')], 3.0, (1, AUTH));
    }
}

/// A clock that was ahead has dated starts and failures later than the backup that came after them.
#[test]
fn what_a_clock_that_was_ahead_has_dated_later_is_older_than_a_backup_that_was_written_later() {
    let ahead =
        |what| [(1.11, what, Some(1.0)), (1.12, what, Some(1.01)), (1.13, what, Some(1.02)), (1.14, what, Some(1.03))];
    for what in ['S', 'F'] {
        let mut events = ahead(what).to_vec();
        events.push((1.05, 'B', Some(1.06)));
        assert_eq!(failures_written(&events, 1.1), (0, None), "{what}");
        // What comes after that backup by both clocks counts, also if its line had to wait for the bucket.
        events.push((1.07, 'F', Some(1.09)));
        assert_eq!(failures_written(&events, 1.1), (1, AUTH), "{what}");
    }
    // A line that waited until a backup was there is older by its own time.
    assert_eq!(failures_written(&[(1.0, 'F', Some(1.2)), (1.1, 'B', Some(1.11))], 1.3), (0, None));
}
