//! What the role may not see must not be missing silently.

use e2e::skip::skip;
use serde_json::json;

use super::{assert_failed, assert_run_fails, check, manifest_of, new_role, restore, stored_key};
use crate::stand::Stand;

/// Whether the server lacks the role that reads all tables, so that the test of this name cannot run.
fn skips_without_reader(stand: &Stand, test: &str) -> bool {
    let lacks = stand.postgres.major() < 14;
    if lacks {
        skip(&format!("database::privileges::{test}"), "pg_read_all_data is of PostgreSQL 14");
    }
    lacks
}

/// A stand with a table, and a role of its own: its name and its URL.
fn stand_with_role(attributes: &str) -> (Stand, String, String) {
    let stand = Stand::with_rows(100);
    let (role, url) = new_role(&stand, attributes);
    (stand, role, url)
}

/// Asserts that a run as this role fails with `parts`, and that `check` says the same beforehand.
#[track_caller]
fn assert_refused(stand: &Stand, url: &str, parts: &[&str]) {
    let backup = || stand.backup().env("DATABASE_URL", url);
    assert_run_fails(stand, backup(), &[&["the dump would not be complete"], parts].concat());
    let (code, report) = check(backup());
    assert_eq!(code, Some(1), "{report}");
    for part in parts {
        assert!(report.contains(part), "{part:?} is missing in:\n{report}");
    }
}

#[test]
fn a_role_with_pg_read_all_data_makes_a_complete_backup() {
    let (stand, role, url) = stand_with_role("");
    if skips_without_reader(&stand, "a_role_with_pg_read_all_data_makes_a_complete_backup") {
        return;
    }
    stand.sql(&format!(
        "GRANT pg_read_all_data TO {role}; CREATE SEQUENCE s; SELECT nextval('s'), nextval('s');
         CREATE SCHEMA \"of nobody\"; CREATE TABLE \"of nobody\".p (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE \"of nobody\".p1 PARTITION OF \"of nobody\".p FOR VALUES FROM (0) TO (10);
         INSERT INTO \"of nobody\".p SELECT generate_series(0, 6)"
    ));
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", &url));
    let tables = json!([
        { "schema": "of nobody", "name": "p1", "rows": 7 },
        { "schema": "public", "name": "t", "rows": 100 },
    ]);
    assert_eq!(manifest["inventory"]["tables"], tables);
    assert_eq!(manifest["inventory"]["sequences"], json!([{ "schema": "public", "name": "s", "last_value": 2 }]));
    assert!(manifest["globals"].is_object(), "the role could have dumped roles: {}", manifest["notes"]);
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM \"of nobody\".p, t"), "700");
}

/// PostgreSQL computes constant parts of an index's expressions when it plans a query, as the role that asks.
#[test]
fn the_owner_of_a_table_runs_no_code_as_the_role_of_backup() {
    let (stand, role, url) = stand_with_role("BYPASSRLS");
    if skips_without_reader(&stand, "the_owner_of_a_table_runs_no_code_as_the_role_of_backup") {
        return;
    }
    let name = &stand.database.name;
    stand.sql(&format!(
        "GRANT pg_read_all_data TO {role}; CREATE ROLE \"owner {name}\"; CREATE SCHEMA AUTHORIZATION \"owner {name}\";
         SET ROLE \"owner {name}\";
         CREATE TYPE state AS ENUM ('new', 'old');
         CREATE TABLE calm AS SELECT 'new'::state AS state, 1 AS id;
         CREATE INDEX ON calm (id) WHERE state = 'new';
         CREATE FUNCTION tell(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
           'BEGIN RAISE LOG ''told by % of {name}'', current_user; RETURN n; END';
         CREATE FUNCTION tell(a int, b int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT tell(a) = b';
         CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = tell);
         CREATE DOMAIN told AS int CHECK (tell(value) > 0);
         CREATE TABLE predicate AS SELECT 1 AS id; CREATE INDEX ON predicate (id) WHERE tell(1) > 0;
         CREATE TABLE expression AS SELECT 1 AS id; CREATE INDEX ON expression ((id + tell(1)));
         CREATE TABLE operator AS SELECT 1 AS id; CREATE INDEX ON operator (id) WHERE 1 === 1;
         CREATE TABLE domain AS SELECT 1 AS id; CREATE INDEX ON domain (id) WHERE 1::told > 0;
         CREATE TABLE numbers AS SELECT 1 AS id; CREATE STATISTICS s ON (id + tell(1)), id FROM numbers"
    ));
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", &url));
    let told = format!("told by {role} of {name}");
    assert!(!stand.postgres.log_text().contains(&told), "code of the owner ran as {role}");
    for table in manifest["inventory"]["tables"].as_array().unwrap() {
        let expected = match table["name"].as_str().unwrap() {
            "t" | "calm" => serde_json::Value::Null,
            _ => "its indexes or statistics run code of other roles".into(),
        };
        assert_eq!(table["not_counted"], expected, "{table:#}");
    }
    // Otherwise this test would show nothing.
    stand.sql(&format!("SET ROLE {role}; SELECT count(*) FROM \"owner {name}\".predicate"));
    assert!(stand.postgres.log_text().contains(&told));
}

#[test]
fn a_table_with_row_security_needs_bypassrls_r015() {
    let (stand, role, url) = stand_with_role("");
    if skips_without_reader(&stand, "a_table_with_row_security_needs_bypassrls_r015") {
        return;
    }
    stand.sql(&format!(
        "GRANT pg_read_all_data TO {role}; CREATE SCHEMA bank; CREATE TABLE bank.\"Accounts\" AS SELECT 1 AS id;
         ALTER TABLE bank.\"Accounts\" ENABLE ROW LEVEL SECURITY;
         CREATE POLICY none_of_them ON bank.\"Accounts\" USING (false)"
    ));
    assert_refused(&stand, &url, &["row security", "bank.\"Accounts\"", "BYPASSRLS"]);

    // A dump that leaves the table out may go on, as a partial one.
    let partial = stand.backup().env("DATABASE_URL", &url).env("PG_DUMP_OPTIONS", "-N bank");
    assert_eq!(manifest_of(&stand, partial)["kind"], "partial");
    let still_in_it = stand.backup().env("DATABASE_URL", &url).env("PG_DUMP_OPTIONS", "-n bank");
    assert_run_fails(&stand, still_in_it, &["row-level security", "Accounts"]);

    stand.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", &url));
    assert_eq!(manifest["inventory"]["tables"][0], json!({ "schema": "bank", "name": "Accounts", "rows": 1 }));
}

#[test]
fn enable_row_security_is_a_configuration_error_r015() {
    let stand = Stand::with_rows(1);
    for command in ["run", "check", "list"] {
        let output = stand.backup().env("PG_DUMP_OPTIONS", "-v --enable-row-security").args([command]).output();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(
            output.stderr.contains("PG_DUMP_OPTIONS: ") && output.stderr.contains("BYPASSRLS"),
            "{}",
            output.stderr
        );
    }
    assert!(stand.s3.objects().is_empty());
}

#[test]
fn what_the_role_may_not_read_is_named() {
    let (stand, role, url) = stand_with_role("");
    stand.sql(
        "CREATE SCHEMA \"no entry\"; CREATE TABLE \"no entry\".inside (id int); CREATE SEQUENCE \"Counter\";
         CREATE TABLE \"Se;cret\" (id int)",
    );
    assert_refused(&stand, &url, &["schema \"no entry\"", "pg_read_all_data"]);
    stand.sql(&format!("GRANT USAGE ON SCHEMA \"no entry\" TO {role}; GRANT SELECT ON t TO {role}"));
    assert_refused(&stand, &url, &["table \"no entry\".inside, public.\"Se;cret\"", "sequence public.\"Counter\""]);
    stand.sql(&format!("GRANT SELECT ON \"no entry\".inside, \"Se;cret\" TO {role}"));
    assert_refused(&stand, &url, &["sequence public.\"Counter\""]);
    stand.sql(&format!("GRANT SELECT ON SEQUENCE \"Counter\" TO {role}"));
    assert_eq!(manifest_of(&stand, stand.backup().env("DATABASE_URL", &url))["kind"], "full");
}

#[test]
fn an_unreadable_large_object_fails_the_run_with_a_hint_r017() {
    let (stand, role, url) = stand_with_role("");
    if skips_without_reader(&stand, "an_unreadable_large_object_fails_the_run_with_a_hint_r017") {
        return;
    }
    stand.sql(&format!("GRANT pg_read_all_data TO {role}"));
    let object = stand.sql("SELECT lo_from_bytea(0, 'only for its owner')");
    assert_refused(&stand, &url, &["large object", &object, "grant SELECT ON LARGE OBJECT"]);
    let without = stand.backup().env("DATABASE_URL", &url).env("PG_DUMP_OPTIONS", "--no-blobs");
    assert_eq!(manifest_of(&stand, without)["kind"], "partial");

    stand.sql(&format!("GRANT SELECT ON LARGE OBJECT {object} TO {role}"));
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", &url).env("COMPRESSION", "none"));
    assert_eq!(manifest["inventory"]["objects"]["large_objects"], 1);
    let restored = stand.postgres.create_database();
    restore(stand.postgres, &stand.s3.path(&stored_key(&stand, &manifest, ".dump")), &restored);
    let text = stand.postgres.sql(&restored.name, &format!("SELECT convert_from(lo_get({object}), 'UTF8')"));
    assert_eq!(text, "only for its owner");
}

#[test]
fn timeouts_and_defaults_of_the_role_do_not_end_a_backup_r136() {
    let (stand, role, url) = stand_with_role("SUPERUSER");
    // And the version that knows each.
    let settings = [
        (13, "statement_timeout = '1ms'"),
        (13, "lock_timeout = '1ms'"),
        (13, "idle_in_transaction_session_timeout = '1ms'"),
        (14, "idle_session_timeout = '1ms'"),
        (17, "transaction_timeout = '1ms'"),
        (13, "default_transaction_isolation = 'serializable'"),
        (13, "search_path = 'evil'"),
        (13, "row_security = off"),
        (13, "datestyle = 'SQL, DMY'"),
    ];
    let major = stand.postgres.major();
    for (_, setting) in settings.iter().filter(|(since, _)| major >= *since) {
        stand.sql(&format!("ALTER ROLE {role} SET {setting}"));
    }
    stand.sql(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint';
         CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;
         INSERT INTO t SELECT g, 'more' FROM generate_series(101, 300000) g",
    );
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", &url));
    assert_eq!(manifest["inventory"]["tables"], json!([{ "schema": "public", "name": "t", "rows": 300_000 }]));
    let restored = stand.restore_newest();
    assert_eq!(stand.postgres.sql(&restored.name, "SELECT count(*) FROM t"), "300000");
}

#[test]
fn a_role_without_a_login_or_with_a_wrong_password_is_told_so_r004() {
    let (stand, role, _) = stand_with_role("");
    let before = stand.s3.objects();
    let url = stand.postgres.url_as(&role, "wrong-4711", &stand.database.name);
    let output = stand.backup().env("DATABASE_URL", url).args(["run"]).output();
    assert_failed(&output, &["28P01", "hint: check the user name, and PGPASSWORD"]);
    stand.assert_no_commit(&before);
}
