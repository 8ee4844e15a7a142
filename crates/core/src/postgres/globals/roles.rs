//! Which roles the source's cluster had, by the statements of `pg_dumpall` that make them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;

/// Maximum bytes of a line that can name a role: its name has at most 63, and each may be doubled.
const MAX_LINE_BYTES: u64 = 1024;

/// Maximum number of roles that are made for a drill without being named by its archive.
const MAX_ROLES: usize = 20_000;

/// The roles of a cluster.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ClusterRoles {
    /// All of them.
    pub all: BTreeSet<String>,
    /// Those that are superusers.
    pub superusers: BTreeSet<String>,
}

impl ClusterRoles {
    /// Reads them out of a dump of the globals, line by line.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn read(path: &Path) -> anyhow::Result<Self> {
        let path = path.to_owned();
        let read = crate::task::spawn_blocking(move || Self::from_lines(BufReader::new(File::open(path)?)));
        read.await.context("read the roles")?.context("read the roles")
    }

    /// As [`ClusterRoles::read`]. A line that only looks like such a statement, inside of a comment on a role, makes a
    /// role too many, which cannot log in and goes with the drill.
    ///
    /// # Errors
    /// What reading `text` says.
    pub fn from_lines(mut text: impl BufRead) -> std::io::Result<Self> {
        let mut roles = Self::default();
        let mut line = Vec::new();
        while roles.all.len() < MAX_ROLES {
            line.clear();
            if text.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Ok(line) = std::str::from_utf8(&line) else { continue };
            if let Some((name, ";")) = line.trim_end().strip_prefix("CREATE ROLE ").and_then(name_and_rest) {
                roles.all.insert(name);
            } else if let Some((name, rest)) = line.strip_prefix("ALTER ROLE ").and_then(name_and_rest)
                && rest.starts_with(" WITH SUPERUSER ")
            {
                roles.superusers.insert(name);
            }
        }
        Ok(roles)
    }
}

/// An identifier as PostgreSQL writes it, and what follows it.
fn name_and_rest(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))?;
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut marks = quoted.match_indices('"').map(|(place, _)| place).peekable();
    while let Some(place) = marks.next() {
        if marks.next_if_eq(&(place + 1)).is_none() {
            return Some((quoted[..place].replace("\"\"", "\""), &quoted[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_superusers_of_a_cluster_whatever_their_names_are() {
        let text = "\
--
-- Roles
--
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE \"Odd \"\"Role\";
ALTER ROLE \"Odd \"\"Role\" WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE \"semi;colon\";
CREATE ROLE never_closed
COMMENT ON ROLE app IS 'CREATE ROLE in_a_comment;';
GRANT app TO \"Odd \"\"Role\";
";
        let long = format!("{}CREATE ROLE hidden;\nCREATE ROLE last;\n", "x".repeat(5_000));
        let roles = ClusterRoles::from_lines(format!("{text}{long}").as_bytes()).unwrap();
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        assert_eq!(names(&roles.all), ["Odd \"Role", "app", "last", "semi;colon"]);
        assert_eq!(names(&roles.superusers), ["Odd \"Role"]);
        assert_eq!(ClusterRoles::from_lines(&b"\xff\xfe\n"[..]).unwrap(), ClusterRoles::default());
    }
}
