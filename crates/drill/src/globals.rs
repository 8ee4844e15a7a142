//! The roles beside a dump: not restored by a drill; what can be told without that is told.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use backup_core::postgres::globals::{END, Item, Odd, Statement, read};
use backup_core::repository::{Kind, Manifest};
use backup_core::task::spawn_blocking;

use crate::evidence::{DrillError, Evidence};

/// Most bytes of the roles: `backup` stores at most half of that.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the roles at `path` and enters the check. Memory does not grow with them.
pub(crate) async fn check(path: &Path, manifest: &Manifest, evidence: &mut Evidence) -> Result<(), DrillError> {
    let path = path.to_owned();
    let read = spawn_blocking(move || Roles::read(BufReader::new(File::open(path)?), |_, _| Ok(())));
    let roles = read.await.context("read the roles")?.context("read the roles")?;
    let found = roles.findings(manifest.kind);
    evidence.record("roles", format!("{} roles beside the dump, not restored by a drill", roles.created), found);
    Ok(())
}

/// The statements of the roles at `path`, after the same check.
///
/// # Errors
/// If it finds anything, or the file cannot be read.
pub async fn role_statements(
    path: &Path,
    manifest: &Manifest,
    evidence: &mut Evidence,
) -> Result<Vec<Statement>, DrillError> {
    let path = path.to_owned();
    let read = spawn_blocking(move || {
        let mut statements = Vec::new();
        let roles = Roles::read(BufReader::new(File::open(path)?), |statement, text| {
            // In what encoding another text is, no setting of the dump tells for sure.
            std::str::from_utf8(text).map_err(|_| "is not in UTF-8; create these roles by hand".to_owned())?;
            statements.push(statement);
            Ok(())
        })?;
        io::Result::Ok((roles, statements))
    });
    let (roles, statements) = read.await.context("read the roles")?.context("read the roles")?;
    let found = roles.findings(manifest.kind);
    let is_odd = !found.is_empty();
    evidence.record("roles", format!("{} roles, every statement one of pg_dumpall's", roles.created), found);
    if is_odd { Err(DrillError::Damaged) } else { Ok(statements) }
}

/// What a dump of roles amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Roles {
    created: u64,
    /// The first thing in it that is none of `pg_dumpall`; behind it nothing was read.
    odd: Option<Odd>,
    has_end: bool,
}

impl Roles {
    fn read(source: impl BufRead, mut sink: impl FnMut(Statement, &[u8]) -> Result<(), String>) -> io::Result<Self> {
        let mut roles = Self::default();
        let read = read(source, |_, item| {
            let text = match item {
                Item::Comment(text) => {
                    roles.has_end |= text.windows(END.len()).any(|window| window == END);
                    return Ok(());
                }
                Item::Statement(text) => text,
            };
            let Some(statement) = Statement::parse(&decode(text)) else {
                return Err("begins no statement that pg_dumpall writes".to_owned());
            };
            roles.created += u64::from(matches!(statement, Statement::Create { .. }));
            sink(statement, text)
        })?;
        roles.odd = read.err();
        Ok(roles)
    }

    fn findings(&self, kind: Kind) -> Vec<String> {
        match &self.odd {
            Some(Odd { line, what }) => vec![format!(
                "line {line} of the roles {what}. Do not run the file with psql: it may hold commands for the shell"
            )],
            None if kind == Kind::Full && !self.has_end => vec!["the dump of the roles has no end".to_owned()],
            None => Vec::new(),
        }
    }
}

/// For the grammar, any encoding of one byte a character will do.
fn decode(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_roles_amount_to() {
        let read = |text: &str| Roles::read(text.as_bytes(), |_, _| Ok(())).unwrap();
        let all = "SET standard_conforming_strings = on;\nCREATE ROLE a;\nCREATE ROLE b;\n--\n\
                   -- PostgreSQL database cluster dump complete\n--\n";
        assert_eq!(read(all), Roles { created: 2, odd: None, has_end: true });
        let odd = read("CREATE ROLE a;\n\nDROP ROLE a; DROP ROLE b;").odd.unwrap();
        assert_eq!((odd.line, odd.what.as_str()), (3, "begins no statement that pg_dumpall writes"));
        assert!(!read("COMMENT ON ROLE a IS 'PostgreSQL database cluster dump complete';").has_end);
    }
}
