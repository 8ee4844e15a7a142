//! Drills of encrypted backups: what passes, what is refused and by which layer, and keys that change.

use chrono::TimeDelta;

use super::DrillStand;
use super::stand::ids;
use crate::encryption::{AgePair, PASSPHRASE};

/// A table with few rows.
pub(super) const ROWS: &str = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 100) g";

const OTHER_PASSPHRASE: &str = "kvqzjx-wzqkxv-qjzvwx-xqzkjv-wvqxzk-jzqxkv";

/// A backup, and the variable with which `verify` reads it.
struct Encrypted {
    stand: DrillStand,
    key: (&'static str, String),
}

impl Encrypted {
    fn age() -> Self {
        let pair = AgePair::generate();
        let stand = DrillStand::of(ROWS, &[("AGE_RECIPIENTS", &pair.recipient), ("COMPRESSION", "none")]);
        Self { stand, key: ("AGE_IDENTITY", pair.identity) }
    }

    fn cbc() -> Self {
        let variables = [("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", PASSPHRASE), ("COMPRESSION", "none")];
        Self { stand: DrillStand::of(ROWS, &variables), key: ("BACKUP_ENCRYPTION_KEY", PASSPHRASE.to_owned()) }
    }

    fn verify(&self) -> e2e::process::Run {
        self.stand.verify().env(self.key.0, &self.key.1)
    }
}

#[test]
fn encrypted_backups_pass_and_the_commands_read_them() {
    for encrypted in [Encrypted::age(), Encrypted::cbc()] {
        let drill = encrypted.stand.drill_with(encrypted.verify());
        drill.assert_verdict("passed", 0);
        assert!(drill.checks("passed").contains(&"encryption".to_owned()), "{:?}", drill.checks("passed"));
        let output = encrypted.verify().args(["show", "latest"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stdout.contains("for a") && output.stdout.contains("TABLE public.t"), "{}", output.stdout);
        let list = encrypted.stand.verify().args(["list"]).output();
        assert!(list.stdout.contains(&encrypted.stand.id), "{}", list.stdout);
        let target = encrypted.stand.stand.postgres.create_database();
        let restore = encrypted.verify().args(["restore", "latest", "--to", &target.url]).output();
        assert_eq!(restore.code, Some(0), "{}\n{}", restore.stdout, restore.stderr);
        assert_eq!(encrypted.stand.stand.postgres.sql(&target.name, "SELECT count(*) FROM t"), "100");
        encrypted.stand.assert_nothing_is_left();
    }
}

#[test]
fn the_self_test_catches_damage_in_the_layer_of_encryption_too() {
    for (encrypted, lines) in [(Encrypted::age(), 14), (Encrypted::cbc(), 16)] {
        let output = encrypted.verify().args(["self-test"]).output();
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        let caught = output.stdout.matches("caught by encryption (").count();
        assert!(caught >= lines - 1, "{caught} of {lines}\n{}", output.stdout);
        encrypted.stand.assert_nothing_is_left();
    }
}

/// R020, R021: against the manifest as it was written.
#[test]
fn cut_and_flipped_encrypted_objects_fail_a_drill_r020_r021() {
    for encrypted in [Encrypted::age(), Encrypted::cbc()] {
        let stand = &encrypted.stand;
        let key = stand.dump_key();
        let whole = stand.pristine(&key).to_vec();
        let mut damaged: Vec<Vec<u8>> =
            [whole.len() - 1, whole.len() - 16, whole.len() / 2, 0].map(|left| whole[..left].to_vec()).into();
        for position in [0, 8, 30, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[position] ^= 4;
            damaged.push(flipped);
        }
        for bytes in damaged {
            stand.stand.s3.write(&key, &bytes);
            let drill = stand.drill_with(encrypted.verify());
            drill.assert_found_by("digests", key.rsplit('/').next().unwrap());
            assert!(drill.report["server"].is_null(), "a server was started for damaged bytes");
        }
    }
}

/// R022, R076: chunks, objects and manifests of another backup with the same key.
#[test]
fn objects_of_another_backup_with_the_same_key_fail_a_drill_r022() {
    for encrypted in [Encrypted::age(), Encrypted::cbc()] {
        let stand = &encrypted.stand;
        let key = stand.dump_key();
        let recipients = encrypted.key.1.lines().find_map(|line| line.strip_prefix("# public key: "));
        let run = stand.stand.backup().args(["run"]).env("COMPRESSION", "none");
        let run = match recipients {
            Some(recipients) => run.env("AGE_RECIPIENTS", recipients),
            None => run.env("BACKUP_ENCRYPTION", "true").env("BACKUP_ENCRYPTION_KEY", PASSPHRASE),
        };
        assert_eq!(run.output().code, Some(0));
        let other = ids(&stand.stand).into_iter().find(|id| *id != stand.id).unwrap();
        let others = stand.stand.s3.read(&key.replace(&stand.id, &other));
        let drill = || stand.drill_of(encrypted.verify(), &["--backup", &stand.id]);
        // Its dump, and the second half of it.
        stand.stand.s3.write(&key, &others);
        drill().assert_found_by("digests", key.rsplit('/').next().unwrap());
        let own = stand.pristine(&key);
        let half = own.len().min(others.len()) / 2 / 16 * 16;
        stand.stand.s3.write(&key, [&own[..half], &others[half..]].concat());
        drill().assert_found_by("digests", key.rsplit('/').next().unwrap());
        // Its manifest.
        stand.stand.s3.write(&key, own);
        let manifest = stand.stand.s3.read(&stand.stand.key(&other, "manifest.json"));
        stand.stand.s3.write(&stand.key("manifest.json"), manifest);
        drill().assert_found_by("manifest", &format!("it is the manifest of {other}"));
    }
}

/// A writer to the bucket can make digests agree. The MAC binds an object to its place, so an old one under a
/// new id is refused even so, without a signature.
#[test]
fn an_object_with_a_mac_is_bound_to_its_backup_r022_r080() {
    let encrypted = Encrypted::cbc();
    let stand = &encrypted.stand;
    let newer = stand.copy_as(-TimeDelta::minutes(5));
    let drill = stand.drill_with(encrypted.verify());
    drill.assert_found_by("encryption", "the MAC of the stored bytes is wrong");
    assert_eq!(drill.report["backup"]["id"], newer.as_str());
    assert!(drill.report["server"].is_null());
    stand.reset();
    for (change, words) in [("remove", "the manifest holds no MAC"), ("zero", "the MAC of the stored bytes is wrong")] {
        stand.edit_manifest(|manifest| {
            let dump = manifest["dump"].as_object_mut().unwrap();
            dump.remove("stored_hmac_sha256");
            if change == "zero" {
                dump.insert("stored_hmac_sha256".to_owned(), "0".repeat(64).into());
            }
        });
        stand.drill_with(encrypted.verify()).assert_found_by("encryption", words);
        let allowed = stand.drill_with(encrypted.verify().env("ALLOW_UNAUTHENTICATED", "true"));
        allowed.assert_verdict("passed", 0);
        assert!(allowed.checks("skipped").contains(&"authentication".to_owned()), "{}", allowed.report);
        assert!(allowed.output.stdout.contains(words), "{}", allowed.output.stdout);
        // It is about the MAC alone: other bytes than the manifest's fail all the same.
        let mut flipped = stand.pristine(&stand.dump_key()).to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        stand.stand.s3.write(&stand.dump_key(), &flipped);
        let changed = stand.drill_with(encrypted.verify().env("ALLOW_UNAUTHENTICATED", "true"));
        changed.assert_found_by("digests", "SHA-256 of the stored bytes");
        stand.reset();
    }
    // R078: work that only an attacker asks for.
    stand.edit_manifest(|manifest| manifest["codec"]["iterations"] = 2_147_483_648_u32.into());
    stand.drill_with(encrypted.verify()).assert_found_by("keys", "asks for 2147483648 iterations");
}

/// R037, R038: the wrong key, no key, and a key of the other kind.
#[test]
fn without_a_fitting_key_a_drill_could_not_run_and_names_ids_r037() {
    for encrypted in [Encrypted::age(), Encrypted::cbc()] {
        let stand = &encrypted.stand;
        let manifest: serde_json::Value = serde_json::from_slice(stand.pristine(&stand.key("manifest.json"))).unwrap();
        let wanted = manifest["codec"]["key_ids"][0].as_str().unwrap().to_owned();
        let words = |given: &str| format!("no key fits: the backup wants {wanted}, and given are {given}");
        stand.drill().assert_could_not_run(&words("none"));
        let stranger = AgePair::generate();
        for (name, value) in [("AGE_IDENTITY", stranger.identity.as_str()), ("BACKUP_ENCRYPTION_KEY", OTHER_PASSPHRASE)]
        {
            let drill = stand.drill_with(stand.verify().env(name, value));
            drill.assert_could_not_run(&words("a"));
            let shown = format!("{}{}{}", drill.output.stdout, drill.output.stderr, drill.report);
            assert!(!shown.contains(OTHER_PASSPHRASE) && !shown.contains("AGE-SECRET"), "a key is shown");
            assert!(!shown.contains(PASSPHRASE), "a key is shown");
        }
    }
}

/// Whether a backup is damaged is a question to those who hold a key that it names.
#[test]
fn a_key_that_does_not_fit_says_nothing_of_the_backup_and_bytes_that_do_not_fit_their_key_do() {
    let encrypted = Encrypted::age();
    let stand = &encrypted.stand;
    let stranger = AgePair::generate();
    let other = || stand.verify().env("AGE_IDENTITY", &stranger.identity).env("VERIFY_ATTEST", "true");
    let drill = stand.drill_with(other());
    drill.assert_could_not_run("no key fits");
    assert_eq!(drill.report["proven"], serde_json::Value::Null);
    assert!(!stand.stand.objects().keys().any(|key| key.contains("/drill-")), "a record says that it is damaged");
    // Another writer gives the manifest a key that is held here.
    let id = drill.report["error"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    stand.edit_manifest(|manifest| manifest["codec"]["key_ids"] = vec![id.clone()].into());
    stand.drill_with(other()).assert_found_by("encryption", "none of the given keys");
}

#[test]
fn a_rotation_keeps_old_and_new_backups_readable_r038() {
    let old = Encrypted::cbc();
    let stand = &old.stand;
    let aged = stand.copy_as(TimeDelta::hours(2));
    let run = stand.stand.backup().args(["run"]).env("BACKUP_ENCRYPTION", "true");
    assert_eq!(run.env("BACKUP_ENCRYPTION_KEY", OTHER_PASSPHRASE).output().code, Some(0));
    let newest = ids(&stand.stand).into_iter().rfind(|id| *id != stand.id && *id != aged).unwrap();
    let both = || {
        let verify = stand.verify().env("BACKUP_ENCRYPTION_KEY", OTHER_PASSPHRASE);
        verify.env("BACKUP_ENCRYPTION_KEYS_OLD", format!("\n{PASSPHRASE}\n"))
    };
    for id in [&stand.id, &newest] {
        stand.drill_of(both(), &["--backup", id]).assert_verdict("passed", 0);
    }
    let only_new = || stand.verify().env("BACKUP_ENCRYPTION_KEY", OTHER_PASSPHRASE);
    stand.drill_of(only_new(), &["--backup", &newest]).assert_verdict("passed", 0);
    stand.drill_of(only_new(), &["--backup", &stand.id]).assert_could_not_run("no key fits: the backup wants aes-");
    // A single drill by chance takes the oldest, where it shows.
    stand.drill_of(only_new(), &["--oldest"]).assert_could_not_run("no key fits");
}
