//! The inventory in the manifest, and databases of other encodings.

use e2e::postgres::{Database, Postgres, PostgresOptions};
use e2e::process::Run;
use serde_json::{Value, json};

use super::{assert_run_fails, check, manifest_of, restore, stored_key};
use crate::stand::Stand;

/// What real databases have, and an extension whose members must not be counted.
const RICH: &str = "
    CREATE EXTENSION hstore;
    CREATE SCHEMA sales;
    CREATE TYPE sales.state AS ENUM ('new', 'paid');
    CREATE DOMAIN sales.amount AS numeric CHECK (VALUE >= 0);
    CREATE TYPE sales.pair AS (a int, b int);
    CREATE TABLE sales.customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE sales.item (
        id serial PRIMARY KEY, customer int REFERENCES sales.customer, state sales.state DEFAULT 'new',
        price sales.amount, double_price numeric GENERATED ALWAYS AS (price * 2) STORED, tags hstore);
    CREATE INDEX item_state ON sales.item (state) WHERE state = 'new';
    CREATE TABLE event (at date NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE parent (id int); CREATE TABLE child (more int) INHERITS (parent);
    CREATE UNLOGGED TABLE scratch (id int);
    INSERT INTO sales.customer (name) SELECT 'c' || g FROM generate_series(1, 30) g;
    INSERT INTO sales.item (customer, price) SELECT 1 + g % 30, g FROM generate_series(1, 500) g;
    INSERT INTO event SELECT date '2025-06-01' + g, 'x' FROM generate_series(0, 364) g;
    INSERT INTO parent SELECT generate_series(1, 4); INSERT INTO child SELECT g, g FROM generate_series(1, 9) g;
    INSERT INTO scratch SELECT generate_series(1, 2);
    DELETE FROM sales.item WHERE id <= 100;
    CREATE VIEW sales.paid AS SELECT * FROM sales.item WHERE state = 'paid';
    CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(price) FROM sales.item GROUP BY 1;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE my_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE TRIGGER touch BEFORE UPDATE ON sales.item FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE RULE keep AS ON DELETE TO parent DO INSTEAD NOTHING;
    CREATE STATISTICS together ON customer, state FROM sales.item;
    CREATE PUBLICATION everything FOR ALL TABLES;
    CREATE SEQUENCE unused; CREATE SEQUENCE used START 40; SELECT nextval('used'), nextval('used');
    COMMENT ON TABLE sales.item IS 'has a comment'; COMMENT ON COLUMN sales.item.price IS 'has one, too';
    SELECT lo_from_bytea(0, 'one'), lo_from_bytea(0, 'two');
";

#[test]
fn the_manifest_counts_every_kind_of_object_and_every_row() {
    let stand = Stand::new();
    stand.sql(RICH);
    let manifest = stand.run_ok();
    let inventory = &manifest["inventory"];
    let table = |schema: &str, name: &str, rows: u64| json!({ "schema": schema, "name": name, "rows": rows });
    let tables = [
        table("public", "child", 9),
        table("public", "event_2025", 214),
        table("public", "event_2026", 151),
        table("public", "parent", 4),
        table("public", "scratch", 2),
        table("sales", "customer", 30),
        table("sales", "item", 400),
    ];
    assert_eq!(inventory["tables"], json!(tables));
    let sequence =
        |schema: &str, name: &str, value: Value| json!({ "schema": schema, "name": name, "last_value": value });
    let sequences = [
        sequence("public", "unused", Value::Null),
        sequence("public", "used", json!(41)),
        sequence("sales", "customer_id_seq", json!(30)),
        sequence("sales", "item_id_seq", json!(500)),
    ];
    assert_eq!(inventory["sequences"], json!(sequences));
    let extensions = inventory["extensions"].as_array().unwrap();
    let extensions: Vec<&str> = extensions.iter().map(|extension| extension["name"].as_str().unwrap()).collect();
    assert_eq!(extensions, ["hstore", "plpgsql"]);
    assert_eq!(inventory["roles"], json!(["postgres"]));
    // NOT NULL is a constraint with a row of its own from 18 on, and not counted as one.
    let counted = objects(&inventory["objects"]);
    assert_eq!(counted, EXPECTED.map(|(kind, count)| (kind.to_owned(), count)));
}

/// Objects of [`RICH`] by kind. hstore alone has dozens of functions, operators and a type.
const EXPECTED: [(&str, u64); 20] = [
    ("aggregates", 1),
    ("columns", 28),
    ("comments", 2),
    ("constraints", 4),
    ("extensions", 2),
    ("functions", 1),
    ("indexes", 4),
    ("large_objects", 2),
    ("materialized_views", 1),
    ("partitioned_tables", 1),
    ("procedures", 1),
    ("publications", 1),
    ("rules", 1),
    ("schemas", 2),
    ("sequences", 4),
    ("statistics", 1),
    ("tables", 8),
    ("triggers", 1),
    ("types", 3),
    ("views", 1),
];

fn objects(counts: &Value) -> Vec<(String, u64)> {
    counts.as_object().unwrap().iter().map(|(kind, count)| (kind.clone(), count.as_u64().unwrap())).collect()
}

#[test]
fn a_restored_database_has_the_inventory_of_its_manifest() {
    let stand = Stand::new();
    stand.sql(RICH);
    let source = stand.run_ok();
    let restored = stand.restore_newest();
    let again = manifest_of(&stand, stand.backup().env("DATABASE_URL", &restored.url));
    assert_eq!(again["inventory"], source["inventory"]);
}

#[test]
fn without_fingerprint_tables_are_listed_and_not_counted() {
    let stand = Stand::with_rows(10);
    let manifest = manifest_of(&stand, stand.backup().env("BACKUP_FINGERPRINT", "off"));
    let table = json!({ "schema": "public", "name": "t", "rows": null, "not_counted": "off" });
    assert_eq!(manifest["inventory"]["tables"], json!([table]));
    assert_eq!(manifest["inventory"]["objects"]["tables"], 1);
}

/// A session that holds a table locked until it is dropped.
struct Lock {
    _session: e2e::process::Daemon,
}

impl Lock {
    fn of(stand: &Stand, table: &str) -> Self {
        let script = format!("BEGIN; LOCK TABLE {table}; SELECT 'locked'; SELECT pg_sleep(600)");
        let mut session = Run::program(stand.postgres.bin_dir().join("psql"))
            .args(["-X", "-At", "-d", &stand.database.url])
            .args(script.split("; ").flat_map(|statement| ["-c", statement]))
            .spawn();
        session.wait_for_line("locked", super::SOON);
        Self { _session: session }
    }
}

#[test]
fn a_table_that_cannot_be_counted_in_time_is_recorded_as_such() {
    let stand = Stand::with_rows(10);
    stand.sql("CREATE TABLE zz_busy AS SELECT g AS id, repeat('x', 500) AS v FROM generate_series(1, 5000) g; ANALYZE");
    let _lock = Lock::of(&stand, "zz_busy");
    // The dump leaves the locked table out, so that only counting has to wait for it.
    let run = || stand.backup().env("PG_DUMP_OPTIONS", "-T zz_busy");
    for (name, value, reason) in
        [("BACKUP_FINGERPRINT_TIMEOUT", "1", "time budget"), ("LOCK_WAIT_TIMEOUT", "1", "lock timeout")]
    {
        let manifest = manifest_of(&stand, run().env(name, value));
        let counted = json!({ "schema": "public", "name": "t", "rows": 10 });
        let busy = json!({ "schema": "public", "name": "zz_busy", "rows": null, "not_counted": reason });
        assert_eq!(manifest["inventory"]["tables"], json!([counted, busy]));
    }
}

/// A server with this encoding, and the bucket of a stand.
fn server_with(encoding: &str) -> (Postgres, Stand) {
    let initdb = vec![format!("--encoding={encoding}")];
    (Postgres::start(PostgresOptions { initdb, ..PostgresOptions::default() }), Stand::new())
}

/// Backs the database up and restores it into a new one with the same encoding.
fn there_and_back(postgres: &Postgres, stand: &Stand, source: &Database) -> (Value, Database) {
    let run = stand.backup().env("DATABASE_URL", &source.url).env("COMPRESSION", "none");
    let manifest = manifest_of(stand, run);
    let target = postgres.create_database();
    restore(postgres, &stand.s3.path(&stored_key(stand, &manifest, ".dump")), &target);
    (manifest, target)
}

#[test]
fn a_latin1_database_round_trips() {
    let (postgres, stand) = server_with("LATIN1");
    let source = postgres.create_database();
    postgres.sql(&source.name, "CREATE TABLE \"Größe\" AS SELECT 1 AS id, 'ÄÖÜ é'::text AS v");
    let (manifest, target) = there_and_back(&postgres, &stand, &source);
    assert_eq!(manifest["database"]["encoding"], "LATIN1");
    assert_eq!(manifest["inventory"]["tables"], json!([{ "schema": "public", "name": "Größe", "rows": 1 }]));
    assert_eq!(postgres.sql(&target.name, "SELECT v, octet_length(v) FROM \"Größe\""), "ÄÖÜ é|5");
}

#[test]
fn bytes_of_no_encoding_round_trip_from_sql_ascii() {
    let (postgres, stand) = server_with("SQL_ASCII");
    let source = postgres.create_database();
    postgres.sql(&source.name, "CREATE TABLE t AS SELECT 1 AS id, convert_from('\\xe4ff41', 'SQL_ASCII') AS v");
    let (manifest, target) = there_and_back(&postgres, &stand, &source);
    assert_eq!(manifest["database"]["encoding"], "SQL_ASCII");
    assert_eq!(postgres.sql(&target.name, "SELECT encode(v::bytea, 'hex') FROM t"), "e4ff41");
}

/// Makes something in `SQL_ASCII` whose name is no UTF-8: `$$` stands for it.
fn make(postgres: &Postgres, source: &Database, statement: &str) {
    let (before, after) = statement.split_once("$$").unwrap();
    let create = format!("DO $$ BEGIN EXECUTE '{before}' || convert_from('\\x61e4', 'SQL_ASCII') || '{after}'; END $$");
    postgres.sql(&source.name, &create);
}

#[test]
fn a_name_that_is_no_utf8_is_refused_by_check_and_run_with_what_to_do() {
    let (postgres, stand) = server_with("SQL_ASCII");
    for (statement, name) in [
        ("CREATE TABLE $$ (id int)", r#"public."a\344""#),
        ("CREATE SEQUENCE $$", r#"public."a\344""#),
        ("CREATE SCHEMA $$ CREATE TABLE t (id int)", r#""a\344".t"#),
    ] {
        let source = postgres.create_database();
        make(&postgres, &source, statement);
        let words = format!("these are no UTF-8, so they cannot be read; rename them: {name}");
        let run = || stand.backup().env("DATABASE_URL", &source.url);
        let (code, report) = check(run());
        assert!(code == Some(1) && report.contains(&words), "{statement}: {report}");
        assert!(report.contains("a backup would FAIL"), "{report}");
        assert_run_fails(&stand, run(), &[&words]);
        // The inventory names what a partial dump leaves out, too.
        let partial = || run().env("PG_DUMP_OPTIONS", "--exclude-schema=other");
        assert_eq!(check(partial()).0, Some(1));
        assert_run_fails(&stand, partial(), &[&words]);
    }
}

/// The rows are in the backup, but our sessions cannot name the column to read them back.
#[test]
fn a_column_whose_name_is_no_utf8_is_named_with_what_that_means_for_drills() {
    let (postgres, stand) = server_with("SQL_ASCII");
    let source = postgres.create_database();
    let good = "DO $$ BEGIN EXECUTE 'CREATE TABLE g (' || convert_from('\\xc3a4e282acf09f9982', 'SQL_ASCII') || ' int)'; END $$";
    postgres.sql(&source.name, good);
    make(&postgres, &source, "CREATE TABLE t ($$ int)");
    let words = r#"verify cannot read them back: a drill fails; rename them: public.t."a\344""#;
    let (code, report) = check(stand.backup().env("DATABASE_URL", &source.url));
    assert!(code == Some(0) && report.lines().any(|line| line.ends_with(words)), "{report}");
    let (manifest, _) = there_and_back(&postgres, &stand, &source);
    let gaps = manifest["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap.as_str().unwrap().ends_with(words)), "{gaps:?}");
}

/// As of earthdistance: the planner looks into the function of an index, whose names need a `search_path`.
#[test]
fn a_table_whose_count_the_server_refuses_is_not_counted_and_the_backup_is_made() {
    let stand = Stand::with_rows(10);
    stand.sql(
        "CREATE FUNCTION inner_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
         CREATE FUNCTION outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT public.inner_one($1)';
         CREATE TABLE places AS SELECT generate_series(1, 3) AS id; CREATE INDEX ON places (outer_one(id));
         CREATE OR REPLACE FUNCTION outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT inner_one($1)';
         CREATE TABLE zz AS SELECT generate_series(1, 4) AS id",
    );
    let manifest = stand.run_ok();
    let refused = json!({ "schema": "public", "name": "places", "rows": null,
                          "not_counted": "the server refused (SQLSTATE 42883)" });
    assert_eq!(manifest["inventory"]["tables"][0], refused);
    assert_eq!(
        (&manifest["inventory"]["tables"][1]["rows"], &manifest["inventory"]["tables"][2]["rows"]),
        (&json!(10), &json!(4))
    );
}
