//! What an entry makes, in the kinds of the manifest's counts: the counts of what was left out are known by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::copy::for_each_element;
use super::sql::{Statement, Token, statements};
use super::toc::Entry;
use super::{Archive, DumpId};

/// Objects by kind, in the names of an inventory such as `tables`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// How many there are of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// Kinds of which the definitions do not say how many they make.
    pub uncertain: BTreeSet<&'static str>,
}

/// Kinds of entries that make one object each.
const ONE_EACH: &[(&str, &str)] = &[
    ("AGGREGATE", "aggregates"),
    ("CAST", "casts"),
    ("CHECK CONSTRAINT", "constraints"),
    ("COLLATION", "collations"),
    ("COMMENT", "comments"),
    ("CONSTRAINT", "constraints"),
    ("DOMAIN", "types"),
    ("EVENT TRIGGER", "event_triggers"),
    ("EXTENSION", "extensions"),
    ("FK CONSTRAINT", "constraints"),
    ("FOREIGN TABLE", "foreign_tables"),
    ("FUNCTION", "functions"),
    ("INDEX", "indexes"),
    ("MATERIALIZED VIEW", "materialized_views"),
    ("OPERATOR", "operators"),
    ("OPERATOR CLASS", "operator_classes"),
    ("POLICY", "policies"),
    ("PROCEDURE", "procedures"),
    ("PUBLICATION", "publications"),
    ("RULE", "rules"),
    ("SCHEMA", "schemas"),
    ("SEQUENCE", "sequences"),
    ("SERVER", "foreign_servers"),
    ("STATISTICS", "statistics"),
    ("SUBSCRIPTION", "subscriptions"),
    ("TABLE", "tables"),
    ("TEXT SEARCH CONFIGURATION", "text_search_configurations"),
    ("TRIGGER", "triggers"),
    ("TYPE", "types"),
    ("VIEW", "views"),
];

/// What a range type makes besides itself: the multirange type, since 14, and the functions that make values of both.
const RANGE_FUNCTIONS: u64 = 2;
const MULTIRANGE_FUNCTIONS: u64 = 3;

impl Archive {
    /// What the entries of these numbers make on a server of this archive's version.
    pub fn made_by(&self, ids: impl IntoIterator<Item = DumpId>) -> Made {
        let mut made = Made::default();
        let mut partitioned = HashMap::new();
        let mut is_partitioned_table = |needed: &Entry| {
            needed.desc == "TABLE"
                && *partitioned.entry(needed.dump_id).or_insert_with(|| is_partitioned(&statements(&needed.defn)))
        };
        let mut is_on_one =
            |entry: &Entry| entry.dependencies.iter().filter_map(|id| self.entry(*id)).any(&mut is_partitioned_table);
        for entry in ids.into_iter().filter_map(|id| self.entry(id)) {
            made.add(entry, self, &mut is_on_one);
        }
        made
    }
}

impl Made {
    /// Adds what `entry` makes. Each partition of a partitioned table has a copy of what is on it.
    fn add(&mut self, entry: &Entry, archive: &Archive, mut is_on_partitioned_table: impl FnMut(&Entry) -> bool) {
        // An entry without a statement is there for its grants, and a comment on an extension is not counted.
        let statements = statements(&entry.defn);
        let Some(first) = statements.first() else { return };
        let is_view_in_full = entry.desc == "RULE" && !first.begins("CREATE RULE");
        let is_of_extension = entry.desc == "COMMENT" && entry.tag.starts_with("EXTENSION ");
        // A type that was declared and never defined is counted nowhere.
        let is_shell = entry.desc == "TYPE" && !first.tokens.iter().any(|token| token.is("(") || token.is("AS"));
        if is_view_in_full || is_of_extension || is_shell {
            return;
        }
        if let Some((_, kind)) = ONE_EACH.iter().find(|(desc, _)| *desc == entry.desc) {
            self.count(kind, 1);
        }
        match entry.desc.as_str() {
            "TABLE" | "FOREIGN TABLE" => self.relation(entry, &statements),
            "VIEW" | "MATERIALIZED VIEW" => {
                self.uncertain.insert("columns");
            }
            "TYPE" if first.after("AS").is_some_and(|token| token.is("(")) => {
                self.count("columns", of_columns(&entry.defn).0);
            }
            "TYPE" if first.after("AS").is_some_and(|token| token.is("RANGE")) => self.range(archive),
            "CONSTRAINT" => {
                self.count("indexes", u64::from(!entry.defn.contains(" CHECK ") && !first.begins("ALTER DOMAIN")))
            }
            "FK CONSTRAINT" if is_on_partitioned_table(entry) => {
                self.uncertain.insert("constraints");
            }
            "TRIGGER" if is_on_partitioned_table(entry) => {
                self.uncertain.insert("triggers");
            }
            _ => {}
        }
    }

    fn count(&mut self, kind: &'static str, count: u64) {
        *self.counts.entry(kind).or_default() += count;
    }

    fn relation(&mut self, entry: &Entry, statements: &[Statement<'_>]) {
        if is_partitioned(statements) {
            self.count("partitioned_tables", 1);
        }
        // Those of a parent or a type are not written with it.
        let has_more = statements
            .first()
            .is_some_and(|first| first.tokens.iter().any(|token| token.is("INHERITS") || token.is("OF")));
        if has_more {
            self.uncertain.extend(["columns", "constraints"]);
        }
        let (columns, constraints) = of_columns(&entry.defn);
        self.count("columns", columns);
        self.count("constraints", constraints);
    }

    fn range(&mut self, archive: &Archive) {
        self.count("functions", RANGE_FUNCTIONS);
        if archive.header.server_major().is_some_and(|major| major >= 14) {
            self.count("types", 1);
            self.count("functions", MULTIRANGE_FUNCTIONS);
            self.count("casts", 1);
        }
    }
}

fn is_partitioned(statements: &[Statement<'_>]) -> bool {
    let first = statements.first();
    first.is_some_and(|first| first.tokens.windows(2).any(|words| words[0].is("PARTITION") && words[1].is("BY")))
}

/// The columns and the constraints in the first list in parentheses. `NOT NULL` counts as no constraint.
fn of_columns(definition: &str) -> (u64, u64) {
    let (mut columns, mut constraints) = (0, 0);
    for_each_element(definition, |element| match element {
        [] => {}
        // `pg_dump` writes keywords in capitals, and a name in capitals in quotation marks.
        [Token::Word("CONSTRAINT"), _, Token::Word("NOT"), ..] => {}
        [Token::Word("CONSTRAINT"), ..] => constraints += 1,
        _ => columns += 1,
    });
    (columns, constraints)
}

#[cfg(test)]
mod tests {
    use super::super::tests::build::{archive, entry};
    use super::*;

    #[track_caller]
    fn check(desc: &str, definition: &str, counts: &[(&'static str, u64)], uncertain: &[&'static str]) {
        let archive = archive(vec![entry(1, desc, "s", "x", definition)]);
        let made = archive.made_by([1]);
        let counts: BTreeMap<_, _> = counts.iter().copied().collect();
        assert_eq!((made.counts, made.uncertain), (counts, uncertain.iter().copied().collect()), "{definition}");
    }

    #[test]
    fn what_definitions_make() {
        check("FUNCTION", "CREATE FUNCTION s.f() ..", &[("functions", 1)], &[]);
        check(
            "FOREIGN TABLE",
            "CREATE FOREIGN TABLE s.x (\n    a integer NOT NULL,\n    \"CONSTRAINT\" numeric(10,2),\n    CONSTRAINT y CHECK ((a > 0))\n)\nSERVER far;",
            &[("foreign_tables", 1), ("columns", 2), ("constraints", 1)],
            &[],
        );
        let child = "CREATE TABLE s.x (\n)\nINHERITS (s.y)\nPARTITION BY LIST (a);";
        let counts = [("tables", 1), ("partitioned_tables", 1), ("columns", 0), ("constraints", 0)];
        check("TABLE", child, &counts, &["columns", "constraints"]);
        check("VIEW", "CREATE VIEW s.x AS SELECT 1", &[("views", 1)], &["columns"]);
        let range = [("types", 2), ("functions", 5), ("casts", 1)];
        check("TYPE", "CREATE TYPE s.x AS RANGE (\n    subtype = float8\n);", &range, &[]);
        check("TYPE", "CREATE TYPE s.x AS (\n\ta integer,\n\tb text\n);", &[("types", 1), ("columns", 2)], &[]);
        check("TYPE", "CREATE TYPE s.x AS ENUM (\n    'a',\n    'b'\n);", &[("types", 1)], &[]);
        check("TYPE", "CREATE TYPE s.x (\n    INPUT = s.f,\n    OUTPUT = s.g\n);", &[("types", 1)], &[]);
        check("TYPE", "CREATE TYPE s.x;", &[], &[]);
        check(
            "CONSTRAINT",
            "ALTER TABLE ONLY s.x\n    ADD CONSTRAINT y UNIQUE (a);",
            &[("constraints", 1), ("indexes", 1)],
            &[],
        );
        check("RULE", "CREATE OR REPLACE VIEW s.x AS\n SELECT 1;", &[], &[]);
        check("COMMENT", "COMMENT ON TABLE s.x IS 'y';", &[("comments", 1)], &[]);
        check("ACL", "GRANT ALL ON TABLE s.x TO y;", &[], &[]);
    }

    #[test]
    fn what_partitions_have_copies_of_is_uncertain() {
        let table = entry(1, "TABLE", "s", "t", "CREATE TABLE s.t (\n    a integer\n)\nPARTITION BY RANGE (a);");
        let on = |table_id| entry(2, "TRIGGER", "s", "t x", "CREATE TRIGGER x ..").needing(&[table_id]);
        let uncertain = |trigger| archive(vec![table.clone(), trigger]).made_by([2]).uncertain;
        assert_eq!(uncertain(on(1)), ["triggers"].into());
        assert!(uncertain(on(7)).is_empty());
    }
}
