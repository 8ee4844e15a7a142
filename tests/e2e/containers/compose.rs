//! The compose file as a newcomer starts it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use e2e::process::{free_port, http_get, wait_until};
use serde_json::{Map, Value};

use super::{assert_isolated, images};

/// What the README promises, after the build.
const TWO_MINUTES: Duration = Duration::from_secs(120);

/// `docker compose` in the root of the repository.
fn compose() -> Command {
    let mut command = Command::new("docker");
    command.arg("compose").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

/// A project of its own, taken down when dropped.
struct Compose {
    project: String,
    ports: [u16; 2],
}

impl Compose {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = compose();
        command.args(["--project-name", &self.project]).args(args);
        command.env("BACKUP_PORT", self.ports[0].to_string()).env("VERIFY_PORT", self.ports[1].to_string());
        command.output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let output = self.run(&["down", "--volumes", "--timeout", "10"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn status(port: u16) -> Option<Value> {
    let (code, page) = http_get(port, "/status").ok()?;
    (code == 200).then(|| serde_json::from_str(&page).ok())?
}

#[test]
fn two_minutes_after_the_build_both_pages_are_green() {
    if images("compose::two_minutes_after_the_build_both_pages_are_green").is_none() {
        return;
    }
    let project = format!("e2e-compose-{}", std::process::id());
    let compose = Compose { project, ports: [free_port(), free_port()] };
    compose.succeeds(&["build", "--quiet"]);
    compose.succeeds(&["up", "--detach"]);
    let [backup, verify] = compose.ports;
    let logs = || String::from_utf8_lossy(&compose.run(&["logs", "--no-color", "--tail=40"]).stdout).into_owned();
    let is_green = |port| http_get(port, "/health").is_ok_and(|(code, _)| code == 200);
    assert!(wait_until(TWO_MINUTES, || is_green(backup) && is_green(verify)), "{}", logs());

    let committed = status(backup).unwrap();
    let id = committed["newest_full_backup"]["id"].as_str();
    assert!(id.is_some(), "{committed:#}");
    let report = status(verify).unwrap()["last_report"].clone();
    assert_eq!(report["verdict"], "passed", "{report:#}");
    assert_isolated(&report);
    assert_eq!(report["tables"].as_array().unwrap().len(), 21, "{report:#}");
    assert!(report["tables"].as_array().unwrap().iter().all(|table| table["content_equal"] == true), "{report:#}");

    // What an operator types next.
    let list = compose.succeeds(&["exec", "-T", "backup", "backup", "list"]);
    assert!(list.contains(id.unwrap()), "{list}");
    assert_eq!(compose.run(&["exec", "-T", "verify", "verify", "health"]).status.code(), Some(0));
}

/// The services that these files describe, by name, as Compose reads them.
#[track_caller]
fn services(files: &[&str]) -> Map<String, Value> {
    let mut command = compose();
    for file in files {
        command.args(["--file", file]);
    }
    let output = command.args(["config", "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{files:?}: {}", String::from_utf8_lossy(&output.stderr));
    let config: Value = serde_json::from_slice(&output.stdout).unwrap();
    config["services"].as_object().unwrap().clone()
}

#[test]
fn the_stand_is_whole_without_a_profile_and_minio_changes_its_s3_server_alone() {
    if images("compose::the_stand_is_whole_without_a_profile_and_minio_changes_its_s3_server_alone").is_none() {
        return;
    }
    let mut garage = services(&["docker-compose.yml"]);
    let mut minio = services(&["docker-compose.yml", "docker-compose.minio.yml"]);
    assert_eq!(garage.keys().collect::<Vec<_>>(), ["backup", "postgres", "s3", "verify"]);
    let (garage_s3, minio_s3) = (garage.remove("s3").unwrap(), minio.remove("s3").unwrap());
    assert_eq!(garage, minio);
    let keys = |server: &Value, names: [&str; 2]| names.map(|name| server["environment"][name].clone());
    let client = &garage["backup"]["environment"];
    let expected = [&client["S3_ACCESS_KEY_ID"], &client["S3_SECRET_ACCESS_KEY"]].map(Clone::clone);
    assert_eq!(keys(&garage_s3, ["GARAGE_DEFAULT_ACCESS_KEY", "GARAGE_DEFAULT_SECRET_KEY"]), expected);
    assert_eq!(keys(&minio_s3, ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"]), expected);
    assert!(minio_s3["image"].as_str().unwrap().contains("/minio:"), "{minio_s3:#}");
}
