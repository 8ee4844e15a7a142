//! Which roles a restore of an archive needs on its server, and for what.

use std::collections::{BTreeMap, BTreeSet};

use super::sql::{Statement, statements};
use super::{Archive, Entry};

/// Kinds of entries whose owner `pg_restore` sets (`_printTocEntry` in `pg_backup_archiver.c`).
const OWNED: [&str; 27] = [
    "AGGREGATE",
    "BLOB",
    "BLOB METADATA",
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TYPE",
    "VIEW",
];

/// Roles by what a restore needs them for, without those of PostgreSQL itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededRoles {
    /// Owners, each with the schemas in which something is theirs. An owner of something must be allowed to create
    /// there.
    pub owners: BTreeMap<String, BTreeSet<String>>,
    /// Roles whose default privileges are set, which only they and their members may do.
    pub with_default_privileges: BTreeSet<String>,
    /// Roles that grants and default privileges name.
    pub granted: BTreeSet<String>,
    /// Roles that policies and user mappings name.
    pub named: BTreeSet<String>,
}

impl Archive {
    /// The roles that a restore of everything needs, but for what belongs to the database itself.
    pub fn needed_roles(&self) -> NeededRoles {
        let mut needed = NeededRoles::default();
        for entry in &self.entries {
            let statements = || statements(&entry.defn);
            match entry.desc.as_str() {
                "ACL" if !entry.tag.starts_with("DATABASE ") => {
                    needed.granted.extend(statements().iter().filter_map(grantee_or_grantor));
                }
                "DEFAULT ACL" => {
                    needed.with_default_privileges.insert(entry.owner.clone());
                    needed.granted.extend(statements().iter().filter_map(grantee_or_grantor));
                }
                "POLICY" => needed.named.extend(policy_roles(&entry.defn)),
                "USER MAPPING" => {
                    let named =
                        statements().first().and_then(|first| first.after("FOR")).and_then(|token| token.name());
                    needed.named.extend(named);
                }
                desc if OWNED.contains(&desc) => {
                    let schemas = needed.owners.entry(entry.owner.clone()).or_default();
                    schemas.extend(Some(&entry.namespace).filter(|schema| !schema.is_empty()).cloned());
                }
                _ => {}
            }
        }
        needed.owners.retain(|role, _| is_role(role));
        for roles in [&mut needed.with_default_privileges, &mut needed.granted, &mut needed.named] {
            roles.retain(|role| is_role(role));
        }
        needed
    }

    /// Who owns the schemas that the archive makes.
    pub fn schema_owners(&self) -> BTreeMap<&str, &str> {
        let schemas = self.entries.iter().filter(|entry| entry.desc == "SCHEMA" && !entry.owner.is_empty());
        schemas.map(|entry| (entry.tag.as_str(), entry.owner.as_str())).collect()
    }
}

/// Whether some of the grants of an entry are made in the name of another role than the owner, which is for superusers.
pub(super) fn is_granted_by_others(entry: &Entry) -> bool {
    entry.desc == "ACL" && statements(&entry.defn).iter().any(|one| one.begins("SET SESSION AUTHORIZATION"))
}

/// The roles of `CREATE POLICY .. TO one, other USING (..)`.
pub(super) fn policy_roles(definition: &str) -> Vec<String> {
    let statements = statements(definition);
    let Some(statement) = statements.first() else { return Vec::new() };
    let after_to = statement.tokens.iter().skip_while(|token| !token.is("TO")).skip(1);
    let list = after_to.take_while(|token| !token.is("USING") && !token.is("WITH"));
    list.filter_map(|token| token.name()).collect()
}

/// The role that a statement of grants names.
fn grantee_or_grantor(statement: &Statement<'_>) -> Option<String> {
    if statement.begins("SET SESSION AUTHORIZATION") {
        return statement.after("AUTHORIZATION")?.name();
    }
    let is_grant = statement.tokens.iter().any(|token| token.is("GRANT"));
    let keyword = if is_grant { "TO" } else { "FROM" };
    let place = statement.tokens.iter().rposition(|token| token.is(keyword))?;
    statement.tokens.get(place + 1)?.name()
}

/// Whether it is the name of a role that a person made. No role is called `public`.
fn is_role(name: &str) -> bool {
    !name.is_empty() && !name.starts_with("pg_") && !["public", "current_user", "session_user"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::build::{archive, entry};
    use super::*;

    fn owned(desc: &str, schema: &str, tag: &str, owner: &str) -> Entry {
        Entry { owner: owner.to_owned(), ..entry(1, desc, schema, tag, "X") }
    }

    #[test]
    fn roles_are_needed_as_owners_by_default_privileges_by_grants_and_by_policies() {
        let statement = |desc: &str, tag: &str, owner: &str, defn: &str| Entry {
            defn: defn.to_owned(),
            ..owned(desc, "s", tag, owner)
        };
        let archive = archive(vec![
            owned("SCHEMA", "", "s", "keeper"),
            owned("SCHEMA", "", "public", "pg_database_owner"),
            owned("TABLE", "s", "t", "Big \"o\""),
            owned("VIEW", "public", "v", "Big \"o\""),
            owned("INDEX", "s", "i", "indexer"),
            statement(
                "ACL",
                "TABLE t",
                "x",
                "REVOKE ALL ON TABLE s.t FROM PUBLIC;\nGRANT SELECT ON TABLE s.t TO \"to\";",
            ),
            statement(
                "ACL",
                "TABLE u",
                "x",
                "SET SESSION AUTHORIZATION middle;\nGRANT ALL ON TABLE s.u TO clerk;\nRESET SESSION AUTHORIZATION;",
            ),
            statement("ACL", "DATABASE app", "x", "GRANT CONNECT ON DATABASE app TO visitor;"),
            statement(
                "DEFAULT ACL",
                "DEFAULT PRIVILEGES FOR TABLES",
                "maker",
                "ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA s REVOKE ALL ON TABLES FROM gone;\n\
                 ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA s GRANT SELECT ON TABLES TO reader;",
            ),
            statement("POLICY", "t p", "x", "CREATE POLICY p ON s.t TO one, PUBLIC USING (true);"),
            statement("USER MAPPING", "m", "x", "CREATE USER MAPPING FOR two SERVER f;"),
        ]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let expected = NeededRoles {
            owners: [("Big \"o\"".to_owned(), names(&["public", "s"])), ("keeper".to_owned(), names(&[]))].into(),
            with_default_privileges: names(&["maker"]),
            granted: names(&["clerk", "gone", "middle", "reader", "to"]),
            named: names(&["one", "two"]),
        };
        assert_eq!(archive.needed_roles(), expected);
        assert_eq!(archive.schema_owners(), [("public", "pg_database_owner"), ("s", "keeper")].into());
        let by_others: Vec<_> = archive.entries.iter().filter(|entry| is_granted_by_others(entry)).collect();
        assert_eq!(by_others.iter().map(|entry| entry.tag.as_str()).collect::<Vec<_>>(), ["TABLE u"]);
    }
}
