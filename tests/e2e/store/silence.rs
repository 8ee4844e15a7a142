//! A store that says nothing: every wait has an end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::process::wait_until;
use e2e::proxy::{Fault, Operation, Rule};
use e2e::tools::FakeTools;

use super::{assert_exactly_one_backup, assert_exit, in_parts, large_stand};
use crate::stand::Stand;

/// R120 in small. What the system has taken of a part may still be on its way, so only a short part is given up after
/// `S3_ATTEMPT_TIMEOUT` exactly: the last one, which `pg_dump` holds back until the others are on their way.
#[test]
fn a_part_that_is_swallowed_is_sent_again_after_the_attempt_timeout_r120() {
    let stand = Stand::new();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let mut tools = FakeTools::new();
    // Four parts of 5 MiB, and a small rest.
    stand.sql("CREATE TABLE big AS SELECT g AS id, repeat('x', 1000) AS v FROM generate_series(1, 20850) g");
    let body = format!(
        r#""$REAL" "$@" | {{ head -c 20971520; while [ ! -e '{}' ]; do sleep 0.05; done; cat; }}"#,
        gate.display()
    );
    tools.script("pg_dump", &body);
    stand.proxy.rule(Rule::new(Operation::UploadPart, Fault::BlackHole).nth(5));
    let started = Instant::now();
    let run = in_parts(&stand).env("PG_BIN_DIR", tools.path()).env("S3_ATTEMPT_TIMEOUT", "5").spawn();
    let four_parts = || stand.proxy.requests_of(Operation::UploadPart).len() == 4;
    assert!(wait_until(Duration::from_secs(20), four_parts), "four parts are not on their way");
    std::fs::write(&gate, "").unwrap();
    let output = run.wait(Duration::from_secs(40));
    assert_exit(&output, 0);
    assert!(output.stderr.contains("the bucket fell silent: no byte for "), "{}", output.stderr);
    assert!(started.elapsed() >= Duration::from_secs(5));
    assert_eq!(stand.proxy.requests_of(Operation::UploadPart).len(), 6);
    assert_exactly_one_backup(&stand);
}

/// Small requests are waited for no longer.
#[test]
fn a_manifest_that_is_swallowed_is_sent_again_after_the_attempt_timeout() {
    let stand = Stand::with_rows(100);
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::BlackHole).key("manifest.json").first(1));
    let output = stand.backup().args(["run"]).env("S3_ATTEMPT_TIMEOUT", "5").output();
    assert_exit(&output, 0);
    assert_exactly_one_backup(&stand);
}

/// R056: a snapshot that is held for ever would hold back vacuum on the production server.
#[test]
fn a_store_that_accepts_and_never_reads_cannot_hold_the_snapshot_r056() {
    for operation in [
        Operation::UploadPart,
        Operation::CreateMultipartUpload,
        Operation::CompleteMultipartUpload,
        Operation::PutObject,
        Operation::ListObjectsV2,
    ] {
        let stand = large_stand();
        stand.proxy.rule(Rule::new(operation, Fault::StallRead));
        let started = Instant::now();
        let run = in_parts(&stand).env("BACKUP_TIMEOUT", "3").spawn();
        // A session may be too short to be seen; what the store was asked shows that the run came so far.
        let asked = || !stand.proxy.requests_of(operation).is_empty();
        assert!(wait_until(Duration::from_secs(10), asked), "{operation:?} was not asked for");
        let left = Duration::from_secs(13).saturating_sub(started.elapsed());
        assert!(wait_until(left, || stand.sessions() == 0), "{operation:?}: {} sessions are left", stand.sessions());
        let output = run.wait(Duration::from_secs(10));
        assert_exit(&output, 1);
        assert!(output.stderr.contains("longer than its bound of 3 s"), "{operation:?}: {}", output.stderr);
        assert!(stand.manifests().is_empty(), "{operation:?}");
        assert_eq!(stand.s3.open_uploads(), 0, "{operation:?}");
    }
}

/// The dump itself never ends because it is not read: the run does, and leaves nothing.
#[test]
fn a_dump_that_nobody_takes_is_ended_with_its_session_r056() {
    let stand = Stand::new();
    stand.sql("CREATE TABLE big AS SELECT g AS id, repeat('x', 1000) AS v FROM generate_series(1, 90000) g");
    stand.proxy.rule(Rule::new(Operation::UploadPart, Fault::StallRead));
    let run = in_parts(&stand).env("BACKUP_TIMEOUT", "5").spawn();
    assert!(wait_until(Duration::from_secs(5), || stand.sessions() > 0), "pg_dump is not there");
    assert!(wait_until(Duration::from_secs(15), || stand.sessions() == 0), "pg_dump is still there");
    assert_exit(&run.wait(Duration::from_secs(10)), 1);
    stand.assert_no_commit(&BTreeMap::new());
}
