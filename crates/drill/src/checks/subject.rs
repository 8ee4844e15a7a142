//! What is proven: a restored database, all that it must equal, and how far to go.

use backup_core::postgres::connect::Session;
use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{ExtensionMembers, Said};
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use pgdump_archive::{Archive, Contents, Owners, Selection};

use super::before::Before;
use super::queries::Query;
use crate::reference::Recipe;
use crate::schema::SchemaDumper;

/// A restored database, and all that it must equal.
pub(crate) struct Subject<'run> {
    /// What was there.
    pub manifest: &'run Manifest,
    /// What was dumped.
    pub archive: &'run Archive,
    /// The digests of the archive's rows.
    pub contents: &'run Contents,
    /// Which entries were restored.
    pub selection: &'run Selection,
    /// Whose objects came back.
    pub owners: Owners,
    /// What the database had by itself; `None` of one that a drill made.
    pub before: Option<&'run Before>,
    /// Whether indexes could be checked before the restore: what has changed that is no property of the server.
    pub amcheck_was_possible: bool,
    /// What extensions had before code of the archive could run.
    pub members_before: &'run ExtensionMembers,
    /// Reads everything in the database.
    pub owner: &'run Conninfo,
    /// May create extensions, if there is such a login.
    pub admin: Option<&'run Conninfo>,
    /// What may be told of a message of the server.
    pub said: Said<'run>,
    /// For a database like the restored one, without rows.
    pub recipe: Recipe<'run>,
    /// Dumps definitions to be held against those of the archive.
    pub schema: SchemaDumper<'run>,
    /// Sessions at once.
    pub jobs: usize,
    /// What ends it.
    pub stop: &'run Stop,
}

/// Which rows are compared with the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// All of them.
    Full,
    /// Some; the rest is counted.
    Sample,
    /// None; all are counted.
    Off,
}

/// What to prove, besides what is always proven.
pub struct Extent<'run> {
    /// Which rows are compared.
    pub content: Content,
    /// Why no index is looked at with amcheck; `None` if all are.
    pub no_amcheck: Option<&'static str>,
    /// The operator's own queries.
    pub queries: &'run [Query],
    /// The bound of each of them.
    pub query_timeout: std::time::Duration,
    /// Fewer tables than this are a finding.
    pub min_table_count: u64,
}

impl Subject<'_> {
    /// A name or a text out of the restored database, as it may be told: code of the archive may have made it of rows.
    pub(super) fn known(&self, text: &str) -> String {
        self.said.known_words(text)
    }

    /// Whether the restored database is on a server of the source's major version.
    pub(super) fn is_on_same_major(&self, session: &Session) -> bool {
        session.server_version_num() / 10_000 == self.manifest.database.server_version_num / 10_000
    }
}

/// A table as a person writes it.
pub(super) fn table_name(schema: &str, name: &str) -> String {
    format!("{schema}.{name}")
}
