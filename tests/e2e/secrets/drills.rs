//! `verify` with secrets that would be seen anywhere: drills, commands, pages, failures.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::{Run, command_line, environment};
use e2e::proxy::{Fault, Operation, Rule};
use e2e::tools::FakeTools;

use super::children::tree;
use super::{assert_hides, both};
use crate::daemon::Running;
use crate::stand::Stand;

const LONG: Duration = Duration::from_secs(120);

/// Words that stand in no ordinary text, one for each secret, around what some form escapes.
const LOGIN: &str = "qzxwvk7@/:%41\"'\\ $&jyqpgz9";
const ADMIN: &str = "wkzqxj4+/=%vbxqzk8";
const SECRETS: [&str; 4] = ["qzxwvk7", "jyqpgz9", "wkzqxj4", "vbxqzk8"];

/// A backup, and a server for drills whose two logins have those passwords.
struct Site {
    stand: Stand,
    server: Postgres,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let stand = Stand::with_rows(1000);
        assert_eq!(stand.run().code, Some(0));
        let server = Postgres::start(PostgresOptions::default());
        server.sql("postgres", &format!("CREATE ROLE drill LOGIN CREATEDB PASSWORD $p${LOGIN}$p$"));
        server.sql("postgres", &format!("CREATE ROLE admin LOGIN SUPERUSER PASSWORD $p${ADMIN}$p$"));
        Self { stand, server, folder: crate::drill_safety::open_folder() }
    }

    fn verify(&self) -> Run {
        Run::new("verify")
            .envs(self.stand.s3.env_through(&self.stand.proxy.endpoint()))
            .env("VERIFY_DATABASE_URL", self.server.url_as("drill", LOGIN, "postgres"))
            .env("VERIFY_ADMIN_URL", self.server.url_as("admin", ADMIN, "postgres"))
            .env("RESTORE_URL", self.server.url_as("admin", ADMIN, "restored"))
            .env("PG_BIN_DIR", self.stand.postgres.bin_dir())
            .env("TMPDIR", self.folder.path())
            .envs([("LOG_LEVEL", "trace"), ("RETRY_DELAY", "0"), ("PORT", "0"), ("VERIFY_JOBS", "2")])
            .deadline(LONG)
    }
}

#[test]
fn drills_and_commands_show_no_secret_anywhere_r061() {
    let site = Site::new();
    for format in ["json", "text"] {
        for arguments in
            [&["run"][..], &["list"], &["show", "latest"], &["restore", "latest", "--create"], &["self-test"]]
        {
            let output = site.verify().env("LOG_FORMAT", format).args(arguments).output();
            assert_eq!(output.code, Some(0), "{arguments:?} {}\n{}", output.stdout, output.stderr);
            assert_hides(&format!("{arguments:?}"), &both(&output), &SECRETS);
        }
        site.server.sql("postgres", "DROP DATABASE restored");
    }
}

/// `pg_restore` that says all that it knows of the password.
const CHATTY: &str = r#"
echo "pg_restore: error: password was $(sed 's/^[*]:[*]:[*]:[*]://; s/\\\(.\)/\1/g' "$PGPASSFILE")" >&2
exit 1"#;

#[test]
fn drills_that_fail_show_no_secret_either_r061() {
    let site = Site::new();
    let mut tools = FakeTools::new();
    tools.script("pg_restore", CHATTY);
    let wrong = site.server.url_as("drill", &format!("{LOGIN}x"), "postgres");
    let silent = site.server.url_as("admin", &format!("{ADMIN}x"), "postgres");
    for format in ["json", "text"] {
        let verify = || site.verify().env("LOG_FORMAT", format).args(["run"]);
        for (case, run) in [
            // Without an admin, who would make a role of the drill's own, it restores by the login itself.
            ("a chatty tool", verify().env("PG_BIN_DIR", tools.path()).env("VERIFY_ADMIN_URL", "")),
            ("a refused login", verify().env("VERIFY_DATABASE_URL", &wrong)),
            ("a refused admin", verify().env("VERIFY_ADMIN_URL", &silent)),
            ("a malformed URL", verify().env("VERIFY_DATABASE_URL", format!("postgres://u:{LOGIN}@h:x/d"))),
            ("a wrong key", verify().env("S3_SECRET_ACCESS_KEY", "wkzqxj4vbxqzk8wkzqxj4")),
        ] {
            let output = run.output();
            assert!(output.code.is_some_and(|code| code != 0), "{case}: {}", output.stderr);
            assert_hides(case, &both(&output), &SECRETS);
            if case == "a chatty tool" {
                // Its words are those of no client tool, so only about how long they are is told.
                assert!(both(&output).contains("(at most 64 characters)"), "{}", both(&output));
            }
        }
        site.stand.proxy.rule(Rule::new(Operation::GetObject, Fault::rewrite(|_| b"<Error>wkzqxj4".to_vec())));
        let output = verify().output();
        assert_ne!(output.code, Some(0), "{}", output.stderr);
        assert_hides("a damaged object", &both(&output), &SECRETS);
        site.stand.proxy.clear_rules();
    }
}

#[test]
fn the_pages_of_verify_show_no_secret_r061() {
    let site = Site::new();
    let mut tools = FakeTools::new();
    tools.script("pg_restore", CHATTY);
    let run = site.verify().env("LOG_FORMAT", "json").env("RUN_ON_STARTUP", "true");
    let daemon = Running::start(run.env("PG_BIN_DIR", tools.path()));
    let status = daemon.wait_for(LONG, |status| status["last_report"].is_object());
    assert_ne!(status["last_report"]["verdict"], "passed", "{status:#}");
    for path in ["/livez", "/readyz", "/health", "/status", "/metrics", "/", "/runbooks"] {
        assert_hides(path, &daemon.get_text(path).1, &SECRETS);
    }
    assert_hides("the log", &daemon.process.stderr_so_far(), &SECRETS);
}

/// Looks at every process below a drill as long as it runs.
#[test]
fn no_command_line_and_no_environment_below_a_drill_holds_a_secret_r069() {
    let site = Site::new();
    let keys = [site.stand.s3.secret_key().to_owned(), site.stand.s3.access_key().to_owned()];
    for throwaway in [false, true] {
        let run = site.verify().args(["run"]);
        let run = if throwaway { run.env_remove("VERIFY_DATABASE_URL").env_remove("VERIFY_ADMIN_URL") } else { run };
        let drill = run.spawn();
        let (pid, done) = (drill.pid(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let (stop, found) = (Arc::clone(&done), Arc::clone(&seen));
        let watcher = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // The service itself has the secrets in its environment, and so has a child that is not yet
                // another program: a copy of the service, and as closed to others.
                let own = command_line(pid);
                for child in tree(pid).into_iter().filter(|child| command_line(*child) != own) {
                    // In this order: what was another program before has the variables of one.
                    let (line, variables) = (command_line(child), environment(child));
                    // At the first look the service itself may not have been another program yet.
                    if line != own && line != command_line(pid) {
                        found.lock().unwrap().insert(format!("{line:?} {variables:?}"));
                    }
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let output = drill.wait(LONG);
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let seen = seen.lock().unwrap();
        assert!(seen.iter().any(|line| line.contains("pg_restore")), "{seen:#?}");
        for line in seen.iter() {
            assert_hides("a process", line, &SECRETS);
            // Of a drill's own login, whose password is not known here.
            assert!(!line.contains("PGPASSWORD"), "{line}");
            assert!(keys.iter().all(|key| !line.contains(key.as_str())), "{line}");
        }
    }
}
