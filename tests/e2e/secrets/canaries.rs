//! Whole runs with secrets that would be seen anywhere.

use std::fs;
use std::time::Duration;

use e2e::process::{Run, http_get, wait_until};
use e2e::proxy::{Fault, FaultProxy, Operation, Rule};
use e2e::s3::{S3Options, S3Server};
use e2e::tools::FakeTools;
use serde_json::Value;

use super::{assert_bucket_hides, assert_hides, both};
use crate::stand::Stand;

const SOON: Duration = Duration::from_secs(20);

/// Words that stand in no ordinary text, around every character that some form escapes.
const PASSWORD: &str = "qzxwvk7@/:%41\"'\\ $&jyqpgz9";
const ACCESS_KEY: &str = "AKQZVXKJWQ";
const SECRET_KEY: &str = "wkzqxj4+/=vbxqzk8";

/// What must not be seen. Of the password its two words: what is between them is in every log.
const SECRETS: [&str; 5] = ["qzxwvk7", "jyqpgz9", "QZVXKJWQ", "wkzqxj4", "vbxqzk8"];

/// A stand whose every secret is a canary.
fn stand() -> (Stand, String) {
    let mut stand = Stand::with_rows(1000);
    let folder = tempfile::tempdir().unwrap().keep();
    let (access_key, secret_key) = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
    let options = S3Options { root: folder, port: 0, bucket: "backups".to_owned(), access_key, secret_key };
    stand.s3 = S3Server::open(options).unwrap().into();
    stand.proxy = FaultProxy::start(&stand.s3);
    let role = format!("{}_role", stand.database.name);
    stand.sql(&format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD $p${PASSWORD}$p$"));
    let url = stand.postgres.url_as(&role, PASSWORD, &stand.database.name);
    (stand, url)
}

impl Drop for Removed {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A folder that goes with this value.
struct Removed(std::path::PathBuf);

fn backup(stand: &Stand, url: &str, format: &str) -> Run {
    stand.backup().env("DATABASE_URL", url).env("LOG_LEVEL", "trace").env("LOG_FORMAT", format)
}

#[test]
fn a_run_that_succeeds_shows_no_secret_anywhere_r061() {
    let (stand, url) = stand();
    let _removed = Removed(stand.s3.root().to_owned());
    for format in ["json", "text"] {
        for command in ["check", "run", "list", "prune"] {
            let output = backup(&stand, &url, format).env("COMPRESSION", "none").args([command]).output();
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            assert_hides(command, &both(&output), &SECRETS);
        }
    }
    assert_eq!(stand.manifests().len(), 2);
    assert_bucket_hides(&stand, &SECRETS);
}

/// A tool that says all that it knows of the password, in forms that foreign words could have.
const CHATTY: &str = r#"
sed 's/^[*]:[*]:[*]:[*]://; s/\\\(.\)/\1/g' "$PGPASSFILE" > "$PGPASSFILE.plain"
echo "connection to server failed: password was $(cat "$PGPASSFILE.plain")" >&2
echo "tried postgresql://user:qzxwvk7%40%2F%3A%2541%22%27%5C%20%24%26jyqpgz9@127.0.0.1/db" >&2
exit 1"#;

#[test]
fn a_run_that_fails_shows_no_secret_even_if_the_tool_does_r061() {
    let (stand, url) = stand();
    let _removed = Removed(stand.s3.root().to_owned());
    let mut tools = FakeTools::new();
    tools.script("pg_dump", CHATTY);
    for format in ["json", "text"] {
        let run = backup(&stand, &url, format).env("PG_BIN_DIR", tools.path());
        let output = run.args(["run"]).output();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains("password was ***"), "{}", output.stderr);
        assert_hides("the log", &both(&output), &SECRETS);
    }
    let wrong = url.replace("qzxwvk7", "qzxwvk7qzxwvk7");
    let output = backup(&stand, &wrong, "json").args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_hides("a refused login", &both(&output), &SECRETS);
}

#[test]
fn the_pages_of_a_daemon_show_no_secret_r061() {
    let (stand, url) = stand();
    let _removed = Removed(stand.s3.root().to_owned());
    let mut tools = FakeTools::new();
    tools.script("pg_dump", CHATTY);
    let mut daemon = backup(&stand, &url, "json").env("PG_BIN_DIR", tools.path()).spawn();
    let line = daemon.wait_for_line("backup daemon started", SOON);
    let started: Value = serde_json::from_str(&line).unwrap();
    let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
    daemon.wait_for_line("backup failed", SOON);
    assert!(wait_until(SOON, || http_get(port, "/status").unwrap().1.contains("password was ***")));
    for path in ["/livez", "/readyz", "/health", "/status", "/metrics", "/", "/runbooks", "/nothing?x=1"] {
        assert_hides(path, &http_get(port, path).unwrap().1, &SECRETS);
    }
    assert_hides("the log", &daemon.stderr_so_far(), &SECRETS);
}

/// What several stores answer to a wrong signature: all that was signed, and by whom.
fn echo(code: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{ACCESS_KEY} and {SECRET_KEY} do not match</Message>\
         <AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256 {SECRET_KEY} zsjqkxwv</StringToSign>\
         <SignatureProvided>zsjqkxwv</SignatureProvided><RequestId>R1</RequestId></Error>"
    );
    body.into_bytes()
}

#[test]
fn error_bodies_that_echo_credentials_do_not_reach_the_log_r072() {
    let (stand, url) = stand();
    let _removed = Removed(stand.s3.root().to_owned());
    let words = [&SECRETS[..], &["zsjqkxwv"]].concat();
    let wrong_key = |run: Run| run.env("S3_SECRET_ACCESS_KEY", format!("{SECRET_KEY}x"));
    for code in ["SignatureDoesNotMatch", "SlowDown"] {
        stand.proxy.rule(Rule::new(Operation::Any, Fault::rewrite(move |_| echo(code))));
        for format in ["json", "text"] {
            for command in ["run", "check", "list"] {
                let output = wrong_key(backup(&stand, &url, format)).args([command]).output();
                assert_eq!(output.code, Some(1), "{}", output.stderr);
                assert!(both(&output).contains(code), "{}", both(&output));
                assert_hides(command, &both(&output), &words);
            }
        }
        stand.proxy.clear_rules();
    }
    // An answer that is no XML at all must not be quoted either.
    stand.proxy.rule(Rule::new(Operation::Any, Fault::rewrite(|_| format!("<Li{SECRET_KEY} zsjqkxwv").into_bytes())));
    let output = backup(&stand, &url, "json").args(["list"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_hides("a broken answer", &both(&output), &words);
}

#[test]
fn secrets_can_come_from_files_r061() {
    let (stand, _) = stand();
    let _removed = Removed(stand.s3.root().to_owned());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{content}\n")).unwrap();
        path
    };
    let port = stand.postgres.port().to_string();
    let role = format!("{}_role", stand.database.name);
    let run = |password: &str| {
        let variables =
            [("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", &role), ("PGDATABASE", &stand.database.name)];
        let run = stand.backup().env_remove("DATABASE_URL").envs(variables).env("LOG_LEVEL", "trace");
        run.env_remove("S3_SECRET_ACCESS_KEY")
            .env_remove("S3_ACCESS_KEY_ID")
            .env("PGPASSWORD_FILE", file("password", password))
            .env("S3_SECRET_ACCESS_KEY_FILE", file("secret_key", SECRET_KEY))
            .env("S3_ACCESS_KEY_ID_FILE", file("access_key", ACCESS_KEY))
    };
    let output = run(PASSWORD).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_hides("the log", &both(&output), &SECRETS);
    assert_eq!(stand.manifests().len(), 1);

    let both_forms = run(PASSWORD).env("S3_SECRET_ACCESS_KEY", SECRET_KEY).args(["run"]).output();
    assert_eq!(both_forms.code, Some(78));
    assert!(both_forms.stderr.contains("S3_SECRET_ACCESS_KEY: is set together with S3_SECRET_ACCESS_KEY_FILE"));
    let missing = run(PASSWORD).env("PGPASSWORD_FILE", folder.path().join("nowhere")).args(["run"]).output();
    assert_eq!(missing.code, Some(78));
    assert!(missing.stderr.contains("PGPASSWORD_FILE: the file that it names cannot be read"), "{}", missing.stderr);
    let wrong = run("qzxwvk7 is wrong").args(["run"]).output();
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert_hides("a refused login", &both(&wrong), &SECRETS);
}
