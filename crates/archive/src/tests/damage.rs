//! Archives that are cut, changed, or made by an attacker.

use proptest::prelude::*;

use super::allocations::largest_during;
use super::build::{Bytes, entry, large_objects, table_data};
use super::{KINDS, MEMORY_BYTES, scan};
use crate::{Archive, ArchiveError, Comparison, CopyTarget, Owners, Rights, select};

/// The buffer for reading takes 256 KiB for every archive.
const LARGEST_ALLOCATION: usize = 256 * 1024;

#[track_caller]
fn check_damaged(bytes: &Bytes, offset: usize, expected: &str) {
    let (scanned, largest) = largest_during(|| scan(&bytes.0));
    assert!(largest <= LARGEST_ALLOCATION, "{largest} bytes at once");
    match scanned {
        Err(ArchiveError::Damaged { offset: at, problem }) => {
            assert!(problem.contains(expected), "{problem}");
            assert_eq!(at, offset as u64, "{problem}");
        }
        other => panic!("{other:?} instead of {expected}"),
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_damaged_r020() {
    for length in 0..KINDS.len() {
        match scan(&KINDS[..length]).unwrap_err() {
            ArchiveError::Damaged { offset, .. } => assert!(offset <= length as u64, "{length}"),
            other => panic!("{other} after {length} bytes"),
        }
    }
    scan(KINDS).unwrap();
}

#[test]
fn data_and_table_of_contents_must_agree() {
    let toc =
        Bytes::new(15, &[entry(1, "TABLE", "public", "a", "CREATE TABLE a ()"), table_data(2, "a"), large_objects(3)]);
    let rows = |bytes: Bytes, id| bytes.rows(id, &["1\n", "\\.\n\n\n"]);
    let start = toc.0.len();
    let whole = rows(toc.clone(), 2).objects(3, &[]);
    scan(&whole.0).unwrap();
    let after_rows = rows(toc.clone(), 2).0.len();
    check_damaged(&rows(toc.clone(), 2), after_rows, "the data of 1 entries has not come");
    check_damaged(&rows(toc.clone(), 1), start, "belongs to no entry");
    check_damaged(&rows(toc.clone(), 9), start, "belongs to no entry");
    check_damaged(&rows(rows(toc.clone(), 2), 2), after_rows, "two blocks");
    check_damaged(&rows(toc.clone(), 3), start, "unknown type");
    check_damaged(&toc.clone().objects(2, &[]), start, "unknown type");
    let mut trailing = whole.clone();
    trailing.0.push(7);
    check_damaged(&trailing, whole.0.len() + 1, "in the middle");
    let cut_row = toc.clone().rows(2, &["1\n2"]);
    check_damaged(&cut_row, cut_row.0.len(), "the last row is cut");
    let after_end = toc.rows(2, &["\\.\n", "1\n"]);
    check_damaged(&after_end, after_end.0.len(), "rows after the end marker");
}

#[test]
fn lengths_and_counts_are_not_believed() {
    let toc = Bytes::new(16, &[]);
    let count_at = toc.0.len() - 5;
    let with_count = |count: i32| {
        let mut bytes = toc.clone();
        bytes.0.truncate(count_at);
        bytes.integer(count);
        bytes
    };
    check_damaged(&with_count(i32::MAX), count_at, "number of its entries");
    check_damaged(&with_count(-1), count_at, "number of its entries");
    check_damaged(&with_count(5_000_000), count_at + 5, "in the middle");
    let text = |length: i32| {
        let mut bytes = with_count(1);
        bytes.integer(1);
        bytes.integer(0);
        bytes.integer(length);
        bytes
    };
    let text_at = count_at + 15;
    check_damaged(&text(i32::MAX), text_at, "longer than 64 MiB");
    check_damaged(&text(-2), text_at, "negative length");
    check_damaged(&text(60 << 20), text_at + 5, "62914560 bytes too early");
    let mut sign = with_count(1);
    sign.0.extend([2, 0, 0, 0, 0]);
    check_damaged(&sign, count_at + 5, "no valid sign");
    let mut large = with_count(1);
    large.0.extend([0, 255, 255, 255, 255]);
    check_damaged(&large, count_at + 5, "too large");
    let mut chunk = Bytes::new(16, &[table_data(1, "a")]).rows(1, &[]);
    let chunk_at = chunk.0.len() - 5;
    chunk.0.truncate(chunk_at);
    chunk.integer(-5);
    check_damaged(&chunk, chunk_at, "negative length");
}

#[test]
fn entries_that_contradict_themselves_are_damaged() {
    let start = Bytes::new(14, &[]).0.len();
    check_damaged(&Bytes::new(14, &[entry(0, "TABLE", "s", "a", "")]), start, "not positive");
    let twice = [entry(1, "TABLE", "s", "a", ""), entry(1, "TABLE", "s", "b", "")];
    check_damaged(&Bytes::new(14, &twice), Bytes::new(14, &twice[..1]).0.len(), "two entries have one number");
    let mut flag = Bytes::new(14, &[entry(1, "TABLE", "s", "a", "")]);
    let flag_at = flag.0.len() - 9;
    flag.0[flag_at] = 2;
    check_damaged(&flag, flag_at, "contradicts itself");
    let mut elsewhere = Bytes::new(14, &[table_data(1, "a")]);
    let toc_bytes = elsewhere.0.len();
    elsewhere.0[toc_bytes - 9] = 2;
    check_damaged(&elsewhere.rows(1, &[]), toc_bytes, "not where the table of contents says");
}

#[test]
fn archives_of_other_kinds_are_refused_with_the_reason() {
    let with = |place: usize, value: u8| {
        let mut bytes = Bytes::new(14, &[]).0;
        bytes[place] = value;
        Archive::read(&bytes[..], MEMORY_BYTES).unwrap_err().to_string()
    };
    assert!(with(6, 13).contains("its format is 1.13.0, and 1.14 to 1.16"), "{}", with(6, 13));
    assert!(with(6, 17).contains("its format is 1.17.0"));
    assert!(with(5, 2).contains("its format is 2.14.0"));
    assert!(with(8, 8).contains("other sizes"));
    assert!(with(10, 3).contains("not in custom format"));
    assert!(with(12, 6).contains("compressed"));
    assert!(with(0, b'p').contains("damaged at byte 0: it does not begin with PGDMP"));
}

#[test]
fn a_source_that_fails_is_no_damage() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("stopped"))
        }
    }
    assert!(
        matches!(Archive::read(Broken, MEMORY_BYTES), Err(ArchiveError::Read(error)) if error.to_string() == "stopped")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Reading an archive ends, also if a few of its bytes were changed, and so does everything that
    /// looks at what was read.
    #[test]
    fn no_change_of_bytes_makes_the_reader_panic_or_believe_a_length_r021(
        changes in prop::collection::vec((0..KINDS.len(), any::<u8>()), 1..6),
        length in 1..=KINDS.len() * 2,
    ) {
        let mut bytes = KINDS.to_vec();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes.truncate(length);
        let whole = Archive::read(KINDS, MEMORY_BYTES).unwrap();
        let (scanned, largest) = largest_during(|| scan(&bytes));
        prop_assert!(largest <= LARGEST_ALLOCATION, "{} bytes at once", largest);
        if let Ok((archive, _)) = scanned {
            let selection = select(&archive, Rights::Owner);
            let targets = archive.entries.iter().map(|entry| CopyTarget::of(entry, &archive));
            prop_assert!(targets.flatten().all(|target| target.copy_to_stdout().ends_with(" TO STDOUT")));
            archive.large_object_facts(&std::collections::BTreeSet::new());
            archive.made_by(archive.entries.iter().map(|entry| entry.dump_id));
            for owners in [Owners::Restorer, Owners::Archive] {
                let (dumped, restored, selection) = (&whole, &archive, &selection);
                let comparison = Comparison { dumped, restored, selection, owners, restorer: "restorer", before: None };
                comparison.judge(comparison.differences(), &archive);
                comparison.other_owners(str::to_owned);
            }
        }
    }
}
