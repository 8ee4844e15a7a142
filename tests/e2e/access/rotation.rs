//! Secrets that are replaced while a service runs, and passwords that a command prints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::process::{Run, wait_until};
use e2e::proxy::{Fault, Operation, Rule};
use serde_json::Value;
use tempfile::TempDir;

use crate::api::ask;
use crate::daemon::{Running, SOON};
use crate::database::new_role;
use crate::stand::Stand;

/// A drill on a machine that does other things.
const A_DRILL: Duration = Duration::from_secs(120);

/// A folder with secrets, each of which is replaced as a whole.
pub(crate) struct Secrets(TempDir);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("e2e-secrets-").unwrap())
    }

    pub(crate) fn put(&self, name: &str, secret: &str) -> PathBuf {
        let (path, new) = (self.0.path().join(name), self.0.path().join("new"));
        fs::write(&new, format!("{secret}\n")).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }
}

/// The store forgets the old key in the middle of an upload; the run goes on with the new one.
#[test]
fn keys_of_the_bucket_that_are_replaced_in_their_files_count_at_once_r162() {
    let stand = Stand::with_rows(120_000);
    let secrets = Secrets::new();
    let run = stand.backup().env_remove("S3_ACCESS_KEY_ID").env_remove("S3_SECRET_ACCESS_KEY");
    let run = run.env("S3_ACCESS_KEY_ID_FILE", secrets.put("id", stand.s3.access_key()));
    let run = run.env("S3_SECRET_ACCESS_KEY_FILE", secrets.put("secret", stand.s3.secret_key()));
    stand.proxy.rule(Rule::new(Operation::UploadPart, Fault::Delay(Duration::from_secs(2))));
    let run = run.env("COMPRESSION", "none").env("PART_SIZE", "5").args(["run"]).spawn();
    assert!(wait_until(SOON, || !stand.proxy.requests_of(Operation::UploadPart).is_empty()));
    stand.s3.add_key("AKROTATED", "qzrotated8secret8of8the8bucket");
    stand.s3.remove_key(stand.s3.access_key());
    secrets.put("id", "AKROTATED");
    secrets.put("secret", "qzrotated8secret8of8the8bucket");
    let output = run.wait(Duration::from_secs(60));
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(stand.s3.requests_by_key()["AKROTATED"] > 0);
    assert!(output.stderr.contains("\"a secret was replaced\"") && !output.stderr.contains("qzrotated"));
}

#[test]
fn a_token_of_the_pages_that_is_replaced_in_its_file_counts_at_once_r162() {
    let stand = Stand::with_rows(10);
    let secrets = Secrets::new();
    let file = secrets.put("token", "qzfirst-token-of-pages");
    let daemon = Running::start(stand.backup().env("HTTP_TOKEN_FILE", file));
    let status =
        |token: &str| ask(daemon.port(), "GET", "/status", &[&format!("Authorization: Bearer {token}")]).status;
    assert_eq!((status("qzfirst-token-of-pages"), status("qzsecond-token-of-pages")), (200, 401));
    secrets.put("token", "qzsecond-token-of-pages");
    assert_eq!((status("qzfirst-token-of-pages"), status("qzsecond-token-of-pages")), (401, 200));
    secrets.put("token", "qzshort");
    assert_eq!((status("qzshort"), status("qzsecond-token-of-pages")), (401, 401));
    secrets.put("token", "qzsecond-token-of-pages");
    assert_eq!(status("qzsecond-token-of-pages"), 200);
    // An empty file leaves the one that was there.
    secrets.put("token", "");
    assert_eq!((status(""), status("qzsecond-token-of-pages")), (401, 200));
}

/// The role of `stand` with another password, and the URL of a connection without one.
fn without_password(stand: &Stand, role: &str) -> String {
    format!("postgresql://{role}@127.0.0.1:{}/{}", stand.postgres.port(), stand.database.name)
}

#[test]
fn a_password_of_the_database_that_is_replaced_in_its_file_counts_for_the_next_run_r162() {
    let stand = Stand::with_rows(10);
    let (role, _) = new_role(&stand, "SUPERUSER");
    let change = |password: &str| stand.sql(&format!("ALTER ROLE {role} PASSWORD '{password}'"));
    let secrets = Secrets::new();
    change("qzfirst1password");
    let url = without_password(&stand, &role);
    let whole = url.replace('@', ":qzfirst1password@");
    for (variable, file, next) in [
        ("PGPASSWORD_FILE", secrets.put("password", "qzfirst1password"), "qzsecond2password".to_owned()),
        ("DATABASE_URL_FILE", secrets.put("url", &whole), url.replace('@', ":qzsecond2password@")),
    ] {
        change("qzfirst1password");
        let run = stand.backup().env("BACKUP_INTERVAL", "10").env("BACKUP_MIN_INTERVAL", "0");
        let run = if variable == "DATABASE_URL_FILE" {
            run.env_remove("DATABASE_URL")
        } else {
            run.env("DATABASE_URL", &url)
        };
        let before = stand.manifests().len();
        let daemon = Running::start(run.env(variable, &file).env("RUN_ON_STARTUP", "true"));
        assert!(wait_until(SOON, || stand.manifests().len() == before + 1), "{}", daemon.process.stderr_so_far());
        change("qzsecond2password");
        secrets.put(file.file_name().unwrap().to_str().unwrap(), &next);
        assert!(
            wait_until(Duration::from_secs(40), || stand.manifests().len() > before + 1),
            "{variable}: {}",
            daemon.process.stderr_so_far()
        );
        assert!(!daemon.process.stderr_so_far().contains("backup failed"), "{}", daemon.process.stderr_so_far());
    }
}

/// Both logins of a drill server, the one that makes databases and the superuser, under either name of the first.
#[test]
fn passwords_of_a_drill_server_that_are_replaced_in_their_files_count_for_the_next_drill_r162() {
    let (stand, folder) = (Stand::with_rows(10), TempDir::new().unwrap());
    stand.run_ok();
    let server = Postgres::start(PostgresOptions::default());
    let change = |password: &str| {
        let sql = format!("ALTER ROLE drill PASSWORD '{password}'; ALTER ROLE admin PASSWORD '{password}'");
        server.sql(SUPERUSER, &sql);
    };
    server.sql(SUPERUSER, "CREATE ROLE drill LOGIN CREATEDB; CREATE ROLE admin LOGIN SUPERUSER");
    for variable in ["VERIFY_DATABASE_URL_FILE", "DATABASE_URL_FILE"] {
        let secrets = Secrets::new();
        let put = |role: &str, password: &str| secrets.put(role, &server.url_as(role, password, SUPERUSER));
        change("qzfirst1password");
        let run = Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", stand.postgres.bin_dir());
        let run = run.envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0"), ("VERIFY_INTERVAL", "10")]);
        let run = run.env(variable, put("drill", "qzfirst1password")).env("TMPDIR", folder.path());
        let run = run.env("VERIFY_ADMIN_URL_FILE", put("admin", "qzfirst1password")).env("RUN_ON_STARTUP", "true");
        let daemon = Running::start(run);
        let passed = |status: &Value| {
            let report = &status["last_report"];
            (report["verdict"] == "passed" && status["state"] == "waiting").then(|| report["started_at"].clone())
        };
        let first = passed(&daemon.wait_for(A_DRILL, |status| passed(status).is_some())).unwrap();
        put("drill", "qzsecond2password");
        put("admin", "qzsecond2password");
        change("qzsecond2password");
        daemon.wait_for(A_DRILL, |status| passed(status).is_some_and(|began| began != first));
        let log = daemon.process.stderr_so_far();
        assert!(!log.contains("authentication failed") && !log.contains("qzsecond"), "{variable}: {log}");
        assert_eq!(log.matches("\"a secret was replaced\"").count(), 2, "{variable}: {log}");
    }
}

fn script(folder: &Path, text: &str) -> String {
    let path = folder.join(format!("script{}", text.len()));
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_command(stand: &Stand, role: &str, command: &str) -> Run {
    let run = stand.backup().env("DATABASE_URL", without_password(stand, role));
    run.env("DATABASE_PASSWORD_COMMAND", command).env("RETRY_ATTEMPTS", "1").args(["run"])
}

/// As for tokens of RDS IAM: our sessions and the tools log in with what the command prints, which gets nothing of ours.
#[test]
fn a_command_prints_the_password_and_gets_no_secret_of_ours() {
    let stand = Stand::with_rows(10);
    let (role, _) = new_role(&stand, "SUPERUSER");
    stand.sql(&format!("ALTER ROLE {role} PASSWORD 'qztoken of a cloud'"));
    let folder = TempDir::new().unwrap();
    let seen = folder.path().join("seen");
    let text = format!("env >>{0}; echo \"$# $1\" >>{0}; echo 'qztoken of a cloud'", seen.display());
    let command = format!("{} 'one argument; $HOME'", script(folder.path(), &text));
    let run = with_command(&stand, &role, &command).env("AWS_REGION", "eu-central-1").env("BACKUP_GLOBALS", "true");
    let output = run.env("RECORD_KEY", "qzrecord9key9of9this9service").output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(stand.manifests().len(), 1);
    assert!(!output.stderr.contains("qztoken"));
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("AWS_REGION=eu-central-1") && seen.contains("1 one argument; $HOME"), "{seen}");
    assert_eq!(seen.matches("1 one argument").count(), 1, "the token was used again: {seen}");
    for secret in [stand.s3.secret_key(), "qzrecord9key", "DATABASE_URL"] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[test]
fn a_command_that_gives_no_password_is_an_error_that_says_why() {
    let stand = Stand::with_rows(10);
    let (role, _) = new_role(&stand, "SUPERUSER");
    let folder = TempDir::new().unwrap();
    let script = |text: &str| script(folder.path(), text);
    for (command, words) in [
        (
            script("echo qzcanary2out; echo no credentials found >&2; exit 3"),
            "failed (exit status: 3): no credentials found",
        ),
        (script("true"), "printed nothing"),
        (script("echo qzcanary2out; echo qzcanary3out"), "printed more than one line"),
        ("/nowhere/at/all".to_owned(), "cannot be started: entity not found"),
        (script("sleep 60"), "did not end within 15 s"),
    ] {
        let started = Instant::now();
        let output = with_command(&stand, &role, &command).output();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        let words = format!("log in to the database: DATABASE_PASSWORD_COMMAND {words}");
        assert!(output.stderr.contains(&words), "{words:?} is missing in {}", output.stderr);
        assert!(
            output.stderr.contains("\"class\":\"auth\"") && !output.stderr.contains("qzcanary"),
            "{}",
            output.stderr
        );
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }
    let both = stand.backup().env("DATABASE_PASSWORD_COMMAND", "true").args(["run"]).output();
    assert_eq!(both.code, Some(78), "{}", both.stderr);
    assert!(both.stderr.contains("DATABASE_PASSWORD_COMMAND: is set together with a password"), "{}", both.stderr);
}
