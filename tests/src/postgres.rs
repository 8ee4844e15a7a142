//! A throwaway PostgreSQL server: made in seconds, unsafe on purpose, gone with the test.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::{Signal, kill};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use s3_server::random_text;

use crate::process::{free_port, process_id, wait_until};

use self::{account::Account, cluster::Cluster};

pub use self::install::{bin_dir, installed_bin_dirs};

mod account;
mod cluster;
mod install;
mod tls;

/// The only role that a new server has; a superuser.
pub const SUPERUSER: &str = "postgres";

/// How long a server may take to answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may take to stop when told to drop everything.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often another port is tried, in case the one that was free is taken.
const START_ATTEMPTS: u32 = 3;

/// What differs from server to server. The default is the newest installed version without TLS.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Lines for the end of `postgresql.conf`, where they win over the harness's own.
    pub settings: Vec<String>,
    /// Lines for the beginning of `pg_hba.conf`, where they win over the harness's own.
    pub access: Vec<String>,
    /// Whether the server offers TLS.
    pub tls: Tls,
    /// The folder of the server's programs instead of the newest one.
    pub bin_dir: Option<PathBuf>,
    /// More arguments for `initdb`, such as `--encoding=LATIN1`; they win over the harness's own.
    pub initdb: Vec<String>,
}

/// What a server says to a client that asks for TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// That it has none.
    #[default]
    Off,
    /// Yes, with a certificate for `localhost` and 127.0.0.1: see [`Postgres::ca`].
    Offered,
}

/// A running server. Dropping it stops the server and removes its files; so does the end of this
/// process, however it comes.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    port: u16,
    password: String,
    bin_dir: PathBuf,
    cluster: Cluster,
    next_database: AtomicU64,
}

/// A database of a throwaway server. It goes when the server goes.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// How its superuser reaches it over TCP.
    pub url: String,
}

impl Postgres {
    /// Makes and starts a server. Panics with its log if it does not answer within 30 s.
    pub fn start(options: PostgresOptions) -> Self {
        let bin_dir = options.bin_dir.clone().unwrap_or_else(bin_dir);
        let password = random_text(24);
        let cluster = Cluster::create(&bin_dir, &options, &password);
        for attempt in 1.. {
            let port = free_port();
            let server = cluster.run(&bin_dir, port);
            let next_database = AtomicU64::new(1);
            let mut started = Self {
                server,
                port,
                password: password.clone(),
                bin_dir: bin_dir.clone(),
                cluster: cluster.clone(),
                next_database,
            };
            if started.answers() {
                return started;
            }
            let log = started.log_text();
            let taken = log.contains("could not bind") || log.contains("could not create any TCP");
            assert!(taken && attempt < START_ATTEMPTS, "PostgreSQL did not start:\n{log}");
        }
        unreachable!("the last attempt returns or panics");
    }

    /// One server for all tests of this process. It lives until the process ends.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(PostgresOptions::default()));
        &SHARED
    }

    /// Creates an empty database with a name that no other test has.
    pub fn create_database(&self) -> Database {
        let number = self.next_database.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql(SUPERUSER, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Database { url: self.url(&name), name }
    }

    /// The TCP port on 127.0.0.1; also in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of the superuser, asked for over TCP only.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.sql(SUPERUSER, "SHOW server_version_num").parse::<u32>().expect("a version") / 10_000
    }

    /// The folder of the server's programs and the client tools of the same version.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The folder that holds the unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.cluster.folder()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.cluster.data()
    }

    /// The certificate of the authority behind [`Tls::Offered`], in PEM.
    pub fn ca(&self) -> PathBuf {
        self.cluster.ca()
    }

    /// The URL of `database` for the superuser over TCP, with the password.
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, &self.password, database)
    }

    /// The URL of `database` for any role over TCP. Everything is percent-encoded.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        let [role, password, database] =
            [role, password, database].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
        format!("postgresql://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of `database` for the superuser over the unix socket, which asks for no password.
    pub fn socket_url(&self, database: &str) -> String {
        let database = utf8_percent_encode(database, NON_ALPHANUMERIC);
        let folder = self.socket_dir().display();
        format!("postgresql://{SUPERUSER}@/{database}?host={folder}&port={}", self.port)
    }

    /// Runs statements one after the other as the superuser and returns the rows: a line for each,
    /// fields separated by `|`, white space at the ends removed. Panics with psql's words if one
    /// of the statements fails.
    #[track_caller]
    pub fn sql(&self, database: &str, text: &str) -> String {
        match self.psql(database, text) {
            Ok(rows) => rows,
            Err(words) => panic!("SQL failed: {words}\n{text}"),
        }
    }

    /// Runs statements of which one must fail, and returns psql's words about it.
    #[track_caller]
    pub fn sql_fails(&self, database: &str, text: &str) -> String {
        match self.psql(database, text) {
            Ok(rows) => panic!("SQL should have failed and answered {rows:?}\n{text}"),
            Err(words) => words,
        }
    }

    /// Everything that the server has logged until now: connections, their ends, all statements.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.cluster.log()).unwrap_or_default()).into_owned()
    }

    /// Ends the server at once, as a crash does. Its sessions are gone, and its files stay.
    pub fn crash(&mut self) {
        kill(process_id(self.server.id()), Signal::SIGQUIT).expect("signal a server that was not waited for");
        assert!(wait_until(STOP_LIMIT, || self.server.try_wait().is_ok_and(|status| status.is_some())), "it goes on");
    }

    /// Starts a server that has crashed, on the same port. Panics with its log if it does not answer within 30 s.
    pub fn start_again(&mut self) {
        self.server = self.cluster.run(&self.bin_dir, self.port);
        assert!(self.answers(), "PostgreSQL did not start again:\n{}", self.log_text());
    }

    /// Whether the server answers before the limit. Ends early when it has died.
    fn answers(&mut self) -> bool {
        let mut dead = false;
        let answered = wait_until(START_LIMIT, || {
            dead = self.server.try_wait().expect("ask for the state of the server").is_some();
            dead || self.psql(SUPERUSER, "SELECT 1").is_ok()
        });
        answered && !dead
    }

    /// Runs statements, and returns their rows or psql's words about the first that failed.
    ///
    /// # Errors
    /// If psql cannot connect or a statement fails.
    pub fn psql(&self, database: &str, text: &str) -> Result<String, String> {
        let mut command = Command::new(self.bin_dir.join("psql"));
        command.args(["-X", "-v", "ON_ERROR_STOP=1", "-Atq", "-f", "-"]);
        // The name goes by environment: as an argument, psql would take `a=b` for a conninfo.
        command.env_clear().envs([("PGHOST", "127.0.0.1"), ("PGUSER", SUPERUSER), ("PGDATABASE", database)]);
        command.env("PGPORT", self.port.to_string()).env("PGPASSWORD", &self.password);
        command.envs([("PGCLIENTENCODING", "UTF8"), ("PGAPPNAME", "e2e harness"), ("PGCONNECT_TIMEOUT", "5")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start psql");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let text = text.to_owned();
        // On a thread, because psql may answer before it has read everything.
        let feeder = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().expect("wait for psql");
        let fed = feeder.join().expect("feed psql");
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            return Err(words(&output.stderr));
        }
        fed.expect("psql reads everything before it succeeds");
        Ok(words(&output.stdout))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT is the immediate shutdown. Failing to send means that the server is gone already.
        let told = kill(process_id(self.server.id()), Signal::SIGQUIT).is_ok();
        let ended = |server: &mut Child| matches!(server.try_wait(), Ok(Some(_)));
        if !(told && wait_until(STOP_LIMIT, || ended(&mut self.server))) {
            eprintln!("PostgreSQL did not stop when told to and is killed");
            self.server.kill().expect("kill the server");
            self.server.wait().expect("wait for the killed server");
        }
    }
}
