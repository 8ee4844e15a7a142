use super::super::message::tests::{at, speaker};
use super::*;
use crate::notify::when::FailedRun;

fn alarm(code: AlarmCode, severity: Severity) -> Alarm {
    let (database, since) = (DatabaseName::from("app"), at("2026-11-29T03:00:00Z"));
    Alarm { code, database, severity, since, noticed_at: since, message: "canary".to_owned(), subjects: Vec::new() }
}

#[test]
fn a_message_of_life_tells_runs_and_alarms() {
    let (since, now) = (at("2026-11-28T08:00:00Z"), at("2026-11-29T08:00:00Z"));
    let of = |alarms: &[Alarm]| {
        let runs = Runs { succeeded: 3, failed: 1 };
        life(&DatabaseName::from("app"), (since, runs), alarms.iter(), &speaker(), now)
    };
    let calm = of(&[]);
    assert_eq!(calm.title(), "SUMMARY: backup of app: everything is in order (shop, production)");
    let expected = "Note: runs since 2026-11-28T08:00:00Z: 3 succeeded, 1 failed\nAlarms: none\nStill safe: ";
    assert!(calm.body().starts_with(expected), "{}", calm.body());
    assert!(calm.body().contains("What to do: Nothing.") && !calm.body().contains("Failed runs"), "{}", calm.body());
    let wrong = of(&[alarm(AlarmCode::Undelivered, Severity::Warning), alarm(AlarmCode::Stale, Severity::Critical)]);
    let title = "SUMMARY, CRITICAL: backup of app: the newest result is too old (shop, production)";
    assert_eq!((wrong.title().as_str(), wrong.status, wrong.severity), (title, Status::Firing, Level::Critical));
    let alarms = "stale (critical, since 2026-11-29T03:00:00Z), undelivered (warning, since 2026-11-29T03:00:00Z)";
    assert_eq!(wrong.reason.as_deref(), Some(alarms));
    assert_eq!(wrong.runbook, "docs/runbooks.md#backups-are-stale");
}

#[test]
fn each_database_has_its_message_of_life_once_it_is_due() {
    let (began, due) = (at("2026-11-28T09:00:00Z"), at("2026-11-29T08:00:00Z"));
    let schedule = super::super::summary::Rhythm::Daily.schedule(chrono_tz::Tz::UTC).unwrap();
    let (app, crm) = (DatabaseName::from("app"), DatabaseName::from("crm"));
    let own = || DatabaseState::new("daily".to_owned(), Duration::ZERO, began, ());
    let state = State::new([(app.clone(), own()), (crm, own())]);
    let teller = Teller::<(), ()> {
        safe: |_| Safe { newest_backup: None, newest_proven: None, suspicious: None },
        ending: |()| unreachable!("nothing ran"),
    };
    let mut summary = Some(Summary::begin(schedule, began));
    summary.iter_mut().for_each(|summary| summary.succeeded(&app));
    let urls = |state: &State<()>| {
        let mut summary =
            Some(Summary::begin(super::super::summary::Rhythm::Daily.schedule(chrono_tz::Tz::UTC).unwrap(), began));
        let messages = summaries(&mut summary, (state, teller), &speaker(), due).into_iter();
        messages.filter_map(|message| message.url).collect::<Vec<_>>()
    };
    let of_each = ["app", "crm"].map(|name| format!("https://backup.example.com/databases/{name}"));
    assert_eq!(urls(&state), of_each);
    let odd = State::new([(DatabaseName::from("a/b ä"), own()), (DatabaseName::unknown(), own())]);
    assert!(urls(&odd).contains(&"https://backup.example.com/databases/a%2Fb%20%C3%A4".to_owned()), "{:?}", urls(&odd));
    assert_eq!(urls(&State::new([(app.clone(), own())])), ["https://backup.example.com/"], "it is the only one");
    let told = |summary: &mut Option<Summary>, now| {
        let messages = summaries(summary, (&state, teller), &speaker(), now).into_iter();
        messages.map(|message| (message.database.unwrap_or_default(), message.occasion)).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut summary, due - TimeDelta::seconds(1)), []);
    let of = |succeeded| Occasion::Summary { succeeded, failed: 0 };
    assert_eq!(told(&mut summary, due), [("app".to_owned(), of(1)), ("crm".to_owned(), of(0))]);
    assert_eq!(told(&mut summary, due), []);
    assert_eq!(told(&mut None, due), []);
}

/// A reminder names what the alarm is about now, and the end what it was about.
#[test]
fn a_message_about_backups_names_the_newest_of_them_and_one_about_runs_names_none() {
    let (name, begin) = (DatabaseName::from("app"), at("2026-11-29T03:00:00Z"));
    let [old, new] = ["20261127T030000Z-7mzst5hrp2calpt5", "20261128T030000Z-calpt5zmzst5hrp2"].map(str::to_owned);
    let of = |subjects: &[&String]| Alarm {
        subjects: subjects.iter().map(|id| (*id).clone()).collect(),
        ..alarm(AlarmCode::DrillFailed, Severity::Critical)
    };
    let teller = Teller::<(), ()> { safe: |_| Safe::default(), ending: |()| unreachable!("nothing ran") };
    let told = |incidents: &mut Incidents, holds: Option<Alarm>, seconds| {
        let mut own = DatabaseState::new("daily".to_owned(), Duration::ZERO, begin, ());
        own.noticed.notice(&name, holds.into_iter().collect());
        let (state, now) = (State::new([(name.clone(), own)]), begin + TimeDelta::seconds(seconds));
        let notice = incidents.due(now).remove(0);
        let message = message_of(&notice, &speaker(), &state, teller, now);
        assert_eq!(message.backup_id.is_some(), message.body().contains("\nBackup: "), "{}", message.body());
        (message.occasion, message.backup_id)
    };
    let mut incidents = Incidents::default();
    incidents.raised(&of(&[&old, &new]), begin);
    assert_eq!(told(&mut incidents, Some(of(&[&old, &new])), 10), (Occasion::Onset, Some(new.clone())));
    assert_eq!(told(&mut incidents, Some(of(&[&old])), 7 * 3600), (Occasion::Reminder, Some(old)));
    incidents.resolved(&of(&[]), begin + TimeDelta::hours(8));
    assert_eq!(told(&mut incidents, None, 9 * 3600), (Occasion::Resolved, Some(new)));

    let run = FailedRun {
        ended_at: begin,
        sign: Some(AlarmCode::Failing),
        class: None,
        reason: "why".to_owned(),
        what_to_do: None,
    };
    let mut incidents = Incidents::default();
    incidents.failed(&name, run, begin);
    assert_eq!(told(&mut incidents, None, 10), (Occasion::Onset, None));
}
