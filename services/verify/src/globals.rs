//! The roles beside a dump: not restored by a drill; what can be told without that is told.

use std::path::Path;

use anyhow::Context;
use backup_core::catalog::{Kind, Manifest};

use crate::evidence::{Evidence, Trouble};

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

/// Reads the roles at `path` and enters the check.
pub(crate) async fn check(path: &Path, manifest: &Manifest, evidence: &mut Evidence) -> Result<(), Trouble> {
    let text = tokio::fs::read(path).await.context("read the roles")?;
    let text = String::from_utf8_lossy(&text);
    let statements = statements(&text);
    let is_known = |words: &str| STATEMENTS.iter().chain(&COMMANDS).any(|start| words.starts_with(start));
    let mut found: Vec<String> = Vec::new();
    if let Some((line, _)) = statements.iter().find(|(_, words)| !is_known(words)) {
        found.push(format!("line {line} of the roles begins no statement that pg_dumpall writes"));
    }
    if manifest.kind == Kind::Full && !text.contains("PostgreSQL database cluster dump complete") {
        found.push("the dump of the roles has no end".to_owned());
    }
    let created = statements.iter().filter(|(_, words)| words.starts_with("CREATE ROLE ")).count();
    evidence.record("roles", format!("{created} roles beside the dump, not restored by a drill"), found);
    Ok(())
}

/// Each statement and each line for `psql`, with the number of its first line. A name or a text may hold line
/// breaks, semicolons and what looks like a comment.
fn statements(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut line, mut rest) = (Vec::new(), 1, text);
    while !rest.is_empty() {
        let length = if rest.starts_with(char::is_whitespace) {
            rest.len() - rest.trim_start().len()
        } else if rest.starts_with("--") || rest.starts_with('\\') {
            let length = rest.find('\n').unwrap_or(rest.len());
            if rest.starts_with('\\') {
                found.push((line, &rest[..length]));
            }
            length
        } else {
            let length = statement_length(rest);
            found.push((line, &rest[..length]));
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// To the semicolon outside of quotes, with it.
fn statement_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return at + 1,
            quote @ (b'\'' | b'"') => {
                let escapes = quote == b'\'' && at > 0 && matches!(bytes[at - 1], b'E' | b'e');
                at += 1;
                // A doubled quote ends one text and begins the next, which comes to the same.
                while at < bytes.len() && bytes[at] != quote {
                    at += if escapes && bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(statements(text), expected);
        assert!(statements("").is_empty() && statements("-- only").is_empty());
        assert_eq!(statements("COMMENT ON ROLE a IS 'never closed; "), [(1, "COMMENT ON ROLE a IS 'never closed; ")]);
        assert_eq!(statements("SET x TO E'\\"), [(1, "SET x TO E'\\")]);
    }
}
