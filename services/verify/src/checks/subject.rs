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
    /// What may be told of a message of the server.
    pub(crate) said: Said<'run>,
    /// For a database like the restored one, without rows.
    pub(crate) recipe: Recipe<'run>,
    /// Dumps definitions to be held against those of the archive.
    pub(crate) schema: SchemaDumper<'run>,
    /// Sessions at once.
    pub(crate) jobs: usize,
    pub(crate) stop: &'run Stop,
}

/// Which rows are compared with the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Full,
    Sample,
    Off,
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
