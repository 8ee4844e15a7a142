//! What a database had by itself before anything was restored into it: extensions, grants on schema `public`, default
//! privileges, and what these give to everything that is made there. A managed service does that to every database.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Definitions, Key};
use crate::Archive;
use crate::sql::{Token, statements};

/// Objects that have default privileges: what the tag of grants on them begins with, how default privileges call them,
/// and what `ALL` stands for.
const KINDS: [(&str, &str, &[&str]); 8] = [
    ("TABLE ", "TABLES", &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]),
    ("SEQUENCE ", "SEQUENCES", &["SELECT", "UPDATE", "USAGE"]),
    ("FUNCTION ", "FUNCTIONS", &["EXECUTE"]),
    ("PROCEDURE ", "FUNCTIONS", &["EXECUTE"]),
    ("AGGREGATE ", "FUNCTIONS", &["EXECUTE"]),
    ("TYPE ", "TYPES", &["USAGE"]),
    ("DOMAIN ", "TYPES", &["USAGE"]),
    ("SCHEMA ", "SCHEMAS", &["CREATE", "USAGE"]),
];

/// What the tag of default privileges begins with.
const DEFAULTS: &str = "DEFAULT PRIVILEGES FOR ";

/// Whom a statement is about: whether it revokes, the role, and in whose name it is, if not the owner's.
type About = (bool, String, Option<String>);

/// Privileges, each with whether it may be passed on.
type Rights = BTreeMap<About, BTreeSet<(String, bool)>>;

/// What was there before.
pub(super) struct ByItself<'run> {
    /// Its definitions.
    pub(super) before: Definitions<'run>,
    /// The archive that they are of.
    pub(super) archive: &'run Archive,
    /// The role that restored: its default privileges are those that count.
    pub(super) restorer: &'run str,
}

impl ByItself<'_> {
    /// Whether all that differs between `dumped` and `restored` of one object was there before, or comes from default
    /// privileges that were.
    pub(super) fn explains(&self, key: Key<'_>, dumped: &[Cow<'_, str>], restored: &[Cow<'_, str>]) -> bool {
        if restored.is_empty() {
            return false;
        }
        let texts = self.before.get(&key).map(Vec::as_slice).unwrap_or_default();
        if dumped.is_empty() && restored.iter().all(|text| texts.contains(text)) {
            return true;
        }
        let Some(all) = all_privileges(key) else { return false };
        let (Some(dumped), Some(restored), Some(mut allowed)) =
            (rights(dumped, all), rights(restored, all), rights(texts, all))
        else {
            return false;
        };
        if key.0 == "ACL" {
            self.add_defaults(key, all, &mut allowed);
        }
        for (about, privileges) in &dumped {
            allowed.entry(about.clone()).or_default().extend(privileges.iter().cloned());
        }
        is_within(&dumped, &restored) && is_within(&restored, &allowed)
    }

    /// What the default privileges of the restoring role give on an object of this kind in this schema.
    fn add_defaults(&self, (_, schema, tag): Key<'_>, all: &[&str], allowed: &mut Rights) {
        let kind = KINDS.iter().find(|(beginning, ..)| tag.starts_with(beginning));
        let Some((_, kind, _)) = kind else { return };
        for entry in &self.archive.entries {
            let is_of_kind = entry.desc == "DEFAULT ACL" && entry.tag.strip_prefix(DEFAULTS) == Some(*kind);
            if !is_of_kind || entry.owner != self.restorer || !["", schema].contains(&entry.namespace.as_str()) {
                continue;
            }
            for ((revokes, role, _), privileges) in rights(&[Cow::from(&entry.defn)], all).unwrap_or_default() {
                allowed.entry((revokes, role, None)).or_default().extend(privileges);
            }
        }
    }
}

/// What `ALL` stands for on an object with grants; `None` for any other.
fn all_privileges((desc, _, tag): Key<'_>) -> Option<&'static [&'static str]> {
    let kind = match desc {
        "ACL" => KINDS.iter().find(|(beginning, ..)| tag.starts_with(beginning)),
        "DEFAULT ACL" => KINDS.iter().find(|(_, kind, _)| tag.strip_prefix(DEFAULTS) == Some(*kind)),
        _ => None,
    };
    kind.map(|(_, _, all)| *all)
}

/// Reads statements of grants, each in a line. `None` if one of them is anything else.
fn rights(texts: &[Cow<'_, str>], all: &[&str]) -> Option<Rights> {
    let mut rights = Rights::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        for statement in statements(line) {
            let (about, privileges) = read(&statement.tokens, all)?;
            rights.entry(about).or_default().extend(privileges);
        }
    }
    Some(rights)
}

/// `[ALTER DEFAULT PRIVILEGES FOR ROLE name [IN SCHEMA name]] GRANT privileges ON .. TO role [WITH GRANT OPTION]
/// [GRANTED BY name]`, or `REVOKE .. FROM role`.
fn read(tokens: &[Token<'_>], all: &[&str]) -> Option<(About, BTreeSet<(String, bool)>)> {
    let is_default = tokens.first()?.is("ALTER");
    let verb = tokens.iter().position(|token| token.is("GRANT") || token.is("REVOKE"))?;
    let revokes = tokens[verb].is("REVOKE");
    let on = verb + tokens[verb..].iter().position(|token| token.is("ON"))?;
    let to = tokens.iter().rposition(|token| token.is(if revokes { "FROM" } else { "TO" }))?;
    let role = tokens.get(to + 1)?.name()?;
    let rest = tokens.get(to + 2..)?;
    let may_pass_on = rest.first().is_some_and(|token| token.is("WITH"));
    let name_after = |tokens: &[Token<'_>], keyword: &str| {
        let place = tokens.iter().position(|token| token.is(keyword))?;
        tokens.get(place + 1)?.name()
    };
    let by = if is_default { name_after(&tokens[..verb], "ROLE") } else { name_after(rest, "BY") };
    let mut privileges = BTreeSet::new();
    for token in &tokens[verb + 1..on] {
        match token {
            Token::Symbol(',') => {}
            Token::Word("ALL") => privileges.extend(all.iter().map(|name| ((*name).to_owned(), may_pass_on))),
            Token::Word(name) => {
                privileges.insert(((*name).to_owned(), may_pass_on));
            }
            _ => return None,
        }
    }
    Some(((revokes, role, by), privileges))
}

/// Whether `more` has every right that `rights` has. One that may be passed on is also one that may not.
fn is_within(rights: &Rights, more: &Rights) -> bool {
    rights.iter().all(|(about, privileges)| {
        let more = more.get(about);
        privileges.iter().all(|(name, may_pass_on)| {
            let has = |option: bool| more.is_some_and(|more| more.contains(&(name.clone(), option)));
            has(true) || !may_pass_on && has(false)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::build::{archive, entry};
    use crate::toc::Entry;

    const DEFAULT: &str = "ALTER DEFAULT PRIVILEGES FOR ROLE login IN SCHEMA public GRANT ALL ON TABLES TO anon;";

    fn before() -> Archive {
        let of = |owner: &str, entry: Entry| Entry { owner: owner.to_owned(), ..entry };
        let revoke = "ALTER DEFAULT PRIVILEGES FOR ROLE login REVOKE ALL ON FUNCTIONS FROM PUBLIC;";
        let other = "ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO spy;";
        archive(vec![
            of("login", entry(1, "DEFAULT ACL", "public", "DEFAULT PRIVILEGES FOR TABLES", DEFAULT)),
            of("login", entry(2, "DEFAULT ACL", "", "DEFAULT PRIVILEGES FOR FUNCTIONS", revoke)),
            of("other", entry(3, "DEFAULT ACL", "", "DEFAULT PRIVILEGES FOR TABLES", other)),
            entry(4, "ACL", "", "SCHEMA public", "GRANT USAGE ON SCHEMA public TO anon"),
            entry(5, "COMMENT", "", "SCHEMA public", "COMMENT ON SCHEMA public IS 'ours';"),
        ])
    }

    #[track_caller]
    fn check(key: Key<'_>, dumped: &[&str], restored: &[&str], expected: bool) {
        let archive = before();
        let mut definitions = Definitions::new();
        for entry in &archive.entries {
            let key = (entry.desc.as_str(), entry.namespace.as_str(), entry.tag.as_str());
            definitions.entry(key).or_default().push(Cow::from(&entry.defn));
        }
        let had = ByItself { before: definitions, archive: &archive, restorer: "login" };
        let texts = |texts: &[&str]| texts.iter().map(|text| Cow::from((*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(had.explains(key, &texts(dumped), &texts(restored)), expected, "{key:?} {dumped:?} {restored:?}");
    }

    #[test]
    fn what_was_there_before_is_no_difference() {
        let comment = ("COMMENT", "", "SCHEMA public");
        check(comment, &[], &["COMMENT ON SCHEMA public IS 'ours';"], true);
        check(comment, &[], &["COMMENT ON SCHEMA public IS 'other';"], false);
        let public = ("ACL", "", "SCHEMA public");
        let [usage, create, all] =
            ["USAGE", "CREATE", "ALL"].map(|what| format!("GRANT {what} ON SCHEMA public TO anon"));
        check(public, &[], &[&usage], true);
        check(public, &[&create], &[&all], true);
        check(public, &[], &[&all], false);
        check(public, &[&create], &[&usage], false);
        let default = ("DEFAULT ACL", "public", "DEFAULT PRIVILEGES FOR TABLES");
        let clerk = DEFAULT.replace("anon", "clerk");
        check(default, &[], &[DEFAULT], true);
        check(default, &[&clerk], &[&format!("{clerk}\n{DEFAULT}")], true);
        check(default, &[&clerk], &[DEFAULT], false);
        check(default, &[], &[&DEFAULT.replace("login", "other")], false);
    }

    #[test]
    fn what_default_privileges_gave_is_no_difference_and_what_is_lost_is_one() {
        let table = ("ACL", "public", "TABLE t");
        let grant = |what: &str, role: &str| format!("GRANT {what} ON TABLE public.t TO {role}");
        check(table, &[], &[&grant("ALL", "anon")], true);
        check(table, &[&grant("SELECT", "anon")], &[&grant("ALL", "anon")], true);
        let both = format!("{}\n{}", grant("ALL", "anon"), grant("SELECT", "clerk"));
        check(table, &[&grant("SELECT", "clerk")], &[&both], true);
        check(table, &[&both], &[&grant("ALL", "anon")], false);
        check(table, &[], &[&grant("SELECT", "clerk")], false);
        // Only those of the role that restores, in their schema, count.
        check(table, &[], &[&grant("SELECT", "spy")], false);
        check(("ACL", "s", "TABLE t"), &[], &["GRANT ALL ON TABLE s.t TO anon"], false);
        check(table, &[], &[&format!("{} WITH GRANT OPTION", grant("ALL", "anon"))], false);
        check(table, &[], &[&format!("{} GRANTED BY middle", grant("ALL", "anon"))], false);
        let function = ("ACL", "s", "FUNCTION f()");
        let revoked = "REVOKE ALL ON FUNCTION s.f() FROM PUBLIC";
        check(function, &[], &[revoked], true);
        check(function, &[revoked], &[], false);
        check(function, &[], &["GRANT ALL ON FUNCTION s.f() TO anon"], false);
    }
}
