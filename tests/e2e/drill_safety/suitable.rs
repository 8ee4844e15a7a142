//! Targets of `verify restore` that do not suit, and what `pg_restore` says of them.

use e2e::postgres::{Database, SUPERUSER};

use super::managed::findings;
use super::restore::{assert_says, restore};
use super::{COULD_NOT_RUN, FAILED, Gate, LONG, PASSED, Site};

const ROWS: &str = "CREATE TABLE t AS SELECT g AS id, 'é' || g AS v FROM generate_series(1, 100) g";

#[test]
fn a_target_that_is_read_only_is_refused() {
    let site = Site::new(ROWS);
    let postgres = site.stand.postgres;
    let target = postgres.create_database();
    let set = |sql: &str| postgres.sql(SUPERUSER, &format!("ALTER DATABASE \"{}\" {sql}", target.name));
    set("SET default_transaction_read_only = on");
    let refused = restore(&site, &["--to", &target.url]).output();
    let told = "blocked   sessions of the login are read-only there (default_transaction_read_only)";
    assert_says(&refused, COULD_NOT_RUN, &[told, "nothing was changed: "]);
    set("RESET default_transaction_read_only");
    assert_says(&restore(&site, &["--to", &target.url]).output(), PASSED, &["restored\n"]);
}

#[test]
fn a_target_whose_encoding_lacks_characters_is_refused() {
    let site = Site::new(ROWS);
    let postgres = site.stand.postgres;
    let in_encoding = |encoding: &str| -> Database {
        let name = format!("{}_{}", site.stand.database.name, encoding.to_lowercase());
        postgres.sql(SUPERUSER, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'"));
        Database { url: postgres.url(&name), name }
    };
    let latin = in_encoding("LATIN1");
    let refused = restore(&site, &["--to", &latin.url]).output();
    let told = "blocked   the target is in LATIN1, which lacks characters that the source's UTF8 may hold";
    assert_says(&refused, COULD_NOT_RUN, &[told, "nothing was changed: "]);
    let bytes = restore(&site, &["--to", &in_encoding("SQL_ASCII").url, "--dry-run"]).output();
    assert_says(&bytes, PASSED, &["warning   the source is in UTF8 and the target in SQL_ASCII"]);

    // The other way round nothing is lost.
    let mut stand = crate::stand::Stand::new();
    postgres.sql(&latin.name, ROWS);
    stand.database = latin;
    let site = Site::of(stand);
    let target = postgres.create_database();
    assert_says(&restore(&site, &["--to", &target.url]).output(), PASSED, &["restored\n"]);
    assert_eq!(postgres.sql(&target.name, "SELECT v FROM t WHERE id = 7"), "é7");
}

#[test]
fn nothing_is_added_to_what_belongs_to_an_extension() {
    let member = |rows: &str| {
        format!(
            "CREATE EXTENSION hstore; CREATE TABLE t (id int, v text); INSERT INTO t {rows};
             ALTER EXTENSION hstore ADD TABLE t"
        )
    };
    let marked = "UPDATE pg_extension SET extconfig = ARRAY['t'::regclass::oid], extcondition = ARRAY['WHERE id > 0']
        WHERE extname = 'hstore'";
    let count = "SELECT count(*) FROM t";
    let theirs = "SELECT 1, 'theirs'";

    let plain = Site::new(ROWS);
    let postgres = plain.stand.postgres;
    let target = postgres.create_database();
    postgres.sql(&target.name, &member(theirs));
    let refused = restore(&plain, &["--to", &target.url]).output();
    let told = "blocked   table public.t of the backup is there already, as a part of extension hstore";
    assert_says(&refused, COULD_NOT_RUN, &[told, "nothing was changed: "]);
    assert_eq!(postgres.sql(&target.name, count), "1");

    // Rows that an extension marks for dumps go into its table, unless others are there.
    let of_extension = Site::new(&format!("{}; {marked}", member("SELECT 2, 'ours'")));
    postgres.sql(&target.name, marked);
    let refused = restore(&of_extension, &["--to", &target.url]).output();
    let told = "nothing was changed: table public.t of extension hstore has rows in the target, to which those of the \
        backup would be added";
    assert_says(&refused, COULD_NOT_RUN, &[told]);
    assert_eq!(postgres.sql(&target.name, count), "1");
    postgres.sql(&target.name, "UPDATE t SET id = 0");
    assert_says(&restore(&of_extension, &["--to", &target.url]).output(), PASSED, &["restored\n"]);
    assert_eq!(postgres.sql(&target.name, "SELECT string_agg(v, ',' ORDER BY id) FROM t"), "theirs,ours");
}

/// Another session may make a table of the same name at the last moment.
#[test]
fn a_table_that_could_not_be_made_gets_no_rows() {
    let site = Site::new(ROWS);
    let postgres = site.stand.postgres;
    for jobs in ["1", "4"] {
        let target = postgres.create_database();
        let gate = Gate::closed();
        let run = restore(&site, &["--to", &target.url, "--jobs", jobs]).env("PG_BIN_DIR", gate.path());
        let running = run.spawn();
        gate.wait_until_reached();
        postgres.sql(&target.name, "CREATE TABLE t AS SELECT 1 AS id, 'theirs' AS v");
        gate.open();
        let output = running.wait(LONG);
        assert_says(&output, FAILED, &["TABLE public.t: relation \"t\" already exists", "NOT restored as it was"]);
        assert_eq!(postgres.sql(&target.name, "SELECT count(*) FROM t"), "1", "rows were added with {jobs} jobs");
    }
}

#[test]
fn each_complaint_of_a_parallel_restore_has_its_object_and_none_counts_r023() {
    let tables: String = (1..=6)
        .map(|number| {
            format!(
                "CREATE TABLE c{number} (id int CHECK (here(id))); INSERT INTO c{number} VALUES (1), (2);
                 CREATE TABLE d{number} AS SELECT 1 AS id; CREATE INDEX i{number} ON d{number} (divide(id));"
            )
        })
        .collect();
    let site = Site::new(&format!(
        "CREATE FUNCTION here(int) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT current_database() = 'SOURCE' $$;
         CREATE FUNCTION divide(int) RETURNS int IMMUTABLE LANGUAGE sql
             AS $$ SELECT 1 / (current_database() = 'SOURCE')::int $$; {tables}"
    ));
    let target = site.stand.postgres.create_database();
    let output = restore(&site, &["--to", &target.url, "--jobs", "4"]).output();
    assert_says(&output, FAILED, &["NOT restored as it was"]);
    let findings = findings(&output.stdout);
    let of_restore: Vec<&&str> = findings.iter().filter(|finding| finding.starts_with("restore: ")).collect();
    for number in 1..=6 {
        for object in [format!("restore: TABLE DATA public.c{number}: "), format!("restore: INDEX public.i{number}: ")]
        {
            let of_object = of_restore.iter().filter(|finding| finding.starts_with(&object)).count();
            assert_eq!(of_object, 1, "{object}: {findings:#?}");
        }
    }
    assert_eq!(of_restore.len(), 12, "{findings:#?}");
    for frightening in ["counted", "ignored", "errors"] {
        assert!(!output.stdout.contains(frightening), "{}", output.stdout);
    }
}
