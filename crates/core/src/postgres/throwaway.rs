//! A throwaway server: made for one drill, reached through a socket in a private folder, gone with it.

mod account;
mod cluster;
mod postmaster;
mod preload;
mod settings;
#[cfg(target_os = "linux")]
pub(super) mod supervisor;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use super::confinement::Held;
use super::connect::ConnectError;
use super::conninfo::{Conninfo, Host};
use super::locale::Locale;
use super::neutral::{neutral_name, random_text};
use super::tools::ServerTools;
use crate::machine::Machine;
use crate::repository::{DatabaseFacts, Extension};
use crate::secret::Secret;
use crate::task::spawn_blocking;

use cluster::Cluster;
use postmaster::Postmaster;

/// Only the name of the socket: nothing listens on a network.
const PORT: &str = "5432";
const PORT_NUMBER: u16 = 5432;

/// A new, empty server answers within a second; a busy machine may be much slower.
const START_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Of 62 characters: 190 bits.
const PASSWORD_CHARS: usize = 32;

/// The superuser, and the maintenance database that `initdb` makes, as on most servers.
const USUAL: &str = "postgres";

/// The maintenance database if the source has the name of the usual one.
const OTHER_MAINTENANCE: &str = "template1";

/// A running server of our own. Dropping it ends the server and removes its folder.
///
/// If this process dies first, the kernel tells the server to shut down at once (Linux), and the
/// next [`sweep_private_dirs`](crate::private::sweep_private_dirs) removes the folder.
pub struct Throwaway {
    admin: Conninfo,
    major: u32,
    notes: Vec<String>,
    held: Held,
    postmaster: Postmaster, // Ends before its folder goes.
    cluster: Cluster,
}

impl Throwaway {
    /// Makes and starts a server with the source's encoding and locale, in a private folder below `parent`, that
    /// can have the source's `extensions` as far as they are installed. Its superuser is none of `roles`, which the
    /// archive names: as far as names go, code of the archive cannot tell the server from any other.
    ///
    /// `jobs` is how many sessions will restore at once. Must be called in a thread that lives as long
    /// as the server, such as one of the runtime: at its end the kernel shuts the server down.
    ///
    /// # Errors
    /// What `initdb` or the server say, and that it does not answer within a minute.
    pub async fn start(
        tools: &ServerTools,
        source: &DatabaseFacts,
        extensions: &[Extension],
        roles: &[String],
        parent: &Path,
        jobs: u32,
    ) -> anyhow::Result<Self> {
        let cluster = Cluster::create_in(parent).context("create the folder of the throwaway server")?;
        let user = if roles.iter().any(|role| role == USUAL) { neutral_name() } else { USUAL.to_owned() };
        let password = Secret::new(random_text(PASSWORD_CHARS));
        let notes = cluster.initdb(tools, &Locale::of(source), &user, &password).await.context("initdb")?;
        let host = Host::unix(cluster.socket_folder(), PORT_NUMBER);
        let is_usual = source.name == USUAL;
        let maintenance = if is_usual { OTHER_MAINTENANCE } else { USUAL };
        let admin = Conninfo::local(host, &user, maintenance).with_login(&user, Some(&password))?;
        let mut settings = settings::settings(&Machine::here(), jobs);
        settings.extend(preload::settings(tools, extensions));
        let (postmaster, held) = cluster.run(tools, &settings).context("start postgres")?;
        let mut throwaway = Self { admin, major: tools.major, notes, held, postmaster, cluster };
        throwaway.wait_until_ready().await.context("wait for the throwaway server")?;
        if is_usual {
            throwaway.free_usual_name().await.context("make room for a database with the name of the source")?;
        }
        Ok(throwaway)
    }

    /// The superuser's login to the maintenance database.
    pub fn admin(&self) -> &Conninfo {
        &self.admin
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// What a report should say of this server: a locale that is not the source's.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What functions of the restored database cannot reach. On Linux a server that has a network is
    /// not started.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// The private folder.
    pub fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// The end of the server's log, 4 KiB at most: what it said before it died.
    pub fn log_tail(&self) -> String {
        self.cluster.log_tail()
    }

    /// Shuts the server down at once, ends everything that it has started, and removes its folder.
    ///
    /// # Errors
    /// If a process cannot be ended within 20 seconds, or may have been left behind.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { postmaster, cluster, .. } = self;
        let stopped = postmaster.stop().await.context("stop the throwaway server");
        let removed = spawn_blocking(move || drop(cluster)).await;
        stopped?;
        removed.context("remove the throwaway server")
    }

    async fn free_usual_name(&self) -> anyhow::Result<()> {
        let session = self.admin.connect().await?;
        session.client().batch_execute(&format!("DROP DATABASE {USUAL}")).await?;
        session.close().await;
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.postmaster.ended()? {
                bail!("postgres ended early ({status}): {}", self.cluster.log_tail());
            }
            match self.admin.connect().await {
                Ok(session) => {
                    session.close().await;
                    return Ok(());
                }
                // A server that is up and refuses does so again.
                Err(error) if Instant::now() >= deadline || is_final(&error) => {
                    return Err(anyhow::Error::from(error).context(self.cluster.log_tail()));
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

/// Whether the server has answered, and will give the same answer again.
fn is_final(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Server { .. }) && !error.is_passing()
}
