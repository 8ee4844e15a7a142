//! The last drills, for the page and the API: of this process, and of records that it has read in the bucket.

use std::sync::Arc;

use backup_core::repository::DrillRecord;
use backup_daemon::page::{Drill, DrillReport, Verdict as Shown};
use backup_daemon::{DrillSummary, VerdictSource, drill_id};
use backup_drill::{Report, Verdict};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Maximum number of drills that are remembered, and of those besides that were skipped.
const MAX_DRILLS: usize = 60;
const MAX_SKIPPED: usize = 20;

/// Maximum number of tables that the page has one by one, of all drills together.
const MAX_TABLES_SHOWN: usize = 5_000;

/// Maximum number of whole reports that are kept, and of tables in them together. The newest is kept at any size.
const MAX_REPORTS: usize = 20;
const MAX_TABLES_REPORTED: usize = 50_000;

/// Drills, the newest first. Copies share them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct History(Vec<Arc<Known>>);

/// One drill.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    summary: DrillSummary,
    /// `None`: it was skipped, and has not taken place.
    shown: Option<Arc<Drill>>,
    /// The whole report as JSON, which is a fraction of the size of its values; `None` once it was forgotten.
    report: Option<Arc<str>>,
    /// How many tables are in it.
    tables: usize,
}

impl History {
    /// All that have taken place.
    pub(crate) fn drills(&self) -> Vec<Arc<Drill>> {
        self.0.iter().filter_map(|known| known.shown.clone()).collect()
    }

    /// All, in a few words.
    pub(crate) fn summaries(&self) -> Vec<DrillSummary> {
        self.0.iter().map(|known| known.summary.clone()).collect()
    }

    /// The whole report of one drill, if it is still there.
    pub(crate) fn report(&self, id: &str) -> Option<Value> {
        let known = self.0.iter().find(|known| known.summary.id == id)?;
        serde_json::from_str(known.report.as_deref()?).ok()
    }

    /// The newest drill that has learned something about this backup.
    pub(crate) fn verdict_on(&self, backup_id: &str) -> Option<&Drill> {
        let drills = self.0.iter().filter_map(|known| known.shown.as_deref());
        let mut of_backup = drills.filter(|drill| drill.backup_id.as_deref() == Some(backup_id));
        of_backup.find(|drill| drill.proven.is_some())
    }

    /// Adds a drill of this process.
    pub(crate) fn add(&mut self, report: &Report) {
        let backup_id = report.backup.as_ref().map(|backup| backup.id.to_string());
        let summary = DrillSummary {
            id: drill_id(report.ended_at, backup_id.as_deref()),
            backup_id,
            started_at: Some(report.started_at),
            ended_at: report.ended_at,
            verdict: report.verdict.name(),
            source: VerdictSource::Report,
        };
        let snapshot_at = report.backup.as_ref().map(|backup| backup.snapshot_at);
        let known = |verdict| (verdict, snapshot_at, report.proven);
        let shown = match report.verdict {
            Verdict::Passed => Some(known(Shown::Passed)),
            Verdict::Failed => Some(known(Shown::Failed)),
            Verdict::CouldNotRun => Some(known(Shown::CouldNotRun)),
            Verdict::Stopped => Some(known(Shown::Stopped)),
            Verdict::Skipped => None,
        };
        self.put(summary, shown, serde_json::to_value(report).unwrap_or_default());
    }

    /// Adds the drill that `record` tells of.
    pub(crate) fn remember(&mut self, record: DrillRecord<Value>) {
        let backup_id = record.backup_id.to_string();
        let verdict = verdict_of(&record);
        let name = match verdict {
            Shown::Passed => Verdict::Passed,
            Shown::Failed => Verdict::Failed,
            Shown::CouldNotRun => Verdict::CouldNotRun,
            Shown::Stopped => Verdict::Stopped,
        };
        let summary = DrillSummary {
            id: drill_id(record.ended_at, Some(&backup_id)),
            backup_id: Some(backup_id),
            started_at: Some(record.started_at),
            ended_at: record.ended_at,
            verdict: name.name(),
            source: VerdictSource::Record,
        };
        self.put(summary, Some((verdict, Some(record.snapshot_at), Some(record.proven))), record.report);
    }

    /// Adds one drill: what the page is to say of it, and all of its report.
    fn put(
        &mut self,
        summary: DrillSummary,
        shown: Option<(Shown, Option<DateTime<Utc>>, Option<bool>)>,
        report: Value,
    ) {
        if self.0.iter().any(|known| known.summary.id == summary.id) {
            return; // Its record was read again.
        }
        let (text, tables) = (report.to_string().into(), report["tables"].as_array().map_or(0, Vec::len));
        let shown = shown.map(|(verdict, snapshot_at, proven)| {
            let DrillSummary { id, backup_id, ended_at, .. } = summary.clone();
            Arc::new(Drill { id, verdict, ended_at, backup_id, snapshot_at, proven, report: DrillReport::read(report) })
        });
        let place = self.0.partition_point(|known| known.summary.ended_at > summary.ended_at);
        self.0.insert(place, Arc::new(Known { summary, shown, report: Some(text), tables }));
        self.forget();
    }

    /// Forgets what is too much: the oldest drills, then reports, then the tables on the page.
    fn forget(&mut self) {
        let (mut drills, mut skipped) = (0, 0);
        self.0.retain(|known| {
            let (count, max) = match known.shown {
                Some(_) => (&mut drills, MAX_DRILLS),
                None => (&mut skipped, MAX_SKIPPED),
            };
            *count += 1;
            *count <= max
        });
        let (mut reported, mut shown) = (0, 0);
        for (place, known) in self.0.iter_mut().enumerate() {
            reported += known.tables;
            let is_too_much = place >= MAX_REPORTS || place > 0 && reported > MAX_TABLES_REPORTED;
            if is_too_much && known.report.is_some() {
                Arc::make_mut(known).report = None;
            }
            let tables = known.tables_shown();
            shown += tables;
            if shown > MAX_TABLES_SHOWN && tables > 0 {
                Arc::make_mut(known).forget_tables();
            }
        }
    }
}

impl Known {
    fn tables_shown(&self) -> usize {
        let report = self.shown.as_ref().and_then(|drill| drill.report.as_ref());
        report.map_or(0, DrillReport::kept_tables)
    }

    fn forget_tables(&mut self) {
        if let Some(drill) = &mut self.shown {
            Arc::make_mut(drill).report.iter_mut().for_each(DrillReport::forget_tables);
        }
    }
}

/// A drill may fail for what says nothing against its backup, such as the backup's age.
fn verdict_of(record: &DrillRecord<Value>) -> Shown {
    match (record.report["verdict"].as_str(), record.proven) {
        (Some("passed"), _) | (None, true) => Shown::Passed,
        (Some("could_not_run"), _) => Shown::CouldNotRun,
        (Some("stopped"), _) => Shown::Stopped,
        (Some(_), _) | (None, false) => Shown::Failed,
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::BackupId;
    use backup_drill::TableFigures;
    use chrono::TimeDelta;

    use super::*;

    fn drill(minutes: i64, tables: usize) -> Report {
        let table = TableFigures {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            source_rows: Some(2),
            archive_rows: Some(2),
            restored_rows: Some(2),
            content_equal: Some(true),
        };
        let ended_at = Utc::now() + TimeDelta::minutes(minutes);
        Report { ended_at, verdict: Verdict::Passed, tables: vec![table; tables], ..Report::new(ended_at) }
    }

    fn shown_tables(history: &History) -> Vec<usize> {
        history.drills().iter().map(|drill| drill.report.as_ref().map_or(0, DrillReport::kept_tables)).collect()
    }

    fn reported_tables(history: &History) -> Vec<usize> {
        let report = |summary: DrillSummary| history.report(&summary.id);
        let reports = history.summaries().into_iter().map_while(report);
        reports.map(|report| report["tables"].as_array().unwrap().len()).collect()
    }

    #[test]
    fn the_newest_drills_are_remembered_and_the_tables_of_the_newest_among_them() {
        let mut history = History::default();
        (0..100).for_each(|minute| history.add(&drill(minute, 900)));
        let kept = shown_tables(&history);
        assert_eq!((kept.len(), kept.iter().sum::<usize>()), (MAX_DRILLS, 4_500));
        assert_eq!(kept[..6], [900, 900, 900, 900, 900, 0]);
        assert!(
            history.drills().iter().all(|drill| drill.report.as_ref().is_some_and(|report| report.rows() == 1_800))
        );
        assert!(history.drills().is_sorted_by_key(|drill| std::cmp::Reverse(drill.ended_at)));
        assert_eq!(reported_tables(&history), [900; MAX_REPORTS]);
        // One that was skipped has not taken place, and is no reason to forget others.
        (0..100).for_each(|minute| history.add(&Report { verdict: Verdict::Skipped, ..drill(200 + minute, 0) }));
        assert_eq!((shown_tables(&history), history.summaries().len()), (kept, MAX_DRILLS + MAX_SKIPPED));
        assert_eq!(history.summaries()[0].verdict, "skipped");
    }

    #[test]
    fn the_newest_report_is_kept_at_any_size_and_others_within_a_bound() {
        let mut history = History::default();
        for (minute, tables) in [(1, 10), (2, 30_000), (3, 60_000)] {
            history.add(&drill(minute, tables));
        }
        assert_eq!(reported_tables(&history), [60_000]);
        history.add(&drill(4, 20));
        assert_eq!(reported_tables(&history), [20]);
    }

    /// After a restart a drill is what it was before.
    #[test]
    fn the_page_and_the_api_tell_the_same_of_a_drill_and_of_its_record() {
        let (report, at) = (drill(0, 2), Utc::now());
        let record = DrillRecord {
            format: 1,
            backup_id: BackupId::new(at),
            prefix: "p".to_owned(),
            database: "app".to_owned(),
            manifest_sha256: String::new(),
            tool: String::new(),
            proven: true,
            started_at: at,
            ended_at: at,
            snapshot_at: at,
            recovery_time_seconds: None,
            report: serde_json::to_value(&report).unwrap(),
        };
        let mut history = History::default();
        history.remember(record.clone());
        history.remember(record);
        let [summary] = &history.summaries()[..] else { panic!("read twice") };
        assert_eq!((summary.verdict, summary.source, summary.started_at), ("passed", VerdictSource::Record, Some(at)));
        assert_eq!(history.report(&summary.id), serde_json::to_value(&report).ok());
        assert_eq!((history.drills()[0].id.as_str(), shown_tables(&history)), (summary.id.as_str(), vec![2]));
        assert_eq!(history.report("another"), None);
    }
}
