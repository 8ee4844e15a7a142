//! The passes of `pg_restore`, for a drill and for a person alike.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ClientTools, Complaint, Pass, PassOutcome, Restorer, Source, Timescaledb, keep_schemas};
use backup_core::scrub::Scrubber;
use backup_core::stop::{Share, Stop};

use crate::evidence::{DrillError, Evidence};
use crate::sabotage::Sabotage;
use backup_core::progress::Progress;

/// For the end of a restore that failed; after a stop, what the grace leaves for it.
const LAST_CALL: Duration = Duration::from_secs(3);

/// What a restore needs besides its source.
pub(crate) struct Passes<'run> {
    pub(crate) tools: &'run ClientTools,
    /// The database that is restored into.
    pub(crate) session: &'run Session,
    /// The same database, with all the rights that there are.
    pub(crate) admin: &'run Session,
    pub(crate) scrubber: &'run Scrubber,
    pub(crate) stop: &'run Stop,
    pub(crate) progress: &'run Progress,
    /// What a self-test breaks between the rows and what follows them.
    pub(crate) sabotage: Option<&'run Sabotage>,
}

impl Passes<'_> {
    /// Restores `source`; every complaint of `pg_restore` is evidence, and so is how long it took.
    pub(crate) async fn run(&self, source: Source<'_>, evidence: &mut Evidence) -> Result<(), DrillError> {
        let restorer = Restorer::new(self.tools, self.session, source, self.scrubber, self.stop)?;
        let timescaledb = self.stop.or(Timescaledb::begin_restore(self.admin)).await?;
        let complaints = self.all(&restorer, source, evidence).await;
        match (timescaledb, &complaints) {
            (None, _) => {}
            (Some(timescaledb), Ok(_)) => {
                self.stop.or(timescaledb.end_restore()).await?;
                evidence.note("TimescaleDB was told of the restore: timescaledb_pre_restore, timescaledb_post_restore");
            }
            // A person's database must not stay in that state, also after an error.
            (Some(timescaledb), Err(_)) => {
                let limit = self.stop.limit(Share::Finish, LAST_CALL);
                match tokio::time::timeout(limit, timescaledb.end_restore()).await {
                    Ok(Ok(())) => {}
                    _ => evidence
                        .note("TimescaleDB does not know that the restore is over: SELECT timescaledb_post_restore()"),
                }
            }
        }
        let (benign, bad): (Vec<_>, Vec<_>) = complaints?.into_iter().partition(|one| one.class.is_benign());
        // Each session of a pg_restore may say the same.
        let benign: BTreeSet<String> = benign.iter().map(ToString::to_string).collect();
        benign.iter().for_each(|complaint| evidence.note(format!("harmless: {complaint}")));
        let entries = source.list.lines().count();
        let figures = format!("{entries} entries by pg_restore {} in {} jobs", self.tools.major, source.jobs);
        evidence.record("restore", figures, bad.iter().map(ToString::to_string).collect());
        Ok(())
    }

    /// Every pass; what `pg_restore` complained of.
    async fn all(
        &self,
        restorer: &Restorer<'_>,
        source: Source<'_>,
        evidence: &mut Evidence,
    ) -> Result<Vec<Complaint>, DrillError> {
        let mut complaints = Vec::new();
        // An archive without rows or without indexes takes no time for them.
        let mut seconds = (0.0, 0.0);
        let (first, later): (Vec<Pass>, Vec<Pass>) = restorer.passes().partition(|pass| *pass <= Pass::Data);
        for pass in first.iter().copied().filter(|pass| *pass == Pass::KeptSchemas) {
            complaints.extend(self.pass(restorer, pass, evidence, &mut seconds.0).await?);
        }
        evidence.code_ran = true; // From here on.
        let role = self.session.endpoint().user();
        self.stop.or(keep_schemas(self.admin, role, source.kept_schemas)).await?;
        for pass in first.into_iter().filter(|pass| *pass == Pass::Data) {
            complaints.extend(self.pass(restorer, pass, evidence, &mut seconds.0).await?);
        }
        if let Some(sabotage) = self.sabotage {
            self.stop.or(sabotage.strike(self.session)).await?;
        }
        for pass in later {
            complaints.extend(self.pass(restorer, pass, evidence, &mut seconds.1).await?);
        }
        evidence.report.durations.restore_data_seconds = Some(seconds.0);
        evidence.report.durations.restore_post_data_seconds = Some(seconds.1);
        Ok(complaints)
    }

    async fn pass(
        &self,
        restorer: &Restorer<'_>,
        pass: Pass,
        evidence: &mut Evidence,
        seconds: &mut f64,
    ) -> anyhow::Result<Vec<Complaint>> {
        let step = match pass {
            Pass::KeptSchemas => "restore grants on schemas of extensions",
            Pass::Data => "restore rows",
            Pass::Grants => "restore grants",
            Pass::PostData => "restore indexes and constraints",
            Pass::MaterializedViews => "restore materialized views",
            Pass::EventTriggers => "restore event triggers",
        };
        self.progress.enter(step, None);
        let started = Instant::now();
        let PassOutcome { complaints, late } = restorer.run(pass).await.context("restore")?;
        *seconds += started.elapsed().as_secs_f64();
        for object in late {
            evidence.note(match pass {
                Pass::Data => format!(
                    "{object} came back once the rows of other tables were there, which a constraint of theirs looks at; \
                     one run of pg_restore by hand may leave them out"
                ),
                _ => format!(
                    "{object} came back once all others were there; pg_restore by hand with several jobs may leave it \
                     out"
                ),
            });
        }
        Ok(complaints)
    }
}
