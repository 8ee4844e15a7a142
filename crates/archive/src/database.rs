//! What an archive holds of the database itself: owner, rights, comment, limits and settings. `pg_restore` restores
//! them with `--create` only, and under the database's own name.
//!
//! The statements are read into values. What is executed later is built anew from these, so that nothing of the
//! archive's text ever is.

mod words;

use std::collections::BTreeSet;

use super::Archive;
use super::sql::{Lexer, Token};
use super::toc::Entry;

use words::Words;

/// Settings whose value is a list of names, each of which has its own quotation marks (`GUC_LIST_QUOTE`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// A right on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseRight {
    /// To make schemas in it.
    Create,
    /// To connect to it.
    Connect,
    /// To make temporary tables in it.
    Temporary,
}

impl DatabaseRight {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Create, Self::Connect, Self::Temporary];

    /// As SQL writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Connect => "CONNECT",
            Self::Temporary => "TEMPORARY",
        }
    }
}

/// A GRANT or a REVOKE on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseGrant {
    /// The role that grants; `None` for the owner.
    pub by: Option<String>,
    /// Whether it is a REVOKE.
    pub revokes: bool,
    /// The rights.
    pub rights: Vec<DatabaseRight>,
    /// The role that gets or loses them; `None` for PUBLIC.
    pub role: Option<String>,
    /// Whether the role may grant them.
    pub with_grant_option: bool,
}

/// What a setting is for, and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingKey {
    /// The role that has it in this database; `None` for all roles.
    pub role: Option<String>,
    /// Its name.
    pub name: String,
}

/// Who may do what: role (`None` for PUBLIC), right, whether the role may grant it.
pub type DatabaseRights = BTreeSet<(Option<String>, DatabaseRight, bool)>;

/// The properties of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseLevel {
    /// Its owner; empty if the archive does not say.
    pub owner: String,
    /// Its tablespace, if that is not the server's default.
    pub tablespace: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// Its connection limit, if it has one.
    pub connection_limit: Option<i32>,
    /// Whether it is a template.
    pub is_template: bool,
    /// Whether it refuses connections.
    pub refuses_connections: bool,
    /// Settings and their values (of a list several, else one), in their order.
    pub settings: Vec<(SettingKey, Vec<String>)>,
    /// Grants and revocations, in their order.
    pub grants: Vec<DatabaseGrant>,
    /// What could not be read, as the archive names it.
    pub not_read: Vec<String>,
    /// Whether a backslash in its texts is written twice.
    pub escapes: bool,
}

impl Archive {
    /// Whether a backslash in a text without `E` before it is written twice: of a source with
    /// `standard_conforming_strings=off`.
    pub(super) fn escapes_backslashes(&self) -> bool {
        self.entries.iter().any(|entry| entry.desc == "STDSTRINGS" && entry.defn.contains("'off'"))
    }
}

impl DatabaseLevel {
    /// Reads what `archive` holds.
    pub fn of(archive: &Archive) -> Self {
        let mut level = Self { escapes: archive.escapes_backslashes(), ..Self::default() };
        let is_about = |entry: &Entry| entry.tag.starts_with("DATABASE ");
        for entry in &archive.entries {
            let read = match entry.desc.as_str() {
                "DATABASE" => level.read_database(entry),
                "DATABASE PROPERTIES" => level.read_all(&entry.defn, Self::read_property),
                "COMMENT" if is_about(entry) => level.read_all(&entry.defn, Self::read_comment),
                "ACL" if is_about(entry) => level.read_grants(&entry.defn),
                "SECURITY LABEL" if is_about(entry) => None,
                _ => continue,
            };
            if read.is_none() {
                level.not_read.push(entry.to_string());
            }
        }
        level
    }

    /// Who may do what in the end, the owner's own rights among it.
    pub fn rights(&self) -> DatabaseRights {
        let mut rights = DatabaseRights::new();
        rights.extend([DatabaseRight::Connect, DatabaseRight::Temporary].map(|right| (None, right, false)));
        rights.extend(DatabaseRight::ALL.map(|right| (Some(self.owner.clone()), right, false)));
        for grant in &self.grants {
            for right in &grant.rights {
                let of = |with_grant_option| (grant.role.clone(), *right, with_grant_option);
                rights.remove(&of(true));
                rights.remove(&of(false));
                if !grant.revokes {
                    rights.insert(of(grant.with_grant_option));
                }
            }
        }
        rights
    }

    /// The roles that it names.
    pub fn roles(&self) -> BTreeSet<&str> {
        let of_settings = self.settings.iter().filter_map(|(key, _)| key.role.as_deref());
        let of_grants = self.grants.iter().flat_map(|grant| [grant.by.as_deref(), grant.role.as_deref()]).flatten();
        let owner = Some(self.owner.as_str()).filter(|owner| !owner.is_empty());
        of_settings.chain(of_grants).chain(owner).collect()
    }

    /// The values of a setting as the catalog `pg_db_role_setting` stores them.
    pub fn stored_values(name: &str, stored: &str) -> Vec<String> {
        if !LISTS.contains(&name) {
            return vec![stored.to_owned()];
        }
        let mut values = Vec::new();
        let mut lexer = Lexer::new(stored);
        while let Some((token, raw)) = lexer.next_with_text() {
            match token {
                Token::Symbol(',') => {}
                Token::Quoted(inner) => values.push(inner.replace("\"\"", "\"")),
                _ => values.push(raw.to_owned()),
            }
        }
        values
    }

    fn read_database(&mut self, entry: &Entry) -> Option<()> {
        self.owner.clone_from(&entry.owner);
        let tokens: Vec<Token<'_>> = Lexer::new(&entry.defn).collect();
        let place = tokens.windows(2).position(|pair| pair[0].is("TABLESPACE") && pair[1].is("="));
        self.tablespace = match place {
            Some(place) => Some(tokens.get(place + 2)?.name()?),
            None => None,
        };
        Some(())
    }

    /// Each statement by `read`, all of them even if one cannot be read.
    fn read_all(&mut self, sql: &str, read: fn(&mut Self, &mut Words<'_>) -> Option<()>) -> Option<()> {
        let statements = Words::statements(sql, self.escapes)?;
        let read: Vec<Option<()>> = statements.into_iter().map(|mut words| read(self, &mut words)).collect();
        read.into_iter().collect()
    }

    /// `ALTER DATABASE name ..` and `ALTER ROLE name IN DATABASE name SET ..`.
    fn read_property(&mut self, words: &mut Words<'_>) -> Option<()> {
        words.skip("ALTER")?;
        let role = match words.skip("ROLE") {
            Some(()) => {
                let role = words.name()?;
                words.skip("IN")?;
                Some(role)
            }
            None => None,
        };
        words.skip("DATABASE")?;
        words.name()?;
        if words.skip("SET").is_some() {
            let name = words.name()?;
            words.skip("TO").or_else(|| words.skip("="))?;
            self.settings.push((SettingKey { role, name }, words.values()?));
            return Some(());
        }
        if words.skip("CONNECTION").is_some() {
            words.skip("LIMIT")?;
            words.skip("=")?;
            self.connection_limit = Some(words.word()?.parse().ok()?);
        } else if words.skip("IS_TEMPLATE").is_some() {
            words.skip("=")?;
            self.is_template = words.boolean()?;
        } else {
            words.skip("ALLOW_CONNECTIONS")?;
            words.skip("=")?;
            self.refuses_connections = !words.boolean()?;
        }
        words.end()
    }

    fn read_comment(&mut self, words: &mut Words<'_>) -> Option<()> {
        words.skip("COMMENT")?;
        words.skip("ON")?;
        words.skip("DATABASE")?;
        words.name()?;
        words.skip("IS")?;
        self.comment = Some(words.text()?);
        words.end()
    }

    fn read_grants(&mut self, sql: &str) -> Option<()> {
        let mut by = None;
        for mut words in Words::statements(sql, self.escapes)? {
            if words.skip("SET").is_some() {
                words.skip("SESSION")?;
                words.skip("AUTHORIZATION")?;
                by = Some(words.name()?);
            } else if words.skip("RESET").is_some() {
                by = None;
            } else {
                let grant = read_grant(&mut words, by.clone())?;
                self.grants.push(grant);
            }
        }
        Some(())
    }
}

/// `GRANT a,b ON DATABASE name TO role [WITH GRANT OPTION]`, `REVOKE a,b ON DATABASE name FROM role`.
fn read_grant(words: &mut Words<'_>, by: Option<String>) -> Option<DatabaseGrant> {
    let revokes = match words.skip("GRANT") {
        Some(()) => false,
        None => {
            words.skip("REVOKE")?;
            true
        }
    };
    let mut rights = Vec::new();
    loop {
        match words.word()? {
            "ALL" => rights.extend(DatabaseRight::ALL),
            "CREATE" => rights.push(DatabaseRight::Create),
            "CONNECT" => rights.push(DatabaseRight::Connect),
            "TEMPORARY" | "TEMP" => rights.push(DatabaseRight::Temporary),
            _ => return None,
        }
        if words.skip(",").is_none() {
            break;
        }
    }
    words.skip("ON")?;
    words.skip("DATABASE")?;
    words.name()?;
    words.skip(if revokes { "FROM" } else { "TO" })?;
    // In quotation marks it would be a role of that name.
    let role = if words.skip("PUBLIC").is_some() { None } else { Some(words.name()?) };
    let with_grant_option = words.skip("WITH").is_some();
    if with_grant_option {
        words.skip("GRANT")?;
        words.skip("OPTION")?;
    }
    words.end()?;
    Some(DatabaseGrant { by, revokes, rights, role, with_grant_option })
}

/// The text of `COMMENT ON .. IS '..'`; `None` if it cannot be read.
pub(super) fn comment(sql: &str, escapes: bool) -> Option<String> {
    let [mut words] = <[Words<'_>; 1]>::try_from(Words::statements(sql, escapes)?).ok()?;
    while words.skip("IS").is_none() {
        words.next()?;
    }
    let text = words.text()?;
    words.end()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::build::{archive, entry};

    fn key(role: Option<&str>, name: &str) -> SettingKey {
        SettingKey { role: role.map(str::to_owned), name: name.to_owned() }
    }

    /// As `pg_dump` 15 writes it.
    #[test]
    fn everything_of_a_database_is_read_into_values() {
        let properties = "ALTER DATABASE \"d b\" CONNECTION LIMIT = 44;\nALTER DATABASE \"d b\" IS_TEMPLATE = true;\n\
            ALTER DATABASE \"d b\" SET search_path TO 'a', 'b c';\nALTER DATABASE \"d b\" SET \"TimeZone\" TO 'Asia/Kathmandu';\n\
            ALTER DATABASE \"d b\" SET \"app.x\" TO E'it''s \\\\ a';\nALTER ROLE \"Cl erk\" IN DATABASE \"d b\" SET work_mem TO '9MB';\n";
        let grants = "REVOKE CONNECT,TEMPORARY ON DATABASE \"d b\" FROM PUBLIC;\nGRANT TEMPORARY ON DATABASE \"d b\" TO PUBLIC;\n\
            GRANT CREATE,CONNECT ON DATABASE \"d b\" TO clerk WITH GRANT OPTION;\nSET SESSION AUTHORIZATION clerk;\n\
            GRANT CONNECT ON DATABASE \"d b\" TO \"PUBLIC\";\nRESET SESSION AUTHORIZATION;\n";
        let create = "CREATE DATABASE \"d b\" WITH TEMPLATE = template0 ENCODING = 'UTF8' TABLESPACE = \"Fast\";\n";
        let level = DatabaseLevel::of(&archive(vec![
            entry(1, "DATABASE", "", "d b", create).owned_by("Own er"),
            entry(2, "COMMENT", "", "DATABASE \"d b\"", "COMMENT ON DATABASE \"d b\" IS 'the zoo; it''s';\n"),
            entry(3, "DATABASE PROPERTIES", "", "d b", properties),
            entry(4, "ACL", "", "DATABASE \"d b\"", grants),
            entry(5, "ACL", "", "TABLE t", "GRANT ALL ON TABLE t TO clerk;"),
        ]));
        let set = "ALTER DATABASE d SET \"app.x\" TO 'a \\\\ b';\n";
        let escaped = DatabaseLevel::of(&archive(vec![
            entry(1, "STDSTRINGS", "", "STDSTRINGS", "SET standard_conforming_strings = 'off';\n"),
            entry(2, "DATABASE PROPERTIES", "", "d", set),
        ]));
        assert_eq!(escaped.settings, [(key(None, "app.x"), vec!["a \\ b".to_owned()])]);
        assert_eq!((level.owner.as_str(), level.tablespace.as_deref()), ("Own er", Some("Fast")));
        assert_eq!(level.comment.as_deref(), Some("the zoo; it's"));
        assert_eq!((level.connection_limit, level.is_template, level.refuses_connections), (Some(44), true, false));
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let expected = [
            (key(None, "search_path"), texts(&["a", "b c"])),
            (key(None, "TimeZone"), texts(&["Asia/Kathmandu"])),
            (key(None, "app.x"), texts(&["it's \\ a"])),
            (key(Some("Cl erk"), "work_mem"), texts(&["9MB"])),
        ];
        assert_eq!(level.settings, expected);
        let role = |name: &str| Some(name.to_owned());
        let (create, connect, temporary) = (DatabaseRight::Create, DatabaseRight::Connect, DatabaseRight::Temporary);
        let mut rights: DatabaseRights = DatabaseRight::ALL.map(|right| (role("Own er"), right, false)).into();
        rights.extend([(None, temporary, false), (role("PUBLIC"), connect, false)]);
        rights.extend([(role("clerk"), create, true), (role("clerk"), connect, true)]);
        assert_eq!(level.rights(), rights);
        assert_eq!(level.roles().into_iter().collect::<Vec<_>>(), ["Cl erk", "Own er", "PUBLIC", "clerk"]);
        assert_eq!(level.grants[3].by.as_deref(), Some("clerk"));
        assert!(level.not_read.is_empty(), "{:?}", level.not_read);
    }

    #[test]
    fn what_pg_dump_does_not_write_is_named_and_not_guessed() {
        for (desc, sql) in [
            ("DATABASE PROPERTIES", "ALTER DATABASE d SET work_mem TO '1MB'; DROP DATABASE d"),
            ("DATABASE PROPERTIES", "ALTER DATABASE d SET work_mem TO current"),
            ("DATABASE PROPERTIES", "ALTER DATABASE d SET x TO 'a' 'b'"),
            ("DATABASE PROPERTIES", "ALTER DATABASE d SET x TO E'\\n'"),
            ("DATABASE PROPERTIES", "ALTER DATABASE d CONNECTION LIMIT = 4 SET"),
            ("DATABASE PROPERTIES", "ALTER SYSTEM SET x TO 'a'"),
            ("DATABASE PROPERTIES", "ALTER DATABASE d SET x TO 'never closed"),
            ("COMMENT", "COMMENT ON DATABASE d IS 'a' || pg_read_file('x')"),
            ("ACL", "GRANT ALL ON TABLE t TO clerk"),
            ("ACL", "GRANT ALL ON DATABASE d TO a, b"),
            ("SECURITY LABEL", "SECURITY LABEL ON DATABASE d IS 'x'"),
        ] {
            let level = DatabaseLevel::of(&archive(vec![entry(1, desc, "", "DATABASE d", sql)]));
            assert_eq!(level.not_read.len(), 1, "{sql}");
        }
    }

    #[test]
    fn stored_lists_are_taken_apart_and_other_values_are_not() {
        assert_eq!(DatabaseLevel::stored_values("search_path", "\"$user\", a, \"b c\""), ["$user", "a", "b c"]);
        assert_eq!(DatabaseLevel::stored_values("DateStyle", "ISO, MDY"), ["ISO, MDY"]);
        assert_eq!(DatabaseLevel::stored_values("search_path", "\"\""), [""]);
    }
}
