use std::collections::BTreeMap;
use std::io::Cursor;

use super::*;
use build::{Bytes, entry, large_objects, table_data};

mod allocations;
pub(crate) mod build;
mod damage;
mod hostile;

/// Made by `pg_dump` 15 out of `fixtures/kinds.sql`.
pub(crate) const KINDS: &[u8] = include_bytes!("fixtures/kinds-15.dump");

/// What tests allow a table of contents.
pub(crate) const MEMORY_BYTES: u64 = 128 * 1024 * 1024;

fn scan(bytes: &[u8]) -> Result<(Archive, Contents), ArchiveError> {
    ArchiveReader::open(bytes, MEMORY_BYTES)?.scan()
}

fn digest(rows: &[&str]) -> RowsDigest {
    let mut hasher = RowHasher::new();
    rows.iter().for_each(|row| hasher.push(format!("{row}\n").as_bytes()));
    hasher.finish().unwrap()
}

fn objects(objects: &[(u32, &[u8])]) -> RowsDigest {
    let mut sum = RowsDigest::default();
    for (oid, bytes) in objects {
        let mut hasher = LargeObjectHasher::new(*oid);
        hasher.push(bytes);
        sum += hasher.finish();
    }
    sum
}

#[test]
fn an_archive_of_pg_dump_15_is_read_to_its_end() {
    let (archive, contents) = scan(KINDS).unwrap();
    assert_eq!(archive.header.version, Version::V1_14);
    assert_eq!(archive.header.database, "kinds");
    assert!(archive.header.server_version.starts_with("15."), "{}", archive.header.server_version);
    assert!(archive.header.pg_dump_version.starts_with("15."), "{}", archive.header.pg_dump_version);
    assert_eq!(archive.encoding, "UTF8");
    let trigger = archive.entries.iter().find(|entry| entry.tag == "orders audit").unwrap();
    assert_eq!(trigger.to_string(), "TRIGGER public.orders audit");
    assert_eq!(trigger.section, Section::PostData);
    assert_eq!(trigger.owner, "postgres");
    let definition =
        "CREATE TRIGGER audit BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.audit();\n";
    assert_eq!(trigger.defn, definition);
    let needed: Vec<String> =
        trigger.dependencies.iter().filter_map(|id| archive.entry(*id)).map(Entry::to_string).collect();
    assert_eq!(needed, ["TABLE public.orders", "FUNCTION public.audit()"]);
    assert_eq!(contents.archive_bytes, KINDS.len() as u64);
    let tables: BTreeMap<&str, TableData> =
        contents.tables.iter().map(|(id, data)| (archive.entry(*id).unwrap().tag.as_str(), *data)).collect();
    let expected = BTreeMap::from([
        ("a, b", TableData::Rows(digest(&["1\t\"k\"=>\"v\""]))),
        ("by_mood_0", tables["by_mood_0"]),
        ("by_mood_1", tables["by_mood_1"]),
        ("empty", TableData::Rows(digest(&[]))),
        ("nothing", TableData::Rows(digest(&["", ""]))),
        (
            "orders",
            TableData::Rows(digest(&[
                "4\t\tnew",
                "3\t\\N\tnew",
                "2\ttab\\there, line\\nbreak, \\\\.\tnew",
                "1\tplain\tnew",
            ])),
        ),
        ("with_raw", TableData::Rows(digest(&["lost"]))),
    ]);
    assert_eq!(tables, expected);
    assert_eq!(contents.large_objects, objects(&[(102, b"\x00\xff"), (103, b""), (101, b"one")]));
}

#[test]
fn rows_are_read_back_from_the_table_that_held_them() {
    let archive = Archive::read(KINDS, MEMORY_BYTES).unwrap();
    let target = |tag: &str| {
        let entry = archive.entries.iter().find(|entry| entry.desc == "TABLE DATA" && entry.tag == tag).unwrap();
        CopyTarget::of(entry, &archive).unwrap()
    };
    let quoted = "COPY \"Großer \"\"Markt\"\"\".\"a, b\" (\"Größe (m²)\", \"drop table x; --\") TO STDOUT";
    assert_eq!(target("a, b").copy_to_stdout(), quoted);
    assert_eq!(target("nothing").copy_to_stdout(), "COPY \"public\".\"nothing\" TO STDOUT");
    // Without the generated column.
    assert_eq!(target("orders").copy_to_stdout(), "COPY \"public\".\"orders\" (\"id\", \"note\", \"state\") TO STDOUT");
    // Rows that hash by an enum may come to lie elsewhere, so pg_dump loads them through the root.
    let leaf = target("by_mood_1");
    assert_eq!(leaf.copy_to_stdout(), "COPY \"public\".\"by_mood_1\" (\"m\", \"n\") TO STDOUT");
    assert_eq!(leaf.loaded_into.to_string(), "\"public\".\"by_mood\"");
}

#[test]
fn names_that_cannot_be_read_are_not_put_into_sql() {
    let mut archive = build::archive(vec![table_data(1, "größe"), table_data(2, "plain")]);
    let target =
        |archive: &Archive, id| CopyTarget::of(archive.entry(id).unwrap(), archive).map(|target| target.table.name);
    assert_eq!(target(&archive, 1), Ok("größe".to_owned()));
    (archive.encoding, archive.is_readable) = ("EUC_JP".to_owned(), false);
    assert_eq!(target(&archive, 1), Err(CopyTargetError::Encoding));
    assert_eq!(target(&archive, 2), Ok("plain".to_owned()));
    archive.entries[0].copy_stmt.clear();
    assert_eq!(target(&archive, 1), Err(CopyTargetError::NoCopy));
}

/// What each version adds to the format, with data cut into chunks in the middle of rows.
#[test]
fn archives_of_every_known_version_are_read() {
    let mut statements = table_data(4, "inserted");
    statements.copy_stmt.clear();
    let entries = [
        entry(1, "ENCODING", "", "ENCODING", "SET client_encoding = 'LATIN1';\n"),
        entry(2, "TABLE", "public", "t", "CREATE TABLE public.t ()").needing(&[1, 77]),
        table_data(3, "t").needing(&[2]),
        statements,
        large_objects(5),
        large_objects(6),
    ];
    for (minor, version) in [(14, Version::V1_14), (15, Version::V1_15), (16, Version::V1_16)] {
        let bytes = Bytes::new(minor, &entries)
            .objects(6, &[(u32::MAX, &["o", "n", "e"])])
            .rows(3, &["1", "\n2\n3", "\n\\", ".\n\n\n"])
            .rows(4, &["INSERT INTO t VALUES (1);\n"])
            .objects(5, &[(7, &[]), (8, &["two"])]);
        let (archive, contents) = scan(&bytes.0).unwrap();
        assert_eq!((archive.header.version, archive.encoding.as_str()), (version, "LATIN1"));
        assert_eq!(archive.entries.len(), entries.len());
        assert_eq!(archive.entries[1].dependencies, [1, 77]);
        let tables = BTreeMap::from([(3, TableData::Rows(digest(&["3", "1", "2"]))), (4, TableData::Statements)]);
        assert_eq!(contents.tables, tables);
        assert_eq!(contents.large_objects, objects(&[(7, b""), (8, b"two"), (u32::MAX, b"one")]));
    }
}

#[test]
fn offsets_are_written_into_a_copy_and_nothing_else_is() {
    let (archive, contents) = scan(KINDS).unwrap();
    let mut copy = Cursor::new(KINDS.to_vec());
    contents.write_offsets(&archive, &mut copy).unwrap();
    let copy = copy.into_inner();
    let (patched, again) = scan(&copy).unwrap();
    assert_eq!(again, contents);
    for entry in &patched.entries {
        assert_eq!(entry.data_at.is_some(), entry.has_data, "{entry}");
        let Some(at) = entry.data_at else { continue };
        let kind = if entry.desc == "BLOBS" { 3 } else { 1 };
        let mut block = Bytes(vec![kind]);
        block.integer(entry.dump_id);
        assert!(copy[usize::try_from(at).unwrap()..].starts_with(&block.0), "{entry}");
    }
    let without_offsets = |archive: &Archive| {
        let mut entries = archive.entries.clone();
        entries.iter_mut().for_each(|entry| entry.data_at = None);
        entries
    };
    assert_eq!(without_offsets(&patched), without_offsets(&archive));
    let changed = KINDS.iter().zip(&copy).filter(|(before, after)| before != after).count();
    assert!(changed <= 9 * contents.tables.len() + 9, "{changed} bytes changed");
}

#[test]
fn definitions_that_the_server_has_not_told_are_cut() {
    let function = |id, definition: &str| entry(id, "FUNCTION", "public", "f(integer)", definition);
    let whole =
        "CREATE FUNCTION public.f() RETURNS integer\n    LANGUAGE sql\n    AS $$CREATE FUNCTION x RETURNS \n$$;\n";
    let entries = [
        function(1, "CREATE FUNCTION public.f() RETURNS \n    LANGUAGE sql\n    AS $$SELECT 1$$;\n"),
        entry(2, "INDEX", "public", "i", ";\n"),
        function(3, whole),
        // Longer than what is kept of it.
        function(4, &whole.replace("$$;", &format!("{}$$;", " RETURNS \n".repeat(1000)))),
        entry(5, "INDEX", "public", "j", "CREATE INDEX j ON public.t USING btree (id);\n"),
        entry(6, "COMMENT", "public", "t", ""),
    ];
    let outline = Outline::read(&*Bytes::new(16, &entries).0).unwrap();
    assert_eq!(outline.cut, ["FUNCTION public.f(integer)", "INDEX public.i"]);
}
