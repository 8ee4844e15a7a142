//! What a database had before anything was restored into it.

use std::path::Path;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ClientTools, list_objects};
use backup_core::repository::Inventory;
use backup_core::scrub::Scrubber;
use backup_core::stop::Stop;
use pgdump_archive::Archive;

use super::definitions::dump_schema;

/// A managed service gives every database extensions, grants and default privileges of its own. They are no part of the
/// backup, and only what is one is judged.
pub(crate) struct Before {
    pub(super) definitions: Archive,
    pub(super) inventory: Inventory,
}

impl Before {
    /// Looks at the database of `session`, into which `archive` will be restored.
    ///
    /// # Errors
    /// What the server or `pg_dump` says.
    pub(crate) async fn look(
        session: &Session,
        tools: &ClientTools,
        archive: &Archive,
        folder: &Path,
        scrubber: &Scrubber,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let inventory = stop.or(list_objects(session)).await.context("list what the target has")?;
        let definitions = dump_schema(tools, session, archive, folder, scrubber, stop);
        let definitions = stop.or(definitions).await.context("dump what the target has")?;
        Ok(Self { definitions, inventory })
    }
}
