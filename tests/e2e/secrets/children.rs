//! What `pg_dump` is given, and what is left of it afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::process::{Daemon, Run, command_line, environment, is_alive, wait_until};
use e2e::tools::FakeTools;

use super::{assert_hides, assert_hides_random, both};
use crate::stand::Stand;

const SOON: Duration = Duration::from_secs(20);

/// A password that stands in no ordinary text.
const PASSWORD: &str = "qzxwvk7jyqpgz9";

/// Everything that a child may be given.
const ALLOWED: [&str; 17] = [
    "HOME",
    "LC_ALL",
    "PATH",
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCONNECT_TIMEOUT",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPORT",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
    // A shell adds these to what its own children get; the tools of these tests are scripts.
    "PWD",
    "OLDPWD",
];

/// A stand whose role has [`PASSWORD`], and tools of which `pg_dump` waits for a file before it works.
pub(super) struct Slow {
    stand: Stand,
    url: String,
    tools: FakeTools,
    tmpdir: tempfile::TempDir,
}

impl Slow {
    /// `after` is what `pg_dump` does once it may go on.
    pub(super) fn new(after: &str) -> Self {
        let stand = Stand::with_rows(10);
        let role = format!("{}_role", stand.database.name);
        stand.sql(&format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"));
        let url = stand.postgres.url_as(&role, PASSWORD, &stand.database.name);
        let mut tools = FakeTools::new();
        let gate = tools.path().join("gate");
        tools.script("pg_dump", &format!("until [ -e '{}' ]; do sleep 0.05; done; {after}", gate.display()));
        Self { stand, url, tools, tmpdir: tempfile::tempdir().unwrap() }
    }

    pub(super) fn backup(&self) -> Run {
        self.stand
            .backup()
            .env("DATABASE_URL", &self.url)
            .env("PG_BIN_DIR", self.tools.path())
            .env("TMPDIR", self.tmpdir.path())
            .env("LOG_LEVEL", "trace")
    }

    /// Lets every waiting `pg_dump` go on.
    pub(super) fn open_the_gate(&self) {
        fs::write(self.tools.path().join("gate"), "").unwrap();
    }

    /// The folders that runs have made below `TMPDIR`.
    fn folders(&self) -> Vec<PathBuf> {
        fs::read_dir(self.tmpdir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// The `pg_dump` that this program has started, once it runs.
#[track_caller]
pub(super) fn dump_of(daemon: &Daemon) -> u32 {
    let mut found = None;
    // `pg_dumpall` starts a `pg_dump --version`, too.
    let is_dump = |pid: &u32| command_line(*pid).iter().any(|word| word.starts_with("--snapshot="));
    let started = wait_until(SOON, || {
        found = tree(daemon.pid()).into_iter().find(is_dump);
        found.is_some()
    });
    assert!(started, "no pg_dump below {}\n{}", daemon.pid(), daemon.stderr_so_far());
    found.unwrap()
}

/// This process and all below it.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let tasks = fs::read_dir(format!("/proc/{}/task", found[next])).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn no_command_line_and_no_environment_of_a_child_holds_a_secret_r069() {
    let slow = Slow::new(r#"exec "$REAL" "$@""#);
    let daemon = slow.backup().args(["run"]).spawn();
    let dump = dump_of(&daemon);
    let keys = [slow.stand.s3.access_key(), slow.stand.s3.secret_key()];
    for pid in tree(daemon.pid()) {
        let command_line = command_line(pid).join(" ");
        assert_hides("a command line", &command_line, &[PASSWORD]);
        assert_hides_random("a command line", &command_line, &keys);
    }
    let variables = environment(dump);
    assert!(!variables.contains_key("PGPASSWORD"));
    for (name, value) in &variables {
        assert_hides(name, value, &[PASSWORD]);
        assert_hides_random(name, value, &keys);
    }
    let passfile = PathBuf::from(&variables["PGPASSFILE"]);
    assert!(passfile.starts_with(slow.tmpdir.path()));
    assert_eq!((mode(&passfile), mode(passfile.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(&passfile).unwrap(), format!("*:*:*:*:{PASSWORD}"));
    slow.open_the_gate();
    let output = daemon.wait(SOON);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_hides("the log", &both(&output), &[PASSWORD]);
    assert_hides_random("the log", &both(&output), &keys);
    assert_eq!(slow.folders(), Vec::<PathBuf>::new(), "the password file outlives the run");
}

#[test]
fn the_password_file_is_gone_after_a_failure_and_after_a_signal_r069() {
    let slow = Slow::new("echo 'out of luck' >&2; exit 1");
    let mut daemon = slow.backup().args(["run"]).spawn();
    dump_of(&daemon);
    assert_eq!(slow.folders().len(), 1);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait(SOON).code, Some(3));
    assert_eq!(slow.folders(), Vec::<PathBuf>::new(), "after SIGTERM");

    slow.open_the_gate();
    let output = slow.backup().args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("out of luck"), "{}", output.stderr);
    assert_eq!(slow.folders(), Vec::<PathBuf>::new(), "after a failure");
}

#[test]
fn the_next_start_sweeps_what_a_killed_run_has_left_r069() {
    let slow = Slow::new(r#"exec "$REAL" "$@""#);
    let mut killed = slow.backup().args(["run"]).spawn();
    let dump = dump_of(&killed);
    killed.kill9();
    assert!(wait_until(SOON, || !is_alive(dump)), "pg_dump outlives the run");
    assert_eq!(slow.folders().len(), 1, "the killed run has cleaned up?");

    // A run that lives keeps its own; the remains of the dead one go at once.
    let left = slow.folders();
    let alive = slow.backup().args(["run"]).spawn();
    dump_of(&alive);
    let used = slow.folders();
    assert!(used.len() == 1 && used != left, "{used:?}");
    let another = slow.backup().args(["run"]).spawn();
    dump_of(&another);
    assert!(slow.folders().contains(&used[0]), "a folder in use was swept");
    slow.open_the_gate();
    assert_eq!((alive.wait(SOON).code, another.wait(SOON).code), (Some(0), Some(0)));
    assert_eq!(slow.folders(), Vec::<PathBuf>::new());
}

#[test]
fn a_child_gets_only_what_it_needs_of_the_environment_r082() {
    let slow = Slow::new(r#"exec "$REAL" "$@""#);
    let service = slow.tmpdir.path().join("service.conf");
    let hostile = [
        ("PGHOST", "evil.invalid"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "evil"),
        ("PGDATABASE", "evil"),
        ("PGOPTIONS", "-c statement_timeout=1"),
        ("PGSERVICE", "evil"),
        ("PGSERVICEFILE", service.to_str().unwrap()),
        ("PGPASSFILE", "/etc/hostname"),
        ("PGSSLCRL", "/etc/hostname"),
        ("PGTARGETSESSIONATTRS", "standby"),
        ("PGCLIENTENCODING", "LATIN1"),
        ("PGDATESTYLE", "SQL"),
        ("PGTZ", "Asia/Tokyo"),
        ("LD_PRELOAD", "/nonexistent/evil.so"),
        ("LD_LIBRARY_PATH", "/nonexistent"),
        ("AWS_ACCESS_KEY_ID", "AKQZXWVKCANARY"),
        ("AWS_SECRET_ACCESS_KEY", PASSWORD),
        ("AWS_PROFILE", "evil"),
        ("HOME", "/nonexistent"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("MY_OWN", "secret"),
    ];
    let daemon = slow.backup().envs(hostile).args(["run"]).spawn();
    let variables = environment(dump_of(&daemon));
    let names: BTreeSet<&str> = variables.keys().map(String::as_str).filter(|name| *name != "_").collect();
    let strangers: Vec<&&str> = names.iter().filter(|name| !ALLOWED.contains(name)).collect();
    assert!(strangers.is_empty(), "{strangers:?} reached pg_dump");
    let of_ours: BTreeSet<&str> = ["PGAPPNAME", "PGOPTIONS", "LC_ALL", "HOME", "PGPASSFILE"].into();
    for (name, value) in hostile {
        let given = variables.get(name).map(String::as_str);
        assert_ne!(given, Some(value), "{name} reached pg_dump");
        assert!(given.is_none() || of_ours.contains(name) || name.starts_with("PG"), "{name} reached pg_dump");
    }
    assert_eq!((variables["PGHOST"].as_str(), variables["LC_ALL"].as_str()), ("127.0.0.1", "C"));
    slow.open_the_gate();
    let output = daemon.wait(SOON);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
