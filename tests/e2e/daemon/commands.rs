//! The command line, exit codes and log lines.

use e2e::process::Run;
use serde_json::Value;

use super::Script;
use crate::stand::Stand;

#[test]
fn help_and_version_need_no_environment() {
    let help = Run::new("backup").args(["--help"]).output();
    assert_eq!(help.code, Some(0), "{}", help.stderr);
    for word in ["run", "list", "prune", "check", "Exit codes", "78", "docs/configuration.md"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    let version = Run::new("backup").args(["--version"]).output();
    assert_eq!(version.code, Some(0));
    let words: Vec<&str> = version.stdout.split_whitespace().collect();
    assert!(words.len() == 2 && words[0] == "backup" && words[1].starts_with(char::is_numeric), "{words:?}");
}

#[test]
fn a_bad_command_line_is_exit_code_2_and_touches_nothing() {
    let stand = Stand::with_rows(1);
    for args in [&["rnu"][..], &["--dry-run"], &["prune", "--force"], &["run", "now"]] {
        let output = stand.backup().args(args).output();
        assert_eq!(output.code, Some(2), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains("Usage"), "{args:?}: {}", output.stderr);
    }
    assert!(stand.proxy.requests().is_empty());
}

#[test]
fn a_bad_environment_ends_the_start_once_with_every_problem_and_no_value_r094() {
    let stand = Stand::new();
    for args in [&[][..], &["run"], &["check"], &["list"]] {
        let run = stand.backup().args(args).env("COMPRESSION", "lz4-value").env("PORT", "http-value");
        let run = run.env("BACKUP_RETENTION_DAYS", "-7").env("S3_ENDPOINT", "ftp-value").env_remove("S3_BUCKET");
        let output = run.env("DATABASE_URL", "mysql://u:hunter22@h/d").output();
        assert_eq!(output.code, Some(78), "{args:?}: {}", output.stderr);
        for name in ["COMPRESSION", "PORT", "BACKUP_RETENTION_DAYS", "S3_ENDPOINT", "S3_BUCKET", "DATABASE_URL"] {
            let lines = output.stderr.lines().filter(|line| line.trim_start().starts_with(&format!("{name}: ")));
            assert_eq!(lines.count(), 1, "{name}: {}", output.stderr);
        }
        assert!(!output.stderr.contains("-value") && !output.stderr.contains("hunter22"), "{}", output.stderr);
        assert_eq!(output.stderr.lines().count(), 7, "{}", output.stderr);
    }
}

#[test]
fn prefixes_that_reach_beyond_a_folder_of_ours_stop_the_start_r012() {
    let stand = Stand::new();
    for prefix in ["/", "///", "..", ".", "a/..", "a/../b", "a//b", "*", "a*", "a?", "[a]", "a b", "a\\b", "%2e%2e"] {
        let output = stand.backup().args(["prune"]).env("BACKUP_PREFIX", prefix).output();
        assert_eq!(output.code, Some(78), "{prefix:?}: {}", output.stderr);
        assert!(output.stderr.contains("BACKUP_PREFIX: "), "{prefix:?}: {}", output.stderr);
    }
    assert!(stand.proxy.requests().is_empty());
}

#[test]
fn an_empty_prefix_is_the_default_one_and_never_the_whole_bucket_r012() {
    let stand = Stand::with_rows(1);
    let output = stand.backup().args(["run"]).env("BACKUP_PREFIX", "").output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(stand.s3.objects().keys().all(|key| key.starts_with("postgres-backups/")));
    for listing in stand.proxy.requests_of(e2e::proxy::Operation::ListObjectsV2) {
        assert!(listing.query["prefix"].starts_with("postgres-backups/"), "{listing:?}");
    }
}

#[test]
fn single_shot_mode_runs_once_and_exits() {
    let stand = Stand::with_rows(10);
    let output = stand.backup().env("SINGLE_SHOT_MODE", "true").output();
    assert_eq!((output.code, stand.manifests().len()), (Some(0), 1), "{}", output.stderr);
    let script = Script::pg_dump("echo broken >&2; exit 1");
    let output = script.on(stand.backup()).env("SINGLE_SHOT_MODE", "true").output();
    assert_eq!((output.code, stand.manifests().len()), (Some(1), 1), "{}", output.stderr);
}

#[test]
fn log_lines_are_json_and_hold_no_secret_whoever_said_it_r070() {
    let stand = Stand::with_rows(10);
    let (password, key) = (stand.postgres.password(), stand.s3.secret_key());
    let url = &stand.database.url;
    let script = Script::pg_dump(&format!(
        "printf '%s\\n' 'pg_dump: error: \"{password}\"' '{url}' '{key}' 'password=plainly' >&2; exit 1"
    ));
    let output = script.on(stand.backup()).args(["run"]).env("LOG_LEVEL", "trace").output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.len() >= 3 && lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
    let last = lines.last().unwrap();
    assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"backup failed".into()));
    assert!(last["error"].as_str().unwrap().contains("pg_dump: error: \"***\""), "{last}");
    for secret in [password, key, url.as_str(), "plainly"] {
        assert!(!output.stderr.contains(secret) && !output.stdout.contains(secret), "{}", output.stderr);
    }
}

/// Platforms restart what is unhealthy or take it off the network: a missing backup must not look so.
#[test]
fn the_health_check_of_the_images_asks_whether_the_process_lives() {
    let stand = Stand::with_rows(1);
    stand.proxy.deny(&[e2e::proxy::Operation::PutObject, e2e::proxy::Operation::ListObjectsV2]);
    let port = e2e::process::free_port().to_string();
    for (service, run) in [("backup", stand.backup()), ("verify", Run::new("verify").envs(stand.environment()))] {
        let run = run.env_remove("DATABASE_URL").env("PORT", &port);
        let run = if service == "backup" { run.env("DATABASE_URL", &stand.database.url) } else { run };
        let daemon = super::Running::start(run);
        let health = |args: &[&str]| {
            let asked = Run::new(service).envs(stand.environment()).env("PORT", &port);
            let asked = if service == "verify" { asked.env_remove("DATABASE_URL") } else { asked };
            asked.args(["health"]).args(args).output()
        };
        assert!(e2e::process::wait_until(super::SOON, || daemon.get("/health").0 == 503), "{service}");
        assert_eq!(health(&[]).code, Some(1), "{service}");
        let live = health(&["--live"]);
        assert_eq!((live.code, live.stdout.trim()), (Some(0), r#"{"status":"ok"}"#), "{service}");
        drop(daemon);
        assert_eq!(health(&["--live"]).code, Some(1), "{service} is gone");
        let dockerfile =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../services/{service}/Dockerfile"));
        let check = format!(r#"CMD ["/usr/local/bin/{service}", "health", "--live"]"#);
        assert!(std::fs::read_to_string(dockerfile).unwrap().contains(&check), "{service}");
    }
}
