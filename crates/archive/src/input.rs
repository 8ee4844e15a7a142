//! The archive as a stream of bytes that knows its place and believes no length: memory is taken
//! for bytes that have arrived, never for bytes that were announced.

use std::io::{self, BufRead};

use super::error::ArchiveError;

/// Longest text in a header or table of contents: a definition of more is none that a person or a program wrote. The
/// largest function bodies and views that are known have some MiB.
pub(super) const TEXT_BYTES_LIMIT: u64 = 64 * 1024 * 1024;

/// So much of a text is allocated at once.
const TEXT_PIECE_BYTES: usize = 64 * 1024;

/// Integers are a sign and this many bytes, the lowest first. `pg_dump` writes its `sizeof(int)`.
pub(super) const INTEGER_BYTES: usize = 4;

/// Reads the parts that an archive is made of, front to back.
pub(super) struct Input<R> {
    source: R,
    position: u64,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, position: 0 }
    }

    /// The place of the next byte, counted from the beginning of the archive.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Says what is wrong with what was just read at `offset`.
    pub(super) fn expect(&self, holds: bool, offset: u64, problem: &str) -> Result<(), ArchiveError> {
        if holds { Ok(()) } else { Err(ArchiveError::damaged(offset, problem)) }
    }

    /// The next byte; `None` if the archive ends.
    pub(super) fn byte_or_end(&mut self) -> Result<Option<u8>, ArchiveError> {
        let byte = self.fill()?.first().copied();
        self.take(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// The next byte, which must be there.
    pub(super) fn byte(&mut self) -> Result<u8, ArchiveError> {
        let offset = self.position();
        self.byte_or_end()?.ok_or_else(|| ArchiveError::damaged(offset, "it ends in the middle"))
    }

    /// A sign, 0 or 1, and [`INTEGER_BYTES`].
    pub(super) fn integer(&mut self) -> Result<i32, ArchiveError> {
        let offset = self.position();
        let mut bytes = [0; 1 + INTEGER_BYTES];
        if let Some(ready) = self.fill()?.first_chunk() {
            bytes = *ready;
            self.take(bytes.len());
        } else {
            for byte in &mut bytes {
                *byte = self.byte()?;
            }
        }
        let [sign, digits @ ..] = bytes;
        let magnitude = i64::from(u32::from_le_bytes(digits));
        let value = match sign {
            0 => Some(magnitude),
            1 => Some(-magnitude),
            _ => None,
        };
        let value = value.and_then(|value| i32::try_from(value).ok());
        value.ok_or_else(|| ArchiveError::damaged(offset, "an integer has no valid sign or is too large"))
    }

    fn text_length(&mut self) -> Result<Option<u64>, ArchiveError> {
        let offset = self.position();
        match self.integer()? {
            -1 => Ok(None),
            length => {
                let length = u64::try_from(length);
                length.map(Some).map_err(|_| ArchiveError::damaged(offset, "a text has a negative length"))
            }
        }
    }

    /// A length and that many bytes; `None` for a null, which has the length -1.
    pub(super) fn text(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let offset = self.position();
        let Some(length) = self.text_length()? else { return Ok(None) };
        self.expect(length <= TEXT_BYTES_LIMIT, offset, "a text is longer than 64 MiB")?;
        let mut text = Vec::new();
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        self.pass(length, |piece| {
            if text.capacity() - text.len() < piece.len() {
                // Doubled as a rule, and never beyond its length.
                let more = text.len().max(piece.len()).max(TEXT_PIECE_BYTES);
                text.reserve_exact(more.min(bytes - text.len()));
            }
            text.extend_from_slice(piece);
        })?;
        Ok(Some(text))
    }

    /// The first bytes of a text, at most so many; the rest is passed over. `None` for a null.
    pub(super) fn beginning_of_text(&mut self, most_bytes: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(length) = self.text_length()? else { return Ok(None) };
        let mut text = Vec::new();
        self.pass(length, |piece| text.extend_from_slice(&piece[..piece.len().min(most_bytes - text.len())]))?;
        Ok(Some(text))
    }

    /// Hands the next `length` bytes to `sink`, in pieces as they lie in the source.
    pub(super) fn pass(&mut self, length: u64, mut sink: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let mut left = length;
        while left > 0 {
            let ready = self.fill()?;
            if ready.is_empty() {
                return Err(ArchiveError::damaged(self.position(), format!("it ends {left} bytes too early")));
            }
            let taken = ready.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&ready[..taken]);
            self.take(taken);
            left -= taken as u64;
        }
        Ok(())
    }

    /// What is there, after reading more if nothing is left; empty at the end only.
    fn fill(&mut self) -> Result<&[u8], ArchiveError> {
        while let Err(error) = self.source.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(ArchiveError::Read(error));
            }
        }
        self.source.fill_buf().map_err(ArchiveError::Read)
    }

    fn take(&mut self, bytes: usize) {
        self.source.consume(bytes);
        self.position += bytes as u64;
    }
}
