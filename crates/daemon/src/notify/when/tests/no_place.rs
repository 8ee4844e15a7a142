//! What becomes of a message that finds no place in any queue.

use super::*;

/// As behind a queue that is full.
#[test]
fn a_change_that_found_no_place_is_not_told_and_due_again() {
    let second = |second| start() + TimeDelta::seconds(second);
    let mut incidents = Incidents::default();
    let due = |incidents: &mut Incidents, now| incidents.due(now).pop().map(|notice| (notice.occasion, notice));
    incidents.raised(&alarm(Stale, Critical, start()), start());
    for (now, occasion) in [(10, Occasion::Onset), (70, Occasion::Onset)] {
        let (told, notice) = due(&mut incidents, second(now)).unwrap();
        assert_eq!(told, occasion);
        incidents.take_back(&notice, second(now));
        assert_eq!(incidents.due(second(now + 59)), []);
    }
    assert_eq!(due(&mut incidents, second(130)).unwrap().0, Occasion::Onset);
    incidents.resolved(&alarm(Stale, Critical, start()), second(140));
    let (told, notice) = due(&mut incidents, second(150)).unwrap();
    assert_eq!(told, Occasion::Resolved);
    incidents.take_back(&notice, second(150));
    assert_eq!(due(&mut incidents, second(210)).unwrap().0, Occasion::Resolved);
    assert_eq!(incidents.due(second(1_000)), []);
    // What is over before there is a place is not told at all.
    incidents.raised(&alarm(Stale, Critical, second(2_000)), second(2_000));
    let (_, notice) = due(&mut incidents, second(2_010)).unwrap();
    incidents.take_back(&notice, second(2_010));
    incidents.resolved(&alarm(Stale, Critical, start()), second(2_020));
    assert_eq!(incidents.due(second(2_100)), []);
}

/// Also what is no change, and what is urgent while changes are only counted.
#[test]
fn whatever_found_no_place_is_due_again() {
    let hour = |hour| start() + TimeDelta::hours(hour);
    let mut incidents = Incidents::default();
    let due_twice = |incidents: &mut Incidents, now, occasion: Occasion, code| {
        for attempt in 0..3 {
            let now = now + TimeDelta::minutes(2) * attempt;
            let told: Vec<_> = incidents.due(now);
            let summary: Vec<_> = told.iter().map(|notice| (notice.occasion, notice.lead.code)).collect();
            assert_eq!(summary, [(occasion, code)], "{now}");
            if attempt < 2 {
                incidents.take_back(&told[0], now);
                assert!(incidents.next_due().unwrap() > now, "nothing is tried without a pause");
            }
        }
        assert_eq!(incidents.due(now + TimeDelta::minutes(10)), []);
    };
    incidents.raised(&alarm(CouldNotRun, Warning, start()), start());
    due_twice(&mut incidents, hour(1), Occasion::Onset, CouldNotRun);
    due_twice(&mut incidents, hour(7), Occasion::Reminder, CouldNotRun);
    incidents.resolved(&alarm(CouldNotRun, Warning, start()), hour(8));
    due_twice(&mut incidents, hour(9), Occasion::Resolved, CouldNotRun);
    incidents.raised(&alarm(CouldNotRun, Warning, hour(10)), hour(10));
    due_twice(&mut incidents, hour(11), Occasion::Onset, CouldNotRun);
    incidents.resolved(&alarm(CouldNotRun, Warning, hour(10)), hour(12));
    due_twice(&mut incidents, hour(13), Occasion::Unstable { changes: 4 }, CouldNotRun);
    incidents.raised(&alarm(NoBackup, Critical, hour(14)), hour(14));
    due_twice(&mut incidents, hour(15), Occasion::Onset, NoBackup);
    due_twice(&mut incidents, hour(38), Occasion::Digest { changes: 1 }, NoBackup);
}
