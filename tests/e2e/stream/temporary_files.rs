//! Nothing but a password file is ever written to disk.

use std::collections::BTreeMap;

use e2e::process::{Output, Run, binary};
use e2e::skip::skip;

use crate::stand::Stand;

/// `backup run` with a `TMPDIR` of its own: a tmpfs with these mount options, made fit by `prepare`.
/// What it leaves there comes after `LEFT:` on standard output. `None` if this machine lets
/// no user mount.
fn run_on_tmpfs(stand: &Stand, test: &str, mount_options: &str, prepare: &str) -> Option<Output> {
    let unshare = |script: &str, arguments: &[&str]| {
        let map = if nix::unistd::geteuid().is_root() { "--mount" } else { "--map-root-user" };
        let script = format!("mount -t tmpfs -o {mount_options} tmpfs \"$TMPDIR\"; {script}");
        Run::program("unshare").args([map, "--mount", "--", "/bin/sh", "-ec", &script, "sh"]).args(arguments)
    };
    let probe = unshare("true", &[]).output();
    if probe.code != Some(0) {
        skip(&format!("stream::{test}"), &format!("cannot mount a tmpfs: {}", probe.stderr.trim()));
        return None;
    }
    let script = format!("{prepare}; \"$@\" || code=$?; echo LEFT: $(ls -A \"$TMPDIR\"); exit ${{code:-0}}");
    let program = binary("backup");
    let run = unshare(&script, &[program.to_str().unwrap(), "run"]).envs(stand.environment());
    Some(run.env("COMPRESSION", "none").env("PART_SIZE", "5").output())
}

fn left(output: &Output) -> &str {
    output.stdout.lines().find_map(|line| line.strip_prefix("LEFT:")).expect("a listing of TMPDIR").trim()
}

/// R036: there is no spool that could run out of space.
#[test]
fn a_dump_larger_than_the_disk_succeeds_because_nothing_is_spooled_r036() {
    let stand = Stand::with_rows(200_000);
    let name = "a_dump_larger_than_the_disk_succeeds_because_nothing_is_spooled_r036";
    let Some(output) = run_on_tmpfs(&stand, name, "size=8m", "true") else { return };
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let stored = stand.s3.objects().values().max().copied().unwrap_or_default();
    assert!(stored > 16 * 1024 * 1024, "the dump has only {stored} bytes");
    assert_eq!(left(&output), "");
}

/// R036: without room for even the password file the run fails, and says where room is missing.
#[test]
fn a_full_tmpdir_fails_the_run_with_its_name_and_leaves_nothing_r036() {
    let stand = Stand::with_rows(10);
    let name = "a_full_tmpdir_fails_the_run_with_its_name_and_leaves_nothing_r036";
    let fill = r#"head -c 1048576 /dev/zero > "$TMPDIR/full" || true"#;
    // Full of bytes; no more files; room for a folder and for nothing in it.
    for (options, prepare) in [("size=64k", fill), ("nr_inodes=1", "true"), ("nr_inodes=2", "true")] {
        let Some(output) = run_on_tmpfs(&stand, name, options, prepare) else { return };
        assert_eq!(output.code, Some(1), "{options}: {}", output.stderr);
        assert!(output.stderr.contains("TMPDIR"), "{options}: {}", output.stderr);
        assert!(output.stderr.contains("No space left on device"), "{options}: {}", output.stderr);
        assert_eq!(left(&output).trim_start_matches("full"), "", "{options}");
        stand.assert_no_commit(&BTreeMap::new());
    }
    stand.run_ok();
}

#[test]
fn a_tmpdir_that_does_not_exist_fails_the_run_with_its_name_r036() {
    let stand = Stand::with_rows(10);
    let output = stand.backup().args(["run"]).env("TMPDIR", "/nonexistent/folder").output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("create a private folder below TMPDIR"), "{}", output.stderr);
    stand.assert_no_commit(&BTreeMap::new());
}
