//! The memory of an upload, for any size of the database.

use std::fs::{self, OpenOptions};
use std::time::Duration;

use backup_core::codec::Compression;
use backup_core::storage::{Basis, Estimate, UploadPlan};
use e2e::process::Run;
use e2e::proxy::{Fault, Operation, Rule};
use tokio::io::AsyncReadExt;

use super::sizes::Bucket;
use crate::stand::Stand;

const MIB: u64 = 1024 * 1024;
const TIB: u64 = 1024 * 1024 * MIB;

/// The memory that parts may take in the test below: those of a container with twice as much.
const MEMORY_BYTES: u64 = 160 * MIB;

/// What the program, the S3 server of the test and the codec take beside the parts.
const BESIDE_BYTES: u64 = 80 * MIB;

/// R150: an upload that was planned for a database of 4 TiB, in a process of its own, whose peak the system tells.
#[test]
fn the_parts_of_four_tebibytes_stay_within_their_memory_r150() {
    let program = std::env::current_exe().unwrap();
    let name = "stream::memory::an_upload_in_a_process_of_its_own";
    let run = Run::program(program).args([name, "--exact", "--ignored", "--nocapture"]);
    let output = run.deadline(Duration::from_secs(120)).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("1 passed"), "{}", output.stdout);
}

/// Run by the test above.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in a process of its own, started by the test above"]
async fn an_upload_in_a_process_of_its_own() {
    let plan = UploadPlan::for_stream(Estimate { most_bytes: 4 * TIB, earlier_bytes: None }, MEMORY_BYTES);
    assert_eq!((plan.part_bytes as u64, plan.parts_in_flight, plan.basis), (40 * MIB, 3, Basis::Most));
    let bucket = Bucket::new();
    // Slower than the stream, so that as many parts as there may be are on their way.
    bucket.proxy.rule(Rule::new(Operation::UploadPart, Fault::Delay(Duration::from_millis(400))));
    let stream = tokio::io::repeat(7).take(6 * 40 * MIB);
    bucket.put("object", stream, Compression::None, plan).await.unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_bytes = line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024;
    assert!(peak_bytes > 3 * 40 * MIB, "three parts were never on their way: {} MiB", peak_bytes / MIB);
    assert!(peak_bytes < MEMORY_BYTES + BESIDE_BYTES, "{} MiB", peak_bytes / MIB);
}

/// R150: what a dump does not contain does not make its parts larger: here 4 TiB beside a table of some MiB.
#[test]
fn parts_are_planned_by_tables_and_by_earlier_backups_r150() {
    let stand = Stand::with_rows(120_000);
    let folder = stand.sql("SELECT 'base/' || oid FROM pg_database WHERE datname = current_database()");
    // Belongs to no relation; the size of a database is that of the files in its folder.
    let huge = stand.postgres.data_dir().join(folder).join("999999999");
    OpenOptions::new().create(true).write(true).truncate(true).open(&huge).unwrap().set_len(4 * TIB).unwrap();
    let parts = |bytes: u64| {
        let sent = stand.proxy.requests().len();
        let output = stand.backup().args(["run"]).env("COMPRESSION", "none").output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let requests = stand.proxy.requests().split_off(sent);
        let parts: Vec<_> = requests.iter().filter(|request| request.operation == Operation::UploadPart).collect();
        assert!(parts.len() > 1 && parts.iter().all(|part| part.body_bytes <= bytes), "{parts:?}");
        output.stderr
    };
    parts(8 * MIB);
    // A table whose map of free space is 1 TiB long, of which nothing is dumped: the size before says so.
    let file = stand.sql("SELECT pg_relation_filepath('t')");
    let map = stand.postgres.data_dir().join(format!("{file}_fsm"));
    OpenOptions::new().create(true).write(true).truncate(false).open(&map).unwrap().set_len(TIB).unwrap();
    let by_earlier = parts(8 * MIB);
    assert!(by_earlier.contains("earlier backups"), "{by_earlier}");
    fs::remove_file(&huge).unwrap();
    OpenOptions::new().write(true).open(&map).unwrap().set_len(0).unwrap();
}
