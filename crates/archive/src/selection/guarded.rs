//! What a role restores of the tables of extensions that a superuser made.

use std::collections::HashMap;

use super::super::copy::TableName;
use super::super::sql::{Statement, Token, statements};
use super::super::toc::DumpId;
use super::{Archive, Entry, LeftOut, Reason, Selection};

/// A table or a sequence of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Its name.
    pub name: TableName,
    /// The extension.
    pub extension: String,
    /// Whether the role that restores may fill it.
    pub is_open: bool,
}

impl Selection {
    /// Leaves out what the role that restores may not bring back: the rows of those of `members` that are not open, and
    /// foreign keys to any of them. `has_rows` tells whether an entry holds any; only rows that are there stay unproven.
    pub fn leave_out_guarded(&mut self, archive: &Archive, members: &[Guarded], has_rows: impl Fn(DumpId) -> bool) {
        let by_name: ByName<'_> =
            members.iter().map(|member| ((member.name.schema.as_str(), member.name.name.as_str()), member)).collect();
        self.leave_out(archive, |entry| {
            let why = match entry.desc.as_str() {
                "TABLE DATA" | "SEQUENCE SET" => {
                    let member = find(&by_name, &entry.namespace, &entry.tag);
                    member.filter(|member| !member.is_open).map(|_| OF_AN_EXTENSION)
                }
                "FK CONSTRAINT" => {
                    let (schema, name) = referred_to(entry)?;
                    find(&by_name, &schema, &name).map(|_| REFERS_TO_ONE)
                }
                _ => None,
            };
            why.map(Reason::SuperuserOnly)
        });
        for left_out in self.left_out.iter_mut().filter(|left_out| is_of_an_extension(left_out)) {
            left_out.holds_rows = has_rows(left_out.dump_id);
        }
    }
}

const OF_AN_EXTENSION: &str = "its extension may decide by it what roles may do, so only a superuser fills it";
const REFERS_TO_ONE: &str = "a foreign key to a table of an extension is checked with the rights of a superuser";

fn is_of_an_extension(left_out: &LeftOut) -> bool {
    left_out.reason == Reason::SuperuserOnly(OF_AN_EXTENSION)
}

/// Tables and sequences of extensions, by schema and name.
type ByName<'all> = HashMap<(&'all str, &'all str), &'all Guarded>;

fn find<'all>(by_name: &ByName<'all>, schema: &'all str, name: &'all str) -> Option<&'all Guarded> {
    by_name.get(&(schema, name)).copied()
}

/// The table of `REFERENCES schema.table(column)`.
fn referred_to(entry: &Entry) -> Option<(String, String)> {
    let statements: Vec<Statement<'_>> = statements(&entry.defn);
    let tokens: &[Token<'_>] = &statements.first()?.tokens;
    let place = tokens.iter().rposition(|token| token.is("REFERENCES"))?;
    Some((tokens.get(place + 1)?.name()?, tokens.get(place + 3)?.name()?))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::build::{archive, entry};
    use super::super::{Rights, select};
    use super::*;

    fn guarded(name: &str, is_open: bool) -> Guarded {
        let name = TableName { schema: "ext".to_owned(), name: name.to_owned() };
        Guarded { name, extension: "of_matter".to_owned(), is_open }
    }

    #[test]
    fn rows_that_guard_something_and_keys_to_tables_of_extensions_are_left_out() {
        let key = |table: &str| {
            format!(
                "ALTER TABLE ONLY public.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES ext.{table}(a) ON DELETE CASCADE;\n"
            )
        };
        let archive = archive(vec![
            entry(1, "TABLE DATA", "ext", "open", ""),
            entry(2, "TABLE DATA", "ext", "closed", ""),
            entry(3, "TABLE DATA", "ext", "empty", ""),
            entry(4, "TABLE DATA", "ext", "own", ""),
            entry(5, "FK CONSTRAINT", "public", "t k", &key("open")),
            entry(6, "FK CONSTRAINT", "public", "t k", &key("own")),
        ]);
        let mut selection = select(&archive, Rights::Owner);
        let members = [guarded("open", true), guarded("closed", false), guarded("empty", false)];
        selection.leave_out_guarded(&archive, &members, |id| id == 2);
        let found: Vec<_> = selection.left_out.iter().map(|one| (one.dump_id, one.holds_rows)).collect();
        assert_eq!(found, [(2, true), (3, false), (5, false)]);
        assert_eq!(selection.list_file.lines().count(), 3);
    }
}
