//! The files of a throwaway server, and starting a server on them.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use super::{Account, PostgresOptions, SUPERUSER, Tls, tls};
use crate::process::spawn_for_ever;

/// The longest path of a socket's folder: 107 bytes less `/.s.PGSQL.65535`.
const SOCKET_FOLDER_BYTES: usize = 92;

/// Settings of every server. Nothing here has to survive a crash of the machine.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 50
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
log_destination = stderr
logging_collector = off
log_connections = on
log_disconnections = on
log_statement = all
log_line_prefix = '%m [%p] %q%u@%d/%a '
";

/// Who may connect: over TCP with a password, over the socket without.
const ACCESS: &str = "
local all,replication all trust
host  all,replication all 127.0.0.1/32 scram-sha-256
";

/// A data directory with its log, its socket and its certificates. Removed with the last clone, and
/// also when this process dies without dropping anything.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    folder: Arc<TempDir>,
    account: Account,
    _remover: Arc<Remover>,
}

impl Cluster {
    /// Makes an empty cluster whose superuser has `password`.
    pub(super) fn create(bin_dir: &Path, options: &PostgresOptions, password: &str) -> Self {
        let folder = TempDir::with_prefix("e2e-pg-").expect("create a folder for PostgreSQL");
        let length = folder.path().as_os_str().len();
        assert!(length <= SOCKET_FOLDER_BYTES, "{} is too long for a socket", folder.path().display());
        let account = Account::for_servers();
        account.own(folder.path());
        let remover = Remover::watch(folder.path());
        let cluster = Self { folder: Arc::new(folder), account, _remover: Arc::new(remover) };
        cluster.initdb(bin_dir, options, password);
        cluster.configure(options);
        cluster
    }

    /// The private folder of the cluster; the socket lies directly in it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// The certificate of the authority, if there is TLS.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder().join(tls::CA_FILE)
    }

    /// Starts a server, which is not yet ready when this returns.
    pub(super) fn run(&self, bin_dir: &Path, port: u16) -> Child {
        let log = File::create(self.log()).expect("create the log of PostgreSQL");
        let mut command = self.account.command(bin_dir.join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("share the log")).stderr(log);
        spawn_for_ever(command)
    }

    fn initdb(&self, bin_dir: &Path, options: &PostgresOptions, password: &str) {
        let secret = self.folder().join("password");
        self.write_private(&secret, password);
        let mut command = self.account.command(bin_dir.join("initdb"));
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&secret);
        command.args(["-U", SUPERUSER, "--encoding=UTF8", "--no-locale", "--no-sync"]);
        command.args(["--auth-host=scram-sha-256", "--auth-local=trust"]).args(&options.initdb);
        let output = command.output().expect("run initdb through setpriv (util-linux)");
        assert!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(secret).expect("remove the password file");
    }

    fn configure(&self, options: &PostgresOptions) {
        let mut settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", self.folder().display());
        if options.tls == Tls::Offered {
            tls::create(self.folder());
            for file in [tls::CA_FILE, tls::CERTIFICATE_FILE, tls::KEY_FILE] {
                self.account.own(&self.folder().join(file));
            }
            settings.push_str(&tls::settings(self.folder()));
        }
        settings.push_str(&options.settings.join("\n"));
        settings.push('\n');
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"));
        let written = file.as_mut().map(|file| file.write_all(settings.as_bytes()));
        written.expect("open postgresql.conf").expect("write postgresql.conf");
        let access = format!("{}\n{ACCESS}", options.access.join("\n"));
        fs::write(self.data().join("pg_hba.conf"), access).expect("write pg_hba.conf");
    }

    fn write_private(&self, path: &Path, text: &str) {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("write a private file");
        self.account.own(path);
    }
}

/// A process that waits for the end of this one and then removes a folder. It must outlive even
/// SIGKILL, which runs no destructor; the end of a pipe tells it.
#[derive(Debug)]
struct Remover(Child);

impl Remover {
    fn watch(folder: &Path) -> Self {
        // Dying backends may still write for a moment.
        const SCRIPT: &str = r#"cat; for i in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 1; done"#;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder).current_dir("/").stdin(Stdio::piped());
        // Its own group: Ctrl-C at the terminal must not end it together with the tests.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("start a shell"))
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(err) = self.0.wait() {
            eprintln!("cannot wait for the remover: {err}");
        }
    }
}
