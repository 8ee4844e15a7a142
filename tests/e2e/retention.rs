//! Retention in a real bucket: what goes, in which order, and what never goes.

mod bucket;
mod doubt;
mod forged;
mod listing;
mod prune;
mod shrunk;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use e2e::process::Output;
use e2e::proxy::Operation;

use crate::stand::Stand;

/// Puts one committed backup for each of these ages in days into the bucket; their ids in that order.
fn seed_days(stand: &Stand, days: impl IntoIterator<Item = i64>) -> Vec<String> {
    days.into_iter().map(|days| stand.seed(TimeDelta::days(days))).collect()
}

/// The ids of the committed backups in the bucket.
fn committed(stand: &Stand) -> BTreeSet<String> {
    stand.manifests().into_keys().map(|key| key.rsplit('/').nth(1).unwrap().to_owned()).collect()
}

/// Keys of all requests to delete, in their order.
fn deletions(stand: &Stand) -> Vec<String> {
    stand.proxy.requests_of(Operation::DeleteObject).into_iter().map(|request| request.key).collect()
}

/// `backup prune`.
fn prune(stand: &Stand, args: &[&str], env: &[(&str, &str)]) -> Output {
    stand.backup().args(["prune"]).args(args).envs(env.iter().copied()).output()
}
