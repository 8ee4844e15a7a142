//! What a database had before anything was restored into it.

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{LastValues, list_objects};
use backup_core::repository::Inventory;
use pgdump_archive::Archive;

use crate::schema::SchemaDumper;

/// A managed service gives every database extensions, grants and default privileges of its own. They are no part of the
/// backup, and only what is one is judged.
pub struct Before {
    pub(super) definitions: Archive,
    pub(super) inventory: Inventory,
}

impl Before {
    /// Looks at the database of `session`, into which the archive of `schema` will be restored.
    ///
    /// # Errors
    /// What the server or `pg_dump` says.
    pub async fn look(session: &Session, schema: SchemaDumper<'_>) -> anyhow::Result<Self> {
        let last_values = LastValues::default(); // Nothing compares them.
        let inventory =
            schema.stop.or(list_objects(session, &last_values)).await.context("list what the target has")?;
        let definitions = schema.stop.or(schema.dump(session)).await.context("dump what the target has")?;
        Ok(Self { definitions, inventory })
    }
}
