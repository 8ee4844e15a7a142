//! Our reader of archives against the real tools: what it selects a plain role restores, what it digests is
//! what the restored tables hold, and what it finds different is different.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use e2e::postgres::{Database, Postgres};
use e2e::process::Run;
use e2e::skip::skip;
use pgdump_archive::{
    Archive, ArchiveReader, Comparison, Contents, CopyTarget, LargeObjectHasher, Owners, Rights, RowHasher, RowsDigest,
    Selection, TableData, TableName, select,
};
use tempfile::TempDir;

/// Every kind of entry, many of which only a superuser may restore.
const KINDS: &str = include_str!("../../crates/archive/src/fixtures/kinds.sql");

/// What a table of contents may take in memory.
const MEMORY_BYTES: u64 = 128 * 1024 * 1024;

/// The database of the demonstration, with a thousandth of its rows.
fn small_sample() -> String {
    let sample = include_str!("../demo/sample.sql");
    [("260000", "260"), ("150000", "150"), ("60000", "60"), ("5000", "50")]
        .iter()
        .fold(sample.to_owned(), |sql, (rows, fewer)| sql.replace(rows, fewer))
}

/// An archive of a database, as it comes through a pipe.
struct Dumped {
    _folder: TempDir,
    path: PathBuf,
    archive: Archive,
    contents: Contents,
}

/// Dumps through a pipe, so that the archive holds no offsets.
fn dump(postgres: &Postgres, database: &Database, options: &str) -> Dumped {
    let folder = TempDir::with_prefix("e2e-archive-").unwrap();
    let path = folder.path().join("archive.dump");
    let script = "\"$1\" --format=custom --compress=0 $2 --dbname=\"$3\" | cat >\"$4\"";
    let pg_dump = postgres.bin_dir().join("pg_dump");
    let args = ["-ec", script, "sh", pg_dump.to_str().unwrap(), options, &database.url, path.to_str().unwrap()];
    let output = Run::program("/bin/sh").args(args).output();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let source = BufReader::new(File::open(&path).unwrap());
    let (archive, contents) = ArchiveReader::open(source, MEMORY_BYTES).unwrap().scan().unwrap();
    assert_eq!(contents.archive_bytes, fs::metadata(&path).unwrap().len());
    Dumped { _folder: folder, path, archive, contents }
}

/// A database of a role of its own, restored by that role with what a superuser made beforehand.
struct Restored {
    database: Database,
    role: String,
}

fn restore(postgres: &Postgres, archive: &Path, selection: &Selection) -> Restored {
    let database = postgres.create_database();
    let role = format!("{}_drill", database.name);
    // As a drill's role: whether a foreign key or row security comes first is up to the jobs.
    let create = format!(
        "CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD 'drill'; ALTER DATABASE {} OWNER TO {role}",
        database.name
    );
    postgres.sql(&database.name, &create);
    for extension in &selection.extensions {
        let schema = format!("CREATE SCHEMA IF NOT EXISTS \"{}\" AUTHORIZATION {role}", extension.schema);
        postgres.sql(&database.name, &schema);
        let sql = format!("CREATE EXTENSION \"{}\" SCHEMA \"{}\" CASCADE", extension.name, extension.schema);
        postgres.sql(&database.name, &sql);
    }
    let list = archive.with_extension("list");
    fs::write(&list, &selection.list_file).unwrap();
    let url = postgres.url_as(&role, "drill", &database.name);
    let output = Run::program(postgres.bin_dir().join("pg_restore"))
        .args(["--exit-on-error", "--no-owner", "--jobs=2", "--dbname", &url, "--use-list"])
        .args([&list, archive])
        .output();
    // 13 warns of publications if nothing is replicated.
    let is_quiet =
        output.stderr.is_empty() || output.stderr.starts_with("pg_restore: WARNING:  wal_level is insufficient");
    assert!(output.code == Some(0) && is_quiet, "{}", output.stderr);
    Restored { database, role }
}

/// The digests of the archive and of the restored tables, by the table that `COPY` loads.
fn digests(
    postgres: &Postgres,
    dumped: &Dumped,
    selection: &Selection,
    restored: &Restored,
) -> [BTreeMap<TableName, RowsDigest>; 2] {
    let mut sums = [BTreeMap::new(), BTreeMap::new()];
    let left_out: Vec<_> = selection.rows_left_out().map(|left_out| left_out.dump_id).collect();
    for (id, data) in dumped.contents.tables.iter().filter(|(id, _)| !left_out.contains(id)) {
        let target = CopyTarget::of(dumped.archive.entry(*id).unwrap(), &dumped.archive).unwrap();
        let TableData::Rows(of_archive) = data else { panic!("{target:?} has no rows") };
        let psql = Run::program(postgres.bin_dir().join("psql"));
        let output = psql.args(["-XAtqc", &target.copy_to_stdout(), &restored.database.url]).output();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        let mut hasher = RowHasher::new();
        output.stdout.as_bytes().chunks(1000).for_each(|piece| hasher.push(piece));
        let of_table = hasher.finish().unwrap();
        for (sums, digest) in sums.iter_mut().zip([*of_archive, of_table]) {
            *sums.entry(target.loaded_into.clone()).or_default() += digest;
        }
    }
    sums
}

fn large_objects(postgres: &Postgres, database: &Database) -> RowsDigest {
    let sql = "SELECT oid, encode(lo_get(oid), 'hex') FROM pg_largeobject_metadata";
    let mut sum = RowsDigest::default();
    for line in postgres.sql(&database.name, sql).lines() {
        let (oid, hex) = line.split_once('|').unwrap();
        let mut hasher = LargeObjectHasher::new(oid.parse().unwrap());
        let byte = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        (0..hex.len()).step_by(2).for_each(|place| hasher.push(&[byte(place)]));
        sum += hasher.finish();
    }
    sum
}

/// What differs between the archive and the restored database, one finding a line. What the archive's definitions
/// become without rows is no finding.
fn findings(postgres: &Postgres, dumped: &Dumped, selection: &Selection, restored: &Restored) -> String {
    let again = dump(postgres, &restored.database, "--schema-only");
    let (dumped, path) = (&dumped.archive, &dumped.path);
    let (restored, owners) = (&again.archive, Owners::Restorer);
    let comparison = Comparison { dumped, restored, selection, owners, restorer: "restorer", before: None };
    let definitions = Selection { list_file: selection.definitions_only(dumped), ..selection.clone() };
    let reference = restore(postgres, path, &definitions);
    let reference = dump(postgres, &reference.database, "--schema-only");
    comparison
        .judge(comparison.differences(), &reference.archive)
        .findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Dumps, writes the offsets, restores as a plain role, and compares everything that can be compared.
fn there_and_back(postgres: &Postgres, database: &Database) -> (Dumped, Selection, Restored) {
    let dumped = dump(postgres, database, "");
    let mut file = OpenOptions::new().write(true).open(&dumped.path).unwrap();
    dumped.contents.write_offsets(&dumped.archive, &mut file).unwrap();
    let selection = select(&dumped.archive, Rights::Owner);
    let restored = restore(postgres, &dumped.path, &selection);
    let [of_archive, of_tables] = digests(postgres, &dumped, &selection, &restored);
    assert_eq!(of_archive, of_tables);
    assert_eq!(large_objects(postgres, &restored.database), dumped.contents.large_objects);
    assert_eq!(findings(postgres, &dumped, &selection, &restored), "");
    (dumped, selection, restored)
}

#[test]
fn the_sample_comes_back_without_a_difference_and_each_loss_is_named_r026() {
    let postgres = Postgres::shared();
    let database = postgres.create_database();
    postgres.sql(&database.name, &small_sample());
    let (dumped, selection, restored) = there_and_back(postgres, &database);
    let unproven: Vec<String> =
        selection.left_out.iter().filter(|left_out| left_out.reason.is_unproven()).map(ToString::to_string).collect();
    assert_eq!(unproven, ["DEFAULT ACL sales.DEFAULT PRIVILEGES FOR TABLES"]);
    assert_eq!(dumped.contents.large_objects.rows, 14);
    let body = "CREATE OR REPLACE FUNCTION stock.same_sku(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS ";
    for (sql, expected) in [
        ("DROP TRIGGER touch ON sales.orders", "TRIGGER sales.orders touch is missing"),
        ("DROP FUNCTION crm.label CASCADE", "FUNCTION crm.label(crm.customer) is missing"),
        ("DROP INDEX crm.by_lower_name", "INDEX crm.by_lower_name is missing"),
        ("DROP POLICY owner_writes ON crm.customer", "POLICY crm.customer owner_writes is missing"),
        (&format!("{body} $$ select a = b $$"), "FUNCTION stock.same_sku(text, text) differs"),
        ("ALTER TABLE stock.movement DROP CONSTRAINT fresh", "CHECK CONSTRAINT stock.movement fresh is missing"),
        ("ALTER TABLE stock.movement VALIDATE CONSTRAINT fresh", "CHECK CONSTRAINT stock.movement fresh"),
        (
            "ALTER TABLE stock.product DROP CONSTRAINT product_price_check;
             ALTER TABLE stock.product ADD CONSTRAINT product_price_check CHECK (price > 0) NOT VALID",
            "CHECK CONSTRAINT stock.product product_price_check was not in the dump",
        ),
        (
            "ALTER TABLE stock.movement DROP CONSTRAINT movement_product_id_fkey;
             ALTER TABLE stock.movement ADD FOREIGN KEY (product_id) REFERENCES stock.product NOT VALID",
            "FK CONSTRAINT stock.movement movement_product_id_fkey differs",
        ),
        ("REVOKE SELECT ON sales.line FROM shop_report", "ACL sales.TABLE line is missing"),
        (
            "GRANT EXECUTE ON PROCEDURE stock.reprice TO PUBLIC",
            "percent numeric) is missing", // From 14 on with IN before it.
        ),
        ("CREATE TABLE more ()", "TABLE public.more was not in the dump"),
        ("ALTER TABLE sales.line ENABLE TRIGGER switched_off", "TRIGGER sales.line switched_off differs"),
        ("COMMENT ON SCHEMA crm IS NULL", "COMMENT SCHEMA crm is missing"),
    ] {
        let damaged = Restored { database: clone(postgres, &restored), role: restored.role.clone() };
        postgres.sql(&damaged.database.name, sql);
        let found = findings(postgres, &dumped, &selection, &damaged);
        assert!(found.contains(expected), "{sql}: {found}");
    }
}

/// A copy of a restored database with the same owner.
fn clone(postgres: &Postgres, restored: &Restored) -> Database {
    let name = format!("{}_copy", restored.database.name);
    let sql = format!(
        "DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} TEMPLATE {} OWNER {}",
        restored.database.name, restored.role
    );
    postgres.sql("postgres", &sql);
    Database { url: postgres.url(&name), name }
}

#[test]
fn a_plain_role_restores_everything_that_is_selected_of_every_kind_r054() {
    let postgres = Postgres::shared();
    if postgres.major() < 14 {
        let test = "archive::a_plain_role_restores_everything_that_is_selected_of_every_kind_r054";
        return skip(test, "there are functions with BEGIN ATOMIC among the kinds, which are of PostgreSQL 14");
    }
    let database = postgres.create_database();
    postgres.sql("postgres", "CREATE ROLE clerk; CREATE ROLE report");
    postgres.sql(&database.name, &format!("SET client_min_messages = error; {KINDS}"));
    let (_, selection, restored) = there_and_back(postgres, &database);
    assert_eq!(selection.rows_left_out().map(|left_out| left_out.name.as_str()).collect::<Vec<_>>(), ["with_raw"]);
    let subscriptions =
        "SELECT count(subname) FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = ";
    let count = postgres.sql("postgres", &format!("{subscriptions} '{}'", restored.database.name));
    assert_eq!(count, "0");
    assert_eq!(postgres.sql(&restored.database.name, "SELECT count(*) FROM pg_event_trigger"), "0");
}

/// The server digests what is long, and the archive must come to the same.
#[test]
fn long_values_are_compared_by_a_digest_that_sees_every_byte() {
    let postgres = Postgres::shared();
    let database = postgres.create_database();
    let sql = "CREATE DOMAIN blob AS bytea; CREATE TYPE pair AS (a bytea, b bytea);
        CREATE TABLE files (\"a body\" bytea, id int, of_domain blob, list bytea[], pair pair, text text, last bytea);
        CREATE TABLE parted (id int, body bytea) PARTITION BY HASH (id);
        CREATE TABLE part_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE part_1 (body bytea, id int);
        ALTER TABLE parted ATTACH PARTITION part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE FUNCTION value(length int) RETURNS bytea LANGUAGE sql AS
            $$ SELECT decode(left(repeat(md5(length::text), length / 16 + 1), 2 * length), 'hex') $$;
        INSERT INTO files SELECT value(n), n, value(n), ARRAY[value(n)], ROW(value(n), NULL)::pair, value(n)::text, value(n)
            FROM unnest('{0, 1, 31, 32, 33, 2047, 2048, 2049, 70000, 3000000, NULL}'::int[]) AS n;
        INSERT INTO parted SELECT n, value(2040 + n) FROM generate_series(1, 20) AS n";
    postgres.sql(&database.name, sql);
    let (dumped, selection, restored) = there_and_back(postgres, &database);
    let entries = dumped.contents.tables.keys().map(|id| dumped.archive.entry(*id).unwrap());
    let digested = entries.flat_map(|entry| CopyTarget::of(entry, &dumped.archive).unwrap().columns);
    let mut digested: Vec<String> = digested.filter(|column| column.is_bytea).map(|column| column.name).collect();
    digested.sort();
    assert_eq!(digested, ["a body", "body", "body", "last"]);
    let flip = |column: &str, length: u32| {
        let last = format!("{length} * 8 - 1");
        let flipped = format!("set_bit({column}, {last}, 1 - get_bit({column}, {last}))");
        format!("UPDATE files SET {column} = {flipped} WHERE id = {length}")
    };
    for flip in [
        flip("\"a body\"", 2048),
        flip("\"a body\"", 32),
        flip("last", 2049),
        flip("last", 3_000_000),
        // A value does not equal its own digest.
        "UPDATE files SET last = sha256(last)".to_owned(),
    ] {
        let damaged = Restored { database: clone(postgres, &restored), role: restored.role.clone() };
        postgres.sql(&damaged.database.name, &flip);
        let [of_archive, of_tables] = digests(postgres, &dumped, &selection, &damaged);
        let differ = of_archive.iter().filter(|(table, digest)| of_tables[table] != **digest);
        assert_eq!(differ.map(|(table, _)| table.name.as_str()).collect::<Vec<_>>(), ["files"], "{flip}");
    }
}

#[test]
fn stock_pg_restore_reads_a_copy_with_offsets_like_the_archive() {
    let postgres = Postgres::shared();
    let database = postgres.create_database();
    postgres.sql(&database.name, "CREATE TABLE t AS SELECT g FROM generate_series(1, 5000) g; SELECT lo_create(0)");
    let dumped = dump(postgres, &database, "");
    let said = |args: &[&str]| {
        let run = Run::program(postgres.bin_dir().join("pg_restore"));
        let output = run.args(args).args([&dumped.path]).output();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        // Newer versions protect scripts with a key of their own.
        output.stdout.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
    };
    let before = [said(&["--list"]), said(&["--file=-"])];
    let mut file = OpenOptions::new().write(true).open(&dumped.path).unwrap();
    dumped.contents.write_offsets(&dumped.archive, &mut file).unwrap();
    assert_eq!([said(&["--list"]), said(&["--file=-"])], before);
}

#[test]
fn rows_as_statements_are_told_from_rows_that_can_be_compared() {
    let postgres = Postgres::shared();
    let database = postgres.create_database();
    postgres.sql(&database.name, "CREATE TABLE t AS SELECT 1 AS id");
    let dumped = dump(postgres, &database, "--inserts");
    assert_eq!(dumped.contents.tables.into_values().collect::<Vec<_>>(), [TableData::Statements]);
}
