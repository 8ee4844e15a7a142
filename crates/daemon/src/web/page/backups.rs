//! The backups, the newest first: age, time, size, rows, proof, and what retention will do.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use backup_core::text::{bytes, count};

use super::icon::Icon;
use super::layout::{fact, foreign, mark, moment};
use super::view::{Backup, Database, Proof, Retention, Tone};
use super::words::{Clock, counted, plain, utc};
use crate::daemon::Daemon;

/// Backups that are shown at once; the others are one touch away.
const SHOWN: usize = 10;

/// Maximum number of rows of a table. The API has all of them.
const MAX_ROWS: usize = 1_000;

/// The section.
pub(super) fn backups(database: &Database, clock: Clock) -> Markup {
    let all = &database.backups;
    let stored = all.iter().map(|backup| backup.stored_bytes).fold(0, u64::saturating_add);
    let (shown, older) = all.split_at(all.len().min(SHOWN));
    let older = &older[..older.len().min(MAX_ROWS - SHOWN)];
    html! {
        section {
            h2 { "Backups" @if !all.is_empty() {
                " " small { (counted(all.len() as u64, "backup", "backups")) ", " (bytes(stored)) }
            } }
            div.card {
                @if all.is_empty() { p.soft { "There is no backup yet." } } @else { (table(shown, clock)) }
                @if !older.is_empty() {
                    details {
                        summary { (counted(older.len() as u64, "older backup", "older backups")) }
                        (table(older, clock))
                    }
                }
            }
        }
    }
}

fn table(backups: &[Backup], clock: Clock) -> Markup {
    html! {
        table.backups {
            thead { tr {
                th.when scope="col" { "Shows the database of" }
                th.size.number scope="col" { "Size" }
                th.rows.number scope="col" { "Rows" }
                th.state scope="col" { "Proof and retention" }
            } }
            tbody { @for backup in backups { (row(backup, clock)) } }
        }
    }
}

fn row(backup: &Backup, clock: Clock) -> Markup {
    html! {
        tr {
            th.when scope="row" {
                b { (clock.ago(backup.at)) }
                @if backup.is_partial { " " span.soft { "partial" } }
                @if backup.is_suspicious { " " span.soft { "much smaller than usual" } }
                @if backup.is_from_the_future { " " span.soft { "dated in the future" } }
                small { (moment(backup.at, clock)) }
                @if let Some(utc) = clock.utc_if_other(backup.at) { small { (utc) } }
            }
            td.size.number { (bytes(backup.stored_bytes)) }
            td.rows.number {
                @match backup.rows {
                    Some(rows) => { (count(rows)) span.unit { " rows" } },
                    None => span.soft aria-label="not known here" { "–" },
                }
            }
            td.state { (proof(backup.proof, clock)) small { (retention(&backup.retention, clock)) } }
        }
    }
}

/// Whether it is proven, in an icon and words.
pub(super) fn proof(proof: Proof, clock: Clock) -> Markup {
    match proof {
        Proof::None => mark(Icon::EmptyShield, Tone::Neutral, "not proven"),
        Proof::Proven(at) => mark(Icon::Shield, Tone::Good, &format!("proven {}", clock.ago(at))),
        Proof::Failed(at) => mark(Icon::Octagon, Tone::Bad, &format!("failed its drill {}", clock.ago(at))),
    }
}

fn retention(retention: &Retention, clock: Clock) -> String {
    let date = |at: &DateTime<Utc>| at.with_timezone(&clock.time_zone).format("%Y-%m-%d").to_string();
    match retention {
        Retention::Unknown => String::new(),
        Retention::Due => "to be deleted after the next backup".to_owned(),
        Retention::Later => "no rule keeps it; to be deleted later".to_owned(),
        Retention::Kept(reasons, until) => {
            let reasons = reasons.iter().map(|reason| plain(reason)).collect::<Vec<_>>().join(", ");
            let until = until.as_ref().map(|until| format!("; deleted after {}", date(until)));
            format!("kept: {reasons}{}", until.unwrap_or_default())
        }
    }
}

/// The newest backup and the newest proven one, as facts.
pub(super) fn newest(daemon: Daemon, database: &Database, clock: Clock) -> Markup {
    let (none, why) = match daemon {
        Daemon::Backup | Daemon::Verify => ("none", "no drill has restored one"),
        Daemon::Watch => ("not known", "no record of a drill tells"),
    };
    let (newest, proven) = (database.newest(), database.newest_proven());
    let time = |backup: &Backup| html! { (moment(backup.at, clock)) };
    html! {
        @match newest {
            Some(backup) => (fact("Newest backup", &format!("{} old", clock.age(backup.at)), &time(backup))),
            None => (fact("Newest backup", "none", &html! { "nothing to restore" })),
        }
        @match proven {
            Some((backup, at)) => (fact(
                "Newest proven backup",
                &format!("{} old", clock.age(backup.at)),
                &html! { (time(backup)) ", proven " span title=(utc(at)) { (clock.ago(at)) } },
            )),
            None => (fact("Newest proven backup", none, &html! { (why) })),
        }
    }
}

/// What a dump does not contain.
pub(super) fn gaps(daemon: Daemon, database: &Database) -> Markup {
    let unknown = match daemon {
        Daemon::Backup | Daemon::Verify => {
            "What this one lacks is known after the first backup or drill of this process."
        }
        Daemon::Watch => "What this one lacks is not known here: it takes a backup or a drill to tell.",
    };
    html! {
        section {
            h2 { "What a dump does not contain" }
            div.card {
                @match database.gaps.as_deref() {
                    None => p.soft { (unknown) },
                    Some([]) => p { "The last dump lacks nothing that its role can see." },
                    Some(gaps) => ul.plain { @for gap in gaps { li { (foreign(gap)) } } },
                }
                p.soft { "No dump holds passwords of roles, and what other databases of the cluster hold." }
            }
        }
    }
}
