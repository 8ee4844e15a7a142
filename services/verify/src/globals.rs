//! The roles beside a dump: not restored by a drill; what can be told without that is told.

mod roles;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use backup_core::catalog::{Kind, Manifest};
use tokio::task::spawn_blocking;

use crate::evidence::{Evidence, Trouble};

pub(crate) use roles::ClusterRoles;

/// What the statements of a globals dump begin with, as `pg_dumpall` writes them.
const STATEMENTS: [&str; 12] = [
    "SET ",
    "CREATE ROLE ",
    "ALTER ROLE ",
    "GRANT ",
    "REVOKE ",
    "CREATE TABLESPACE ",
    "ALTER TABLESPACE ",
    "COMMENT ON ",
    "SECURITY LABEL ",
    "ALTER SYSTEM ",
    "ALTER DATABASE ",
    "SELECT pg_catalog.",
];

/// Lines for `psql`, not for the server.
const COMMANDS: [&str; 3] = ["\\connect", "\\restrict", "\\unrestrict"];

/// Most bytes of the roles: `backup` stores at most half of that.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// So much of a statement tells what it is.
const START_BYTES: usize = 64;

/// How the last comment of `pg_dumpall` reads.
const END: &[u8] = b"PostgreSQL database cluster dump complete";

/// Reads the roles at `path` and enters the check. Memory does not grow with them.
pub(crate) async fn check(path: &Path, manifest: &Manifest, evidence: &mut Evidence) -> Result<(), Trouble> {
    let path = path.to_owned();
    let read = spawn_blocking(move || Roles::read(BufReader::new(File::open(path)?)));
    let roles = read.await.context("read the roles")?.context("read the roles")?;
    let mut found: Vec<String> = Vec::new();
    if let Some(line) = roles.unknown_at {
        found.push(format!("line {line} of the roles begins no statement that pg_dumpall writes"));
    }
    if manifest.kind == Kind::Full && !roles.has_end {
        found.push("the dump of the roles has no end".to_owned());
    }
    evidence.record("roles", format!("{} roles beside the dump, not restored by a drill", roles.created), found);
    Ok(())
}

/// What a dump of roles amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Roles {
    created: u64,
    /// The line of the first statement that is none of `pg_dumpall`.
    unknown_at: Option<u64>,
    has_end: bool,
}

impl Roles {
    fn read(source: impl BufRead) -> io::Result<Self> {
        let mut roles = Self::default();
        for_each_statement(source, |line, start| {
            if start.starts_with(b"--") {
                roles.has_end |= start.windows(END.len()).any(|window| window == END);
                return;
            }
            roles.created += u64::from(start.starts_with(b"CREATE ROLE "));
            let is_known = STATEMENTS.iter().chain(&COMMANDS).any(|known| start.starts_with(known.as_bytes()));
            if !is_known && roles.unknown_at.is_none() {
                roles.unknown_at = Some(line);
            }
        })?;
        Ok(roles)
    }
}

/// Where in a dump of roles a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    /// A comment, or a line for `psql`.
    Line,
    Statement,
    /// In quotes, of which a backslash may take the meaning.
    Quoted {
        quote: u8,
        escapes: bool,
        is_escaped: bool,
    },
}

/// Hands over the line number and the first bytes of each statement, each comment and each line for `psql`. A name or
/// a text may hold line breaks, semicolons and what looks like a comment.
fn for_each_statement(mut source: impl BufRead, mut sink: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let (mut place, mut start, mut line, mut began_at) = (Place::Between, Vec::new(), 1, 1);
    // The byte before, and whether it ended a text with escapes, which a second quotation mark goes on with.
    let (mut before, mut escapes_ended) = (b' ', false);
    loop {
        let ready = source.fill_buf()?;
        if ready.is_empty() {
            break;
        }
        for &byte in ready {
            if place == Place::Between && !byte.is_ascii_whitespace() {
                (place, began_at) = (Place::Statement, line);
                start.clear();
            }
            if place != Place::Between && start.len() < START_BYTES {
                start.push(byte);
            }
            let ends_line = place == Place::Line && byte == b'\n';
            let ends = ends_line || place == Place::Statement && byte == b';';
            if ends {
                sink(began_at, start.strip_suffix(b"\n").unwrap_or(&start));
                place = Place::Between;
            }
            let was = place;
            place = match place {
                Place::Statement if matches!(start.as_slice(), b"--" | [b'\\']) => Place::Line,
                Place::Statement if matches!(byte, b'\'' | b'"') => {
                    let escapes = byte == b'\'' && (matches!(before, b'E' | b'e') || escapes_ended);
                    Place::Quoted { quote: byte, escapes, is_escaped: false }
                }
                Place::Quoted { quote, is_escaped: false, .. } if byte == quote => Place::Statement,
                Place::Quoted { quote, escapes, is_escaped } => {
                    Place::Quoted { quote, escapes, is_escaped: escapes && !is_escaped && byte == b'\\' }
                }
                place => place,
            };
            escapes_ended = matches!(was, Place::Quoted { escapes: true, .. }) && place == Place::Statement;
            before = byte;
            line += u64::from(byte == b'\n');
        }
        let bytes = ready.len();
        source.consume(bytes);
    }
    if place != Place::Between {
        sink(began_at, &start);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str)]) {
        for buffer_bytes in [1, 3, 8192] {
            let mut found = Vec::new();
            let source = BufReader::with_capacity(buffer_bytes, text.as_bytes());
            for_each_statement(source, |line, start| {
                if !start.starts_with(b"--") {
                    found.push((line, String::from_utf8_lossy(start).into_owned()));
                }
            })
            .unwrap();
            let expected: Vec<_> = expected.iter().map(|(line, start)| (*line, (*start).to_owned())).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn statements_end_where_the_server_ends_them() {
        let text = "--\n-- Roles; of all\n--\n\n\\restrict abc\n\nCREATE ROLE \"a;\n-- b\";\nCOMMENT ON ROLE a IS 'two\nlines; it''s\n\
                    DROP';\nALTER ROLE a SET x TO E'\\'; DROP';GRANT a TO b;\nDROP TABLE t";
        let expected = [
            (5, "\\restrict abc"),
            (7, "CREATE ROLE \"a;\n-- b\";"),
            (9, "COMMENT ON ROLE a IS 'two\nlines; it''s\nDROP';"),
            (12, "ALTER ROLE a SET x TO E'\\'; DROP';"),
            (12, "GRANT a TO b;"),
            (13, "DROP TABLE t"),
        ];
        check(text, &expected);
        check("", &[]);
        check("-- only", &[]);
        check("COMMENT ON ROLE a IS 'never closed; ", &[(1, "COMMENT ON ROLE a IS 'never closed; ")]);
        check("SET x TO E'\\", &[(1, "SET x TO E'\\")]);
        check("SET x TO E'a''\\'; DROP b';SET y;", &[(1, "SET x TO E'a''\\'; DROP b';"), (1, "SET y;")]);
        check("SET x TO 'a\\';SET y;", &[(1, "SET x TO 'a\\';"), (1, "SET y;")]);
    }

    #[test]
    fn what_roles_amount_to() {
        let read = |text: &str| Roles::read(text.as_bytes()).unwrap();
        let all = "SET x = y;\nCREATE ROLE a;\nCREATE ROLE b;\n--\n-- PostgreSQL database cluster dump complete\n--\n";
        assert_eq!(read(all), Roles { created: 2, unknown_at: None, has_end: true });
        assert_eq!(read("SET x = y;\n\nDROP ROLE a; DROP ROLE b;").unknown_at, Some(3));
        assert!(!read("COMMENT ON ROLE a IS 'PostgreSQL database cluster dump complete';").has_end);
    }
}
