//! The dump, and what happens beside it: the inventory in its snapshot, and the checks that nothing got lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{
    Beside, CheckedDump, ChildReader, ClientTools, Dumper, Expected, Gone, LastValues, Moved, Passed, Renamed,
    Rewritten, Schemas, Snapshot, Vanished, Waiting, Watch, Watched, check_completeness, check_definitions,
    check_origin, count_rows, has_post_data, list_objects, moved_relations, vanished_objects,
};
use backup_core::rate::Limited;
use backup_core::repository::{DatabaseFacts, Inventory, Kind, ObjectFacts};
use backup_core::stop::{Stop, Stopped};
use backup_core::storage::UploadPlan;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot::Receiver;

use crate::config::TargetConfig;
use crate::upload::Upload;

/// Time for the lists of a large catalog, besides the wait for locks.
const LISTS_WORK: Duration = Duration::from_secs(600);

/// How often schemas are looked at while `pg_dump` runs.
const SCHEMAS_INTERVAL: Duration = Duration::from_secs(5);

/// A dump that is stored and whole.
pub(crate) struct Dumped {
    pub(crate) object: ObjectFacts,
    pub(crate) inventory: Inventory,
    pub(crate) snapshot_at: DateTime<Utc>,
    /// What could not be checked.
    pub(crate) note: Option<String>,
}

/// What was found beside the dump.
struct Surveyed {
    inventory: Inventory,
    has_post_data: bool,
    rewritten: Rewritten,
    moved: Vec<Moved>,
    vanished: Vec<Gone>,
    /// What reading the archive said; `None` if its stream did not come to its end.
    passed: Option<Passed>,
    /// What could not be asked.
    unchecked: Option<String>,
}

/// A dump, and all that happens beside it.
pub(crate) struct DumpBeside<'run> {
    pub(crate) config: &'run TargetConfig,
    pub(crate) stop: &'run Stop,
    pub(crate) upload: &'run Upload<'run>,
    pub(crate) tools: &'run ClientTools,
    /// Of the database.
    pub(crate) facts: &'run DatabaseFacts,
}

impl DumpBeside<'_> {
    /// Takes a snapshot, stores its dump, and takes its inventory meanwhile.
    ///
    /// # Errors
    /// If any of it fails, if what `pg_dump` wrote is not a whole dump of this database, if a table was rewritten
    /// before it was locked, if names changed their meaning or definitions vanished while `pg_dump` used them, and if a connection to the
    /// database falls silent.
    pub(crate) async fn dump_and_survey(&self, session: Session, plan: UploadPlan) -> anyhow::Result<Dumped> {
        let Self { upload, tools, facts, .. } = *self;
        let lock_wait = self.config.dump.lock_wait;
        let lists_work = LISTS_WORK.saturating_add(lock_wait);
        let last_values = session.ask_all(lists_work, LastValues::read(&session, lock_wait));
        let last_values = self.stop.or(last_values).await.context("take inventory")?;
        let snapshot = self.stop.or(Snapshot::export(session, lock_wait)).await.context("take a snapshot")?;
        // Its own stop, so that the inventory and the dump can end each other.
        let stop = self.stop.child();
        let dumper = Dumper::new(tools, snapshot.session(), lock_wait, &self.config.process.scrubber, &stop).await?;
        tracing::info!(backup_id = %upload.id, database = facts.name, size_bytes = facts.size_bytes, "dumping");
        let dump = dumper.dump(snapshot.name(), &facts.encoding, &self.config.dump.options.args)?;
        let watch = watch(self.config, snapshot.backend_pid(), &dump);
        let (dump, beside) = CheckedDump::new(Watched::new(dump, Arc::clone(&watch.tool)), tools.major);
        let max_rate = self.config.dump.max_bytes_per_second;
        let both = together(
            &stop,
            upload.put(upload.encode(Limited::new(dump, max_rate), self.config.dump.role(), plan), &stop),
            self.survey(&snapshot, &last_values, beside, &watch.own),
        );
        let outcome = unless_silent(&watch, &stop, Box::pin(both)).await;
        let (object, mut surveyed) = outcome.map_err(|(error, step)| error.context(step))?;
        let passed = surveyed.passed.take().context("check the dump")?;
        let connected_as = snapshot.session().endpoint().dbname();
        let note = self.check_dump(passed, connected_as, &surveyed).context("check the dump")?;
        let note = note.or(surveyed.unchecked);
        Ok(Dumped { object, inventory: surveyed.inventory, snapshot_at: snapshot.at(), note })
    }

    /// Enters the schemas that are renamed while `pg_dump` runs, now and again until its stream has ended, and once more
    /// at that moment: what happens later is none of the dump's business.
    async fn watch_schemas(
        &self,
        session: &Session,
        schemas: &Schemas,
        mut passed: Receiver<Passed>,
        found: &mut Surveyed,
    ) {
        loop {
            let ended = tokio::select! {
                biased;
                ended = &mut passed => Some(ended.ok()),
                () = tokio::time::sleep(SCHEMAS_INTERVAL) => None,
            };
            // Only the last question is worth a new connection if that of the session is lost.
            let moved = match ended {
                Some(_) => self.moved_schemas(session, schemas).await,
                None => schemas.moved(session).await,
            };
            found.unchecked = match moved {
                Ok(moved) => {
                    let new: Vec<Moved> = moved.into_iter().filter(|one| !found.moved.contains(one)).collect();
                    found.moved.extend(new);
                    None
                }
                // No reason to throw a dump away that is whole as far as is known.
                Err(error) => {
                    tracing::debug!(error = format!("{error:#}"), "cannot look for schemas that were renamed");
                    Some("whether schemas were renamed at the end of the dump was not checked: no answer".to_owned())
                }
            };
            if let Some(passed) = ended {
                found.passed = passed;
                return;
            }
        }
    }

    /// Looks for schemas that were renamed during the dump. The session had nothing to do for as long as that took, and a
    /// device on the way may have forgotten its connection; then a new one is asked.
    async fn moved_schemas(&self, session: &Session, schemas: &Schemas) -> anyhow::Result<Vec<Moved>> {
        match schemas.moved(session).await {
            Ok(moved) => Ok(moved),
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "the session of the snapshot is lost");
                schemas.moved(&self.config.source.connect().await?).await
            }
        }
    }

    /// Takes the inventory, and looks for tables that were rewritten or renamed before `pg_dump` had locked them, and for
    /// definitions that vanished before it had read them: it has done both once its stream has begun. The snapshot's transaction has ended afterwards.
    ///
    /// While `pg_dump` waits for a lock, this transaction is idle, and nothing bounds the wait of those who wait for it.
    /// So it holds no lock on an object of users then: the lists read system catalogs only, and counting begins when
    /// `pg_dump` has its locks, with each table unlocked by the end of its savepoint.
    async fn survey(
        &self,
        snapshot: &Snapshot,
        last_values: &LastValues,
        beside: Beside,
        waiting: &Waiting,
    ) -> anyhow::Result<Surveyed> {
        let session = snapshot.session();
        waiting.begin();
        let lists_work = LISTS_WORK.saturating_add(self.config.dump.lock_wait);
        let mut inventory = session.ask_all(lists_work, list_objects(session, last_values)).await?;
        let has_post_data = has_post_data(session).await.context("look for indexes")?;
        let schemas = session.ask_all(lists_work, Schemas::read(session)).await.context("list schemas")?;
        waiting.end();
        beside.begun.cancelled().await;
        waiting.begin();
        let rewritten = snapshot.rewritten().await?;
        let moved = moved_relations(session).await?;
        let vanished = session.ask_all(lists_work, vanished_objects(session)).await?;
        // A narrowed dump may have left it out; that is known when the dump has passed.
        if self.config.dump.kind() == Kind::Full {
            if !moved.is_empty() {
                return Err(Renamed { moved }.into());
            }
            if !rewritten.tables.is_empty() {
                return Err(rewritten.into());
            }
            if !vanished.is_empty() {
                return Err(Vanished { objects: vanished }.into());
            }
        }
        inventory.tables = count_rows(session, self.config.dump.fingerprint).await.context("count rows")?;
        snapshot.release().await?;
        waiting.end();
        let mut surveyed =
            Surveyed { inventory, has_post_data, rewritten, moved, vanished, passed: None, unchecked: None };
        self.watch_schemas(session, &schemas, beside.passed, &mut surveyed).await;
        Ok(surveyed)
    }

    /// Compares the archive that has passed with the database; returns a note if it could not be read.
    fn check_dump(&self, passed: Passed, connected_as: &str, surveyed: &Surveyed) -> anyhow::Result<Option<String>> {
        let is_full = self.config.dump.kind() == Kind::Full;
        let outline = match passed {
            Passed::Whole(outline) => outline,
            Passed::Unknown(_) if is_full && !surveyed.moved.is_empty() => {
                return Err(Renamed { moved: surveyed.moved.clone() }.into());
            }
            Passed::Unknown(error) => {
                let note = format!("whether the dump is whole was not checked: {error}");
                tracing::warn!("{note}");
                return Ok(Some(note));
            }
        };
        check_origin(&outline, self.facts, connected_as)?;
        let has_rows_of = |schema: &str, name: &str| outline.has_rows_of(schema, name) != Some(false);
        let is_used = |moved: &&Moved| match &moved.name {
            _ if is_full => true,
            Some(name) => has_rows_of(&moved.schema, name),
            None => {
                let mut tables = surveyed.inventory.tables.iter().filter(|table| table.schema == moved.schema);
                tables.any(|table| has_rows_of(&table.schema, &table.name))
            }
        };
        let moved: Vec<Moved> = surveyed.moved.iter().filter(is_used).cloned().collect();
        if !moved.is_empty() {
            return Err(Renamed { moved }.into());
        }
        if is_full {
            let Surveyed { inventory, has_post_data, .. } = surveyed;
            check_completeness(&outline, &Expected { inventory, has_post_data: *has_post_data })?;
        }
        let is_dumped = |(schema, name): &&(String, String)| has_rows_of(schema, name);
        let tables: Vec<_> = surveyed.rewritten.tables.iter().filter(is_dumped).cloned().collect();
        if !tables.is_empty() {
            return Err(Rewritten { tables }.into());
        }
        // Of what belongs to no table, a narrowed dump tells only by a definition that is empty.
        let is_dumped = |gone: &&Gone| gone.table.as_ref().is_some_and(|(schema, name)| has_rows_of(schema, name));
        let objects: Vec<_> = surveyed.vanished.iter().filter(is_dumped).cloned().collect();
        if !objects.is_empty() {
            return Err(Vanished { objects }.into());
        }
        check_definitions(&outline)?;
        Ok(None)
    }
}

/// Looks after the connection of `tool`, and after the session that `own_pid` serves.
pub(crate) fn watch<'run>(config: &'run TargetConfig, own_pid: i32, tool: &ChildReader) -> Watch<'run> {
    let limit = config.source.question_limit();
    let (own, waiting) = (Arc::default(), Arc::default());
    Watch { source: &config.source, limit, own_pid, own, tool: waiting, tool_group: tool.group() }
}

/// Runs `work`, which `stop` ends, unless one of its connections falls silent.
async fn unless_silent<T>(
    watch: &Watch<'_>,
    stop: &Stop,
    mut work: impl Future<Output = Result<T, (anyhow::Error, &'static str)>> + Unpin,
) -> Result<T, (anyhow::Error, &'static str)> {
    tokio::select! {
        biased;
        outcome = &mut work => outcome,
        silent = watch.fell_silent() => {
            stop.trigger(Stopped::Sibling);
            drop(work.await); // Aborts the upload. What fell silent is the reason to show.
            Err((silent.into(), "dump the database"))
        }
    }
}

/// Runs the dump and the inventory side by side; if one fails, the other is ended, and the error
/// of the first is returned with the step that it belongs to.
async fn together(
    stop: &Stop,
    dump: impl Future<Output = anyhow::Result<ObjectFacts>>,
    inventory: impl Future<Output = anyhow::Result<Surveyed>>,
) -> Result<(ObjectFacts, Surveyed), (anyhow::Error, &'static str)> {
    let dump = async {
        let outcome = dump.await;
        if outcome.is_err() {
            stop.trigger(Stopped::Sibling);
        }
        outcome
    };
    let inventory = async {
        let outcome = stop.or(inventory).await;
        if outcome.is_err() {
            stop.trigger(Stopped::Sibling);
        }
        outcome
    };
    match tokio::join!(dump, inventory) {
        (Ok(dump), Ok(inventory)) => Ok((dump, inventory)),
        (_, Err(error)) if error.downcast_ref::<Stopped>().is_none() => Err((error, "take inventory")),
        (Err(error), _) => Err((error, "store dump")),
        (Ok(_), Err(error)) => Err((error, "take inventory")),
    }
}
