//! The archive that `pg_dump` writes, read beside its upload: an exit status of 0 does not say that a dump is whole.

use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use pgdump_archive::{ArchiveError, Outline};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, PollSender};

use super::connect::Session;
use crate::repository::{DatabaseFacts, Inventory};
use crate::task::spawn_blocking;
use crate::text::some_of;

/// Pieces that wait for the reader of the archive. Each is what one read has brought, at most 1 MiB.
const PIECES_WAITING: usize = 4;

/// Names shown of the tables that a dump lacks.
const MAX_NAMES: usize = 5;

/// The newest major version of `pg_dump` whose format is known here.
const NEWEST_KNOWN_MAJOR: u32 = 18;

/// Why a dump is not a backup although `pg_dump` has succeeded.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// There was no byte.
    #[error("pg_dump succeeded, and wrote nothing")]
    Empty,
    /// It is not an archive from its beginning to its end.
    #[error("pg_dump succeeded, and what it wrote is not a whole archive: {0}")]
    NotWhole(ArchiveError),
    /// It is a whole archive, of something else or without something.
    #[error("pg_dump succeeded, and its archive is not of this database: {0}")]
    Other(String),
    /// Definitions in it are cut. Another dump may have them.
    #[error("pg_dump succeeded, and definitions in its archive are cut, as if the objects were gone: {0}")]
    Cut(String),
    /// The dump of roles does not come to its end.
    #[error("pg_dumpall succeeded, and what it wrote is not a whole dump of roles: it has no end")]
    RolesCut,
}

/// What became known of a dump that has passed.
#[derive(Debug)]
pub enum Passed {
    /// It is whole.
    Whole(Outline),
    /// A later version of `pg_dump` wrote it in a format that is not known here.
    Unknown(ArchiveError),
}

/// A stream that ends without error only if a whole archive has passed.
///
/// An error of the stream itself, as of a `pg_dump` that fails, comes before any finding about the archive.
pub struct CheckedDump<R> {
    inner: R,
    to_reader: Option<PollSender<Bytes>>,
    reader: JoinHandle<Result<Outline, ArchiveError>>,
    tools_major: u32,
    passed: Option<oneshot::Sender<Passed>>,
    begun: CancellationToken,
    has_ended: bool,
}

/// What is told beside the stream.
pub struct Beside {
    /// Fires with the first bytes. By then, `pg_dump` has read the catalogs and holds the locks of its tables.
    pub begun: CancellationToken,
    /// Comes with the clean end of the stream.
    pub passed: oneshot::Receiver<Passed>,
}

impl<R> CheckedDump<R> {
    /// Checks the archive that `inner` brings, written by a `pg_dump` of version `tools_major`.
    pub fn new(inner: R, tools_major: u32) -> (Self, Beside) {
        let (to_reader, pieces) = mpsc::channel(PIECES_WAITING);
        let (passed, receiver) = oneshot::channel();
        let begun = CancellationToken::new();
        let progress = Beside { begun: begun.clone(), passed: receiver };
        let checked = Self {
            inner,
            to_reader: Some(PollSender::new(to_reader)),
            reader: spawn_blocking(move || Outline::read_buffered(Pieces { pieces, current: Bytes::new() })),
            tools_major,
            passed: Some(passed),
            begun,
            has_ended: false,
        };
        (checked, progress)
    }

    /// After the end of the stream: waits for what the reader of the archive says.
    fn poll_verdict(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_reader = None; // The end of its input.
        let Some(passed) = self.passed.take() else { return Poll::Ready(Ok(())) };
        let Poll::Ready(read) = Pin::new(&mut self.reader).poll(context) else {
            self.passed = Some(passed);
            return Poll::Pending;
        };
        let verdict = match read.map_err(io::Error::other)? {
            Ok(outline) => Passed::Whole(outline),
            Err(_) if !self.begun.is_cancelled() => return Poll::Ready(Err(io::Error::other(DumpError::Empty))),
            Err(error @ ArchiveError::Unsupported(_)) if self.tools_major > NEWEST_KNOWN_MAJOR => {
                Passed::Unknown(error)
            }
            Err(error) => return Poll::Ready(Err(io::Error::other(DumpError::NotWhole(error)))),
        };
        if passed.send(verdict).is_err() {
            tracing::debug!("the dump is whole, and the run has ended before");
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for CheckedDump<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.has_ended || buffer.remaining() == 0 {
            return if this.has_ended { this.poll_verdict(context) } else { Poll::Ready(Ok(())) };
        }
        // A reader that has found damage takes no more. The stream goes on: if pg_dump fails, its own words say why.
        let takes_more = match &mut this.to_reader {
            Some(to_reader) => ready!(to_reader.poll_reserve(context)).is_ok(),
            None => false,
        };
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            this.has_ended = true;
            return this.poll_verdict(context);
        }
        this.begun.cancel();
        let piece = takes_more.then(|| Bytes::copy_from_slice(read));
        let is_sent = match (&mut this.to_reader, piece) {
            (Some(to_reader), Some(piece)) => to_reader.send_item(piece).is_ok(),
            _ => false,
        };
        if !is_sent {
            this.to_reader = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// The pieces as a source for the reader of archives, which runs on a thread that may wait.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty()
            && let Some(piece) = self.pieces.blocking_recv()
        {
            self.current = piece;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, bytes: usize) {
        self.current.advance(bytes);
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Compares where an archive says that it is from with where it should be from; `connected_as` is the name by
/// which the database was reached.
///
/// # Errors
/// If it is the dump of another database or server.
pub fn check_origin(outline: &Outline, facts: &DatabaseFacts, connected_as: &str) -> Result<(), DumpError> {
    let header = &outline.header;
    if header.database != connected_as && header.database != facts.name {
        return Err(DumpError::Other(format!("it is of database {:?}", header.database)));
    }
    let number = |version: &str| version.split(' ').next().unwrap_or_default().to_owned();
    if number(&header.server_version) != number(&facts.server_version) {
        let (theirs, ours) = (number(&header.server_version), number(&facts.server_version));
        return Err(DumpError::Other(format!("it is of a server of version {theirs}, and this one is {ours}")));
    }
    Ok(())
}

/// Whether any dump of this database has entries after its data: an index, a foreign key or a trigger of a table that no
/// extension owns.
const HAS_POST_DATA: &str = "
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
           AND (EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND x.indisvalid
                           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                              AND e.objid = x.indexrelid AND e.deptype = 'e'))
                OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f')
                OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
                           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                            WHERE e.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                                              AND e.objid = t.oid AND e.deptype = 'e'))))";

/// Asks in the snapshot whether every full dump of it has entries after its data.
///
/// # Errors
/// What the server says.
pub async fn has_post_data(session: &Session) -> anyhow::Result<bool> {
    let row = session.ask(session.client().query_one(HAS_POST_DATA, &[])).await?;
    Ok(row.try_get(0)?)
}

/// What the snapshot of a full dump held.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Its tables and the counts of its objects.
    pub inventory: &'a Inventory,
    /// What [`has_post_data`] said.
    pub has_post_data: bool,
}

/// Compares a full dump with what its own snapshot held: definitions before and after the data, the rows of each table,
/// and large objects.
///
/// # Errors
/// If the archive lacks any of it.
pub fn check_completeness(outline: &Outline, expected: &Expected<'_>) -> Result<(), DumpError> {
    let Expected { inventory, has_post_data } = expected;
    if !inventory.tables.is_empty() && !outline.has_definitions {
        return Err(DumpError::Other("it lacks the definitions of all tables".to_owned()));
    }
    if *has_post_data && !outline.has_post_data {
        return Err(DumpError::Other("it lacks all indexes, keys and triggers".to_owned()));
    }
    // pg_dump leaves the rows of unlogged tables out on a standby, where there are none.
    let wanted = || inventory.tables.iter().filter(|table| table.not_counted.as_deref() != Some(super::UNLOGGED));
    let lost: Vec<String> = wanted()
        .filter(|table| outline.has_rows_of(&table.schema, &table.name) == Some(false))
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect();
    if !lost.is_empty() {
        let more = if lost.len() > MAX_NAMES { ", ..." } else { "" };
        let (count, names) = (lost.len(), lost[..lost.len().min(MAX_NAMES)].join(", "));
        return Err(DumpError::Other(format!("it lacks the rows of {count} tables: {names}{more}")));
    }
    let (held, expected) = (outline.tables_with_rows(), wanted().count());
    if held < expected {
        return Err(DumpError::Other(format!("it holds the rows of {held} tables, and there are {expected}")));
    }
    let large_objects = inventory.objects.get("large_objects").copied().unwrap_or(0);
    if large_objects > 0 && !outline.has_large_objects {
        return Err(DumpError::Other(format!("it lacks all {large_objects} large objects")));
    }
    Ok(())
}

/// Looks for definitions that are cut, in a dump of any kind.
///
/// # Errors
/// If there are any.
pub fn check_definitions(outline: &Outline) -> Result<(), DumpError> {
    if outline.cut.is_empty() { Ok(()) } else { Err(DumpError::Cut(some_of(&outline.cut, MAX_NAMES))) }
}

#[cfg(test)]
mod tests;
