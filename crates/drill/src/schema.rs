//! The definitions of a database as an archive without rows, to be held against those of a backup.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use backup_core::machine::Machine;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ClientTools, Dumper, encoding_to_compare};
use backup_core::scrub::Scrubber;
use backup_core::stop::Stop;
use pgdump_archive::Archive;

/// Only the drill uses the database, so a lock that is not free at once never will be.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Dumps definitions for one comparison.
#[derive(Clone, Copy)]
pub struct SchemaDumper<'run> {
    /// Tools of the server's major version, or of a later one.
    pub tools: &'run ClientTools,
    /// The backup's archive: the dump is in the encoding in which the two are compared.
    pub archive: &'run Archive,
    /// A private folder for the dump.
    pub folder: &'run Path,
    /// What nothing may show.
    pub scrubber: &'run Scrubber,
    /// What ends it.
    pub stop: &'run Stop,
}

impl SchemaDumper<'_> {
    /// The definitions of the database of `session`.
    ///
    /// # Errors
    /// What the server or `pg_dump` says.
    pub async fn dump(&self, session: &Session) -> anyhow::Result<Archive> {
        let dumper = Dumper::new(self.tools, session, LOCK_WAIT, self.scrubber, self.stop).await?;
        let mut dump = dumper.dump_schema(encoding_to_compare(self.archive))?;
        let path = self.folder.join("restored-schema.dump");
        let mut file = tokio::fs::File::create(&path).await.context("create a file for the schema")?;
        tokio::io::copy(&mut dump, &mut file).await?;
        tokio::io::AsyncWriteExt::flush(&mut file).await.context("write the schema")?;
        let archive = backup_core::task::spawn_blocking(move || -> anyhow::Result<Archive> {
            let archive = Archive::read(File::open(&path)?, Machine::here().contents_bytes())?;
            std::fs::remove_file(&path)?;
            Ok(archive)
        });
        archive.await.context("read the schema")?
    }
}
