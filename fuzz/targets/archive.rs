//! Archives of `pg_dump`: header, table of contents, blocks of rows and of large objects, and what is read out of them.

use std::collections::BTreeSet;
use std::io::{BufReader, Cursor};

use pgdump_archive::{
    Archive, ArchiveReader, Comparison, CopyTarget, DatabaseLevel, Entry, Outline, Owners, Rights, TableData, select,
    superusers,
};

use crate::run::{Target, file, words};

/// What a table of contents may take here, as a drill says it.
const MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// Archives of the real `pg_dump`.
const ARCHIVES: [&str; 2] = [
    "crates/archive/src/fixtures/kinds-15.dump",
    "tests/fixtures/format-1/none/postgres-backups/app/20261129T162012Z-dnzrny4hqavnidbj/app.dump",
];

/// The real archives as bytes.
pub(crate) fn real() -> Vec<Vec<u8>> {
    ARCHIVES.iter().map(|path| file(path)).collect()
}

fn integers(values: &[i32]) -> Vec<Vec<u8>> {
    let integer = |value: &i32| [&[u8::from(*value < 0)][..], &value.unsigned_abs().to_le_bytes()].concat();
    values.iter().map(integer).collect()
}

fn target() -> Target {
    let mut all = integers(&[-1, 0, 1, 2, 3, 4, 7, 100, 65_536, 1 << 26, i32::MAX, i32::MIN + 1]);
    all.extend(words(&[
        "PGDMP",
        "TABLE DATA",
        "BLOBS",
        "ENCODING",
        "ACL",
        "BLOB METADATA",
        "\x01",
        "\x03",
        "\\.\n",
        "1",
    ]));
    all.push(b"\x01\x0f\x00\x04\x08\x01\x00".to_vec());
    all.push(b"\x01\x10\x00\x04\x08\x01\x00".to_vec());
    Target { name: "archive", items: real(), words: all, once: Vec::new(), bytes_per_byte: 256 }
}

#[test]
fn archives_are_read_or_refused() {
    target().fuzz(|bytes| {
        let outline = Outline::read_buffered(bytes);
        // How the bytes arrive must not matter.
        let slow = ArchiveReader::open(BufReader::with_capacity(7, bytes), MEMORY_BYTES).and_then(ArchiveReader::scan);
        let Ok(reader) = ArchiveReader::open(bytes, MEMORY_BYTES) else {
            assert!(slow.is_err());
            return;
        };
        look_at(reader.archive());
        let scanned = reader.scan();
        match (&scanned, &slow) {
            (Ok((_, fast)), Ok((_, slow))) => assert_eq!(fast, slow),
            (fast, slow) => assert_eq!(fast.is_err(), slow.is_err()),
        }
        let Ok((archive, contents)) = scanned else { return };
        let outline = outline.expect("what is whole has an outline");
        assert_eq!(outline.header, archive.header);
        assert_eq!(contents.archive_bytes, bytes.len() as u64);
        for (id, data) in &contents.tables {
            assert!(archive.entry(*id).is_some_and(|entry| entry.has_data));
            assert!(contents.has_rows(*id) || matches!(data, TableData::Rows(digest) if digest.rows == 0));
        }
        // With the places of its blocks written into it, it is the same archive.
        let mut copy = Cursor::new(bytes.to_vec());
        contents.write_offsets(&archive, &mut copy).expect("write into memory");
        let reread = ArchiveReader::open(copy.get_ref().as_slice(), MEMORY_BYTES).and_then(ArchiveReader::scan);
        assert_eq!(reread.expect("read with offsets").1, contents);
    });
}

/// Everything that a drill reads out of a table of contents.
pub(crate) fn look_at(archive: &Archive) {
    for rights in [Rights::Owner, Rights::Superuser] {
        let mut selection = select(archive, rights);
        let listed = selection.list_file.lines().count();
        assert_eq!(listed + selection.left_out.len(), archive.entries.len(), "an entry is listed or left out");
        let of = |owners| Comparison {
            dumped: archive,
            restored: archive,
            selection: &selection,
            owners,
            restorer: "restorer",
            before: None,
        };
        assert_eq!(of(Owners::Archive).differences(), [], "an archive differs from itself");
        assert_eq!(
            of(Owners::Restorer).other_owners(str::to_owned).is_empty(),
            of(Owners::Archive).other_owners(str::to_owned).is_empty()
        );
        let judged = of(Owners::Archive).judge(Vec::new(), archive);
        assert!(judged.findings.is_empty());
        selection.definitions_only(archive);
        selection.leave_out_for_lack_of(archive, &["clerk".to_owned()]);
        selection.leave_out_what_is_of_others(archive, |_| false);
        selection.make_extensions_beforehand(archive);
        selection.leave_out_grants(archive);
        let listed = selection.list_file.lines().count();
        assert_eq!(listed + selection.left_out.len(), archive.entries.len(), "an entry is listed or left out");
    }
    let level = DatabaseLevel::of(archive);
    level.rights();
    level.roles();
    archive.needed_roles();
    archive.schema_owners();
    archive.large_object_facts(&BTreeSet::new());
    archive.names();
    archive.extensions();
    archive.had_public(1);
    archive.made_by(archive.entries.iter().map(|entry| entry.dump_id));
    superusers(archive);
    for entry in &archive.entries {
        archive.makes_what_it_is_about(entry);
        if let Ok(target) = CopyTarget::of(entry, archive) {
            check_copy(&target, entry, archive);
        }
    }
}

/// Written out and read again, a `COPY` has the same columns and the same table.
fn check_copy(target: &CopyTarget, entry: &Entry, archive: &Archive) {
    assert!(target.copy_to_stdout().starts_with("COPY "));
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = target.columns.iter().map(|column| quote(&column.name)).collect();
    let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let copy_stmt = format!("COPY {}{list} FROM stdin;\n", target.loaded_into);
    let mut written = entry.clone();
    written.copy_stmt.clone_from(&copy_stmt);
    let again = CopyTarget::of(&written, archive);
    assert_eq!(again.as_ref(), Ok(target), "{copy_stmt}");
}
