//! The wire between `backup` and a store that refuses, loses, delays and forgets.

mod addresses;
mod certificates;
mod conditions;
mod dialects;
mod failures;
mod lost_replies;
mod retries;
mod services;
mod silence;
mod unlucky;
mod uploads;

use std::collections::BTreeSet;

use e2e::process::{Output, Run};
use e2e::proxy::{Operation, Recorded};

use crate::stand::Stand;

/// A stand whose dump takes three parts in [`in_parts`].
fn large_stand() -> Stand {
    Stand::with_rows(120_000)
}

/// `backup run` with the smallest parts that S3 takes.
fn in_parts(stand: &Stand) -> Run {
    stand.backup().args(["run"]).env("COMPRESSION", "none").env("PART_SIZE", "5")
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
}

/// Asserts that the bucket holds one backup with its three objects, and nothing else but the journal.
#[track_caller]
fn assert_exactly_one_backup(stand: &Stand) {
    let objects = stand.objects();
    let ids: BTreeSet<&str> = objects.keys().filter_map(|key| key.rsplit('/').nth(1)).collect();
    assert_eq!((objects.len(), ids.len(), stand.manifests().len()), (3, 1, 1), "{objects:?}");
    assert_eq!(stand.s3.open_uploads(), 0);
}

/// The requests of one kind whose key ends like this.
fn requests(stand: &Stand, operation: Operation, key_end: &str) -> Vec<Recorded> {
    stand.proxy.requests_of(operation).into_iter().filter(|request| request.key.ends_with(key_end)).collect()
}

/// Empties the bucket for the next case of a test.
fn clear(stand: &Stand) {
    stand.proxy.clear_rules();
    for key in stand.s3.objects().keys() {
        stand.s3.delete(key);
    }
}
