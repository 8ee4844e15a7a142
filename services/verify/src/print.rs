//! A drill's report for a person, and as a file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use backup_core::text::{Colour, Lines, age, count, json_text};
use backup_drill::{BackupFacts, CheckState, Durations, Report, ServerFacts, TableFigures, Verdict};
use chrono::TimeDelta;
use nix::fcntl::{Flock, FlockArg};

/// A terminal gets so many tables; the file has all of them.
const PRINTED_TABLES: usize = 20;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    On,
    Off,
}

impl Paint {
    /// On for a terminal, unless `NO_COLOR` is set to anything (no-color.org).
    pub(crate) fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if io::stdout().is_terminal() && !refused { Self::On } else { Self::Off }
    }

    fn with(self, colour: Colour) -> Option<Colour> {
        match self {
            Self::On => Some(colour),
            Self::Off => None,
        }
    }
}

/// The whole report, the verdict first.
pub(crate) fn report(report: &Report, paint: Paint) -> Lines {
    let mut lines = Lines::default();
    headline(report, paint, &mut lines);
    lines.line("");
    for (name, value) in facts(report) {
        lines.error(format_args!("{name:<15} {value}"));
    }
    lines.append(&evidence(report, paint));
    lines
}

/// What was proven and what was found, without the verdict.
pub(crate) fn evidence(report: &Report, paint: Paint) -> Lines {
    let mut lines = Lines::default();
    if !report.checks.is_empty() {
        lines.line("");
        lines.line("checks");
    }
    for check in &report.checks {
        let (colour, word) = match check.state {
            CheckState::Passed => (Colour::Green, "passed "),
            CheckState::Failed => (Colour::Red, "FAILED "),
            CheckState::Skipped => (Colour::Grey, "skipped"),
        };
        let rest = format!("  {:<18} {}", check.name, check.figures);
        lines.parts(&[(None, "  "), (paint.with(colour), word), (None, &rest)]);
    }
    tables(&report.tables, paint, &mut lines);
    let findings = report.findings.iter().map(|finding| format!("{}: {}", finding.check, finding.message));
    section("findings", Colour::Red, paint, findings, &mut lines);
    let not_exercised = report.not_exercised.iter().map(|left_out| {
        let rows = if left_out.holds_rows { "; its rows are unproven" } else { "" };
        format!("{}: {}{rows}", left_out.object, left_out.reason)
    });
    section("not exercised", Colour::Yellow, paint, not_exercised, &mut lines);
    section("notes", Colour::Grey, paint, report.notes.iter().cloned(), &mut lines);
    lines
}

fn headline(report: &Report, paint: Paint, lines: &mut Lines) {
    let (colour, word) = match report.verdict {
        Verdict::Passed => (Colour::Green, "PASSED"),
        Verdict::Failed => (Colour::Red, "FAILED"),
        Verdict::CouldNotRun => (Colour::Yellow, "COULD NOT RUN"),
        Verdict::Stopped => (Colour::Grey, "STOPPED"),
        Verdict::Skipped => (Colour::Grey, "SKIPPED"),
    };
    let backup = report.backup.as_ref().map(|backup| describe(backup, report));
    let subject = backup.or_else(|| report.error.clone()).unwrap_or_else(|| "no backup".to_owned());
    let mut words = subject.lines();
    lines.parts(&[(paint.with(colour), word), (None, "  "), (None, words.next().unwrap_or_default())]);
    words.for_each(|line| lines.further(line));
}

fn describe(backup: &BackupFacts, report: &Report) -> String {
    let old = age(report.started_at - backup.snapshot_at);
    format!("{} backup {} of {}, {old} old", backup.kind, backup.id, backup.database)
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if report.backup.is_some() {
        facts.extend(report.error.clone().map(|error| ("error", error)));
    }
    facts.extend(report.recovery_time_seconds.map(|seconds| {
        let steps = steps(&report.durations);
        (
            "recovery time",
            if steps.is_empty() { format!("{seconds:.1} s") } else { format!("{seconds:.1} s ({steps})") },
        )
    }));
    let point = report.recovery_point_seconds;
    facts.extend(point.map(|seconds| ("recovery point", age(TimeDelta::seconds(seconds)))));
    facts.extend(report.server.as_ref().map(|server| ("server", server_line(server))));
    if !report.tables.is_empty() {
        let figures = format!("{} in {} tables", count(report.restored_rows()), count(report.tables.len() as u64));
        facts.push(("rows restored", figures));
    }
    facts.push(("whole drill", format!("{:.1} s", report.durations.total_seconds)));
    facts
}

fn steps(durations: &Durations) -> String {
    let named = [
        ("fetch", durations.fetch_seconds),
        ("data", durations.restore_data_seconds),
        ("indexes", durations.restore_post_data_seconds),
    ];
    let reached = named.iter().filter_map(|(name, seconds)| seconds.map(|seconds| format!("{name} {seconds:.1}")));
    reached.collect::<Vec<_>>().join(", ")
}

fn server_line(server: &ServerFacts) -> String {
    let network = if server.network_isolated { ", no network" } else { "" };
    let files = if server.files_isolated { ", own files only" } else { "" };
    let role = if server.as_superuser { "restored as superuser" } else { "restored as plain role" };
    format!("{}, PostgreSQL {}{network}{files}, {role}", server.kind, server.version)
}

/// The tables that differ, then the largest ones.
fn tables(tables: &[TableFigures], paint: Paint, lines: &mut Lines) {
    if tables.is_empty() {
        return;
    }
    let mut sorted: Vec<&TableFigures> = tables.iter().collect();
    sorted.sort_by_key(|table| (is_equal(table), std::cmp::Reverse(table.restored_rows)));
    lines.line("");
    lines.line(format_args!("  {:>14} {:>14} {:>14}  {:<8}  {}", "SOURCE", "ARCHIVE", "RESTORED", "CONTENTS", "TABLE"));
    for table in sorted.iter().take(PRINTED_TABLES) {
        let rows = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), count);
        let contents = match table.content_equal {
            Some(true) => "equal",
            Some(false) => "DIFFER",
            None => "-",
        };
        let line = format!(
            "{:>14} {:>14} {:>14}  {contents:<8}  {}.{}",
            rows(table.source_rows),
            rows(table.archive_rows),
            rows(table.restored_rows),
            table.schema,
            table.name
        );
        let colour = if is_equal(table) { None } else { paint.with(Colour::Red) };
        lines.parts(&[(None, "  "), (colour, &line)]);
    }
    if let Some(more @ 1..) = tables.len().checked_sub(PRINTED_TABLES) {
        lines.line(format_args!("  and {more} more"));
    }
}

fn is_equal(table: &TableFigures) -> bool {
    let counts = [table.source_rows, table.archive_rows, table.restored_rows];
    let mut known = counts.iter().flatten();
    let first = known.next();
    table.content_equal != Some(false) && known.all(|rows| Some(rows) == first)
}

fn section(heading: &str, colour: Colour, paint: Paint, found: impl Iterator<Item = String>, lines: &mut Lines) {
    for (index, line) in found.enumerate() {
        if index == 0 {
            lines.line("");
            lines.parts(&[(paint.with(colour), heading)]);
        }
        lines.line(format_args!("  {line}"));
    }
}

/// The file of `--report`, which appears whole or not at all, readable by this user only.
///
/// It is created before the drill, so that a folder that does not exist is known before hours of work. Until
/// it is whole it has the name of the report with `.tmp` at its end; one that a killed process left there is
/// written over.
#[derive(Debug)]
pub(crate) struct ReportFile {
    file: Flock<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl ReportFile {
    /// Creates it beside `path`.
    ///
    /// # Errors
    /// If that folder does not exist or cannot be written to, or another process writes the same report.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.file_name().context("the file of --report has no name")?.to_owned();
        name.push(".tmp");
        let temporary = path.with_file_name(name);
        let file = Self::claim(&temporary);
        let file = file.with_context(|| format!("create the file of --report beside {}", path.display()))?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    /// Opens the file, which is locked for as long as a process writes it, and empties it. No link is followed.
    fn claim(temporary: &Path) -> anyhow::Result<Flock<File>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(temporary)?;
        let in_use = || anyhow::anyhow!("{} is being written by another process", temporary.display());
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| in_use())?;
        // Between the two calls, its writer may have given it its last name.
        let is_there = std::fs::symlink_metadata(temporary).is_ok_and(|there| {
            file.metadata().is_ok_and(|mine| (mine.dev(), mine.ino()) == (there.dev(), there.ino()))
        });
        anyhow::ensure!(is_there, in_use());
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
        Ok(file)
    }

    /// Writes `report` as JSON and gives the file its name, in place of what had it.
    ///
    /// # Errors
    /// If the disk is full, for example. Then nothing has the name that did not have it before.
    pub(crate) fn finish(mut self, report: &Report) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(report).context("write the report as JSON")? + "\n";
        let written = self.file.write_all(json_text(&json).as_bytes()).and_then(|()| self.file.sync_all());
        written.and_then(|()| std::fs::rename(&self.temporary, &self.path)).context("write the file of --report")
    }
}

impl Drop for ReportFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove, which is as good.
        std::fs::remove_file(&self.temporary).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
