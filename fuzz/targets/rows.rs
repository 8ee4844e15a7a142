//! Rows in the format of `COPY`, and large objects, which arrive in pieces.

use std::collections::BTreeSet;

use pgdump_archive::{LargeObjectHasher, RowHasher, RowsDigest, RowsError};

use crate::run::{Target, words};

fn digest(rows: &[u8], piece_bytes: usize) -> Result<RowsDigest, RowsError> {
    let mut hasher = RowHasher::new();
    rows.chunks(piece_bytes).for_each(|piece| hasher.push(piece));
    hasher.finish()
}

#[test]
fn digests_do_not_depend_on_pieces_or_order() {
    let words = words(&["\\.\n", "\\.", "\n", "\n\n", "\\N", "\t", "\\\\.", "\0", "\\\\x"]);
    Target { name: "rows", items: Vec::new(), words, once: Vec::new(), bytes_per_byte: 8 }.fuzz(|bytes| {
        let whole = digest(bytes, bytes.len().max(1));
        for piece_bytes in [1, 2, 3, 7, 64] {
            assert_eq!(digest(bytes, piece_bytes), whole);
        }
        let mut object = LargeObjectHasher::new(7);
        object.push(bytes);
        let mut pieces = LargeObjectHasher::new(7);
        bytes.chunks(3).for_each(|piece| pieces.push(piece));
        assert_eq!(object.finish(), pieces.finish());
        let Ok(digest_of_all) = whole else { return };
        let end = bytes.split_inclusive(|byte| *byte == b'\n').position(|row| row == b"\\.\n");
        let rows: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').take(end.unwrap_or(usize::MAX)).collect();
        assert_eq!(digest_of_all.rows, rows.len() as u64);
        let reversed: Vec<u8> = rows.iter().rev().copied().collect::<Vec<_>>().concat();
        assert_eq!(digest(&reversed, 5), Ok(digest_of_all));
        // A row less is another digest.
        if let Some((_, rest)) = rows.split_first() {
            assert_ne!(digest(&rest.concat(), 5), Ok(digest_of_all));
        }
        let distinct: BTreeSet<&[u8]> = rows.iter().copied().collect();
        let sums: BTreeSet<u128> = distinct.iter().filter_map(|row| Some(digest(row, 5).ok()?.sum)).collect();
        assert_eq!(sums.len(), distinct.len());
    });
}
