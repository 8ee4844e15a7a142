//! The first page: how a database stands, in the order in which a person asks; or all databases, the worst first.

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use backup_core::text::{bytes, count};

use super::backups::{backups, gaps, newest};
use super::by_urgency;
use super::charts::{Chart, Point, strip};
use super::drill::drills;
use super::headline::{Headline, headline};
use super::icon::Icon;
use super::layout::{Frame, fact, foreign, moment};
use super::view::{Activity, Alarm, Backup, Database, Event, Proof, Run, Tone, Verdict, View};
use super::words::{Clock, counted, sentence, span};
use crate::alarm::Severity;
use crate::daemon::Daemon;
use crate::documents::address_of;

/// Events that are shown at once; the others are one touch away.
const SHOWN_EVENTS: usize = 10;

/// Maximum number of events on the page, and how far back they go.
const MAX_EVENTS: usize = 500;
const EVENT_DAYS: i64 = 30;

/// The page of one database.
pub(super) fn database(view: &View, database: &Database, clock: Clock) -> String {
    let headline = headline(view.daemon, database, clock);
    let body = html! {
        (first_words(&headline))
        (what_to_do(&database.alarms, clock))
        dl.facts.card { (newest(view.daemon, database, clock)) (next_run(view.daemon, database, clock)) }
        @if let Activity::Running(run) = database.activity { (running(run, clock)) }
        @if view.daemon != Daemon::Backup { (drills(view.daemon, database, clock)) }
        (backups(database, clock))
        (history(view.daemon, database, clock))
        (gaps(view.daemon, database))
        (events(&database.events, clock))
    };
    let title = format!("{} · {}", headline.standing.word(), database.title());
    let is_live = matches!(database.activity, Activity::Running(_) | Activity::Starting | Activity::Stopping);
    let is_home = view.databases.len() == 1;
    Frame { view, clock, title, subject: database.title(), is_live, is_home }.around(&body)
}

/// The page of all databases.
pub(super) fn list(view: &View, clock: Clock) -> String {
    let told = by_urgency(view, clock);
    let is_live =
        told.iter().any(|(database, _)| matches!(database.activity, Activity::Running(_) | Activity::Starting));
    let body = html! {
        h1 { (counted(told.len() as u64, "database", "databases")) }
        ul.events.card { @for (database, headline) in &told { li.(headline.standing.tone().class()) {
            (headline.standing.icon().draw())
            div {
                a href={ "/databases/" (utf8_percent_encode(&database.name, NON_ALPHANUMERIC)) } { (foreign(database.title())) }
                br; (&headline.sentence)
            }
        } } }
    };
    let word = told.first().map_or("no database", |(_, headline)| headline.standing.word());
    Frame { view, clock, title: word.to_owned(), subject: "", is_live, is_home: true }.around(&body)
}

/// The page of an address that leads to nothing: a drill of before a restart, for example.
pub(super) fn not_found(view: &View, clock: Clock) -> String {
    let body = html! {
        h1 { "Not known here" }
        p { "A drill is known as long as the process that ran it lives, and longer if its record is in the bucket \
             (VERIFY_ATTEST). " a href="/" { "Back to the first page" } "." }
    };
    Frame { view, clock, title: "Not found".to_owned(), subject: "", is_live: false, is_home: false }.around(&body)
}

fn first_words(headline: &Headline) -> Markup {
    let standing = headline.standing;
    html! {
        section.headline.card.(standing.tone().class()) {
            (standing.icon().draw())
            div {
                h1 { bdi { (&headline.sentence) } }
                @for words in &headline.further { p { (words) } }
            }
        }
    }
}

/// Each alarm with what to do about it.
fn what_to_do(alarms: &[Alarm], clock: Clock) -> Markup {
    let mut alarms: Vec<&Alarm> = alarms.iter().collect();
    alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity), alarm.since));
    let shown = |severity| match severity {
        Severity::Critical => (Icon::Octagon, Tone::Bad),
        Severity::Warning => (Icon::Triangle, Tone::Warning),
    };
    html! {
        @if !alarms.is_empty() { ul.todo.card { @for alarm in alarms {
            @let (icon, tone) = shown(alarm.severity);
            li.(tone.class()) {
                (icon.draw())
                div {
                    h3 { (with_code(alarm.code.entry().what_to_do)) }
                    p { (foreign(&sentence(&alarm.message))) }
                    small { "Since " (moment(alarm.since, clock)) ". " (runbook(alarm)) }
                }
            }
        } } }
    }
}

/// A link to what to do step by step.
fn runbook(alarm: &Alarm) -> Markup {
    let place = alarm.code.entry().runbook;
    html! { @if let Some(address) = address_of(place) { a href=(address) { "Runbook" } } }
}

/// Our own words, in which commands stand between backticks.
fn with_code(words: &str) -> Markup {
    html! { @for (index, part) in words.split('`').enumerate() {
        @if index % 2 == 1 { code { (part) } } @else { (part) }
    } }
}

fn next_run(daemon: Daemon, database: &Database, clock: Clock) -> Markup {
    let name = match daemon {
        Daemon::Backup => "Next backup",
        Daemon::Verify => "Next drill",
        Daemon::Watch => "Drills",
    };
    let rest = html! { (foreign(&database.schedule)) };
    match database.activity {
        Activity::Starting => fact(name, "starting", &rest),
        Activity::Running(_) => fact(name, "running now", &rest),
        Activity::Watching => fact(name, "none by this service", &rest),
        Activity::Stopping => fact(name, "stopping", &rest),
        Activity::Waiting(None) if daemon == Daemon::Verify && database.backups.is_empty() => {
            fact(name, "after the first backup", &rest)
        }
        Activity::Waiting(None) => fact(name, "not known", &rest),
        Activity::Waiting(Some(at)) => fact(name, &clock.until(at), &html! { (moment(at, clock)) br; (rest) }),
    }
}

/// The run that is going on, with a bar if its end is known.
fn running(run: Run, clock: Clock) -> Markup {
    let took = span((clock.now - run.started_at).num_seconds().max(0) as f64);
    let step = if run.step.is_empty() { "start".to_owned() } else { run.step.replace('_', " ") };
    html! {
        section {
            h2 { "Running now" }
            div.card {
                b { (step) } " "
                @match (run.done_bytes, run.total_bytes) {
                    (0, None) => "",
                    (done, None) => (bytes(done)),
                    (done, Some(total)) => { (bytes(done)) " of " (bytes(total)) },
                }
                @if let Some(total) = run.total_bytes.filter(|total| *total > 0) {
                    progress max=(total) value=(run.done_bytes.min(total)) aria-label=(step) {}
                }
                div.soft { "for " (took) ", since " (moment(run.started_at, clock)) ". This page renews itself." }
            }
        }
    }
}

/// The charts; no section if nothing has a course yet.
fn history(daemon: Daemon, database: &Database, clock: Clock) -> Markup {
    let strip = strip(&verdicts(database), clock);
    let charts = html! { @for chart in charts(daemon, database) { (chart.draw(clock)) } };
    if strip.0.is_empty() && charts.0.is_empty() {
        return html! {};
    }
    html! { section { h2 { "History" } (strip) @if !charts.0.is_empty() { div.charts { (charts) } } } }
}

fn charts(daemon: Daemon, database: &Database) -> Vec<Chart<'static>> {
    let of_backups = |value: fn(&Backup) -> Option<u64>| {
        let backups = database.backups.iter().rev().filter(|backup| backup.counts());
        backups.filter_map(|one| Some(Point { at: one.at, values: vec![value(one)? as f64] })).collect()
    };
    let drills = database.drills.iter().rev().filter_map(|drill| Some((drill, drill.report.as_ref()?)));
    let recovered = drills.filter(|(_, report)| report.recovery_time_seconds.is_some());
    let recovery =
        recovered.map(|(drill, report)| Point { at: drill.ended_at, values: report.recovery_steps().to_vec() });
    let simple = |title, points, show| Chart { title, parts: &[], points, show };
    let size = simple("Stored size", of_backups(|backup| Some(backup.stored_bytes)), |value| bytes(value as u64));
    let time = match daemon {
        Daemon::Backup => simple("Duration", of_backups(|backup| backup.run_seconds), span),
        Daemon::Verify | Daemon::Watch => Chart {
            title: "Recovery time",
            parts: &["fetch", "data", "indexes"],
            points: recovery.collect(),
            show: span,
        },
    };
    let rows = simple("Rows", of_backups(|backup| backup.rows), |value| count(value as u64));
    vec![size, time, rows]
}

/// Every verdict that is known, once: of drills, and of backups whose drill is not known itself.
fn verdicts(database: &Database) -> Vec<(chrono::DateTime<chrono::Utc>, bool)> {
    let of_drills = database.drills.iter().filter_map(|drill| match drill.verdict {
        Verdict::Passed => Some((drill.ended_at, true)),
        Verdict::Failed => Some((drill.ended_at, false)),
        Verdict::CouldNotRun | Verdict::Stopped => None,
    });
    let mut verdicts: Vec<_> = of_drills.collect();
    for backup in &database.backups {
        let verdict = match backup.proof {
            Proof::Proven(at) => (at, true),
            Proof::Failed(at) => (at, false),
            Proof::None => continue,
        };
        if !verdicts.contains(&verdict) {
            verdicts.push(verdict);
        }
    }
    verdicts
}

fn events(events: &[Event], clock: Clock) -> Markup {
    let oldest = clock.now - chrono::TimeDelta::days(EVENT_DAYS);
    let young: Vec<&Event> = events.iter().filter(|event| event.at >= oldest).take(MAX_EVENTS).collect();
    let (shown, older) = young.split_at(young.len().min(SHOWN_EVENTS));
    let list = |events: &[&Event]| {
        html! { ul.events { @for event in events { li.(event.tone.class()) {
            (event_icon(event.tone).draw())
            div { (foreign(&event.text)) small.soft { br; (moment(event.at, clock)) } }
        } } } }
    };
    html! {
        section {
            h2 { "Events of " (EVENT_DAYS) " days" }
            div.card {
                @if shown.is_empty() { p.soft { "None." } } @else { (list(shown)) }
                @if !older.is_empty() {
                    details { summary { (counted(older.len() as u64, "older event", "older events")) } (list(older)) }
                }
            }
        }
    }
}

fn event_icon(tone: Tone) -> Icon {
    match tone {
        Tone::Neutral => Icon::Dash,
        Tone::Good => Icon::Check,
        Tone::Warning => Icon::Triangle,
        Tone::Bad => Icon::Octagon,
    }
}
