//! Removing what dead runs have left on a server, and nothing else.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::{TimeDelta, Utc};

use super::super::connect::Session;
use super::super::made_objects::made_objects;
use super::super::scratch::{CleanupFailed, IS_UNTOUCHED, RunId, remove};
use super::DrillServer;
use super::lock::{hold_lock, release_lock};

/// How old a database without a mark must be: far beyond the bound for creating one, and for any clock.
const STILLBORN_AFTER: TimeDelta = TimeDelta::hours(1);

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Databases of dead runs that are gone now, their roles with them; of some, only roles were left.
    pub databases: Vec<String>,
    /// Databases with a name of ours and no mark of ours, which are not certainly ours. They are for a person
    /// to look at.
    pub unmarked: Vec<String>,
    /// What could not be removed.
    pub failed: Vec<CleanupFailed>,
}

impl Swept {
    /// What a person should know of it, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let gone = self.databases.iter().map(|name| format!("dropped database {name}, which a dead drill had left"));
        let unmarked = self.unmarked.iter().map(|name| {
            format!("database {name} looks like one of a drill and has no mark of one; drop it by hand if it is")
        });
        let failed = self.failed.iter().map(|failure| format!("{failure}"));
        gone.chain(unmarked).chain(failed).collect()
    }
}

/// Roles by the run that their comment names, in the order of their creation.
type MarkedRoles = BTreeMap<RunId, Vec<String>>;

impl DrillServer {
    /// Drops databases and roles that runs left here which are dead now. A run lives for as long as
    /// it holds its advisory lock; the things of living ones are not touched.
    ///
    /// A database is dropped only if its name is completely of our grammar, and its comment, or that
    /// of a role, names the same run. Without either, it is what a run left that died in the instant between
    /// CREATE DATABASE and its comment, only if it belongs to the login of drills, was named an hour ago or
    /// earlier, has no comment, has no session, and is as empty as on the first day: then nothing can be lost.
    ///
    /// # Errors
    /// What the server says to questions; a drop that fails is in [`Swept::failed`].
    pub async fn sweep(&self) -> anyhow::Result<Swept> {
        let session = self.maintenance().connect().await.context("connect to the drill server")?;
        let mut marked = marked_roles(&session).await.context("look for roles of dead runs")?;
        let mut swept = Swept::default();
        let found = databases(&session).await.context("look for databases of dead runs")?;
        let is_marked = |found: &&Found| RunId::of_comment(&found.comment).as_ref() == Some(&found.run);
        for Found { run, .. } in found.iter().filter(is_marked) {
            marked.entry(run.clone()).or_default();
        }
        for Found { run, name, comment } in found {
            if !marked.contains_key(&run) && hold_lock(&session, run.lock_key()).await? {
                release_lock(&session, run.lock_key()).await?;
                match self.is_stillborn(&session, &run, &name, &comment).await? {
                    true => {
                        marked.entry(run).or_default();
                    }
                    false => swept.unmarked.push(name),
                }
            }
        }
        for (run, roles) in marked {
            if !hold_lock(&session, run.lock_key()).await.context("ask whether a run lives")? {
                continue;
            }
            // The name of the database does not matter: it is replaced by the run's.
            match remove(self.maintenance(), self.maintenance(), &run, &roles).await {
                Ok(()) => swept.databases.push(run.database()),
                Err(failure) => swept.failed.push(failure),
            }
            release_lock(&session, run.lock_key()).await?;
        }
        swept.unmarked.sort();
        session.close().await;
        Ok(swept)
    }
}

impl DrillServer {
    /// Whether the database called `name` of `run`, which has no mark, is one that a run of this login made and never
    /// used.
    async fn is_stillborn(&self, session: &Session, run: &RunId, name: &str, comment: &str) -> anyhow::Result<bool> {
        if !comment.is_empty() || Utc::now() - run.time() < STILLBORN_AFTER {
            return Ok(false);
        }
        let sql = "SELECT FROM pg_database d
                    WHERE d.datname = $1 AND pg_get_userbyid(d.datdba) = $2 AND d.datacl IS NULL
                      AND NOT EXISTS (SELECT FROM pg_db_role_setting s WHERE s.setdatabase = d.oid)
                      AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)";
        if session.client().query(sql, &[&name, &self.login.user()]).await?.is_empty() {
            return Ok(false);
        }
        let inside = self.maintenance().clone().with_dbname(name);
        // A role that may not even look into it does not drop it.
        let Ok(inside) = inside.connect().await else { return Ok(false) };
        let is_empty = made_objects(&inside).await.context("look into a database without a mark")?.is_empty();
        inside.close().await;
        Ok(is_empty)
    }
}

/// A database with a name of ours.
struct Found {
    run: RunId,
    name: String,
    comment: String,
}

async fn databases(session: &Session) -> anyhow::Result<Vec<Found>> {
    let sql = "SELECT datname::text, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database";
    let mut found = Vec::new();
    for row in session.client().query(sql, &[]).await? {
        let name: String = row.try_get(0)?;
        if let Some(run) = RunId::of_database(&name).or_else(|| RunId::of_reference(&name)) {
            found.push(Found { run, name, comment: row.try_get(1)? });
        }
    }
    Ok(found)
}

/// Roles that a run created: its owner, or one that the archive names and that has found no use since.
async fn marked_roles(session: &Session) -> anyhow::Result<MarkedRoles> {
    let sql = format!(
        "SELECT r.rolname::text, coalesce(shobj_description(r.oid, 'pg_authid'), ''), {IS_UNTOUCHED}, r.rolsuper
           FROM pg_roles r ORDER BY r.oid"
    );
    let mut marked = MarkedRoles::new();
    for row in session.client().query(&sql, &[]).await? {
        let (name, comment, is_untouched): (String, &str, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Some(run) = RunId::of_comment(comment) else { continue };
        let is_superuser: bool = row.try_get(3)?;
        if is_untouched || name == run.owner() && !is_superuser {
            marked.entry(run).or_default().push(name);
        }
    }
    Ok(marked)
}
