//! The proof: what came back against what the manifest and the archive say was there.

mod amcheck;
mod before;
mod contents;
mod definitions;
mod inventory;
mod large_objects;
mod queries;
mod row_counts;
mod sequences;
mod validity;

use std::path::Path;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{ClientTools, ExtensionMembers, Said};
use backup_core::repository::Manifest;
use backup_core::scrub::Scrubber;
use backup_core::stop::Stop;
use pgdump_archive::{Archive, Contents, Owners, Selection};

use crate::config::Content;
use crate::evidence::{Evidence, Trouble};
use crate::reference::Recipe;
use crate::report::ContentsCompared;

pub(crate) use amcheck::is_possible as is_amcheck_possible;
pub(crate) use before::Before;
pub(crate) use definitions::schema;
pub(crate) use queries::{Query, parse_queries};

/// A restored database, and all that it must equal.
pub(crate) struct Subject<'run> {
    pub(crate) manifest: &'run Manifest,
    pub(crate) archive: &'run Archive,
    pub(crate) contents: &'run Contents,
    pub(crate) selection: &'run Selection,
    /// Whose objects came back.
    pub(crate) owners: Owners,
    /// What the database had by itself; `None` of one that a drill made.
    pub(crate) before: Option<&'run Before>,
    /// Whether indexes could be checked before the restore: what has changed that is no property of the server.
    pub(crate) amcheck_was_possible: bool,
    /// What extensions had before code of the archive could run.
    pub(crate) members_before: &'run ExtensionMembers,
    /// Reads everything in the database.
    pub(crate) owner: &'run Conninfo,
    /// May create extensions, where there is such a login.
    pub(crate) admin: Option<&'run Conninfo>,
    /// Tools of the server's major version, or of a later one.
    pub(crate) tools: &'run ClientTools,
    /// What may be told of a message of the server.
    pub(crate) said: Said<'run>,
    /// For a database like the restored one, without rows.
    pub(crate) recipe: Recipe<'run>,
    /// A private folder for a schema of the restored database.
    pub(crate) folder: &'run Path,
    /// Sessions at once.
    pub(crate) jobs: usize,
    pub(crate) scrubber: &'run Scrubber,
    pub(crate) stop: &'run Stop,
}

/// What to prove, besides what is always proven.
pub(crate) struct Extent<'run> {
    pub(crate) content: Content,
    /// Why no index is looked at with amcheck; `None` if all are.
    pub(crate) no_amcheck: Option<&'static str>,
    pub(crate) queries: &'run [Query],
    pub(crate) query_timeout: std::time::Duration,
    pub(crate) min_table_count: u64,
}

impl Subject<'_> {
    /// Whether the restored database is on a server of the source's major version.
    fn is_on_same_major(&self, session: &Session) -> bool {
        session.server_version_num() / 10_000 == self.manifest.database.server_version_num / 10_000
    }
}

/// Runs every check. What they find is evidence; what keeps them from looking is an error.
pub(crate) async fn prove(subject: &Subject<'_>, extent: &Extent<'_>, evidence: &mut Evidence) -> Result<(), Trouble> {
    subject.stop.or(Box::pin(prove_all(subject, extent, evidence))).await.map_err(Trouble::from)
}

async fn prove_all(subject: &Subject<'_>, extent: &Extent<'_>, evidence: &mut Evidence) -> anyhow::Result<()> {
    let session = subject.owner.connect().await.context("connect to the restored database")?;
    let restored =
        contents::read_back(subject, &session, extent.content).await.context("read the restored rows back")?;
    let compared = contents::compare(&restored);
    row_counts::check(subject, &compared, evidence);
    contents::check(&compared, extent.content, evidence);
    large_objects::check(subject, &session, extent.content, evidence).await.context("compare large objects")?;
    let inventory = inventory::check(subject, &session, evidence).await.context("compare inventories")?;
    sequences::check(subject, &session, evidence).await.context("compare sequences")?;
    definitions::check(subject, &session, evidence).await.context("compare definitions")?;
    validity::check(subject, &session, evidence).await.context("look for invalid objects")?;
    queries::check_table_count(&inventory, extent.min_table_count, evidence);
    queries::check(&session, extent, &subject.said, evidence)
        .await
        .context("run the queries of VERIFY_SQL and VERIFY_QUERIES_FILE")?;
    amcheck::check(subject, extent.no_amcheck, evidence).await.context("check indexes with amcheck")?;
    // Last, so that a drill that did not come so far has compared nothing.
    evidence.report.contents_compared = match extent.content {
        Content::Full => ContentsCompared::All,
        Content::Sample => ContentsCompared::Sample,
        Content::Off => ContentsCompared::None,
    };
    Ok(())
}

/// A table as a person writes it.
fn table_name(schema: &str, name: &str) -> String {
    format!("{schema}.{name}")
}
