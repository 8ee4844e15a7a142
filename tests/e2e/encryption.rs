//! Encryption on the side of `backup`, seen from outside: the bucket, the standard tools, a person with the documents.

mod bucket;
mod by_hand;
mod keygen;
mod memory;

use std::path::Path;

use e2e::process::Run;
use e2e::skip::skip;

/// A key of `BACKUP_ENCRYPTION`.
pub(crate) const PASSPHRASE: &str = "zsqkxw-vjqwzx-kvzxqj-wqzkvx-jxqzwk-vqxjzk";

/// A pair of age keys.
pub(crate) struct AgePair {
    /// As `backup keygen` prints it, comments included.
    pub(crate) identity: String,
    pub(crate) recipient: String,
}

impl AgePair {
    /// Made by the real binary.
    pub(crate) fn generate() -> Self {
        let output = Run::new("backup").args(["keygen"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let recipient = output.stdout.lines().find_map(|line| line.strip_prefix("# public key: "));
        Self { recipient: recipient.expect("a public key").to_owned(), identity: output.stdout }
    }
}

/// The private key in PEM and the public key in base64 of a pair for signatures, made by the real binary.
pub(crate) fn signing_pair() -> (String, String) {
    let output = Run::new("backup").args(["keygen", "--signing"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let public = output.stdout.lines().find_map(|line| line.strip_prefix("# public key: "));
    (output.stdout.clone(), public.expect("a public key").to_owned())
}

/// Whether `tool` is installed; says so if it is not. `test` is named with its module.
#[track_caller]
pub(crate) fn has_tool(test: &str, tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()) {
        return true;
    }
    skip(test, &format!("{tool} is not installed"));
    false
}

/// Runs `script` in `folder` with these variables and nothing else but `PATH`; its standard output.
#[track_caller]
pub(crate) fn shell(script: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let script = format!("cd '{}'\n{script}", folder.display());
    let output = Run::program("/bin/sh").args(["-euc", &script]).envs(variables.iter().copied()).output();
    assert_eq!(output.code, Some(0), "{}\n{}\n{script}", output.stdout, output.stderr);
    format!("{}{}", output.stdout, output.stderr)
}
