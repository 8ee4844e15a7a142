//! What an archive says of its large objects besides their bytes: owners, rights, comments.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

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

/// What is known of one large object besides its bytes. Objects that are told of together share it: a few bytes of an
/// archive may speak of thousands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObjectFacts {
    /// Its owner.
    pub owner: Arc<str>,
    /// All rights on it, the owner's own as well.
    pub rights: Arc<BTreeSet<LargeObjectRight>>,
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
        for entry in stayed().filter(|entry| matches!(entry.desc.as_str(), BLOB | BLOB_METADATA)) {
            let rights = Arc::new(everything(&entry.owner).collect());
            let facts = LargeObjectFacts { owner: entry.owner.as_str().into(), rights, comment: None };
            all.extend(numbers(entry).map(|oid| (oid, facts.clone())));
        }
        // `pg_dump` writes the grants on an object in one entry. Many that are about one would each take as long as there
        // are rights by then.
        let (mut granted, mut granted_together) = (HashSet::new(), HashSet::new());
        for entry in stayed().filter(|entry| entry.tag.starts_with("LARGE OBJECT")) {
            let number = entry.tag.strip_prefix("LARGE OBJECT ").and_then(|oid| oid.parse().ok());
            match (entry.desc.as_str(), number) {
                ("ACL", Some(oid)) if !granted.insert(oid) => {}
                ("ACL", Some(oid)) => grant(&mut all, [oid], &statements(&entry.defn)),
                // Since 17, `LARGE OBJECTS 7..9`: all those of the entry that it needs. Each has one of these.
                ("ACL", None) => {
                    let needed = entry.dependencies.iter().filter_map(|id| self.entry(*id));
                    let needed = needed.filter(|needed| needed.desc == BLOB_METADATA).take(1);
                    let needed = needed.filter(|needed| granted_together.insert(needed.dump_id));
                    let numbers = needed.flat_map(numbers).filter(|oid| granted.insert(*oid));
                    grant(&mut all, numbers, &statements(&entry.defn));
                }
                // A comment on one of many needs the entry of all of them, too.
                ("COMMENT", Some(oid)) => {
                    if let Some(facts) = all.get_mut(&oid) {
                        facts.comment = Some(comment(&entry.defn, escapes).unwrap_or_else(|| entry.defn.clone()));
                    }
                }
                _ => {}
            }
        }
        all
    }
}

/// Kinds of the entries that make one large object, and, since 17, many.
const BLOB: &str = "BLOB";
const BLOB_METADATA: &str = "BLOB METADATA";

/// The large objects that `entry` makes.
fn numbers(entry: &Entry) -> impl Iterator<Item = u32> {
    let text = match entry.desc.as_str() {
        BLOB => entry.tag.as_str(),
        BLOB_METADATA => entry.defn.as_str(),
        _ => "",
    };
    text.split_whitespace().filter_map(|oid| oid.parse().ok())
}

fn everything(role: &str) -> impl Iterator<Item = LargeObjectRight> {
    PRIVILEGES.iter().map(|privilege| LargeObjectRight {
        role: role.to_owned(),
        privilege: (*privilege).to_owned(),
        is_grantable: false,
    })
}

/// Carries out `statements` for each of `numbers`, once for all that had the same rights.
fn grant(
    all: &mut BTreeMap<u32, LargeObjectFacts>,
    numbers: impl IntoIterator<Item = u32>,
    statements: &[Statement<'_>],
) {
    // The rights before are kept as long as their address stands for them.
    let mut done: HashMap<*const BTreeSet<LargeObjectRight>, [Arc<BTreeSet<LargeObjectRight>>; 2]> = HashMap::new();
    for oid in numbers {
        let Some(facts) = all.get_mut(&oid) else { continue };
        let [_, after] = done.entry(Arc::as_ptr(&facts.rights)).or_insert_with(|| {
            let mut rights = facts.rights.as_ref().clone();
            statements.iter().for_each(|statement| apply(statement, &mut rights));
            [Arc::clone(&facts.rights), Arc::new(rights)]
        });
        facts.rights = Arc::clone(after);
    }
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
    let right = |privilege: &str, is_grantable| LargeObjectRight {
        role: role.clone(),
        privilege: privilege.to_owned(),
        is_grantable,
    };
    for privilege in PRIVILEGES.into_iter().filter(|privilege| named("ALL") || named(privilege)) {
        if is_grant {
            rights.insert(right(privilege, is_grantable));
        } else {
            rights.remove(&right(privilege, false));
            rights.remove(&right(privilege, true));
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

    /// Some bytes of an archive can name thousands of objects, and thousands of roles.
    #[test]
    fn objects_that_are_told_of_together_share_what_is_told() {
        let numbers: String = (1..=1_000).map(|oid| format!("{oid}\n")).collect();
        let acl: String = (0..100).map(|role| format!("GRANT ALL ON LARGE OBJECT 1 TO r{role};\n")).collect();
        let facts = archive(vec![
            entry(1, "BLOB METADATA", "", "1..1000", &numbers).owned_by("app"),
            entry(2, "ACL", "", "LARGE OBJECTS 1..1000", &acl).needing(&[1, 1, 1]),
        ])
        .large_object_facts(&BTreeSet::new());
        assert_eq!((facts.len(), facts[&7].rights.len()), (1_000, 202));
        let is_shared = |one: &LargeObjectFacts| {
            Arc::ptr_eq(&one.rights, &facts[&1].rights) && Arc::ptr_eq(&one.owner, &facts[&1].owner)
        };
        assert!(facts.values().all(is_shared));
    }
}
