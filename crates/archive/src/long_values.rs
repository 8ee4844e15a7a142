//! Long values of type `bytea` stand as their SHA-256 in what is compared: the server computes that in a third of the
//! time in which it writes them out in hexadecimal and sends them.
//!
//! A value that is as long as a digest stands as its digest as well: otherwise it would equal each long value whose digest
//! it is.

use memchr::memchr2;
use sha2::{Digest, Sha256};

use super::rows::{RowHasher, RowsDigest, RowsError};

/// Bytes from which on a value is long. A shorter one is written out as fast as it is digested.
const LONG_BYTES: usize = 2048;

/// Bytes of a SHA-256, and of the values that must not be taken for one.
const DIGEST_BYTES: usize = 32;

/// How `bytea_output = hex` begins, as `COPY` writes it.
const HEX_START: &[u8] = b"\\\\x";

/// The characters of the shortest long value.
const LONG_CHARACTERS: usize = HEX_START.len() + 2 * LONG_BYTES;

/// The characters of a value that is as long as a digest.
const DIGEST_CHARACTERS: usize = HEX_START.len() + 2 * DIGEST_BYTES;

/// So much is decoded at once, on the stack.
const DECODED_BYTES: usize = 4096;

/// What a query selects in place of the column `quoted`, so that its rows look like those that a [`LongValues`] hands
/// on.
pub(super) fn selected(quoted: &str) -> String {
    format!(
        "CASE WHEN pg_catalog.octet_length({quoted}) < {LONG_BYTES} \
         AND pg_catalog.octet_length({quoted}) <> {DIGEST_BYTES} THEN {quoted} \
         ELSE pg_catalog.sha256({quoted}) END"
    )
}

/// Digests rows as `RowHasher` does, with long values as their SHA-256.
///
/// It keeps the beginning of one value, `LONG_CHARACTERS` at most. A value that is not in hexadecimal stays as it is.
pub(super) struct LongValues {
    hasher: RowHasher,
    /// Of each column, whether it holds `bytea`.
    is_bytea: Vec<bool>,
    column: usize,
    /// The characters so far of a value that may become long.
    beginning: Vec<u8>,
    value: Value,
}

/// What is known of the value that is being read.
enum Value {
    /// It passes as it is.
    Passing,
    /// It may become a long one.
    Open,
    Long {
        digest: Sha256,
        /// The first digit of a byte of which the second has not come.
        half: Option<u8>,
    },
}

impl LongValues {
    /// A digester for rows of these columns, which has seen nothing.
    pub(super) fn new(is_bytea: Vec<bool>) -> Self {
        let beginning = Vec::with_capacity(LONG_CHARACTERS);
        let mut new = Self { hasher: RowHasher::new(), is_bytea, column: 0, beginning, value: Value::Passing };
        new.begin(0);
        new
    }

    /// Takes the next piece of the stream. What passes as it is goes on in one slice.
    pub(super) fn push(&mut self, piece: &[u8]) {
        // `piece[passed..at]` passes, and was not handed on yet.
        let (mut passed, mut at) = (0, 0);
        while at < piece.len() {
            let end = memchr2(b'\t', b'\n', &piece[at..]).map(|length| at + length);
            let value = &piece[at..end.unwrap_or(piece.len())];
            if !self.passes(value, end.is_some()) {
                self.hasher.push(&piece[passed..at]);
                self.extend(value);
                passed = at + value.len();
            }
            let Some(end) = end else { break };
            self.close();
            self.begin(if piece[end] == b'\n' { 0 } else { self.column + 1 });
            at = end + 1;
        }
        self.hasher.push(&piece[passed..]);
    }

    /// Whether this part of a value, which `ends` it or not, needs no look.
    fn passes(&self, part: &[u8], ends: bool) -> bool {
        match self.value {
            Value::Passing => true,
            Value::Open => {
                let is_short = part.len() < LONG_CHARACTERS && part.len() != DIGEST_CHARACTERS;
                ends && self.beginning.is_empty() && is_short
            }
            Value::Long { .. } => false,
        }
    }

    /// The digest of all rows.
    ///
    /// # Errors
    /// As [`RowHasher::finish`].
    pub(super) fn finish(mut self) -> Result<RowsDigest, RowsError> {
        self.close();
        self.hasher.finish()
    }

    fn begin(&mut self, column: usize) {
        self.column = column;
        let is_bytea = self.is_bytea.get(column).copied().unwrap_or(false);
        self.value = if is_bytea { Value::Open } else { Value::Passing };
    }

    fn extend(&mut self, part: &[u8]) {
        match &mut self.value {
            Value::Passing => self.hasher.push(part),
            Value::Long { digest, half } => decode(part, digest, half),
            Value::Open => {
                let missing = LONG_CHARACTERS - self.beginning.len();
                let (first, rest) = part.split_at(missing.min(part.len()));
                self.beginning.extend_from_slice(first);
                if first.len() == missing {
                    self.decide();
                    self.extend(rest);
                }
            }
        }
    }

    /// The value is long enough, or as long as a digest.
    fn decide(&mut self) {
        self.value = match self.beginning.strip_prefix(HEX_START) {
            Some(digits) => {
                let (mut digest, mut half) = (Sha256::new(), None);
                decode(digits, &mut digest, &mut half);
                Value::Long { digest, half }
            }
            None => {
                self.hasher.push(&self.beginning);
                Value::Passing
            }
        };
        self.beginning.clear();
    }

    /// The value is here.
    fn close(&mut self) {
        if matches!(self.value, Value::Open) && self.beginning.len() == DIGEST_CHARACTERS {
            self.decide();
        }
        match std::mem::replace(&mut self.value, Value::Passing) {
            Value::Passing => {}
            Value::Open => {
                self.hasher.push(&self.beginning);
                self.beginning.clear();
            }
            Value::Long { mut digest, half } => {
                digest.update(half.as_slice());
                self.hasher.push(HEX_START);
                self.hasher.push(hex::encode(digest.finalize()).as_bytes());
            }
        }
    }
}

/// Digests what the digits stand for. Those of which one is none, which no server takes, are digested as they are.
fn decode(mut digits: &[u8], digest: &mut Sha256, half: &mut Option<u8>) {
    if let (Some(first), Some((second, rest))) = (*half, digits.split_first()) {
        *half = None;
        decode_pairs(&[first, *second], digest);
        digits = rest;
    }
    let (pairs, rest) = digits.split_at(digits.len() / 2 * 2);
    pairs.chunks(2 * DECODED_BYTES).for_each(|pairs| decode_pairs(pairs, digest));
    *half = half.or(rest.first().copied());
}

fn decode_pairs(pairs: &[u8], digest: &mut Sha256) {
    let mut decoded = [0; DECODED_BYTES];
    let decoded = &mut decoded[..pairs.len() / 2];
    match hex::decode_to_slice(pairs, decoded) {
        Ok(()) => digest.update(decoded),
        // One by one, so that what is digested does not depend on the pieces in which it came.
        Err(_) => pairs.chunks(2).for_each(|pair| match hex::decode_to_array::<_, 1>(pair) {
            Ok(byte) => digest.update(byte),
            Err(_) => digest.update(pair),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_in_pieces(rows: &[u8], size: usize) -> Result<RowsDigest, RowsError> {
        let mut values = LongValues::new(vec![false, true]);
        rows.chunks(size).for_each(|piece| values.push(piece));
        values.finish()
    }

    /// What these rows are digested as.
    #[track_caller]
    fn check(rows: &str, as_if: &str) {
        let mut expected = RowHasher::new();
        expected.push(as_if.as_bytes());
        let expected = expected.finish();
        for size in [1, 2, 3, 1000, LONG_CHARACTERS, 1 << 20] {
            assert_eq!(digest_in_pieces(rows.as_bytes(), size), expected, "{as_if} in pieces of {size}");
        }
    }

    fn hexadecimal(bytes: &[u8]) -> String {
        format!("\\\\x{}", hex::encode(bytes))
    }

    #[test]
    fn a_long_value_stands_as_its_digest_and_a_short_one_as_it_is() {
        let of = |length: usize| (0..length).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
        for length in [0, 1, DIGEST_BYTES - 1, DIGEST_BYTES + 1, LONG_BYTES - 1] {
            let rows = format!("1\t{0}\t{0}\n2\t{0}\tx\n", hexadecimal(&of(length)));
            check(&rows, &rows);
        }
        for length in [LONG_BYTES, LONG_BYTES + 1, 3 * DECODED_BYTES + 7] {
            let (text, digest) = (hexadecimal(&of(length)), hexadecimal(&Sha256::digest(of(length))));
            // Only in the second column.
            check(&format!("{text}\t{text}\t{text}\n3\t{text}\n"), &format!("{text}\t{digest}\t{text}\n3\t{digest}\n"));
        }
    }

    /// Otherwise a column in which each long value became its own digest would look unchanged.
    #[test]
    fn a_value_does_not_equal_its_digest() {
        let long = [7; LONG_BYTES];
        let (value, digest) = (hexadecimal(&long), hexadecimal(&Sha256::digest(long)));
        let as_digested = hexadecimal(&Sha256::digest(Sha256::digest(long)));
        check(&format!("1\t{digest}\n2\t{digest}\tx\n"), &format!("1\t{as_digested}\n2\t{as_digested}\tx\n"));
        let digests = [value, digest].map(|value| digest_in_pieces(format!("1\t{value}\n").as_bytes(), 100));
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn what_is_no_hexadecimal_stays_or_has_a_digest_of_its_own() {
        let text = "y".repeat(2 * LONG_CHARACTERS);
        check(&format!("1\t{text}\n"), &format!("1\t{text}\n"));
        let text = "y".repeat(DIGEST_CHARACTERS);
        check(&format!("1\t{text}\n"), &format!("1\t{text}\n"));
        check("1\t\\N\n\\.\n\n", "1\t\\N\n");
        let good = format!("1\t{}\n", hexadecimal(&[7; LONG_BYTES]));
        let digests: Vec<_> = [good.clone(), good.replacen("07", "0g", 1), good.replace("07\n", "07a\n")]
            .iter()
            .map(|rows| digest_in_pieces(rows.as_bytes(), 1 << 20).unwrap().sum)
            .collect();
        assert!(digests[0] != digests[1] && digests[0] != digests[2], "{digests:?}");
    }

    #[test]
    fn a_digit_that_is_none_does_not_make_the_pieces_count() {
        let good = format!("1\t{}\n", hexadecimal(&[7; 3 * DECODED_BYTES]));
        // Behind what is kept of a value anyway.
        let mut damaged = good.clone();
        damaged.replace_range(2 * LONG_CHARACTERS..2 * LONG_CHARACTERS + 1, "g");
        let whole = digest_in_pieces(damaged.as_bytes(), 1 << 20);
        assert_ne!(whole, digest_in_pieces(good.as_bytes(), 1 << 20));
        for size in [1, 2, 3, 1000, LONG_CHARACTERS] {
            assert_eq!(digest_in_pieces(damaged.as_bytes(), size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_cut_row_has_no_digest() {
        let rows = format!("1\t{}", hexadecimal(&[7; LONG_BYTES]));
        for length in [1, 3, rows.len()] {
            assert_eq!(digest_in_pieces(&rows.as_bytes()[..length], 7), Err(RowsError::Cut));
        }
    }
}
