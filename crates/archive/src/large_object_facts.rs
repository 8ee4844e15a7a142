//! What an archive says of its large objects besides their bytes: owners, rights, comments.

use std::collections::{BTreeMap, BTreeSet};

use super::Archive;
use super::database::comment;
use super::sql::{Statement, Token, statements};
use super::toc::{DumpId, Entry};

/// One right on a large object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LargeObjectRight {
    /// Whose it is; `PUBLIC` if it belongs to all roles.
    pub role: String,
    /// `SELECT` or `UPDATE`.
    pub privilege: String,
    /// Whether the role may pass it on.
    pub is_grantable: bool,
}

/// What is known of one large object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LargeObjectFacts {
    /// Its owner.
    pub owner: String,
    /// All rights on it, the owner's own as well.
    pub rights: BTreeSet<LargeObjectRight>,
    /// Its comment.
    pub comment: Option<String>,
}

const PRIVILEGES: [&str; 2] = ["SELECT", "UPDATE"];

impl Archive {
    /// Every large object that is not in `left_out`, by its number.
    pub fn large_object_facts(&self, left_out: &BTreeSet<DumpId>) -> BTreeMap<u32, LargeObjectFacts> {
        let mut all = BTreeMap::new();
        let escapes = self.escapes_backslashes();
        let stayed = || self.entries.iter().filter(|entry| !left_out.contains(&entry.dump_id));
        for entry in stayed() {
            for oid in numbers(entry) {
                let rights = everything(&entry.owner).collect();
                all.insert(oid, LargeObjectFacts { owner: entry.owner.clone(), rights, comment: None });
            }
        }
        for entry in stayed().filter(|entry| entry.tag.starts_with("LARGE OBJECT")) {
            for oid in self.numbers_about(entry) {
                let Some(facts) = all.get_mut(&oid) else { continue };
                match entry.desc.as_str() {
                    "ACL" => statements(&entry.defn).iter().for_each(|statement| apply(statement, &mut facts.rights)),
                    "COMMENT" => {
                        facts.comment = Some(comment(&entry.defn, escapes).unwrap_or_else(|| entry.defn.clone()))
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// The large objects that `entry` is about: the one that its tag names, or (since 17, `LARGE OBJECTS 7..9`) all
    /// those of the entry that it needs. A comment on one of many needs the entry of all of them, too.
    fn numbers_about(&self, entry: &Entry) -> Vec<u32> {
        if let Some(oid) = entry.tag.strip_prefix("LARGE OBJECT ").and_then(|oid| oid.parse().ok()) {
            return vec![oid];
        }
        let needed = entry.dependencies.iter().filter_map(|id| self.entry(*id));
        needed.flat_map(numbers).collect()
    }
}

/// The large objects that `entry` makes.
fn numbers(entry: &Entry) -> Vec<u32> {
    match entry.desc.as_str() {
        "BLOB" => entry.tag.parse().into_iter().collect(),
        "BLOB METADATA" => entry.defn.split_whitespace().filter_map(|oid| oid.parse().ok()).collect(),
        _ => Vec::new(),
    }
}

fn everything(role: &str) -> impl Iterator<Item = LargeObjectRight> {
    PRIVILEGES.iter().map(|privilege| LargeObjectRight {
        role: role.to_owned(),
        privilege: (*privilege).to_owned(),
        is_grantable: false,
    })
}

/// `GRANT SELECT,UPDATE ON LARGE OBJECT 7 TO x [WITH GRANT OPTION]`, `REVOKE ALL ON LARGE OBJECT 7 FROM x`.
fn apply(statement: &Statement<'_>, rights: &mut BTreeSet<LargeObjectRight>) {
    let is_grant = statement.begins("GRANT");
    let keyword = if is_grant { "TO" } else { "FROM" };
    let Some(place) = statement.tokens.iter().rposition(|token| token.is(keyword)) else { return };
    let role = match statement.tokens.get(place + 1) {
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("PUBLIC") => "PUBLIC".to_owned(),
        Some(token) => token.name().unwrap_or_default(),
        None => return,
    };
    let named =
        |privilege: &str| statement.tokens.iter().take_while(|token| !token.is("ON")).any(|token| token.is(privilege));
    let is_grantable = statement.tokens.iter().any(|token| token.is("OPTION"));
    for privilege in PRIVILEGES.into_iter().filter(|privilege| named("ALL") || named(privilege)) {
        if is_grant {
            rights.insert(LargeObjectRight { role: role.clone(), privilege: privilege.to_owned(), is_grantable });
        } else {
            rights.retain(|right| right.role != role || right.privilege != privilege);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::build::{archive, entry};
    use super::*;

    fn told(facts: &LargeObjectFacts) -> Vec<String> {
        let option = |right: &LargeObjectRight| if right.is_grantable { "*" } else { "" };
        facts.rights.iter().map(|right| format!("{} {}{}", right.role, right.privilege, option(right))).collect()
    }

    #[test]
    fn owners_rights_and_comments_of_each_version_of_pg_dump() {
        let acl = "REVOKE ALL ON LARGE OBJECT 7 FROM app;\nGRANT SELECT ON LARGE OBJECT 7 TO app;\n\
            GRANT ALL ON LARGE OBJECT 7 TO \"A b\" WITH GRANT OPTION;\nGRANT UPDATE ON LARGE OBJECT 7 TO PUBLIC;\n";
        let before_17 = archive(vec![
            entry(1, "BLOB", "", "7", "SELECT pg_catalog.lo_create('7');").owned_by("app"),
            entry(2, "BLOB", "", "8", "SELECT pg_catalog.lo_create('8');").owned_by("clerk"),
            entry(3, "COMMENT", "", "LARGE OBJECT 8", "COMMENT ON LARGE OBJECT 8 IS 'x';\n").needing(&[2]),
            entry(4, "ACL", "", "LARGE OBJECT 7", acl).needing(&[1]),
        ]);
        let facts = before_17.large_object_facts(&BTreeSet::new());
        assert_eq!(told(&facts[&7]), ["A b SELECT*", "A b UPDATE*", "PUBLIC UPDATE", "app SELECT"]);
        assert_eq!(told(&facts[&8]), ["clerk SELECT", "clerk UPDATE"]);
        assert_eq!((facts[&7].comment.as_deref(), facts[&8].comment.as_deref()), (None, Some("x")));
        assert_eq!(before_17.large_object_facts(&BTreeSet::from([2, 3])).keys().copied().collect::<Vec<_>>(), [7]);
        let since_17 = archive(vec![
            entry(1, "BLOB METADATA", "", "7..8", "7\n8\n").owned_by("app"),
            entry(3, "COMMENT", "", "LARGE OBJECT 8", "COMMENT ON LARGE OBJECT 8 IS 'x';\n").needing(&[1]),
            entry(4, "ACL", "", "LARGE OBJECTS 7..8", acl).needing(&[1]),
        ]);
        let facts = since_17.large_object_facts(&BTreeSet::new());
        assert_eq!(facts[&7].rights, facts[&8].rights);
        assert_eq!(facts[&7], before_17.large_object_facts(&BTreeSet::new())[&7]);
        assert_eq!(facts[&8].comment.as_deref(), Some("x"));
    }
}
