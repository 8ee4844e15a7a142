//! Drills: the list of them, and the page of one with all that it found.

use std::sync::Arc;

use backup_core::text::{bytes, count, shortened};
use maud::{Markup, html};

use super::icon::Icon;
use super::layout::{Frame, fact, foreign, mark, moment};
use super::report::{Check, DrillReport, Server, Table, Totals};
use super::view::{Database, Drill, Tone, Verdict, View};
use super::words::{Clock, counted, sentence, span};
use crate::daemon::Daemon;

/// Drills that are shown at once; the others are one touch away.
const SHOWN: usize = 7;

/// Maximum characters of a reason in the list.
const MAX_REASON_CHARS: usize = 120;

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::CouldNotRun => "could not run",
            Self::Stopped => "stopped",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Passed => Tone::Good,
            Self::Failed => Tone::Bad,
            Self::CouldNotRun => Tone::Warning,
            Self::Stopped => Tone::Neutral,
        }
    }

    pub(super) fn icon(self) -> Icon {
        match self {
            Self::Passed => Icon::Shield,
            Self::Failed => Icon::Octagon,
            Self::CouldNotRun => Icon::Triangle,
            Self::Stopped => Icon::Dash,
        }
    }
}

/// The section of the first page.
pub(super) fn drills(daemon: Daemon, database: &Database, clock: Clock) -> Markup {
    let none = match daemon {
        Daemon::Backup | Daemon::Verify => "No drill has ended yet.",
        Daemon::Watch => "The bucket has no record of a drill that was written with the credentials of this service.",
    };
    let (shown, older) = database.drills.split_at(database.drills.len().min(SHOWN));
    html! {
        section {
            h2 { "Drills" }
            div.card {
                @if shown.is_empty() { p.soft { (none) } } @else { (list(shown, clock)) }
                @if !older.is_empty() {
                    details {
                        summary { (counted(older.len() as u64, "older drill", "older drills")) }
                        (list(older, clock))
                    }
                }
            }
        }
    }
}

fn list(drills: &[Arc<Drill>], clock: Clock) -> Markup {
    html! {
        ul.events { @for drill in drills { li.(drill.verdict.tone().class()) {
            (drill.verdict.icon().draw())
            div {
                a href={ "/drills/" (drill.id) } { (drill.verdict.word()) " " (clock.ago(drill.ended_at)) }
                @if let Some(at) = drill.snapshot_at { ", backup of " (clock.moment(at)) }
                small.soft { br; (moment(drill.ended_at, clock)) @if let Some(report) = &drill.report { " · " (summary(report)) } }
            }
        } } }
    }
}

/// What a drill came to, in a few words.
fn summary(report: &DrillReport) -> Markup {
    let reason = report.reason();
    if !reason.is_empty() {
        return foreign(&shortened(&reason, MAX_REASON_CHARS));
    }
    let tables = counted(report.totals.tables as u64, "table", "tables");
    let recovery = report.recovery_time_seconds.map(|seconds| format!(", {} to recover", span(seconds)));
    html! { (tables) ", " (counted(report.rows(), "row", "rows")) (recovery.unwrap_or_default()) }
}

/// The page of a drill.
pub(super) fn page(view: &View, database: &Database, drill: &Drill, clock: Clock) -> String {
    let tone = drill.verdict.tone();
    let body = html! {
        section.headline.card.(tone.class()) {
            (drill.verdict.icon().draw())
            div {
                h1 { "Drill " (drill.verdict.word()) " " (clock.ago(drill.ended_at)) }
                p { (meaning(drill, clock)) }
            }
        }
        @match &drill.report {
            Some(report) => (of_report(drill, report, clock)),
            None => section { p.soft { "Only the verdict of this drill is known: its report is not in the bucket." } },
        }
    };
    let title = format!("Drill {}", drill.verdict.word());
    Frame { view, clock, title, subject: database.title(), is_live: false, is_home: false }.around(&body)
}

fn meaning(drill: &Drill, clock: Clock) -> String {
    let of = drill.snapshot_at.map_or("The backup".to_owned(), |at| format!("The backup of {}", clock.moment(at)));
    let compared = drill.report.as_ref().map(|report| report.contents_compared.as_str());
    match (drill.verdict, compared) {
        (Verdict::Passed, Some("all") | None) => {
            format!("{of} was restored, and every row of every table is what was there.")
        }
        (Verdict::Passed, Some("sample")) => {
            format!(
                "{of} was restored, and every row of a sample of tables is what was there; the others were counted."
            )
        }
        (Verdict::Passed, Some(_)) => format!("{of} was restored, and as many rows came back as were there."),
        (Verdict::Failed, _) => {
            format!("{of} did not come back as it was, or something around it is wrong: see the findings.")
        }
        (Verdict::CouldNotRun, _) => "The drill itself did not work. This says nothing about the backup.".to_owned(),
        (Verdict::Stopped, _) => "It was asked to stop. This says nothing about the backup.".to_owned(),
    }
}

fn of_report(drill: &Drill, report: &DrillReport, clock: Clock) -> Markup {
    html! {
        @if let Some(error) = &report.error { section { h2 { "Why it ended" } p.card { (foreign(error)) } } }
        @if !report.findings.is_empty() { section {
            h2 { "Findings" }
            ul.events.card { @for finding in &report.findings { li.bad {
                (Icon::Octagon.draw())
                div { b { (foreign(&finding.check)) } ": " (foreign(&finding.message)) }
            } } }
        } }
        (figures(drill, report, clock))
        (checks(&report.checks))
        (durations(report))
        (tables(&report.tables, report.totals))
        @if !report.not_exercised.is_empty() { section {
            h2 { "Not exercised" }
            ul.plain.card { @for left_out in &report.not_exercised { li {
                b { (foreign(&left_out.object)) } ": " (foreign(&left_out.reason))
                @if left_out.holds_rows { "; its rows are unproven" }
            } } }
        } }
        @if !report.notes.is_empty() { section {
            h2 { "Notes" }
            ul.plain.card { @for note in &report.notes { li { (foreign(note)) } } }
        } }
        (origin(drill, report))
    }
}

fn figures(drill: &Drill, report: &DrillReport, clock: Clock) -> Markup {
    let recovery = report.recovery_time_seconds.map_or("not reached".to_owned(), span);
    let lost = report.recovery_point_seconds.map_or("not known".to_owned(), |seconds| span(seconds as f64));
    html! {
        dl.facts.card {
            (fact("Recovery time", &recovery, &html! { "from the first byte to the last index" }))
            (fact("Data that would have been lost", &lost, &html! { "recovery point: from the snapshot to the drill" }))
            (fact("Rows that came back", &count(report.rows()), &html! {
                "in " (counted(report.totals.tables as u64, "table", "tables"))
                @if let Some(at) = drill.snapshot_at { ", as of " (moment(at, clock)) }
            }))
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    let shown = |check: &Check| match check.state.as_str() {
        "passed" => (Icon::Check, Tone::Good, "passed"),
        "failed" => (Icon::Octagon, Tone::Bad, "failed"),
        _ => (Icon::Dash, Tone::Neutral, "skipped"),
    };
    html! {
        @if !checks.is_empty() { section {
            h2 { "Checks" }
            div.card { table {
                tbody { @for check in checks { @let (icon, tone, word) = shown(check); tr {
                    td { (mark(icon, tone, word)) }
                    th scope="row" { b { (foreign(&check.name)) } small { (foreign(&check.figures)) } }
                } } }
            } }
        } }
    }
}

fn durations(report: &DrillReport) -> Markup {
    let durations = &report.durations;
    let steps = [
        ("Download, decrypt, decompress", durations.fetch_seconds),
        ("Start of a server", durations.server_seconds),
        ("Restore of the data", durations.restore_data_seconds),
        ("Indexes and constraints", durations.restore_post_data_seconds),
        ("Checks", durations.checks_seconds),
        ("Everything", Some(durations.total_seconds)),
    ];
    html! {
        section {
            h2 { "Durations" }
            div.card { table { tbody { @for (name, seconds) in steps { tr {
                th scope="row" { (name) }
                td.number { @match seconds { Some(seconds) => (span(seconds)), None => span.soft { "not reached" } } }
            } } } } }
        }
    }
}

fn tables(tables: &[Table], totals: Totals) -> Markup {
    let hidden = totals.tables - tables.len();
    html! {
        @if totals.tables > 0 { section {
            h2 { "Table by table" " " small {
                (counted(totals.tables as u64, "table", "tables")) ", " (count(totals.differing as u64)) " differ"
            } }
            div.card {
                @if !tables.is_empty() { table.tables {
                    thead { tr {
                        th scope="col" { "Table" }
                        th.number scope="col" { "Source" }
                        th.number scope="col" { "Archive" }
                        th.number scope="col" { "Restored" }
                        th.state scope="col" { "Contents" }
                    } }
                    tbody { @for table in tables { (table_row(table)) } }
                } }
                @if hidden > 0 { p.soft { (counted(hidden as u64, "table is", "tables are")) " not shown here." } }
            }
        } }
    }
}

fn table_row(table: &Table) -> Markup {
    let rows = |rows: Option<u64>| rows.map_or("–".to_owned(), count);
    let (icon, tone, word) = match (table.content_equal, table.differs()) {
        (Some(true), false) => (Icon::Check, Tone::Good, "equal"),
        (_, true) => (Icon::Octagon, Tone::Bad, "differ"),
        (_, false) => (Icon::Dash, Tone::Neutral, "counted"),
    };
    html! { tr {
        th scope="row" { (foreign(&format!("{}.{}", table.schema, table.name))) }
        td.number { span.unit { "source" } (rows(table.source_rows)) }
        td.number { span.unit { "archive" } (rows(table.archive_rows)) }
        td.number { span.unit { "restored" } (rows(table.restored_rows)) }
        td.state { (mark(icon, tone, word)) }
    } }
}

/// What was restored, and where.
fn origin(drill: &Drill, report: &DrillReport) -> Markup {
    html! {
        section {
            h2 { "Backup and server" }
            div.card { table { tbody {
                @if let Some(id) = &drill.backup_id { (line("Backup", &html! { code { (foreign(id)) } })) }
                @if let Some(backup) = &report.backup {
                    (line("Written by", &html! { (foreign(&backup.tool)) ", of PostgreSQL " (foreign(&backup.server_version)) }))
                    (line("Size", &html! { (bytes(backup.stored_bytes)) " stored, " (bytes(backup.plain_bytes)) " decoded" }))
                    (line("Manifest", &html! { "SHA-256 " code { (foreign(&backup.manifest_sha256)) } }))
                }
                @if let Some(server) = &report.server { (line("Restored into", &html! { (foreign(&describe(server))) })) }
            } } }
        }
    }
}

fn line(name: &str, value: &Markup) -> Markup {
    html! { tr { th.soft scope="row" { (name) } td { (value) } } }
}

fn describe(server: &Server) -> String {
    let kind = if server.kind == "throwaway" { "a throwaway server" } else { "an external server" };
    let mut words = vec![format!("{kind}, PostgreSQL {}", server.version)];
    words.extend(server.network_isolated.then(|| "without a network".to_owned()));
    words.extend(server.files_isolated.then(|| "with no files but its own".to_owned()));
    words.extend(server.as_superuser.then(|| "as a superuser".to_owned()));
    sentence(&words.join(", "))
}
