//! Uploads that were begun and never ended.

use backup_core::repository::BackupId;
use chrono::{TimeDelta, Utc};
use e2e::proxy::Operation;

use super::assert_exit;
use crate::harness::s3::client;
use crate::stand::Stand;

/// Begins an upload of the stand's database as a run of this age would have, and leaves it.
async fn begin(stand: &Stand, age: TimeDelta, file: &str) -> String {
    let key = stand.key(&BackupId::new(Utc::now() - age).to_string(), file);
    let client = client(&stand.s3, &stand.s3.endpoint());
    client.create_multipart_upload().bucket(stand.s3.bucket()).key(&key).send().await.unwrap();
    key
}

/// R129: of this database, old enough, and completely one of ours; nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_uploads_of_killed_runs_are_ended_and_no_others_r129() {
    let stand = Stand::with_rows(100);
    let dump = format!("{}.dump.zst", stand.database.name);
    let old = begin(&stand, TimeDelta::days(3), &dump).await;
    begin(&stand, TimeDelta::hours(1), &dump).await;
    begin(&stand, TimeDelta::days(3), "notes.txt").await;
    assert_eq!(stand.s3.open_uploads(), 3);
    let output = stand.run();
    assert_exit(&output, 0);
    let aborted = stand.proxy.requests_of(Operation::AbortMultipartUpload);
    assert_eq!(aborted.iter().map(|request| request.key.as_str()).collect::<Vec<_>>(), [old]);
    assert_eq!(stand.s3.open_uploads(), 2);
    assert!(output.stderr.contains("ended unfinished uploads"), "{}", output.stderr);
}

/// R129: a policy without that right costs nothing, and one line tells how to look.
#[test]
fn uploads_that_cannot_be_listed_are_one_hint_with_the_command_r129() {
    let stand = Stand::with_rows(100);
    stand.proxy.deny(&[Operation::ListMultipartUploads]);
    let output = stand.run();
    assert_exit(&output, 0);
    let hints: Vec<_> =
        output.stderr.lines().filter(|line| line.contains("aws s3api list-multipart-uploads")).collect();
    assert!(matches!(&hints[..], [hint] if hint.contains(&stand.database.name)), "{}", output.stderr);
}
