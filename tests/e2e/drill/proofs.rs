//! What only an exact comparison sees, and what looks like damage and is none.

use super::DrillStand;
use super::stand::restore_then;

/// After a restore, `sql` by the role that restored.
fn then_sql(sql: &str) -> e2e::tools::FakeTools {
    restore_then(&format!("exec \"$PSQL\" -X -q -v ON_ERROR_STOP=1 \"$DB\" -c \"{sql}\""))
}

/// `pg_dump` loads such partitions through the root of their tree, because the hash of an enum is another one in
/// each database.
const HASHED_BY_ENUM: &str = "
    CREATE TYPE mood AS ENUM ('glad', 'sad', 'calm', 'odd');
    CREATE TABLE people (id int, mood mood) PARTITION BY HASH (mood);
    CREATE TABLE people_0 PARTITION OF people FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE people_1 PARTITION OF people FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO people SELECT g, (enum_range(NULL::mood))[1 + g % 4] FROM generate_series(1, 200) g;";

#[test]
fn rows_that_are_lost_below_the_root_of_partitions_are_found_r026() {
    let stand = DrillStand::of(HASHED_BY_ENUM, &[]);
    stand.drill().assert_verdict("passed", 0);
    let lost = then_sql("DELETE FROM people WHERE id = 7");
    let words = "table public.people: 200 rows in the source's snapshot, and 199 after the restore";
    for content in ["full", "sample", "off"] {
        let verify = stand.verify().env("PG_BIN_DIR", lost.path()).env("VERIFY_CONTENT", content);
        stand.drill_with(verify).assert_found_by("row_counts", words);
    }
    let changed = then_sql("UPDATE people SET id = 1000 WHERE id = 7");
    let drill = stand.drill_with(stand.verify().env("PG_BIN_DIR", changed.path()));
    drill.assert_found_by("contents", "table public.people: 200 rows as in the archive, and their contents");
}

#[test]
fn a_large_table_is_read_back_to_its_last_block_r021() {
    let rows = "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 30) AS v FROM generate_series(1, 90000) g";
    let stand = DrillStand::of(rows, &[]);
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    for sql in ["UPDATE large SET v = 'x' WHERE id = 90000", "UPDATE large SET v = 'x' WHERE id = 45000"] {
        let changed = then_sql(sql);
        let drill = stand.drill_with(stand.verify().env("PG_BIN_DIR", changed.path()));
        drill.assert_found_by("contents", "table public.large: 90000 rows as in the archive, and their contents");
    }
}

#[test]
fn a_sequence_that_was_never_used_must_begin_where_it_would_have_r026() {
    let stand = DrillStand::of("CREATE SEQUENCE s; SELECT setval('s', 500, false)", &[]);
    stand.drill().assert_verdict("passed", 0);
    let reset = then_sql("SELECT setval('s', 1, false)");
    let drill = stand.drill_with(stand.verify().env("PG_BIN_DIR", reset.path()));
    let words = "sequence public.s: 500 (not used yet) in the archive, another one now";
    drill.assert_found_by("sequences", words);
}

/// What the source had so is no damage: constraints that were never validated, inherited or of a domain, and
/// the index of a partitioned table of which a partition has none.
#[test]
fn what_was_not_valid_in_the_source_is_no_finding_r026() {
    let sql = "CREATE DOMAIN positive AS int;
        ALTER DOMAIN positive ADD CONSTRAINT above CHECK (VALUE > 0) NOT VALID;
        CREATE TABLE parent (id int);
        CREATE TABLE child () INHERITS (parent);
        CREATE TABLE grandchild () INHERITS (child);
        ALTER TABLE parent ADD CONSTRAINT small CHECK (id < 10) NOT VALID;
        CREATE TABLE parts (id int) PARTITION BY RANGE (id);
        CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
        CREATE INDEX parts_id ON ONLY parts (id);";
    let stand = DrillStand::of(sql, &[]);
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    let checks = drill.report["checks"].to_string();
    assert!(checks.contains("4 NOT VALID as in the source"), "{checks}");
    assert!(checks.contains("1 without an index of each partition as in the source"), "{checks}");
}

#[test]
fn a_text_in_a_table_excuses_no_constraint_r026() {
    let stand = DrillStand::of(
        "CREATE TABLE t (v text DEFAULT 'b NOT VALID', CONSTRAINT b CHECK (v <> ''));
         ALTER TABLE t ADD CONSTRAINT late CHECK (v <> 'x') NOT VALID;",
        &[],
    );
    let tools = then_sql("UPDATE pg_constraint SET convalidated = false WHERE conname = 'b'");
    let verify = stand.verify().env("VERIFY_RESTORE_AS", "superuser").env("PG_BIN_DIR", tools.path());
    let drill = stand.drill_with(verify);
    drill.assert_verdict("failed", 1);
    let wanted = "constraints: constraint public.t b is not validated";
    assert!(drill.findings().iter().any(|finding| finding == wanted), "{:#?}", drill.findings());
}

#[test]
fn an_object_of_another_owner_is_found_where_owners_come_back() {
    let stand = DrillStand::new();
    let tools = then_sql("CREATE ROLE thief; ALTER TABLE t OWNER TO thief; GRANT ALL ON t TO postgres");
    let verify = stand.verify().env("VERIFY_RESTORE_AS", "superuser").env("PG_BIN_DIR", tools.path());
    let drill = stand.drill_with(verify);
    drill.assert_verdict("failed", 1);
    let findings = drill.findings();
    let wanted = "owners: TABLE public.t belonged to postgres, and belongs to ... now";
    assert!(findings.iter().any(|finding| finding == wanted), "{findings:#?}");
}
