//! A part of both suites against later versions of PostgreSQL, with the tools of each: this very test program runs in
//! the image of the version.

use std::env;
use std::path::Path;
use std::process::Command;

use e2e::skip::skip;

use super::images;

/// Drills of mutations, and databases, at random.
const SIZE: &str = "8";

#[track_caller]
fn check(major: &str) {
    let test = format!("suites::a_part_of_both_suites_holds_on_postgresql_{major}");
    let Some(images) = images(&test) else { return };
    let test = format!("containers::{test}");
    if !images.has_major(major) {
        return skip(&test, &format!("the image postgres:{major} cannot be had"));
    }
    let program = env::current_exe().unwrap();
    let target = program.ancestors().nth(2).expect("the program lies in a target directory");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let volume = |folder: &Path| format!("--volume={0}:{0}:ro", folder.display());
    // Everything that the suites start is in the container, and ends with it.
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--network=none", "--workdir=/tmp", &volume(repository), &volume(target)]);
    let pg_bin = format!("TEST_PG_BIN=/usr/lib/postgresql/{major}/bin");
    let size = format!("SUITE_SIZE={SIZE}");
    let variables = [&pg_bin, &size, "E2E_PREBUILT=1", "CONTAINERS=off", "TEST_ALLOW_OUTDATED_TOOLS=true"];
    command.args(variables.map(|variable| format!("--env={variable}")));
    if let Ok(seed) = env::var("SUITE_SEED") {
        command.arg(format!("--env=SUITE_SEED={seed}"));
    }
    command.arg(format!("postgres-{major}:e2e")).arg(&program).args([
        "suites::mutations::",
        "suites::good::",
        "--nocapture",
    ]);
    let output = command.output().expect("start docker");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if said.contains("version `GLIBC_") {
        return skip(&test, "the image is of an older system than the test program");
    }
    assert!(output.status.success(), "{said}");
    let drills = said.lines().filter(|line| line.contains(": caught: ")).count();
    assert!(drills > 0, "no mutation was drilled:\n{said}");
}

#[test]
fn a_part_of_both_suites_holds_on_postgresql_17() {
    check("17");
}

#[test]
fn a_part_of_both_suites_holds_on_postgresql_18() {
    check("18");
}
