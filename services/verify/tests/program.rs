//! The program as it is built. That these tests exist makes cargo build it with the other tests of the
//! workspace, so that the end-to-end tests need no build of their own.

use std::process::Command;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.env_clear();
    command
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = program().arg("--version").output().expect("run verify");
    assert_eq!(String::from_utf8_lossy(&output.stdout), concat!("verify ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn an_empty_environment_is_refused_with_every_missing_variable_and_exit_code_78() {
    let output = program().output().expect("run verify");
    let words = String::from_utf8_lossy(&output.stderr);
    for name in ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] {
        assert!(words.contains(&format!("{name}: is not set")), "{words}");
    }
    assert_eq!(output.status.code(), Some(78), "{words}");
}

#[test]
fn the_old_name_of_a_variable_is_refused_with_the_new_one_and_exit_code_78() {
    let output = program().env("VERIFY_SIGNING_KEY", "canary").output().expect("run verify");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("VERIFY_SIGNING_KEY: is called VERIFY_TRUSTED_KEYS now; rename it"), "{words}");
    assert!(!words.contains("canary"), "{words}");
    assert_eq!(output.status.code(), Some(78), "{words}");
}
