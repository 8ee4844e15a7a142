//! Digests of rows and large objects that do not depend on their order.

use std::hash::{BuildHasher, RandomState};
use std::ops::{Add, AddAssign};
use std::sync::LazyLock;

use memchr::{memchr, memchr_iter};
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_secret};

/// What hashes depend on besides the rows, another one in each process. The owner of a database could construct rows that
/// collide under a secret that is known.
static SECRET: LazyLock<[u8; SECRET_BYTES]> = LazyLock::new(|| {
    let random = RandomState::new();
    let mut secret = [0; SECRET_BYTES];
    for (place, bytes) in secret.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&random.hash_one(place).to_le_bytes());
    }
    secret
});

/// As long as the one that XXH3 has by itself.
const SECRET_BYTES: usize = 192;

fn hash(row: &[u8]) -> u128 {
    xxh3_128_with_secret(row, &*SECRET)
}

fn open_hash() -> Xxh3 {
    Xxh3::with_secret(*SECRET)
}

/// How many rows there are, and the sum of the 128-bit XXH3 of each, modulo 2^128, under a secret of this process.
///
/// Two tables with the same rows have the same digest, in any order and however often
/// a row occurs; a row that is lost, added, doubled or changed changes it. Digests of two processes cannot be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsDigest {
    /// Rows, or large objects.
    pub rows: u64,
    /// Sum of their hashes.
    pub sum: u128,
}

impl RowsDigest {
    fn add_row(&mut self, hash: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

impl Add for RowsDigest {
    type Output = Self;

    /// The digest of the rows of both.
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for RowsDigest {
    /// The digest of the rows of both.
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Why a stream of rows has no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// `\.` is the end, and something follows it.
    #[error("there are rows after the end marker")]
    AfterEnd,
    /// The last row has no line break.
    #[error("the last row is cut")]
    Cut,
}

/// The line that `pg_dump` writes after the last row. No row looks like it: a backslash in a value is
/// written as two.
const END_MARKER: &[u8] = b"\\.";

/// Digests the text format of `COPY`, in which a row is a line: from the data of an archive, and from
/// `COPY ... TO STDOUT` of what was restored.
///
/// The pieces that it is given may begin and end anywhere. It keeps no row, so its memory does not
/// depend on theirs. The two sides are equal only if the settings that shape values are: those that
/// `pg_dump` makes (`DateStyle` ISO, `IntervalStyle` postgres, `extra_float_digits` 3, an empty
/// `search_path`, the archive's encoding), and `TimeZone`, `bytea_output` and `lc_monetary`, which it
/// takes as they are.
pub struct RowHasher {
    digest: RowsDigest,
    /// The hash of a row of which only the beginning has come.
    open: Xxh3,
    /// The bytes of that row so far, up to the length of the end marker and one more.
    beginning: Vec<u8>,
    is_open: bool,
    ended: bool,
    after_end: bool,
}

impl RowHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        let (open, beginning) = (open_hash(), Vec::with_capacity(END_MARKER.len() + 1));
        Self { digest: RowsDigest::default(), open, beginning, is_open: false, ended: false, after_end: false }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        if self.is_open {
            let Some(end) = memchr(b'\n', rest) else { return self.extend(rest) };
            self.extend(&rest[..end]);
            self.close();
            rest = &rest[end + 1..];
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', rest) {
            let line = &rest[start..end];
            if line == END_MARKER || self.ended {
                self.end(line);
            } else {
                self.digest.add_row(hash(line));
            }
            start = end + 1;
        }
        if start < rest.len() {
            self.extend(&rest[start..]);
        }
    }

    /// The digest of all rows.
    ///
    /// # Errors
    /// If the stream ended in the middle of a row, or went on after the end marker.
    pub fn finish(self) -> Result<RowsDigest, RowsError> {
        match self {
            Self { after_end: true, .. } => Err(RowsError::AfterEnd),
            Self { is_open: true, .. } => Err(RowsError::Cut),
            Self { digest, .. } => Ok(digest),
        }
    }

    fn extend(&mut self, part: &[u8]) {
        self.is_open = true;
        self.open.update(part);
        let wanted = (END_MARKER.len() + 1 - self.beginning.len()).min(part.len());
        self.beginning.extend_from_slice(&part[..wanted]);
    }

    fn close(&mut self) {
        let line = std::mem::take(&mut self.beginning);
        if line == END_MARKER || self.ended {
            self.end(&line);
        } else {
            self.digest.add_row(self.open.digest128());
        }
        self.open.reset();
        self.beginning = line;
        self.beginning.clear();
        self.is_open = false;
    }

    /// The end marker, or what follows it: `pg_dump` adds empty lines.
    fn end(&mut self, line: &[u8]) {
        self.after_end |= self.ended && !line.is_empty();
        self.ended = true;
    }
}

impl Default for RowHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Digests one large object: its oid and its bytes. The sum over all of them compares an archive with
/// a database.
pub struct LargeObjectHasher {
    hash: Xxh3,
}

impl LargeObjectHasher {
    /// A large object of which nothing has come yet.
    pub fn new(oid: u32) -> Self {
        let mut hash = open_hash();
        hash.update(&oid.to_le_bytes());
        Self { hash }
    }

    /// Takes the next bytes of the object.
    pub fn push(&mut self, piece: &[u8]) {
        self.hash.update(piece);
    }

    /// The digest of this one object, to be added to those of the others.
    pub fn finish(self) -> RowsDigest {
        RowsDigest { rows: 1, sum: self.hash.digest128() }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    /// Where the low half of a lane is that of XXH3's own secret, the product of both halves is zero for any high half, and
    /// two high halves can change places.
    #[test]
    fn rows_that_collide_under_a_known_secret_have_two_digests() {
        let row = |first: [u8; 4], second: [u8; 4]| {
            let mut row = vec![b'x'; 300];
            row[..4].copy_from_slice(&[0xb8, 0xfe, 0x6c, 0x39]);
            row[4..8].copy_from_slice(&first);
            row[64..68].copy_from_slice(&[0x7c, 0x01, 0x81, 0x2c]);
            row[68..72].copy_from_slice(&second);
            row
        };
        let (one, other) = (row(*b"1000", *b"9999"), row(*b"9999", *b"1000"));
        assert!(one != other && xxh3_128(&one) == xxh3_128(&other));
        assert!(hash(&one) != hash(&other));
    }

    fn digest(pieces: &[&[u8]]) -> Result<RowsDigest, RowsError> {
        let mut hasher = RowHasher::new();
        pieces.iter().for_each(|piece| hasher.push(piece));
        hasher.finish()
    }

    fn rows(lines: &[&str]) -> RowsDigest {
        let mut digest = RowsDigest::default();
        lines.iter().for_each(|line| digest.add_row(hash(line.as_bytes())));
        digest
    }

    #[track_caller]
    fn check(stream: &str, expected: Result<&[&str], RowsError>) {
        let expected = expected.map(rows);
        for size in [1, 2, 3, 7, stream.len().max(1)] {
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            assert_eq!(digest(&pieces), expected, "{stream:?} in pieces of {size}");
        }
    }

    #[test]
    fn a_row_is_a_line_wherever_the_pieces_are_cut() {
        check("", Ok(&[]));
        check("1\ta\n2\tb\n", Ok(&["1\ta", "2\tb"]));
        check("\n\n", Ok(&["", ""]));
        check("1\n\\.\n\n\n", Ok(&["1"]));
        check("\n\\.\n", Ok(&[""]));
        check("\\\\.\n\\.x\n\\\n", Ok(&["\\\\.", "\\.x", "\\"]));
        let long = "x".repeat(5000);
        check(&format!("{long}\n{long}y\n"), Ok(&[&long, &format!("{long}y")]));
    }

    #[test]
    fn a_stream_that_ends_in_a_row_or_goes_on_after_the_marker_has_no_digest() {
        check("1\n2", Err(RowsError::Cut));
        check("1\n\\.", Err(RowsError::Cut));
        check("1\n\\.\n2\n", Err(RowsError::AfterEnd));
        check("1\n\\.\n\n\\.\n", Err(RowsError::AfterEnd));
    }

    #[test]
    fn order_does_not_count_and_everything_else_does() {
        let digest = |lines: &[&str]| rows(lines);
        assert_eq!(digest(&["a", "b", "b"]), digest(&["b", "a", "b"]));
        assert_ne!(digest(&["a", "b", "b"]), digest(&["a", "c", "c"]), "pairs must not cancel each other out");
        for other in [&["a", "b"][..], &["a", "b", "b", "b"], &["a", "a", "b"], &["a", "b", "c"], &["ab", "", "b"]] {
            assert_ne!(digest(&["a", "b", "b"]), digest(other), "{other:?}");
        }
    }

    #[test]
    fn a_large_object_is_its_oid_and_its_bytes() {
        let object = |oid, pieces: &[&[u8]]| {
            let mut hasher = LargeObjectHasher::new(oid);
            pieces.iter().for_each(|piece| hasher.push(piece));
            hasher.finish()
        };
        assert_eq!(object(7, &[b"ab", b"c"]), object(7, &[b"abc"]));
        assert_ne!(object(7, &[b"abc"]), object(8, &[b"abc"]));
        assert_ne!(object(7, &[]), object(8, &[]));
    }
}
