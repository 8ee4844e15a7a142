//! What is in the bucket, that standard tools read it, and that `backup` needs no secret for what it does there.

use std::fs;

use chrono::TimeDelta;
use serde_json::Value;

use super::{AgePair, PASSPHRASE, has_tool, shell, signing_pair};
use crate::stand::Stand;

/// A stand whose one table holds a word that must not be seen in the bucket.
fn stand() -> Stand {
    let stand = Stand::with_rows(50);
    stand.sql("INSERT INTO t VALUES (0, 'canary-in-a-row')");
    stand.sql(&format!("CREATE ROLE {}_canary", stand.database.name));
    stand
}

/// Backs up with these variables and no compression; the manifest.
#[track_caller]
fn back_up(stand: &Stand, variables: &[(&str, &str)]) -> Value {
    let run = stand.backup().args(["run"]).env("COMPRESSION", "none").env("BACKUP_GLOBALS", "true");
    let output = run.envs(variables.iter().copied()).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for (_, value) in variables.iter().filter(|(name, value)| name.ends_with("_KEY") && value.len() > 5) {
        assert!(!output.stderr.contains(value), "the log shows a key: {}", output.stderr);
    }
    let newest = stand.manifests().pop_last().expect("a manifest in the bucket").0;
    serde_json::from_slice(&stand.s3.read(&newest)).unwrap()
}

/// The bytes of both data objects.
fn objects(stand: &Stand, manifest: &Value) -> [Vec<u8>; 2] {
    let id = manifest["id"].as_str().unwrap();
    ["dump", "globals"].map(|object| stand.s3.read(&stand.key(id, manifest[object]["name"].as_str().unwrap())))
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn dump_and_roles_are_noise_and_the_standard_age_decrypts_them_r079() {
    let (stand, pair, offline) = (stand(), AgePair::generate(), AgePair::generate());
    let recipients = format!("{}, {}", pair.recipient, offline.recipient);
    let manifest = back_up(&stand, &[("AGE_RECIPIENTS", &recipients)]);
    assert_eq!(manifest["codec"]["encryption"], "age");
    assert_eq!(manifest["codec"]["key_ids"].as_array().unwrap().len(), 2);
    assert!(!manifest.to_string().contains(&pair.recipient));
    let name = manifest["dump"]["name"].as_str().unwrap();
    assert!(name.ends_with(".dump.age") && manifest["globals"]["name"] == "globals.sql.age", "{name}");
    let stored = objects(&stand, &manifest);
    assert!(stored.iter().all(|bytes| bytes.starts_with(b"age-encryption.org/v1\n") && !contains(bytes, "canary")));
    if !has_tool("encryption::dump_and_roles_are_noise_and_the_standard_age_decrypts_them_r079", "age") {
        return;
    }
    for key in [&pair, &offline] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key.txt"), &key.identity).unwrap();
        for (bytes, word) in stored.iter().zip(["canary-in-a-row", "_canary"]) {
            fs::write(folder.path().join("stored"), bytes).unwrap();
            let plain = shell("age -d -i key.txt stored", folder.path(), &[]);
            assert!(plain.contains(word));
        }
    }
}

/// The real openssl, with the parameters of the documents.
#[test]
fn openssl_decrypts_dump_and_roles_r076() {
    let stand = stand();
    let manifest = back_up(&stand, &[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)]);
    assert_eq!(manifest["codec"]["iterations"], 600_000);
    let stored = objects(&stand, &manifest);
    assert!(stored.iter().all(|bytes| bytes.starts_with(b"Salted__") && !contains(bytes, "canary")));
    assert_ne!(stored[0][8..16], stored[1][8..16], "both objects have one salt");
    let decrypt = "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -pass env:KEY -in stored";
    for (bytes, word) in stored.iter().zip(["canary-in-a-row", "_canary"]) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stored"), bytes).unwrap();
        assert!(shell(decrypt, folder.path(), &[("KEY", PASSPHRASE)]).contains(word));
    }
}

/// With public keys, and with no key at all, `backup` lists and prunes what others have encrypted.
#[test]
fn one_repository_holds_backups_of_every_kind_and_retention_needs_no_key() {
    let (stand, pair) = (stand(), AgePair::generate());
    let old = stand.seed(TimeDelta::days(90));
    for suffix in ["zst.age", "gz.enc"] {
        let id = stand.seed(TimeDelta::days(60));
        let plain = stand.key(&id, &format!("{}.dump.zst", stand.database.name));
        stand.s3.delete(&plain);
        stand.s3.write(&plain.replace(".dump.zst", &format!(".dump.{suffix}")), "a dump");
        stand.s3.write(&stand.key(&id, &format!("globals.sql.{suffix}")), "roles");
    }
    let kinds: [&[(&str, &str)]; 3] = [
        &[],
        &[("AGE_RECIPIENTS", &pair.recipient)],
        &[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)],
    ];
    for variables in kinds {
        let kept = [("BACKUP_KEEP_LAST", "20"), ("BACKUP_RETENTION_DAYS", "100")];
        back_up(&stand, &[variables, &kept].concat());
    }
    let list = |run: e2e::process::Run| run.args(["list"]).output().stdout;
    assert!(list(stand.backup()).contains("6 committed, 6 of them full"), "{}", list(stand.backup()));
    // All of one moment count as one.
    let prune = stand.backup().args(["prune"]).env("BACKUP_KEEP_LAST", "1");
    let output = prune.env("AGE_RECIPIENTS", &pair.recipient).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let left = list(stand.backup());
    assert!(left.contains("3 committed, 3 of them full") && !left.contains(&old), "{left}");
    assert_eq!(stand.objects().len(), 9, "{:?}", stand.s3.objects());
}

#[test]
fn a_check_tries_the_encryption_and_a_bad_key_stops_the_start_r039() {
    let (stand, pair) = (stand(), AgePair::generate());
    let (signing, _) = signing_pair();
    let check = |variables: &[(&str, &str)]| stand.backup().args(["check"]).envs(variables.iter().copied()).output();
    let output = check(&[("AGE_RECIPIENTS", &pair.recipient), ("BACKUP_SIGNING_KEY", &signing)]);
    assert!(output.stdout.contains("encryption: age for age-"), "{}", output.stdout);
    assert!(output.stdout.contains("manifests are signed by ed25519-"), "{}", output.stdout);
    let output = check(&[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE)]);
    assert!(output.stdout.contains("a probe came back"), "{}", output.stdout);
    assert!(check(&[]).stdout.contains("encryption: none on this side"));
    let cut = &pair.recipient[..40];
    let identity = pair.identity.lines().last().unwrap();
    for (name, value) in
        [("AGE_RECIPIENTS", cut), ("AGE_RECIPIENTS", identity), ("BACKUP_SIGNING_KEY", "x"), ("BACKUP_ENCRYPTION", "1")]
    {
        for args in [&[][..], &["run"]] {
            let output = stand.backup().args(args).env(name, value).output();
            assert_eq!(output.code, Some(78), "{name}: {}", output.stderr);
            assert!(output.stderr.contains(name), "{name}: {}", output.stderr);
            assert!(value.len() < 5 || !output.stderr.contains(value), "{name} is shown: {}", output.stderr);
        }
    }
    assert!(stand.manifests().is_empty());
}

/// R075: with encryption there is nothing to warn of.
#[test]
fn only_a_backup_without_encryption_is_warned_of_r075() {
    let (stand, pair) = (stand(), AgePair::generate());
    let warning = "backups are not encrypted on this side";
    assert!(stand.run().stderr.contains(warning));
    let output = stand.backup().args(["run"]).env("AGE_RECIPIENTS", &pair.recipient).output();
    assert!(!output.stderr.contains(warning) && output.stderr.contains("encryption: age for"), "{}", output.stderr);
}
