//! Where a drill takes place: the server of the operator, or one that lives as long as the drill.

use std::time::{Duration, Instant};

use anyhow::Context;
use backup_core::postgres::{DrillServer, ServerTools, Throwaway};
use backup_core::repository::Manifest;
use backup_core::stop::Stop;
use pgdump_archive::Archive;

use crate::config::{Target, TargetConfig};
use crate::evidence::Evidence;

/// A server that is there, and how long that took.
pub(crate) struct Ground {
    pub(crate) server: GroundServer,
    pub(crate) opened_in: Duration,
}

/// Whose server it is.
pub(crate) enum GroundServer {
    /// The operator's.
    Given(Box<DrillServer>),
    /// Ours; it goes with this value.
    Throwaway {
        throwaway: Box<Throwaway>,
        /// As the server prints it.
        version: String,
    },
}

impl Ground {
    /// Starts a server like that of the backup's source, unless the configuration names one. A given server is asked
    /// nothing yet.
    pub(crate) async fn open(config: &TargetConfig, manifest: &Manifest, stop: &Stop) -> anyhow::Result<Self> {
        let started = Instant::now();
        let server = match &config.target {
            Target::Given { login, admin } => {
                GroundServer::Given(Box::new(DrillServer::given((**login).clone(), admin.as_deref().cloned())))
            }
            Target::Throwaway => {
                let (source, inventory) = (&manifest.database, &manifest.inventory);
                let bin_dir = config.process.bin_dir.as_deref().map(AsRef::as_ref);
                let tools = ServerTools::find(bin_dir, source.server_version_num / 10_000).await?;
                let jobs = u32::try_from(config.jobs).unwrap_or(1);
                let start =
                    Throwaway::start(&tools, source, &inventory.extensions, &inventory.roles, &config.spool_dir, jobs);
                let throwaway = Box::new(stop.or(start).await.context("start a throwaway server")?);
                let version = tools.version.trim_start_matches("postgres (PostgreSQL) ").to_owned();
                GroundServer::Throwaway { throwaway, version }
            }
        };
        Ok(Self { server, opened_in: started.elapsed() })
    }

    /// Lets the server read the texts of an archive that is not in UTF-8.
    pub(crate) async fn read_texts(&self, archive: &mut Archive) -> anyhow::Result<()> {
        match &self.server {
            GroundServer::Given(server) => server.read_texts(archive).await,
            GroundServer::Throwaway { throwaway, .. } => DrillServer::throwaway(throwaway).read_texts(archive).await,
        }
    }

    /// Ends a server of ours and removes its files; nothing happens to another one.
    pub(crate) async fn close(self, evidence: &mut Evidence) {
        let GroundServer::Throwaway { throwaway, .. } = self.server else { return };
        if let Err(error) = throwaway.stop().await {
            evidence.note(format!("the throwaway server did not stop cleanly: {error:#}"));
        }
    }
}
