//! Small objects in one piece, and the manifests among them.

use backup_core::repository::{BackupId, Layout, ManifestError, Repository};
use backup_core::storage::{Refusal, StoreError};
use chrono::{TimeDelta, Utc};
use e2e::proxy::{Fault, NOT_FOR_VERIFY, Operation, Rule};

use super::{Bucket, noise, open, prefix};
use crate::stand::Stand;

#[tokio::test]
async fn an_object_larger_than_its_bound_is_refused() {
    let bucket = Bucket::new();
    let content = noise(100_000, 1);
    let key = bucket.put("manifest.json", &content);
    assert_eq!(bucket.store.read(&key, 100_000).await.unwrap(), content);
    let error = bucket.store.read(&key, 99_999).await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("has more than 99999 bytes"), "{error}");
    let gone = bucket.store.read(&super::key("gone"), 1).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn a_small_object_survives_a_wire_that_breaks_r123() {
    let bucket = Bucket::impatient();
    let content = noise(100_000, 2);
    let key = bucket.put("manifest.json", &content);
    for fault in [Fault::status(500, "InternalError"), Fault::TruncateReply, Fault::DropReply, Fault::BlackHole] {
        bucket.proxy.rule(Rule::new(Operation::GetObject, fault.clone()).first(2));
        assert_eq!(bucket.store.read(&key, 100_000).await.unwrap(), content, "{fault:?}");
        bucket.proxy.clear_rules();
    }
}

/// R114: no message says to give `verify` the right to write.
#[tokio::test]
async fn a_denied_read_asks_for_the_permissions_of_a_reader_r114() {
    let bucket = Bucket::new();
    let key = bucket.put("manifest.json", b"{}");
    bucket.proxy.deny(&[Operation::GetObject]);
    let error = bucket.store.read(&key, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Permanent { refusal: Refusal::Request, .. }) && !error.is_damage(), "{error}");
    let words = error.to_string();
    assert!(words.contains("s3:GetObject and s3:ListBucket") && !words.contains("s3:PutObject"), "{words}");
}

/// What `backup` has written is found and read with the permissions of `verify`; a manifest under
/// another id is not believed.
#[tokio::test]
async fn the_manifest_of_a_real_backup_is_read_r114() {
    let stand = tokio::task::spawn_blocking(|| {
        let stand = Stand::with_rows(1000);
        stand.run_ok();
        stand
    });
    let stand = stand.await.unwrap();
    stand.proxy.deny(NOT_FOR_VERIFY);
    let store = open(&stand.s3, &stand.proxy);
    let name = &stand.database.name;
    assert_eq!(Repository::databases(&store, Utc::now()).await.unwrap(), std::slice::from_ref(name));

    let repository = Repository::new(store, Layout::new(prefix(), name));
    let id = repository.catalog(Utc::now()).await.unwrap().backups[0].id.clone();
    let manifest = repository.manifest(&id).await.unwrap();
    assert_eq!((&manifest.id, &manifest.database.name), (&id, name));

    let newer = BackupId::new(Utc::now() + TimeDelta::minutes(1));
    let text = stand.s3.read(&stand.key(id.as_str(), "manifest.json"));
    stand.s3.write(&stand.key(newer.as_str(), "manifest.json"), text);
    let error = repository.manifest(&newer).await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains(&format!("it is the manifest of {id}")), "{error}");

    stand.proxy.rule(Rule::new(Operation::GetObject, Fault::status(503, "SlowDown")));
    let error = repository.manifest(&id).await.unwrap_err();
    assert!(matches!(error, ManifestError::Unreadable(_)) && !error.is_damage(), "{error}");
}
