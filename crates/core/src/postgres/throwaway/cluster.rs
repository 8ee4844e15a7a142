//! The files of a throwaway server, and its programs run on them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use super::super::before_exec::BeforeExec;
use super::super::confinement::{Confinement, Files, Held, Sockets};
use super::super::locale::Locale;
use super::super::tools::ServerTools;
use super::PORT;
use super::account::{Accounts, give, give_all};
use super::postmaster::Postmaster;
use crate::private::PrivateDir;
use crate::secret::Secret;

/// The longest path of a socket, without the NUL at its end: `sun_path` of Linux has 108 bytes, that
/// of BSD and macOS 104.
const MAX_SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The first OID of an object that is made on the server. A value of type `regclass` whose table was dropped is a number,
/// and if a new table has got that number, it reads as the new table's name: a row of a good backup would differ.
/// Few clusters have come this far, and extensions that take OIDs for `int4` are not at their end yet.
const FIRST_OBJECT_ID: u32 = 1_000_000_000;

/// `initdb` takes about a second; on a slow disk it may be many.
const INITDB_LIMIT: Duration = Duration::from_secs(120);

/// What is shown of the end of the log.
const MAX_LOG_TAIL_BYTES: usize = 4 * 1024;

/// Data checksums are off by default before this version, and `initdb` has no option to say so.
const CHECKSUMS_SINCE_MAJOR: u32 = 18;

/// A drill without a network is promised, so it is a condition.
const NETWORK_KEPT: &str = "this system refuses the filter of system calls (seccomp) that takes the network from the \
                            server, so that code of an archive could reach other machines; run verify elsewhere, or name a \
                            server that you have isolated yourself in VERIFY_DATABASE_URL";

/// The private folder, which is ours: the log, and the folder of the server's user with its data and socket.
pub(super) struct Cluster {
    accounts: Accounts,
    log: File,
    private: PrivateDir,
}

impl Cluster {
    /// Makes the folders.
    ///
    /// # Errors
    /// If `parent` is not writable or too long for a socket, or there is no user for the server.
    pub(super) fn create_in(parent: &Path) -> anyhow::Result<Self> {
        let accounts = Accounts::choose()?;
        let private = PrivateDir::create_in(parent).with_context(|| format!("write to {}", parent.display()))?;
        let log = private.path().join("log");
        let log = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(log)?;
        let cluster = Self { accounts, log, private };
        let socket_bytes = cluster.socket_folder().join(format!(".s.PGSQL.{PORT}")).as_os_str().len();
        ensure!(
            socket_bytes <= MAX_SOCKET_PATH_BYTES,
            "the path of the server's socket would have {socket_bytes} bytes, and {MAX_SOCKET_PATH_BYTES} is the most; \
             set VERIFY_SPOOL_DIR to a shorter path than {}",
            parent.display()
        );
        if accounts.initdb.is_some() {
            // The server's user may pass through, and see nothing on its way.
            fs::set_permissions(cluster.folder(), Permissions::from_mode(0o711))?;
        }
        DirBuilder::new().mode(0o700).create(cluster.socket_folder())?;
        give(&cluster.socket_folder(), accounts.initdb).context("give the folder to the server's user")?;
        Ok(cluster)
    }

    /// The private folder.
    pub(super) fn folder(&self) -> &Path {
        self.private.path()
    }

    /// The server's own folder (0700). The socket lies directly in it.
    pub(super) fn socket_folder(&self) -> PathBuf {
        self.folder().join("pg")
    }

    /// Fills the data folder. If this machine lacks the locale, C takes its place, and a note for
    /// the report says so.
    ///
    /// # Errors
    /// The words of `initdb`.
    pub(super) async fn initdb(
        &self,
        tools: &ServerTools,
        locale: &Locale,
        user: &str,
        password: &Secret,
    ) -> anyhow::Result<Vec<String>> {
        let passwords = self.private.write("password", password).context("write the password file")?;
        give(&passwords, self.accounts.initdb).context("give the password file to the server's user")?;
        let mut notes = Vec::new();
        if let Err(error) = self.try_initdb(tools, locale, user, &passwords).await {
            let Some(fallback) = locale.fallback() else { return Err(error) };
            tracing::debug!(error = format!("{error:#}"), "initdb refuses the locale");
            self.try_initdb(tools, &fallback, user, &passwords).await?;
            notes.push(locale.fallback_note());
        }
        fs::remove_file(passwords).context("remove the password file")?;
        self.skip_object_ids(tools).await?;
        give_all(&self.socket_folder(), self.accounts.postgres).context("give the data folder to the server's user")?;
        notes.extend(self.accounts.note());
        Ok(notes)
    }

    async fn try_initdb(
        &self,
        tools: &ServerTools,
        locale: &Locale,
        user: &str,
        passwords: &Path,
    ) -> anyhow::Result<()> {
        let mut command = self.command(tools.program("initdb"))?;
        command.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(passwords).args(["--username", user]);
        command.args(["--auth=scram-sha-256", "--no-sync"]).args(locale.initdb_options(tools.major));
        if tools.major >= CHECKSUMS_SINCE_MAJOR {
            // Not for what lives an hour: the drill compares every row itself.
            command.arg("--no-data-checksums");
        }
        self.to_its_end(command).await
    }

    /// Lets the server's own objects begin at [`FIRST_OBJECT_ID`].
    async fn skip_object_ids(&self, tools: &ServerTools) -> anyhow::Result<()> {
        let mut command = self.command(tools.program("pg_resetwal"))?;
        command.args(["--next-oid", &FIRST_OBJECT_ID.to_string(), "--pgdata"]).arg(self.data());
        self.to_its_end(command).await.context("pg_resetwal")
    }

    /// Runs a program that prepares the data folder.
    async fn to_its_end(&self, mut command: Command) -> anyhow::Result<()> {
        BeforeExec::dying_by(Signal::SIGKILL).running_as(self.accounts.initdb).arrange(&mut command);
        let mut command = tokio::process::Command::from(command);
        let status = tokio::time::timeout(INITDB_LIMIT, command.kill_on_drop(true).status()).await;
        let status = status.with_context(|| format!("no end within {} s", INITDB_LIMIT.as_secs()))??;
        if !status.success() {
            bail!("failed ({status}): {}", self.log_tail());
        }
        Ok(())
    }

    /// Starts the server, which is not yet ready when this returns, and tells what it was kept from.
    ///
    /// # Errors
    /// What the operating system says, and that the server kept its network although this machine is one that can take
    /// it away.
    pub(super) fn run(&self, tools: &ServerTools, settings: &[(&str, String)]) -> anyhow::Result<(Postmaster, Held)> {
        let program = tools.program("postgres");
        let files = Files { read: Vec::new(), own: vec![self.socket_folder()] };
        let confinement = Confinement::prepare(&program, Sockets::Answering, Some(&files));
        let mut command = self.command(program)?;
        command.arg("-D").arg(self.data());
        let mut folder = OsString::from("unix_socket_directories=");
        folder.push(quoted_folder(&self.socket_folder())?);
        command.arg("-c").arg(folder);
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let (mut told, teller) = io::pipe()?;
        let (mut numbered, number) = io::pipe()?;
        // An immediate shutdown takes the sessions and the shared memory with it; SIGKILL would not.
        let before = BeforeExec::dying_by(Signal::SIGQUIT).running_as(self.accounts.postgres);
        before.isolated(confinement, teller).supervised(number).arrange(&mut command);
        let child = command.spawn()?;
        drop(command); // With our ends of the pipes in it, so that reading ends.
        let (mut number, mut words) = (Vec::new(), Vec::new());
        let read = numbered.read_to_end(&mut number);
        let postmaster = Postmaster::new(child, number.try_into().ok().map(u32::from_ne_bytes));
        read.and_then(|_| told.read_to_end(&mut words))?;
        let held = Held::from_bytes(&words);
        if Confinement::has_filter() && !held.network {
            bail!(NETWORK_KEPT); // Its end is that of the server.
        }
        Ok((postmaster, held))
    }

    /// The end of the log.
    pub(super) fn log_tail(&self) -> String {
        let mut tail = vec![0; MAX_LOG_TAIL_BYTES];
        let read = self
            .log
            .metadata()
            .and_then(|log| self.log.read_at(&mut tail, log.len().saturating_sub(MAX_LOG_TAIL_BYTES as u64)));
        match read {
            Ok(0) => "it said nothing".to_owned(),
            Ok(bytes) => String::from_utf8_lossy(&tail[..bytes]).trim().to_owned(),
            Err(error) => format!("its log cannot be read: {error}"),
        }
    }

    fn data(&self) -> PathBuf {
        self.socket_folder().join("data")
    }

    /// A program with an environment built from nothing, which writes to the log.
    fn command(&self, program: PathBuf) -> io::Result<Command> {
        let mut command = Command::new(program);
        command.env_clear().envs([("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/local/bin:/usr/bin:/bin")]);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log.try_clone()?);
        std::os::unix::process::CommandExt::process_group(&mut command, 0); // Ctrl-C is for us alone.
        Ok(command)
    }
}

/// The setting is a list of names: a comma or a blank needs quotes around it.
fn quoted_folder(folder: &Path) -> anyhow::Result<String> {
    let text = folder.to_str().context("VERIFY_SPOOL_DIR is not UTF-8")?;
    Ok(format!("\"{}\"", text.replace('"', "\"\"")))
}
