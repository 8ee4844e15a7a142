//! That `verify` does no harm, for any backup and any server, and however it dies.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use backup_core::repository::{UNSEALED, seal};
use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::process::{Output, Run, command_line, wait_until};
use e2e::tools::FakeTools;
use serde_json::Value;
use tempfile::TempDir;

use crate::stand::Stand;

mod death;
mod evil;
mod extensions;
mod external;
mod leftovers;
mod limits;
mod lines;
mod managed;
mod mirrored;
mod names;
mod not_empty;
mod pins;
mod processes;
mod restore;
mod roles;
mod said;
mod schemas;
mod suitable;
mod target;
mod watched;

/// The bound for one command, on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// The bound for what follows at once from its cause.
const SOON: Duration = Duration::from_secs(10);

/// Exit codes of `verify`.
const PASSED: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
const STOPPED: Option<i32> = Some(3);
const COULD_NOT_RUN: Option<i32> = Some(4);
const SKIPPED: Option<i32> = Some(5);

/// The password of each plain role that these tests make.
const PASSWORD: &str = "kqzw7 vjx@drill";

/// One backup of a database of its own, and a folder in which drills happen.
struct Site {
    stand: Stand,
    spool: TempDir,
}

/// How a drill ended.
struct Drilled {
    output: Output,
    report: Value,
}

impl Site {
    /// Backs up a database that was made by `sql`, in which `SOURCE` stands for its name.
    #[track_caller]
    fn new(sql: &str) -> Self {
        let stand = Stand::new();
        stand.sql(&sql.replace("SOURCE", &stand.database.name));
        Self::of(stand)
    }

    /// Backs up the database of `stand`, without compression, so that tests can edit what is stored.
    #[track_caller]
    fn of(stand: Stand) -> Self {
        let output = stand.backup().env("COMPRESSION", "none").args(["run"]).output();
        assert_eq!(output.code, PASSED, "{}", output.stderr);
        Self { stand, spool: open_folder() }
    }

    /// `verify` with a throwaway server.
    fn verify(&self) -> Run {
        Run::new("verify")
            .envs(self.stand.s3.env())
            .env("PG_BIN_DIR", self.stand.postgres.bin_dir())
            .env("TMPDIR", self.spool.path())
            .envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0"), ("VERIFY_JOBS", "2")])
            .deadline(LONG)
    }

    /// `verify` with a login to `server` that may create databases and nothing else.
    fn verify_on(&self, server: &Postgres) -> Run {
        self.verify().env("VERIFY_DATABASE_URL", plain_login(server))
    }

    /// The keys of the manifest and the dump.
    fn keys(&self) -> (String, String) {
        let manifest = self.stand.manifests().pop_last().expect("a manifest in the bucket").0;
        let dump = self.stand.s3.objects().into_keys().find(|key| key.ends_with(".dump")).expect("a dump");
        (manifest, dump)
    }

    /// Changes the manifest in the bucket, and its digest of itself with it.
    fn edit_manifest(&self, change: impl FnOnce(&mut Value)) {
        let (key, _) = self.keys();
        let mut manifest = serde_json::from_slice(&self.stand.s3.read(&key)).unwrap();
        change(&mut manifest);
        manifest["manifest_sha256"] = UNSEALED.into();
        self.stand.s3.write(&key, seal(&manifest.to_string()));
    }

    /// Changes the dump in the bucket, and the manifest so that it promises what is there now.
    fn edit_dump(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let (_, key) = self.keys();
        let changed = change(self.stand.s3.read(&key));
        self.stand.s3.write(&key, &changed);
        let path = self.stand.s3.path(&key);
        let sum = Run::program("sha256sum").args([path.to_str().unwrap()]).output().stdout;
        let sum = sum.split_whitespace().next().unwrap().to_owned();
        self.edit_manifest(|manifest| {
            for kind in ["plain", "stored"] {
                manifest["dump"][format!("{kind}_bytes")] = changed.len().into();
                manifest["dump"][format!("{kind}_sha256")] = sum.clone().into();
            }
        });
    }

    /// Asserts that no drill left a file or a process here.
    #[track_caller]
    fn assert_clean(&self) {
        let names = || fs::read_dir(self.spool.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(wait_until(SOON, || processes_in(self.spool.path()).is_empty()), "a process is left");
        assert_eq!(names().collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new(), "files are left");
    }
}

/// One drill to its end, with its report.
#[track_caller]
fn drill(run: Run) -> Drilled {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = run.args(["run", "--report", file.to_str().unwrap()]).output();
    let text = fs::read(&file).unwrap_or_else(|error| panic!("no report: {error}\n{}", output.stderr));
    let report = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}\n{}", output.stderr));
    Drilled { output, report }
}

impl Drilled {
    #[track_caller]
    fn assert_code(&self, expected: Option<i32>) -> &Self {
        let code = self.output.code;
        let (error, findings) = (&self.report["error"], &self.report["findings"]);
        assert!(
            code == expected,
            "exit code {code:?} in place of {expected:?}, error {error}, findings {findings}\n{:#}\n{}",
            self.report,
            self.output.stderr
        );
        self
    }

    /// Asserts that the drill could not run, and that its reason says `part`.
    #[track_caller]
    fn assert_refused(&self, part: &str) {
        self.assert_code(COULD_NOT_RUN);
        let error = self.report["error"].as_str().unwrap_or_default();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }

    /// One list of the report as text.
    fn list(&self, name: &str) -> String {
        self.report[name].to_string()
    }

    /// Asserts that a list of the report mentions each of `parts`.
    #[track_caller]
    fn assert_lists(&self, name: &str, parts: &[&str]) -> &Self {
        let text = self.list(name);
        parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {name}: {text}"));
        self
    }
}

/// A folder that servers of another user may use.
pub(crate) fn open_folder() -> TempDir {
    let folder = TempDir::with_prefix("e2e-drill-").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// A server of its own, since a drill locks a whole server.
fn server(settings: &[&str]) -> Postgres {
    let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let server = Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() });
    server.sql(SUPERUSER, &format!("CREATE ROLE drill LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
    server
}

/// The login of the role that [`server`] makes.
fn plain_login(server: &Postgres) -> String {
    server.url_as("drill", PASSWORD, SUPERUSER)
}

/// Databases and roles on `server` whose names are like those of drills.
fn leftovers(server: &Postgres) -> String {
    server.sql(
        SUPERUSER,
        "SELECT datname FROM pg_database WHERE datname LIKE 'verify%'
          UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'verify%' ORDER BY 1",
    )
}

/// Live processes that were started on a file below `folder`, or are in it.
fn processes_in(folder: &Path) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let name = folder.to_str().unwrap();
    pids.filter(|pid| {
        let is_inside = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        is_inside || command_line(*pid).iter().any(|argument| argument.contains(name))
    })
    .collect()
}

/// Tools whose `pg_restore` waits at a gate until the test opens it.
struct Gate {
    tools: FakeTools,
    folder: TempDir,
}

impl Gate {
    fn closed() -> Self {
        let folder = open_folder();
        let mut tools = FakeTools::new();
        let here = folder.path().display();
        let script = format!(": >'{here}/reached'\nwhile [ ! -e '{here}/open' ]; do sleep 0.05; done\n");
        tools.script("pg_restore", &format!("{script}exec \"$REAL\" \"$@\""));
        Self { tools, folder }
    }

    fn path(&self) -> PathBuf {
        self.tools.path().to_owned()
    }

    /// Waits until `pg_restore` was started.
    #[track_caller]
    fn wait_until_reached(&self) {
        let reached = self.folder.path().join("reached");
        assert!(wait_until(LONG, || reached.exists()), "no restore began");
    }

    fn open(&self) {
        fs::write(self.folder.path().join("open"), "").unwrap();
    }
}

/// A server on the network that should never be called.
struct Outsider {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Outsider {
    /// At an address of its own: a port of 127.0.0.1 may have been that of a server of another test, whose clients
    /// still try it.
    fn listen() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let [.., third, fourth] = std::process::id().to_be_bytes();
        let own = Ipv4Addr::new(127, third | 1, fourth, NUMBER.fetch_add(1, Ordering::SeqCst));
        let listener = TcpListener::bind((own, 0)).unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&calls);
        std::thread::spawn(move || {
            // Each caller is hung up on at once.
            for _caller in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, calls }
    }

    fn conninfo(&self) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        format!("host={host} port={port} user=u password=p dbname=d connect_timeout=3")
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}
