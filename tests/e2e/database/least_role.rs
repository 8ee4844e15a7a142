//! The roles that docs/database-role.sql and docs/drill-role.sql make.

use std::path::Path;

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::process::Run;
use e2e::skip::skip;

use super::{assert_run_fails, manifest_of};
use crate::stand::Stand;

const PASSWORD: &str = "of-the-least-role";

/// Runs a script of docs as the operator would, as the superuser.
#[track_caller]
fn run_script(server: &Postgres, name: &str, database: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let psql = Run::program(server.bin_dir().join("psql")).args(["-X", "--set=ON_ERROR_STOP=1", "--file"]).args([file]);
    let output = psql.args(["--dbname", &server.url(database)]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn the_role_of_the_script_dumps_tables_sequences_large_objects_and_guarded_rows_and_changes_nothing_r017_r015() {
    let stand = Stand::new();
    if stand.postgres.major() < 14 {
        let test = "the_role_of_the_script_dumps_tables_sequences_large_objects_and_guarded_rows_and_changes_nothing";
        return skip(&format!("database::least_role::{test}_r017_r015"), "pg_read_all_data is of PostgreSQL 14");
    }
    let server = Postgres::start(PostgresOptions::default());
    server.sql("postgres", "CREATE DATABASE app");
    server.sql(
        "app",
        "CREATE SCHEMA \"of nobody\"; CREATE TABLE \"of nobody\".t AS SELECT generate_series(1, 50) AS id;
         REVOKE ALL ON SCHEMA \"of nobody\" FROM PUBLIC; CREATE SEQUENCE s; SELECT nextval('s');
         SELECT lo_from_bytea(0, 'bytes'); CREATE TABLE guarded AS SELECT generate_series(1, 7) AS id;
         ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON guarded USING (false)",
    );
    run_script(&server, "database-role.sql", "app");
    run_script(&server, "database-role.sql", "app");
    server.sql("postgres", &format!("ALTER ROLE backup PASSWORD '{PASSWORD}'"));
    let url = server.url_as("backup", PASSWORD, "app");
    let backup = || stand.backup().env("DATABASE_URL", &url);
    assert_eq!(backup().args(["check"]).output().code, Some(0));
    let manifest = manifest_of(&stand, backup());
    let tables = manifest["inventory"]["tables"].as_array().unwrap();
    let rows: Vec<_> = tables.iter().map(|table| (table["name"].as_str().unwrap(), &table["rows"])).collect();
    assert_eq!(rows, [("t", &50.into()), ("guarded", &7.into())]);
    assert!(manifest["globals"].is_object(), "{}", manifest["notes"]);

    // A large object that came later needs the script again.
    server.sql("app", "SELECT lo_from_bytea(0, 'more bytes')");
    assert_run_fails(&stand, backup(), &["large object"]);
    run_script(&server, "database-role.sql", "app");
    manifest_of(&stand, backup());

    let as_role = |sql: &str| {
        let psql = Run::program(server.bin_dir().join("psql")).args(["-X", "-c", sql, "--dbname", &url]);
        psql.output().code
    };
    assert_eq!(as_role("SELECT count(*) FROM guarded"), Some(0));
    for sql in [
        "SET default_transaction_read_only = off; CREATE TABLE mine (id int)",
        "SET default_transaction_read_only = off; DELETE FROM guarded",
        "SET default_transaction_read_only = off; CREATE ROLE other",
        "SET default_transaction_read_only = off; CREATE DATABASE other",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ] {
        let public = sql.contains("CREATE TABLE") && server.sql("app", "SHOW server_version_num").as_str() < "150000";
        assert!(public || as_role(sql) == Some(1), "{sql} was done");
    }
}

#[test]
fn the_drill_role_of_the_script_suffices_on_a_given_server() {
    let stand = Stand::with_rows(10);
    assert_eq!(stand.run().code, Some(0));
    let server = Postgres::start(PostgresOptions::default());
    run_script(&server, "drill-role.sql", "postgres");
    server.sql("postgres", &format!("ALTER ROLE drill PASSWORD '{PASSWORD}'"));
    let folder = crate::drill_safety::open_folder();
    let verify = Run::new("verify").envs(stand.s3.env()).env("TMPDIR", folder.path());
    let verify = verify.env("PG_BIN_DIR", server.bin_dir()).envs([("LOG_FORMAT", "json"), ("PORT", "0")]);
    let verify = verify.env("VERIFY_DATABASE_URL", server.url_as("drill", PASSWORD, "postgres"));
    let output = verify.args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
}
