//! What is told after a restart, by what was written down before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backup_core::repository::{self, Author, Catalog, Layout, RecordKey, Word};
use backup_core::secret::Secret;
use backup_core::storage::{ListedObject, Prefix};
use chrono::{DateTime, TimeDelta, Utc};

use crate::alarm::{Alarm, AlarmChange, Severity};
use crate::alarm_code::AlarmCode;
use crate::database_name::DatabaseName;
use crate::journal::{Journal, Line};
use crate::notify::incident::Family;
use crate::notify::tell::{kept, kept_before};
use crate::notify::when::{Incidents, Notice};
use crate::remembered::{FailedBefore, Past, Remembered};

fn at(hour: i64) -> DateTime<Utc> {
    "2026-11-29T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour)
}

fn layout() -> Layout {
    Layout::new(Prefix::parse("p").unwrap(), "app")
}

fn key(credential: &str) -> RecordKey {
    RecordKey::of(&Secret::new(credential.to_owned()))
}

fn database() -> DatabaseName {
    DatabaseName::from("app")
}

fn alarm(code: AlarmCode, severity: Severity, hour: i64) -> Alarm {
    let (database, since, message) = (database(), at(hour), "why".to_owned());
    Alarm { code, database, severity, since, noticed_at: since, message, subjects: Vec::new() }
}

/// A service without a bucket: its lines are the keys that they would be.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<Vec<ListedObject>>>);

impl Bucket {
    fn journal(&self) -> Journal {
        let own = self.clone();
        Journal::written(
            Author::Backup,
            Arc::new(move |_, id, line| {
                let event = match line {
                    Line::Happened(kind) => repository::Event { id, kind },
                    Line::Kept(kept) => layout().keep(id, kept, &key("own")),
                };
                let object = ListedObject { key: layout().event_key(&event), bytes: 0, modified: None };
                own.0.lock().unwrap().push(object);
                Box::pin(async { Ok(()) })
            }),
        )
    }

    fn remembered(&self, credential: &str, hour: i64) -> Remembered {
        let objects = self.0.lock().unwrap().clone();
        let catalog = Catalog::from_listing(&layout(), objects, at(hour));
        assert_eq!(catalog.foreign_objects, 0);
        Remembered::read(&catalog.journal, &layout(), &key(credential), Author::Backup, at(hour))
    }
}

/// What is told from hour `from` to hour `to` by `incidents`, and noted.
fn told(incidents: &mut Incidents, journal: &Journal, (from, to): (i64, i64)) -> Vec<(i64, &'static str)> {
    let mut told = Vec::new();
    for minute in from * 60..to * 60 {
        let now = at(0) + TimeDelta::minutes(minute) + TimeDelta::seconds(10);
        for notice in incidents.due(now) {
            journal.note(&database(), kept(&notice, Author::Backup), now).keep();
            told.push((minute / 60, notice.occasion.word()));
        }
    }
    told
}

async fn written(journal: &Journal) {
    let writer = tokio::spawn(journal.clone().write());
    journal.finish(Duration::from_secs(5)).await;
    writer.abort();
}

/// The keys of one second end at random.
#[tokio::test]
async fn an_alarm_that_came_and_went_within_a_second_is_over_after_a_restart() {
    for _ in 0..20 {
        let bucket = Bucket::default();
        let journal = bucket.journal();
        let stale = alarm(AlarmCode::Stale, Severity::Critical, 1);
        journal.alarm(&AlarmChange::Raised(stale.clone()), at(1));
        journal.alarm(&AlarmChange::Resolved(stale), at(1));
        written(&journal).await;
        assert_eq!(bucket.remembered("own", 2).alarms.len(), 0);
    }
}

#[tokio::test]
async fn a_restart_neither_repeats_a_message_nor_forgets_one() {
    let bucket = Bucket::default();
    let journal = bucket.journal();
    let (stale, failing) =
        (alarm(AlarmCode::Stale, Severity::Critical, 1), alarm(AlarmCode::Failing, Severity::Critical, 2));
    let mut incidents = Incidents::default();
    incidents.raised(&stale, at(1));
    journal.alarm(&AlarmChange::Raised(stale.clone()), at(1));
    assert_eq!(told(&mut incidents, &journal, (1, 2)), [(1, "onset")]);
    // A restart each hour, after which the alarm still holds: the same messages as without.
    let mut all = Vec::new();
    for hour in 2..100 {
        written(&journal).await;
        let remembered = bucket.remembered("own", hour);
        assert_eq!(remembered.alarms[&AlarmCode::Stale], (at(1), Severity::Critical));
        let mut incidents = Incidents::default();
        incidents.restore(&database(), &remembered, at(hour));
        incidents.raised(&stale, at(hour));
        all.extend(told(&mut incidents, &journal, (hour, hour + 1)));
    }
    assert_eq!(all, [(7, "reminder"), (25, "reminder"), (73, "reminder")]);
    // What is over while the process is down is told once.
    written(&journal).await;
    let mut incidents = Incidents::default();
    incidents.restore(&database(), &bucket.remembered("own", 100), at(100));
    incidents.resolved(&stale, at(100));
    journal.alarm(&AlarmChange::Resolved(stale), at(100));
    assert_eq!(told(&mut incidents, &journal, (100, 101)), [(100, "resolved")]);
    written(&journal).await;
    let mut incidents = Incidents::default();
    incidents.restore(&database(), &bucket.remembered("own", 101), at(101));
    assert_eq!(told(&mut incidents, &journal, (101, 130)), []);
    incidents.raised(&failing, at(131));
    assert_eq!(told(&mut incidents, &journal, (131, 132)), [(131, "onset")]);
}

#[tokio::test]
async fn what_another_one_writes_keeps_nothing_silent() {
    let bucket = Bucket::default();
    let journal = bucket.journal();
    let stale = alarm(AlarmCode::Stale, Severity::Critical, 1);
    let mut incidents = Incidents::default();
    incidents.raised(&stale, at(1));
    journal.alarm(&AlarmChange::Raised(stale), at(1));
    assert_eq!(told(&mut incidents, &journal, (1, 2)).len(), 1);
    written(&journal).await;
    assert_ne!(bucket.remembered("own", 2), Remembered::default());
    assert_eq!(bucket.remembered("another", 2), Remembered::default());
}

#[tokio::test]
async fn changes_that_are_only_counted_stay_so_over_a_restart() {
    let bucket = Bucket::default();
    let journal = bucket.journal();
    let mut incidents = Incidents::default();
    let mut all = Vec::new();
    for hour in 0..6 {
        let shrunk = alarm(AlarmCode::Shrunk, Severity::Warning, hour);
        let change =
            if hour % 2 == 0 { AlarmChange::Raised(shrunk.clone()) } else { AlarmChange::Resolved(shrunk.clone()) };
        match &change {
            AlarmChange::Resolved(alarm) => incidents.resolved(alarm, at(hour)),
            AlarmChange::Raised(alarm) | AlarmChange::Resumed(alarm) => incidents.raised(alarm, at(hour)),
            AlarmChange::Departed(of) => incidents.departed(of, at(hour)),
        }
        journal.alarm(&change, at(hour));
        all.extend(told(&mut incidents, &journal, (hour, hour + 1)));
        written(&journal).await;
        incidents = Incidents::default();
        incidents.restore(&database(), &bucket.remembered("own", hour + 1), at(hour + 1));
    }
    assert_eq!(all, [(0, "onset"), (1, "resolved"), (2, "onset"), (3, "unstable")]);
    assert_eq!(told(&mut incidents, &journal, (6, 80)), [(27, "digest")]);
}

#[test]
fn the_last_run_that_failed_is_not_told_again_and_its_end_is() {
    let mut incidents = Incidents::default();
    let past = Past {
        since: at(1),
        severity: Some(Severity::Warning),
        codes: vec![AlarmCode::Failing],
        messages: vec![(at(1), "onset".to_owned())],
        is_everywhere: true,
        ..Past::default()
    };
    let failed_before = FailedBefore {
        code: AlarmCode::Failing,
        since: at(1),
        at: at(2),
        class: Some("auth"),
        reason: "before the restart".to_owned(),
        what_to_do: None,
    };
    let remembered = Remembered {
        told: BTreeMap::from([("main".to_owned(), past)]),
        failed_at: vec![at(0), at(1), at(2)],
        failed_before: Some(failed_before),
        ..Remembered::default()
    };
    incidents.restore(&database(), &remembered, at(3));
    let journal = Journal::unwritten(Author::Backup);
    assert_eq!(told(&mut incidents, &journal, (3, 5)), []);
    incidents.succeeded(&database(), at(5));
    let notice = incidents.due(at(6)).pop().unwrap();
    assert_eq!((notice.occasion.word(), notice.occurrences, notice.class), ("resolved", 2, Some("auth")));
}

/// A channel that was down, or is new, gets what the others have.
#[tokio::test]
async fn what_has_not_arrived_in_a_channel_is_told_there_alone_after_a_restart() {
    let (slack, mail) = (Word::of("slack"), Word::of("mail"));
    let bucket = Bucket::default();
    let journal = bucket.journal();
    let stale = alarm(AlarmCode::Stale, Severity::Critical, 1);
    let arrive = |notice: &Notice, now, channels: &[&Word]| {
        let note = journal.note(&database(), kept(notice, Author::Backup), now);
        channels.iter().for_each(|channel| note.clone().keep_of((*channel).clone()));
    };
    // What is told again after a restart at `hour` if nothing changes, and where it is missing.
    let again = |hour, holds: bool| {
        let mut incidents = Incidents::default();
        incidents.restore(&database(), &bucket.remembered("own", hour), at(hour));
        if holds {
            incidents.raised(&stale, at(hour));
        }
        let told = incidents.due(at(hour) + TimeDelta::minutes(1));
        told.into_iter().map(move |notice| (notice.occasion.word(), notice.again.unwrap())).collect::<Vec<_>>()
    };
    let missing = |again: &[(&str, Past)]| {
        let of = |(occasion, past): &(&str, Past)| {
            (String::from(*occasion), past.is_missing_in(&slack), past.is_missing_in(&mail))
        };
        again.iter().map(of).collect::<Vec<_>>()
    };
    let mut incidents = Incidents::default();
    incidents.raised(&stale, at(1));
    journal.alarm(&AlarmChange::Raised(stale.clone()), at(1));
    let onset = incidents.due(at(2)).pop().unwrap();
    arrive(&onset, at(2), &[&slack]);
    written(&journal).await;
    let restarted = again(3, true);
    assert_eq!(missing(&restarted), [("onset".to_owned(), false, true)]);
    assert_eq!(restarted[0].1.messages, [(at(2), "onset".to_owned())]);
    // What is written down of it then is a line of the same message.
    let (sent_at, kept_again) = kept_before(&restarted[0].1, Family::Main, Author::Backup).unwrap();
    journal.note_of(&database(), kept_again, sent_at).keep_of(mail.clone());
    written(&journal).await;
    assert_eq!(missing(&again(4, true)), [("onset".to_owned(), false, false)]);
    // Its end, which arrives in one of them.
    incidents.resolved(&stale, at(5));
    journal.alarm(&AlarmChange::Resolved(stale.clone()), at(5));
    let over = incidents.due(at(6)).pop().unwrap();
    arrive(&over, at(6), &[&mail]);
    written(&journal).await;
    assert_eq!(missing(&again(7, false)), [("resolved".to_owned(), true, false)]);
    // A channel in which nothing was told needs no end.
    assert!(!again(7, false)[0].1.is_missing_in(&Word::of("discord")));
}

/// As if the bucket answers late.
#[tokio::test]
async fn nothing_is_told_again_before_it_was_looked_at() {
    let bucket = Bucket::default();
    let journal = bucket.journal();
    let stale = alarm(AlarmCode::Stale, Severity::Critical, 1);
    let mut incidents = Incidents::default();
    incidents.raised(&stale, at(1));
    journal.alarm(&AlarmChange::Raised(stale.clone()), at(1));
    let onset = incidents.due(at(2)).pop().unwrap();
    journal.note(&database(), kept(&onset, Author::Backup), at(2)).keep_of(Word::of("slack"));
    written(&journal).await;
    let mut restarted = Incidents::default();
    restarted.restore(&database(), &bucket.remembered("own", 3), at(3));
    for second in 0..50 {
        assert_eq!(restarted.due(at(3) + TimeDelta::seconds(second)), []);
    }
    restarted.resolved(&stale, at(3) + TimeDelta::seconds(50));
    let told = restarted.due(at(3) + TimeDelta::seconds(60)).pop().unwrap();
    assert_eq!((told.occasion.word(), told.again), ("resolved", None));
}
