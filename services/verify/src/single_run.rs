//! One drill of each database, and the end.

use std::path::Path;

use backup_core::database_list::MAX_DATABASES;
use backup_core::repository::{BackupId, DatabaseSearch, StoredDatabases};
use backup_core::stop::{Share, Stop};
use backup_core::text::{self, some_of};
use backup_daemon::{Daemon, DatabaseName, State, exit, notify};
use backup_drill::{Selector, Verdict, repository};
use chrono::Utc;
use tracing::Instrument;

use crate::alarms::conditions;
use crate::config::{SelectionPolicy, TargetConfig, VerifyConfig};
use crate::databases;
use crate::exit_code::{SkippedDrill, worst};
use crate::journal;
use crate::metrics::metrics;
use crate::print::{self, Paint, ReportFile};
use crate::records::Records;
use crate::status::Facts;
use crate::target::initial;
use crate::tell::{notifier, tell_single};

/// Maximum number of databases that a line of the log names.
const MAX_NAMES: usize = 10;

/// Drills the backups of every database once, those that `select` names; the exit code. `METRICS_FILE` is written unless
/// a signal stopped a drill: what was there before says more then.
///
/// # Errors
/// If a report cannot be written.
pub(crate) async fn run_all(
    config: &VerifyConfig,
    select: impl Fn(&SelectionPolicy) -> Selector,
    report_path: Option<&Path>,
    skipped: SkippedDrill,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let selector = select(&config.given.selection_policy);
    // A file has room for one report.
    let (targets, unread) = match report_path {
        Some(_) => (vec![config.given.clone()], Vec::new()),
        None => Box::pin(targets(config, &selector, stop)).await,
    };
    let state = State::new(targets.iter().map(|target| (target.database(), initial(target, Utc::now()))));
    let mut codes = Vec::new();
    if !unread.is_empty() {
        tracing::error!(
            databases = some_of(&unread, MAX_NAMES),
            "there are too many databases or too much to read, so these are not drilled"
        );
        codes.push(exit::COULD_NOT_RUN);
    }
    for target in &targets {
        if targets.len() > 1 {
            text::print_line(format_args!("database {}", target.database().name().unwrap_or_default()));
        }
        let run = Box::pin(run_once(target, &selector, report_path, &state, stop));
        let verdict = run.instrument(target.database().span()).await?;
        codes.push(skipped.exit_code(verdict));
        if stop.reason().is_some() {
            break; // The others have not begun, so no monitor is told that they have.
        }
    }
    let code = worst(&codes);
    if let Some(path) = &config.process.metrics_file
        && stop.reason().is_none()
    {
        metrics(Daemon::Verify, config, &state, conditions).leave_file(path);
    }
    Ok(code)
}

/// The databases whose turn it is, the most urgent first, and those of which it is not known whether they count; of a named
/// backup the one that has it. If that cannot be found out, the given one alone, whose drill says why.
async fn targets(config: &VerifyConfig, selector: &Selector, stop: &Stop) -> (Vec<TargetConfig>, Vec<String>) {
    let given = || (vec![config.given.clone()], Vec::new());
    if config.given.drill.source_database.is_some() {
        return given();
    }
    let (names, unread) = match backup_drill::databases(&config.given.drill, &DatabaseSearch::default(), stop).await {
        Ok(StoredDatabases { mut names, unsigned, mut unread, beyond, emptied }) => {
            if !unsigned.is_empty() {
                tracing::warn!(
                    databases = some_of(&unsigned, MAX_NAMES),
                    "no key of VERIFY_TRUSTED_KEYS has signed a backup of these, so they are not drilled"
                );
            }
            unread.extend(beyond);
            // A drill of one without a backup can only say that, and has to.
            names.extend(emptied.into_iter().take(MAX_DATABASES - names.len().min(MAX_DATABASES)));
            (names, unread)
        }
        Err(_) => return given(),
    };
    if names.len() < 2 && unread.is_empty() {
        return given();
    }
    let mut judged = Vec::new();
    for name in &names {
        let target = config.target(&DatabaseName::from(name.as_str()));
        let mut state = initial(&target, Utc::now());
        let records = async {
            let repository = repository(&target.drill, stop).await?;
            let catalog = repository.catalog(Utc::now()).await?;
            let has_it = |id: &BackupId| catalog.backups.iter().any(|backup| backup.id == *id);
            let is_meant = if let Selector::Named(id) = selector { has_it(id) } else { true };
            anyhow::Ok((is_meant, Records::read(&target, &repository).await?))
        };
        match stop.or(records).await {
            Ok((false, _)) => continue,
            Ok((true, records)) => records.enter(&mut state),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot read the records of drills"),
        }
        judged.push((databases::urgency(&state), target));
    }
    judged.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let targets: Vec<TargetConfig> = judged.into_iter().map(|(_, target)| target).collect();
    if targets.is_empty() { given() } else { (targets, unread) }
}

async fn run_once(
    config: &TargetConfig,
    selector: &Selector,
    report_path: Option<&Path>,
    state: &State<Facts>,
    stop: &Stop,
) -> anyhow::Result<Verdict> {
    let file = report_path.map(ReportFile::create).transpose()?;
    let progress = state.progress(&config.database());
    let shown = progress.show();
    let run = notifier(&config.process).begin_single(&config.database());
    let report = backup_drill::run(&config.drill, selector, stop, &progress).await;
    drop(shown);
    text::print(&print::report(&report, Paint::for_stdout()));
    if config.process.metrics_file.is_some() {
        remember(config, state, stop).await;
        state.change(&config.database(), |state| state.own.drilled(report.clone()));
    }
    Box::pin(journal::write_ending(config, &report, stop)).await;
    let written = file.map(|file| file.finish(&report)).transpose();
    stop.or_within(Share::CleanUp, Box::pin(tell_single(config, run, &report))).await.unwrap_or_else(notify::given_up);
    written?;
    Ok(report.verdict)
}

/// Takes what the bucket holds into the state: metrics tell what was proven before, too.
async fn remember(config: &TargetConfig, state: &State<Facts>, stop: &Stop) {
    let records = async { Records::read(config, &repository(&config.drill, stop).await?).await };
    match stop.or(records).await {
        Ok(records) => state.change(&config.database(), |state| records.enter(state)),
        Err(error) => tracing::debug!(error = format!("{error:#}"), "cannot list the bucket after the drill"),
    }
}
