//! Manifests that must be signed.

use serde_json::{Value, json};

use super::*;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest(id: &BackupId) -> Manifest {
    let object = json!({
        "name": "app.dump", "plain_bytes": 0, "plain_sha256": SHA256, "stored_bytes": 0, "stored_sha256": SHA256,
    });
    let text = json!({
        "format": 1, "id": id, "prefix": "p", "kind": "full", "narrowed_by": [], "tool": "backup 0.1.0",
        "pg_dump_version": "15.18", "snapshot_at": "2026-11-22T03:00:00Z", "finished_at": "2026-11-22T03:00:09Z",
        "database": {
            "name": "app", "server_version": "15.18", "server_version_num": 150018, "system_identifier": null,
            "size_bytes": 1, "encoding": "UTF8", "collate": "C", "ctype": "C", "locale_provider": "libc",
            "locale": null, "settings": [],
        },
        "codec": {"compression": "none", "level": null, "encryption": "none", "key_ids": []},
        "dump": object, "globals": null,
        "inventory": {"objects": {}, "tables": [], "sequences": [], "extensions": [], "roles": []},
        // Runs of zeros as long as the places of signature and digest, where neither may be put.
        "notes": ["0".repeat(64), "0".repeat(88), "0".repeat(200)],
    });
    serde_json::from_value(text).unwrap()
}

/// When the manifest of these tests was written.
fn now() -> DateTime<Utc> {
    "2026-11-22T03:00:09Z".parse().unwrap()
}

fn pair() -> (SigningKey, Signers) {
    let (private, public) = SigningKey::generate().unwrap();
    (SigningKey::parse(&private).unwrap(), Signers::parse(&public).unwrap())
}

#[track_caller]
fn assert_refused(layout: &Layout, id: &BackupId, text: &str, words: &str) {
    let error = layout.open_manifest(id, text.as_bytes()).unwrap_err();
    assert!(error.is_damage() && error.to_string().contains(words), "{error}");
}

#[test]
fn only_a_manifest_with_the_right_signature_is_believed_where_one_is_asked_for_r022() {
    let id = BackupId::new(now());
    let ((key, signers), (_, strangers)) = (pair(), pair());
    let signed = seal::write(&manifest(&id), Some(&key)).unwrap();
    let trusting = layout("p", "app").trusting(signers);
    assert_eq!(trusting.open_manifest(&id, signed.as_bytes()).unwrap(), manifest(&id));
    layout("p", "app").open_manifest(&id, signed.as_bytes()).unwrap();
    let unsigned = seal::write(&manifest(&id), None).unwrap();
    assert_refused(&trusting, &id, &unsigned, "it is not signed, and VERIFY_TRUSTED_KEYS is set");
    let stranger = layout("p", "app").trusting(strangers);
    assert_refused(&stranger, &id, &signed, "its signature is by none of the keys of VERIFY_TRUSTED_KEYS (ed25519-");
    // Under another id, database or prefix.
    let newer = BackupId::new(now());
    assert_refused(&trusting, &newer, &signed, "it is the manifest of ");
    assert_refused(&layout("p", "other").trusting(trusting.signers.clone()), &id, &signed, "another database");
    assert_refused(&layout("q", "app").trusting(trusting.signers.clone()), &id, &signed, "another prefix");
    layout("q", "app").open_manifest(&id, signed.as_bytes()).unwrap();
}

/// A change of a manifest can make its digest of itself agree, and not its signature.
#[test]
fn a_signed_manifest_that_was_changed_and_sealed_again_is_refused_r022() {
    let id = BackupId::new(now());
    let (key, signers) = pair();
    let trusting = layout("p", "app").trusting(signers);
    let signed = seal::write(&manifest(&id), Some(&key)).unwrap();
    let resealed = |text: &str| {
        let digest = serde_json::from_str::<Value>(text).unwrap()["manifest_sha256"].as_str().unwrap().to_owned();
        seal(&text.replace(&digest, UNSEALED))
    };
    assert_eq!(resealed(&signed), signed);
    let signature = serde_json::from_str::<Value>(&signed).unwrap()["signature"].as_str().unwrap().to_owned();
    let moved = signed.replace(&"0".repeat(88), &signature);
    let twice = signed.replacen("\"notes\"", &format!("\"signature\": \"{signature}\",\n  \"notes\""), 1);
    for changed in [
        signed.replacen("15.18", "15.19", 1),
        signed.replacen(SHA256, &"1".repeat(64), 1),
        signed.replacen("\"stored_bytes\": 0", "\"stored_bytes\": 1", 1),
        signed.replace(&signature, ""),
        signed.replace(&signature, &"0".repeat(88)),
        signed.replacen("  \"format\"", "   \"format\"", 1),
        moved,
    ] {
        assert_ne!(changed, signed);
        assert_refused(&trusting, &id, &resealed(&changed), "its signature is by none of the keys");
    }
    assert_refused(&trusting, &id, &twice, "");
}

/// If there is a key, a word of an operator that any writer could have left does not count.
#[test]
fn only_a_signed_acceptance_counts_where_there_is_a_key() {
    let ((key, signers), (stranger, _)) = (pair(), pair());
    let from = BackupId::new(now());
    let kind = EventKind::SizeAccepted { from: from.clone(), signature: None };
    let event = Event { id: BackupId::new(now()), kind };
    let trusting = layout("p", "app").trusting(key.signers().and(signers.clone()));
    let counts = |reader: &Layout, writer: &Layout, event: &Event| {
        let listed = vec![ListedObject { key: writer.event_key(event), bytes: 0, modified: None }];
        Catalog::from_listing(reader, listed, now()).journal.accepted_from().next() == Some(&from)
    };
    let signed = trusting.sign_event(event.clone(), &key);
    assert!(counts(&trusting, &trusting, &signed) && !counts(&trusting, &trusting, &event));
    assert!(!counts(&trusting, &trusting, &trusting.sign_event(event.clone(), &stranger)));
    // A signature of another acceptance, database or prefix.
    let other = Event { id: BackupId::new(now()), ..signed.clone() };
    assert!(!counts(&trusting, &trusting, &other));
    for elsewhere in [layout("p", "other"), layout("q", "app")] {
        assert!(!counts(&trusting, &trusting, &elsewhere.sign_event(event.clone(), &key)));
    }
    let believing = layout("p", "app");
    assert!(counts(&believing, &believing, &event) && counts(&believing, &believing, &signed));
}

/// A start that the store wrote at another time than it says puts nothing off.
#[test]
fn a_start_counts_if_the_store_wrote_it_then() {
    let app = layout("p", "app");
    let started = EventKind::BackupStarted { cluster: None, tables: None, max_seconds: None };
    let event = Event { id: BackupId::new(now()), kind: started };
    for (written, expected) in [(-61, false), (-59, true), (0, true), (59, true), (61, false)] {
        let modified = Some(now() + TimeDelta::minutes(written));
        let listed = vec![ListedObject { key: app.event_key(&event), bytes: 0, modified }];
        let journal = Catalog::from_listing(&app, listed, now()).journal;
        let first = journal.first_start(now() - TimeDelta::hours(1), now() + TimeDelta::hours(1));
        assert_eq!(first.is_some(), expected, "{written}");
    }
}
