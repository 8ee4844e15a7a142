//! The commands of docs/restore.md that are not in `encryption::by_hand`, carried out.

use super::commands;
use super::operator::{ID, Operator, Service};
use crate::encryption::{AgePair, PASSPHRASE, has_tool};

const RESTORE: &str = "docs/restore.md";

/// What is compared at the end.
const CUSTOMERS: &str = "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY id)) FROM crm.customer c";

#[test]
fn a_backup_is_restored_by_verify_as_documented() {
    let (operator, id) = Operator::with_backup();
    let script = commands(RESTORE, "verify-roles");
    let server = operator.target.url("postgres");
    let said = operator.run(&script.replace("postgresql://postgres:secret@db.internal:5432/postgres", &server)).stdout;
    assert!(said.contains("create    owner_of_app") && said.ends_with("roles restored\n"), "{said}");
    let to = operator.target.url("app_restored");
    let script = commands(RESTORE, "verify-restore");
    let script = script.replace("postgresql://postgres:secret@db.internal:5432/app_restored", &to);
    let said = operator.run(&script).stdout;
    for words in [&id, "nothing was changed (--dry-run)\n", "the backup is whole; the restore begins\n"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(said.ends_with("\nrestored\n"), "{said}");
    assert_eq!(operator.target.sql("app_restored", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
}

#[test]
fn a_backup_is_found_and_downloaded_as_documented() {
    let (operator, _) = Operator::with_backup();
    operator.run("backup run");
    let ids = operator.ids();
    let [_, newest] = ids.as_slice() else { panic!("{ids:?}") };
    let manifest = format!("postgres-backups/app/{newest}/manifest.json");
    let find = commands(RESTORE, "find-curl");
    assert_eq!(operator.run(&find).stdout.trim(), manifest);
    let download = |block: &str| commands(RESTORE, block).replace(ID, newest);
    operator.run(&format!("{find}{}", download("download-curl")));
    let check = commands(RESTORE, "check");
    assert_eq!(operator.run(&check).stdout.matches(": as it was stored").count(), 2);
    if !has_tool("documents::restore::a_backup_is_found_and_downloaded_as_documented", "aws") {
        return;
    }
    operator.run("rm *");
    let aws = commands(RESTORE, "aws");
    let found = operator.run(&format!("{aws}{}", commands(RESTORE, "find-aws"))).stdout;
    assert!(found.trim().ends_with(&manifest), "{found}");
    operator.run(&format!("{aws}{}", download("download-aws")));
    assert_eq!(operator.run(&check).stdout.matches(": as it was stored").count(), 2);
}

#[test]
fn the_settings_of_a_database_are_printed_as_documented() {
    let (operator, id) = Operator::with_backup();
    download(&operator, &id);
    operator.run("zstd -d app.dump.zst");
    let said = operator.run(&commands(RESTORE, "settings")).stdout;
    assert!(said.contains("ALTER DATABASE app SET work_mem TO '8MB';"), "{said}");
}

#[test]
fn the_digests_of_a_manifest_are_checked_as_documented() {
    if !has_tool("documents::restore::the_digests_of_a_manifest_are_checked_as_documented", "jq") {
        return;
    }
    let (operator, id) = Operator::with_backup();
    download(&operator, &id);
    let said = operator.run(&commands("docs/format.md", "digests")).stdout;
    let manifest: serde_json::Value = serde_json::from_str(&operator.file("manifest.json")).unwrap();
    let plain = manifest["dump"]["plain_sha256"].as_str().unwrap();
    assert!(said.matches(": OK\n").count() == 2 && said.contains(plain), "{said}");
}

#[test]
fn one_table_is_brought_back_as_documented() {
    let (operator, id) = Operator::with_backup();
    let lost = operator.source.sql("app", CUSTOMERS);
    download(&operator, &id);
    operator.run("zstd -d app.dump.zst");
    let target = &operator.target;
    target.sql("postgres", "CREATE ROLE owner_of_app");
    target.sql("postgres", "CREATE DATABASE app TEMPLATE template0");
    operator.run("pg_restore --exit-on-error --dbname=app app.dump");
    // One row has changed since, one is new, and many are gone.
    target
        .sql("app", "UPDATE crm.customer SET name = 'changed' WHERE id = 500; DELETE FROM crm.customer WHERE id < 400");
    target.sql("app", "INSERT INTO crm.customer VALUES (1000, 'new')");
    operator.run(&commands(RESTORE, "table-beside"));
    let said = operator.run(&commands(RESTORE, "table-copy")).stdout;
    assert!(said.contains(" 399\n"), "{said}");
    operator.run(&commands(RESTORE, "table-insert"));
    let now = "SELECT count(*), count(*) FILTER (WHERE name IN ('changed', 'new')) FROM crm.customer";
    assert_eq!(target.sql("app", now), "501|2");
    assert_eq!(target.sql("app", "SELECT to_regclass('crm.customer_before') IS NULL"), "t");
    assert_eq!(target.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_before'"), "0");
    // Straight out of the archive.
    target.sql("app", "TRUNCATE crm.customer");
    let said = operator.run(&commands(RESTORE, "table-direct")).stdout;
    assert!(said.contains("TABLE DATA crm customer"), "{said}");
    assert_eq!(target.sql("app", CUSTOMERS), lost);
}

#[test]
fn an_archive_is_restored_from_a_pipe_as_documented() {
    let mut operator = Operator::new();
    operator.target.sql("postgres", "CREATE ROLE owner_of_app");
    let pair = AgePair::generate();
    for (block, key) in [("pipe", None), ("pipe-enc", Some(PASSPHRASE)), ("pipe-age", Some(pair.identity.as_str()))] {
        if block == "pipe-enc" {
            operator.set(Service::Backup, "BACKUP_ENCRYPTION", "true");
            operator.set(Service::Backup, "BACKUP_ENCRYPTION_KEY", PASSPHRASE);
        }
        if block == "pipe-age" {
            if !has_tool("documents::restore::an_archive_is_restored_from_a_pipe_as_documented", "age") {
                return;
            }
            operator.set(Service::Backup, "BACKUP_ENCRYPTION", "");
            operator.set(Service::Backup, "BACKUP_ENCRYPTION_KEY", "");
            operator.set(Service::Backup, "AGE_RECIPIENTS", &pair.recipient);
        }
        operator.run("backup run; rm -f key.txt");
        download(&operator, &operator.ids().pop().unwrap());
        if let Some(key) = key {
            std::fs::write(operator.folder.path().join("key.txt"), key).unwrap();
        }
        operator.target.sql("postgres", "CREATE DATABASE app TEMPLATE template0");
        operator.run(&commands(RESTORE, block));
        assert_eq!(operator.target.sql("app", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
        operator.target.sql("postgres", "DROP DATABASE app");
    }
}

/// Puts the objects of a backup into the folder of the commands, by no tool.
fn download(operator: &Operator, id: &str) {
    for key in operator.s3.objects().into_keys().filter(|key| key.contains(id)) {
        let file = operator.folder.path().join(key.rsplit('/').next().unwrap());
        std::fs::write(file, operator.s3.read(&key)).unwrap();
    }
}
