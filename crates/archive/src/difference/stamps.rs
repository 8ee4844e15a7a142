//! What a server writes into the options of columns for itself, in a number that is another one in each table.
//!
//! From 17.12 on, a server of 17 keeps a version of each column there. `pg_dump` of 17 leaves it out, and one of 18 takes
//! it for an option that a person has set. The server ignores the number when it is set, and makes its own.

use std::borrow::Cow;

use crate::sql::{Statement, statements};

/// The name of the option, before its number.
const STAMP: &str = "pg_attver=";

/// `definition` without the options of columns that are not a person's. Other options stay.
pub(super) fn without_stamps(definition: &str) -> Cow<'_, str> {
    if !definition.contains(STAMP) {
        return Cow::Borrowed(definition);
    }
    let (mut kept, mut copied) = (String::new(), 0);
    for statement in statements(definition) {
        let Some((before, options)) = column_options(&statement) else { continue };
        let others: Vec<&str> = options.split(", ").filter(|option| !is_stamp(option)).collect();
        let others = others.join(", ");
        if others == options {
            continue;
        }
        let start = statement.text.as_ptr().addr() - definition.as_ptr().addr();
        kept.push_str(&definition[copied..start]);
        copied = start + statement.text.len();
        if others.is_empty() {
            let rest = &definition[copied..];
            copied += rest.find('\n').map_or(rest.len(), |end| end + 1);
        } else {
            kept.push_str(&format!("{before}({others})"));
        }
    }
    kept.push_str(&definition[copied..]);
    kept.truncate(kept.trim_end().len());
    Cow::Owned(kept)
}

/// The options in `ALTER [FOREIGN] TABLE ONLY name ALTER COLUMN name SET (options)`, and what is before them.
fn column_options<'sql>(statement: &Statement<'sql>) -> Option<(&'sql str, &'sql str)> {
    let is_of_table = statement.begins("ALTER TABLE ONLY") || statement.begins("ALTER FOREIGN TABLE ONLY");
    let [.., set, open, close] = statement.tokens.as_slice() else { return None };
    if !is_of_table || statement.after("COLUMN").is_none() || !set.is("SET") || !open.is("(") || !close.is(")") {
        return None;
    }
    let place = statement.text.rfind('(')?;
    let (before, options) = statement.text.split_at(place);
    Some((before, options.strip_prefix('(')?.strip_suffix(')')?))
}

fn is_stamp(option: &str) -> bool {
    let number = option.strip_prefix(STAMP);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(definition: &str, expected: &str) {
        assert_eq!(without_stamps(definition), expected, "{definition}");
    }

    /// As `pg_dump` 18.6 writes tables of a server of 17.12.
    #[test]
    fn the_version_of_a_column_is_no_option_and_others_are() {
        let table = "CREATE TABLE a.t (\n    x integer,\n    \"SET (\" text\n);";
        let alter = "ALTER TABLE ONLY a.t ALTER COLUMN";
        let both = format!(
            "{table}\n{alter} x SET (pg_attver=26457440);\n{alter} \"SET (\" SET (pg_attver=26457440, n_distinct=5);"
        );
        check(&both, &format!("{table}\n{alter} \"SET (\" SET (n_distinct=5);"));
        check(
            &format!("{table}\n{alter} x SET (pg_attver=1);\n{alter} y SET STATISTICS 5;"),
            &format!("{table}\n{alter} y SET STATISTICS 5;"),
        );
        check(&format!("{table}\n{alter} x SET (pg_attver=1);"), table);
        check(
            &format!("{table}\n{alter} x SET (n_distinct=4, pg_attver=1);"),
            &format!("{table}\n{alter} x SET (n_distinct=4);"),
        );
        let foreign = "ALTER FOREIGN TABLE ONLY a.t ALTER COLUMN x SET";
        check(&format!("{table}\n{foreign} (pg_attver=1);"), table);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for definition in [
            "CREATE TABLE t (x text DEFAULT '\nALTER TABLE ONLY t ALTER COLUMN x SET (pg_attver=1);\n');",
            "ALTER TABLE ONLY t ALTER COLUMN x SET (pg_attver=high);",
            "ALTER TABLE ONLY t ALTER COLUMN x SET (my_pg_attver=1);",
            "ALTER TABLE t SET (pg_attver=1);",
            "CREATE TABLE t (x text DEFAULT 'pg_attver=1');",
        ] {
            check(definition, definition);
        }
    }
}
