//! What extensions guard by the rows of their own tables stays guarded: only a superuser fills these.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::postgres::{Postgres, PostgresOptions};
use tempfile::TempDir;

use super::DrillStand;
use super::timescaledb::installation;
use crate::stand::Stand;

const CONTROL: &str = "default_version = '2.0'\nrelocatable = false\nsuperuser = true\n";

/// Reads files below the folders that its table names, for any role, with the rights of a superuser.
const SCRIPT: &str = "
CREATE SCHEMA reads;
CREATE TABLE reads.folder (name text PRIMARY KEY);
CREATE TABLE reads.unused (name text);
SELECT pg_catalog.pg_extension_config_dump('reads.folder', '');
SELECT pg_catalog.pg_extension_config_dump('reads.unused', '');
CREATE FUNCTION reads.file(folder text, file text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
  'SELECT pg_catalog.pg_read_file(name || ''/'' || file) FROM reads.folder WHERE name = $1';
GRANT USAGE ON SCHEMA reads TO PUBLIC;
";

fn server(root: &TempDir) -> &'static Postgres {
    let bin_dir = Some(installation(root.path(), "reads_files", CONTROL, SCRIPT));
    Box::leak(Box::new(Postgres::start(PostgresOptions { bin_dir, ..PostgresOptions::default() })))
}

#[test]
fn rows_by_which_an_extension_guards_files_are_not_restored_by_a_plain_role_r051() {
    let root = TempDir::with_prefix("reads-").unwrap();
    let server = server(&root);
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "canary of a file").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let here = folder.path().display();
    let evil = format!(
        "CREATE EXTENSION reads_files; INSERT INTO reads.folder VALUES ('{here}');
         CREATE FUNCTION look() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
           IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN 'nothing'; END IF;
           RETURN coalesce(reads.file('{here}', 'secret'), 'nothing');
         END $$;
         CREATE MATERIALIZED VIEW seen AS SELECT look() AS text"
    );
    let stand = Stand::on(server);
    let evil = evil.replace("SOURCE", &stand.database.name);
    let stand = DrillStand::on(stand, &evil, &[]);
    let seen = "-- name: the file was read\nSELECT count(*) > 0 FROM seen WHERE text ~ 'canary'";
    let drill = stand.drill_with(stand.verify().env("VERIFY_SQL", seen));
    let report = drill.report.to_string();
    assert_eq!(drill.report["verdict"], "failed", "{:#}", drill.report);
    assert!(report.contains("the rows of TABLE DATA reads.folder are not proven"), "{:#}", drill.report);
    assert!(!report.contains("reads.unused are not proven"), "a table without rows is missed: {:#}", drill.report);
    assert!(report.contains("\\\"the file was read\\\": a boolean is not true"), "it was read: {:#}", drill.report);
}

/// By REFERENCES or TRIGGER on a table of a superuser, code of an archive would run with the rights of a superuser.
#[test]
fn a_foreign_key_to_a_table_of_an_extension_is_left_out_and_named() {
    let root = TempDir::with_prefix("reads-").unwrap();
    let server = server(&root);
    let sql = "CREATE EXTENSION reads_files; CREATE TABLE t (name text REFERENCES reads.folder)";
    let stand = DrillStand::on(Stand::on(server), sql, &[]);
    let drill = stand.drill_with(stand.verify());
    drill.assert_verdict("passed", 0);
    let left_out = drill.report["not_exercised"].to_string();
    assert!(left_out.contains("FK CONSTRAINT public.t t_name_fkey"), "{left_out}");
}
