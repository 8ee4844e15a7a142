//! The commands of docs/runbooks.md, with a person between them who changes the environments of the services.

use super::commands;
use super::operator::{ID, Operator, Service};
use crate::encryption::{PASSPHRASE, has_tool};

const RUNBOOKS: &str = "docs/runbooks.md";

/// What is compared after a restore.
const CUSTOMERS: &str = "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY id)) FROM crm.customer c";

/// Runs a block of the document; what it says.
#[track_caller]
fn run(operator: &Operator, block: &str) -> String {
    said(&operator.run(&commands(RUNBOOKS, block)))
}

fn said(output: &e2e::process::Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// What `backup keygen` says of the public key.
#[track_caller]
fn public_key(file: &str) -> String {
    file.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key").to_owned()
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    words.iter().for_each(|words| assert!(said.contains(words), "{words:?}\n{said}"));
}

#[test]
fn a_failed_drill_is_looked_into_as_documented() {
    let (operator, _) = Operator::with_backup();
    operator.run("backup run");
    let newest = operator.ids().pop().unwrap();
    let key = format!("postgres-backups/app/{newest}/app.dump.zst");
    let mut dump = operator.s3.read(&key);
    let middle = dump.len() / 2;
    dump[middle] ^= 1;
    operator.s3.write(&key, dump);
    let again = said(&operator.run(&commands(RUNBOOKS, "drill-again").replace(ID, &newest)));
    assert_says(&again, &["FAILED", "digests: ", "exit code 1\n"]);
    assert!(operator.file(&format!("{newest}.json")).contains("\"verdict\": \"failed\""));
    let others = run(&operator, "drill-others");
    assert_says(&others, &[&newest, "PASSED"]);
    let new = run(&operator, "drill-new");
    assert_says(&new, &["backup committed", "PASSED", " 0 not as they must be"]);
}

#[test]
fn stale_backups_are_looked_into_as_documented() {
    let mut operator = Operator::new();
    let url = operator.source.url("app");
    operator.set(Service::Backup, "DATABASE_URL", &operator.source.url("nothing"));
    let checked = operator.run_to(1, &commands(RUNBOOKS, "stale-check"));
    assert_says(&said(&checked), &["0 committed", "database: FAILED: ", "a backup would FAIL"]);
    operator.set(Service::Backup, "DATABASE_URL", &url);
    assert_says(&run(&operator, "stale-check"), &["a backup would succeed"]);
    assert_says(&run(&operator, "stale-run"), &["backup committed", "PASSED"]);
}

#[test]
fn the_password_of_the_database_is_changed_as_documented() {
    let (mut operator, _) = Operator::with_backup();
    operator.source.sql("postgres", "CREATE ROLE other SUPERUSER LOGIN PASSWORD 'the-first-password'");
    let url = |operator: &Operator, password: &str| operator.source.url_as("other", password, "app");
    operator.set(Service::Backup, "DATABASE_URL", &url(&operator, "the-first-password"));
    run(&operator, "password");
    operator.source.sql("postgres", "ALTER ROLE other PASSWORD 'the-second-password'");
    let refused = operator.run_to(1, &commands(RUNBOOKS, "password"));
    assert_says(&said(&refused), &["password authentication failed", "a backup would FAIL"]);
    operator.set(Service::Backup, "DATABASE_URL", &url(&operator, "the-second-password"));
    assert_says(&run(&operator, "password"), &["a backup would succeed", "backup committed"]);
}

#[test]
fn the_credentials_of_the_bucket_are_changed_as_documented() {
    let (mut operator, _) = Operator::with_backup();
    operator.issue_credentials();
    // The address goes with the credentials here, and at a store it stays.
    let endpoint = operator.s3.endpoint();
    for service in [Service::Backup, Service::Verify] {
        operator.set(service, "S3_ENDPOINT", &endpoint);
    }
    let refused = operator.run_to(1, &commands(RUNBOOKS, "credentials-backup"));
    assert_says(&said(&refused), &["the store answered 403 ", "a backup would FAIL"]);
    operator.set_bucket(&[Service::Backup]);
    let checked = run(&operator, "credentials-backup");
    assert_says(&checked, &["bucket: my-backups/postgres-backups, 1 backups of this database", "would succeed"]);
    assert!(!checked.contains("cannot delete an object"), "{checked}");
    operator.run_to(4, &commands(RUNBOOKS, "credentials-verify"));
    operator.set_bucket(&[Service::Verify]);
    assert_says(&run(&operator, "credentials-verify"), &["PASSED"]);
}

#[test]
fn an_age_key_is_rotated_as_documented() {
    let mut operator = Operator::new();
    operator.run("backup keygen >old-key.txt");
    let old = operator.file("old-key.txt");
    operator.set(Service::Backup, "AGE_RECIPIENTS", &public_key(&old));
    operator.set(Service::Verify, "AGE_IDENTITY", &old);
    operator.run("backup run");
    run(&operator, "age-make");
    let new = operator.file("new-key.txt");
    operator.set(Service::Verify, "AGE_IDENTITY", &format!("{old}{new}"));
    operator.set(Service::Backup, "AGE_RECIPIENTS", &public_key(&new));
    let checked = run(&operator, "age-check");
    assert_says(&checked, &["encryption: age for age-", "backup committed"]);
    assert_eq!(checked.matches("PASSED").count(), 2, "{checked}");
    // Taken out too early, and then at the right time.
    operator.set(Service::Verify, "AGE_IDENTITY", &new);
    let early = operator.run_to(4, &commands(RUNBOOKS, "age-done"));
    assert_says(&said(&early), &["no key fits: the backup wants age-"]);
    let oldest = &operator.ids()[0];
    operator.s3.objects().keys().filter(|key| key.contains(oldest)).for_each(|key| operator.s3.delete(key));
    assert_says(&run(&operator, "age-done"), &["encryption    age for age-", "PASSED"]);
}

#[test]
fn a_passphrase_is_rotated_as_documented() {
    let mut operator = Operator::new();
    for service in [Service::Backup, Service::Verify] {
        operator.set(service, "BACKUP_ENCRYPTION_KEY", PASSPHRASE);
    }
    operator.set(Service::Backup, "BACKUP_ENCRYPTION", "true");
    operator.run("backup run");
    run(&operator, "passphrase-make");
    let new = operator.file("new-key.txt");
    operator.set(Service::Verify, "BACKUP_ENCRYPTION_KEYS_OLD", PASSPHRASE);
    operator.set(Service::Verify, "BACKUP_ENCRYPTION_KEY", &new);
    operator.set(Service::Backup, "BACKUP_ENCRYPTION_KEY", &new);
    let checked = run(&operator, "passphrase-check");
    assert_eq!(checked.matches("PASSED").count(), 2, "{checked}");
    operator.set(Service::Verify, "BACKUP_ENCRYPTION_KEYS_OLD", "");
    let early = operator.run_to(4, &commands(RUNBOOKS, "passphrase-check"));
    assert_says(&said(&early), &["no key fits: the backup wants aes-"]);
}

#[test]
fn a_signing_key_is_rotated_as_documented() {
    let mut operator = Operator::new();
    operator.run("backup keygen --signing >old-signing.pem");
    let old = operator.file("old-signing.pem");
    operator.set(Service::Backup, "BACKUP_SIGNING_KEY", &old);
    operator.set(Service::Verify, "VERIFY_TRUSTED_KEYS", &public_key(&old));
    operator.run("backup run");
    run(&operator, "signing-make");
    let new = operator.file("new-signing.pem");
    let both = format!("{} {}", public_key(&old), public_key(&new));
    operator.set(Service::Verify, "VERIFY_TRUSTED_KEYS", &both);
    operator.set(Service::Backup, "BACKUP_SIGNING_KEY", &new);
    let checked = run(&operator, "signing-check");
    assert_says(&checked, &["manifests are signed by ed25519-"]);
    assert_eq!(checked.matches("PASSED").count(), 2, "{checked}");
    operator.set(Service::Verify, "VERIFY_TRUSTED_KEYS", &public_key(&new));
    let early = operator.run_to(1, &commands(RUNBOOKS, "signing-check"));
    assert_says(&said(&early), &["manifest: ", "its signature is by none of the keys of VERIFY_TRUSTED_KEYS"]);
}

#[test]
fn the_logins_of_the_drill_server_are_changed_as_documented() {
    let (mut operator, _) = Operator::with_backup();
    operator.target.sql("postgres", "CREATE ROLE drill LOGIN CREATEDB PASSWORD 'the-first-password'");
    let drill = |operator: &mut Operator, password: &str| {
        let url = operator.target.url_as("drill", password, "postgres");
        operator.set(Service::Verify, "VERIFY_DATABASE_URL", &url);
    };
    let admin = operator.target.url("postgres");
    operator.set(Service::Verify, "VERIFY_ADMIN_URL", &admin);
    drill(&mut operator, "the-first-password");
    assert_says(&run(&operator, "drill-logins"), &["PASSED"]);
    operator.target.sql("postgres", "ALTER ROLE drill PASSWORD 'the-second-password'");
    let refused = operator.run_to(4, &commands(RUNBOOKS, "drill-logins"));
    assert_says(&said(&refused), &["password authentication failed"]);
    drill(&mut operator, "the-second-password");
    assert_says(&run(&operator, "drill-logins"), &["PASSED"]);
}

#[test]
fn a_bucket_moves_as_documented() {
    if !has_tool("documents::runbooks::a_bucket_moves_as_documented", "aws") {
        return;
    }
    let (mut operator, id) = Operator::with_backup();
    operator.run("backup run");
    let exports = commands("docs/restore.md", "aws");
    operator.run(&format!("{exports}{}", commands(RUNBOOKS, "bucket-download")));
    operator.move_bucket("new-backups");
    operator.run(&format!("{exports}{}", commands(RUNBOOKS, "bucket-upload")));
    operator.set_bucket(&[Service::Backup, Service::Verify]);
    let checked = run(&operator, "bucket-check");
    assert_says(&checked, &["new-backups/postgres-backups, 2 backups", &id, "2 committed", "backup committed"]);
    assert_eq!(checked.matches("PASSED").count(), 2, "{checked}");
    assert_eq!(operator.ids().len(), 3);
}

#[test]
fn the_commands_around_an_upgrade_work_as_documented() {
    let operator = Operator::new();
    assert_says(&run(&operator, "upgrade-before"), &["backup committed", "PASSED"]);
    let after = run(&operator, "upgrade-after");
    assert_says(
        &after,
        &["database: app on PostgreSQL ", "tools: pg_dump (PostgreSQL) ", "PASSED", "TABLE crm.customer"],
    );
}

#[test]
fn a_real_restore_brings_roles_and_settings_as_documented() {
    let (mut operator, id) = Operator::with_backup();
    // The database that is to be replaced.
    operator.target.sql("postgres", "CREATE DATABASE app TEMPLATE template0");
    let (to, server) = (operator.target.url("app_restored"), operator.target.url("postgres"));
    let block = |name: &str| {
        let block = commands(RUNBOOKS, name).replace(ID, &id);
        let block = block.replace("postgresql://postgres:secret@db.internal:5432/app_restored", &to);
        block.replace("postgresql://postgres:secret@db.internal:5432/postgres", &server)
    };
    assert_says(&said(&operator.run(&block("real-choose"))), &[&id]);
    let refused = said(&operator.run_to(4, &block("real-restore")));
    assert_says(&refused, &["the target lacks roles that own or may use something: owner_of_app"]);
    assert_says(&said(&operator.run(&block("real-roles"))), &["create    owner_of_app", "\nroles restored\n"]);
    let restored = said(&operator.run(&block("real-restore")));
    assert_says(&restored, &["\nrestored\n"]);
    operator.run(&block("real-swap"));
    let target = &operator.target;
    assert_eq!(target.sql("app", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
    assert_eq!(target.sql("app", "SHOW work_mem"), "8MB");
    assert_eq!(target.sql("app", "SELECT relowner::regrole FROM pg_class WHERE relname = 'customer'"), "owner_of_app");
    assert_eq!(target.sql("app_before", "SELECT to_regnamespace('crm') IS NULL"), "t");
    let url = target.url("app");
    operator.set(Service::Backup, "DATABASE_URL", &url);
    assert_says(&run(&operator, "real-backup"), &["a backup would succeed", "backup committed", "PASSED"]);
}

#[test]
fn the_monthly_test_is_done_as_documented() {
    let (operator, _) = Operator::with_backup();
    let drills = run(&operator, "monthly-drills");
    assert_says(&drills, &["PASSED", " 0 not as they must be"]);
    operator.target.sql("postgres", "CREATE ROLE owner_of_app");
    let to = operator.target.url("app_test");
    let restore = commands(RUNBOOKS, "monthly-restore");
    let restore = restore.replace("postgresql://postgres:secret@test.internal:5432/app_test", &to);
    assert_says(&said(&operator.run(&restore)), &["\nrestored\n", "real"]);
    assert_eq!(operator.target.sql("app_test", CUSTOMERS), operator.source.sql("app", CUSTOMERS));
    run(&operator, "monthly-drop");
    assert_eq!(operator.target.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'app_test'"), "0");
}
