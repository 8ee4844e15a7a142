//! Removing what dead runs have left on a server, and nothing else.

use std::collections::BTreeMap;

use anyhow::Context;

use super::super::connect::Session;
use super::super::scratch::{CleanupFailed, RunId, remove};
use super::DrillServer;
use super::lock::{hold_lock, release_lock};

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Databases of dead runs that are gone now, their roles with them; of some, only roles were left.
    pub databases: Vec<String>,
    /// Databases with a name of ours and no mark of ours: the run died in the instant between CREATE
    /// DATABASE and its comment, or somebody else made them. They are for a person to look at.
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
    /// of a role, names the same run.
    ///
    /// # Errors
    /// What the server says to questions; a drop that fails is in [`Swept::failed`].
    pub async fn sweep(&self) -> anyhow::Result<Swept> {
        let session = self.maintenance().connect().await.context("connect to the drill server")?;
        let mut marked = marked_roles(&session).await.context("look for roles of dead runs")?;
        let mut swept = Swept::default();
        for (run, comment) in databases(&session).await.context("look for databases of dead runs")? {
            if RunId::of_comment(&comment).as_ref() == Some(&run) {
                marked.entry(run).or_default();
            } else if !marked.contains_key(&run) && hold_lock(&session, run.lock_key()).await? {
                release_lock(&session, run.lock_key()).await?;
                swept.unmarked.push(run.database());
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

/// The databases with a name of ours: their runs and comments.
async fn databases(session: &Session) -> anyhow::Result<Vec<(RunId, String)>> {
    let sql = "SELECT datname::text, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database";
    let mut found = Vec::new();
    for row in session.client().query(sql, &[]).await? {
        if let Some(run) = RunId::of_database(row.try_get(0)?) {
            found.push((run, row.try_get(1)?));
        }
    }
    Ok(found)
}

/// Roles that a run created: its owner, or one that the archive names. A role of another name that
/// can log in is somebody's by now.
async fn marked_roles(session: &Session) -> anyhow::Result<MarkedRoles> {
    let sql = "SELECT rolname::text, coalesce(shobj_description(oid, 'pg_authid'), ''), rolcanlogin
                 FROM pg_roles WHERE NOT rolsuper ORDER BY oid";
    let mut marked = MarkedRoles::new();
    for row in session.client().query(sql, &[]).await? {
        let (name, comment, can_login): (String, &str, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Some(run) = RunId::of_comment(comment) else { continue };
        if name == run.owner() || !can_login {
            marked.entry(run).or_default().push(name);
        }
    }
    Ok(marked)
}
