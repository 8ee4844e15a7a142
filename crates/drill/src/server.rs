//! Where a drill takes place: the server of the operator, or one that lives as long as the drill.

use std::time::{Duration, Instant};

use anyhow::Context;
use backup_core::postgres::{DrillServer, ServerTools, Throwaway};
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use pgdump_archive::Archive;

use crate::config::{DrillConfig, Target};
use crate::evidence::Evidence;

/// A server that is there, and how long that took.
pub(crate) struct OpenServer {
    pub(crate) kind: ServerKind,
    pub(crate) opened_in: Duration,
}

/// Whose server it is.
pub(crate) enum ServerKind {
    /// The operator's.
    External(Box<DrillServer>),
    /// Ours; it goes with this value.
    Ephemeral {
        throwaway: Box<Throwaway>,
        /// As the server prints it.
        version: String,
    },
}

impl OpenServer {
    /// Starts a server like that of the backup's source, unless the configuration names one. A external server is asked
    /// nothing yet.
    pub(crate) async fn open(config: &DrillConfig, manifest: &Manifest, stop: &Stop) -> anyhow::Result<Self> {
        let started = Instant::now();
        let kind = match &config.target {
            Target::External { login, admin } => {
                ServerKind::External(Box::new(DrillServer::external((**login).clone(), admin.as_deref().cloned())))
            }
            Target::Ephemeral => {
                let (source, inventory) = (&manifest.database, &manifest.inventory);
                let bin_dir = config.bin_dir.as_deref().map(AsRef::as_ref);
                let tools = ServerTools::find(bin_dir, source.server_version_num / 10_000).await?;
                let jobs = u32::try_from(config.jobs).unwrap_or(1);
                let start =
                    Throwaway::start(&tools, source, &inventory.extensions, &inventory.roles, &config.spool_dir, jobs);
                let throwaway = Box::new(stop.or(start).await.context("start a throwaway server")?);
                let version = tools.version.trim_start_matches("postgres (PostgreSQL) ").to_owned();
                ServerKind::Ephemeral { throwaway, version }
            }
        };
        Ok(Self { kind, opened_in: started.elapsed() })
    }

    /// Lets the server read the texts of an archive that is not in UTF-8.
    pub(crate) async fn read_texts(&self, archive: &mut Archive) -> anyhow::Result<()> {
        match &self.kind {
            ServerKind::External(server) => server.read_texts(archive).await,
            ServerKind::Ephemeral { throwaway, .. } => DrillServer::throwaway(throwaway).read_texts(archive).await,
        }
    }

    /// Ends a server of ours and removes its files; nothing happens to another one.
    pub(crate) async fn close(self, evidence: &mut Evidence) {
        let ServerKind::Ephemeral { throwaway, .. } = self.kind else { return };
        if let Err(error) = throwaway.stop().await {
            evidence.note(format!("the throwaway server did not stop cleanly: {error:#}"));
        }
    }
}
