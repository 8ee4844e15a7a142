//! The program as it is built. That this test exists makes cargo build it with the other tests of the workspace, so
//! that the end-to-end tests and the demo need no build of their own.

use std::process::Command;

#[test]
fn without_a_folder_and_credentials_nothing_is_served() {
    let output = Command::new(env!("CARGO_BIN_EXE_s3-server")).output().expect("run s3-server");
    let words = String::from_utf8_lossy(&output.stderr);
    for name in ["--root", "--access-key", "--secret-key", "--bucket"] {
        assert!(words.contains(name), "{words}");
    }
    assert_eq!(output.status.code(), Some(2), "{words}");
}
