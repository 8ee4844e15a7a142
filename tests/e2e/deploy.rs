//! deploy/: that its manifests and its chart are valid and restricted, and that its copies are up to date.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use e2e::process::{Run, binary, outdated_tools};
use e2e::skip::skip;
use nix::unistd::{User, geteuid};

use crate::documents::root;
use crate::stand::Stand;

/// A Python that has kubernetes-validate.
const PYTHON: &str = "KUBERNETES_VALIDATE";

/// A Python that has Helm's library.
const HELM: &str = "HELM_LIBRARY";

#[test]
fn the_manifests_and_the_chart_are_valid_and_restricted_r163() {
    let name = "deploy::the_manifests_and_the_chart_are_valid_and_restricted_r163";
    let Some(python) = env::var_os(PYTHON).filter(|path| !path.is_empty()) else {
        return skip(name, "kubernetes-validate is not installed (KUBERNETES_VALIDATE)");
    };
    // No files beside the sources.
    let run = Run::program(python).args(["-B"]).args([root().join("tests/deploy/check.py")]);
    let output = run.env(HELM, env::var_os(HELM).unwrap_or_default()).output();
    for reason in output.stdout.lines().filter_map(|line| line.strip_prefix("SKIPPED: ")) {
        skip(name, reason);
    }
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("0 complaints"), "{}", output.stdout);
}

/// As a pod has it: no capability, no new privileges, and volumes as a kubelet makes them, which belong to root and are
/// open to a group. The user is another one than in the image, since this machine must know it.
#[test]
fn a_drill_passes_as_a_pod_runs_it_and_leaves_its_volumes_empty_r163() {
    let name = "deploy::a_drill_passes_as_a_pod_runs_it_and_leaves_its_volumes_empty_r163";
    if !geteuid().is_root() {
        return skip(name, "only root can make folders as a kubelet does");
    }
    let stand = Stand::with_rows(10);
    stand.run_ok();
    let user = User::from_name("postgres").unwrap().expect("a user postgres");
    let volumes = tempfile::tempdir().unwrap();
    fs::set_permissions(volumes.path(), Permissions::from_mode(0o755)).unwrap();
    let volume = |name: &str, mode: u32| {
        let path = volumes.path().join(name);
        fs::create_dir(&path).unwrap();
        chown(&path, Some(0), Some(user.gid.as_raw())).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let (spool, memory) = (volume("spool", 0o2775), volume("shm", 0o2777));
    // What a new file system brings, which only root may read.
    fs::create_dir(spool.join("lost+found")).unwrap();
    fs::set_permissions(spool.join("lost+found"), Permissions::from_mode(0o700)).unwrap();

    let run = Run::program("/usr/bin/setpriv")
        .args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)])
        .args(["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"])
        .args(["--"])
        .args([binary("verify")])
        .args(["run", "--skipped-is-success"])
        .envs(stand.environment())
        .envs(outdated_tools())
        .env_remove("DATABASE_URL")
        .env("VERIFY_SPOOL_DIR", &spool)
        .env("TMPDIR", &memory);
    let output = run.deadline(Duration::from_secs(120)).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.starts_with("PASSED"), "{}", output.stdout);
    assert_eq!((names(&spool), names(&memory)), (vec!["lost+found".to_owned()], Vec::new()));
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
