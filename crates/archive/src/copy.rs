//! Which rows a `COPY` of an archive loaded, so that the same rows can be read back.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use super::Archive;
use super::long_values;
use super::sql::{Lexer, Token};
use super::toc::Entry;

/// Most columns of a table (`MaxHeapAttributeNumber` is 1,600).
const MAX_COLUMNS: usize = 1_664;

/// So many tokens tell a column's name and whether its type is a single word, and a constraint's kind.
const TOKENS_OF_A_COLUMN: usize = 3;

/// A table, by its schema and name as they are, without quotation marks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for TableName {
    /// Quoted, for SQL.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// A column of a `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyColumn {
    /// Its name as it is, without quotation marks.
    pub name: String,
    /// Whether the archive's definition of the table says that it is of type `bytea`. Its long values are compared
    /// by their SHA-256.
    pub is_bytea: bool,
}

/// What one `TABLE DATA` entry loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyTarget {
    /// The table whose rows they were.
    pub table: TableName,
    /// The columns that were dumped, in this order; all of them are none if a table has none.
    pub columns: Vec<CopyColumn>,
    /// The table that `COPY` loads. Another one than `table` if a partition is loaded through the
    /// root of its tree (`--load-via-partition-root`, and by itself if rows hash by an enum): then
    /// a row may come to lie in another partition, and only the sums over all entries with the same
    /// root can be compared.
    pub loaded_into: TableName,
}

/// Why rows cannot be read back for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyTargetError {
    /// The rows are `INSERT` statements, or there are none.
    #[error("its rows are not in the format of COPY")]
    NoCopy,
    /// Not a `COPY` as `pg_dump` writes it.
    #[error("its COPY statement is not one that pg_dump writes")]
    Malformed,
    /// Names of which the characters are not known.
    #[error("its name is in an encoding that this program cannot read")]
    Encoding,
}

impl CopyTarget {
    /// Reads the target out of an entry's `COPY` statement.
    ///
    /// # Errors
    /// If the statement is not exactly of the form that `pg_dump` writes.
    pub fn of(entry: &Entry, archive: &Archive) -> Result<Self, CopyTargetError> {
        if entry.copy_stmt.is_empty() {
            return Err(CopyTargetError::NoCopy);
        }
        let (loaded_into, columns) = parse(&entry.copy_stmt).ok_or(CopyTargetError::Malformed)?;
        let bytea = bytea_columns(entry, archive);
        let columns = columns.into_iter().map(|name| CopyColumn { is_bytea: bytea.contains(&name), name }).collect();
        let table = TableName { schema: entry.namespace.clone(), name: entry.tag.clone() };
        let target = Self { table, columns, loaded_into };
        if archive.is_readable || target.names().all(str::is_ascii) {
            Ok(target)
        } else {
            Err(CopyTargetError::Encoding)
        }
    }

    /// The statement that reads the rows of `table` back in the form in which those of the archive are digested.
    /// Every name in it is quoted anew; nothing of the archive's text is in it.
    pub fn copy_to_stdout(&self) -> String {
        let Self { columns, table, .. } = self;
        match columns.iter().any(|column| column.is_bytea) {
            true => format!("COPY (SELECT {} FROM ONLY {table}) TO STDOUT", self.selected()),
            false if columns.is_empty() => format!("COPY {table} TO STDOUT"),
            false => format!("COPY {table} ({}) TO STDOUT", self.selected()),
        }
    }

    /// The same rows as of [`CopyTarget::copy_to_stdout`], but only those that lie in `blocks` of the
    /// table; `u32::MAX` ends no table. `None` if the table has no columns to select.
    pub fn copy_blocks_to_stdout(&self, blocks: &Range<u32>) -> Option<String> {
        let Range { start, end } = blocks;
        self.copy_some_to_stdout(&format!("WHERE ctid >= '({start},0)' AND ctid < '({end},0)'"))
    }

    /// As [`CopyTarget::copy_blocks_to_stdout`], with a condition that an extension of the server gives.
    pub fn copy_some_to_stdout(&self, condition: &str) -> Option<String> {
        let (columns, table) = (self.selected(), &self.table);
        (!columns.is_empty()).then(|| format!("COPY (SELECT {columns} FROM ONLY {table} {condition}) TO STDOUT"))
    }

    fn selected(&self) -> String {
        let selected = self.columns.iter().map(|column| match (quote(&column.name), column.is_bytea) {
            (name, true) => long_values::selected(&name),
            (name, false) => name,
        });
        selected.collect::<Vec<_>>().join(", ")
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let tables = [&self.table, &self.loaded_into].into_iter();
        tables
            .flat_map(|table| [table.schema.as_str(), &table.name])
            .chain(self.columns.iter().map(|column| column.name.as_str()))
    }
}

/// The names of the columns of type `bytea`, by the definition of the table to which the rows of `entry` belong.
fn bytea_columns(entry: &Entry, archive: &Archive) -> HashSet<String> {
    let depended = entry.dependencies.iter().filter_map(|id| archive.entry(*id));
    let mut tables = depended
        .filter(|other| other.desc == "TABLE" && (&other.namespace, &other.tag) == (&entry.namespace, &entry.tag));
    tables.next().map(|table| columns_of_type("bytea", &table.defn).into_iter().collect()).unwrap_or_default()
}

/// The columns of a `CREATE TABLE` whose type is the single word `wanted`. The type of another schema would have its
/// schema before it. `pg_dump` writes keywords in capitals, and in names without quotation marks there are none.
fn columns_of_type(wanted: &str, definition: &str) -> Vec<String> {
    let column = |element: &[Token<'_>]| match element {
        [_, _, Token::Symbol('[' | '.' | '('), ..] => None,
        [Token::Word(first), ..] if first.contains(|c: char| c.is_ascii_uppercase()) => None,
        [name, Token::Word(word), ..] if *word == wanted => name.name(),
        _ => None,
    };
    let mut columns = Vec::new();
    for_each_element(definition, |element| {
        if columns.len() < MAX_COLUMNS {
            columns.extend(column(element));
        }
    });
    columns
}

/// Hands over the first [`TOKENS_OF_A_COLUMN`] of what stands between the commas of the first list in parentheses.
pub(super) fn for_each_element<'sql>(definition: &'sql str, mut sink: impl FnMut(&[Token<'sql>])) {
    let (mut depth, mut element) = (0_usize, Vec::with_capacity(TOKENS_OF_A_COLUMN));
    for token in Lexer::new(definition) {
        match (token, depth) {
            (Token::Symbol(')'), 1) => break,
            (Token::Symbol(','), 1) => {
                sink(&element);
                element.clear();
            }
            (_, 1..) if element.len() < TOKENS_OF_A_COLUMN => element.push(token),
            _ => {}
        }
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    sink(&element);
}

/// An identifier for SQL, with any characters.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `COPY schema.table (column, ...) FROM stdin;`, the columns being left out if there are none.
fn parse(statement: &str) -> Option<(TableName, Vec<String>)> {
    let mut tokens = Lexer::new(statement);
    let next_is = |tokens: &mut Lexer<'_>, expected: &str| tokens.next().is_some_and(|token| token.is(expected));
    if !next_is(&mut tokens, "COPY") {
        return None;
    }
    let schema = tokens.next()?.name()?;
    if !next_is(&mut tokens, ".") {
        return None;
    }
    let name = tokens.next()?.name()?;
    let mut columns = Vec::new();
    let mut token = tokens.next()?;
    if token == Token::Symbol('(') {
        loop {
            if columns.len() == MAX_COLUMNS {
                return None;
            }
            columns.push(tokens.next()?.name()?);
            match tokens.next()? {
                Token::Symbol(',') => {}
                Token::Symbol(')') => break,
                _ => return None,
            }
        }
        token = tokens.next()?;
    }
    let ends = token.is("FROM") && next_is(&mut tokens, "stdin") && next_is(&mut tokens, ";");
    (ends && tokens.next().is_none()).then_some((TableName { schema, name }, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, expected: Option<(&str, &[&str])>) {
        let parsed = parse(statement).map(|(table, columns)| (table.to_string(), columns));
        let expected = expected.map(|(table, columns)| {
            (table.to_owned(), columns.iter().map(|&column| column.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(parsed, expected, "{statement}");
    }

    #[test]
    fn statements_as_pg_dump_writes_them() {
        check("COPY public.t (id, v) FROM stdin;\n", Some(("\"public\".\"t\"", &["id", "v"])));
        check("COPY stock.nothing  FROM stdin;\n", Some(("\"stock\".\"nothing\"", &[])));
        let hostile = "COPY \"S \"\"ü\"\".\".\"a(b\" (\"drop table x; --\", \"FROM stdin;\") FROM stdin;\n";
        check(hostile, Some(("\"S \"\"ü\"\".\".\"a(b\"", &["drop table x; --", "FROM stdin;"])));
    }

    #[test]
    fn any_other_statement_is_refused() {
        for statement in [
            "",
            "COPY t FROM stdin;",
            "COPY public.t (id) FROM stdin",
            "COPY public.t (id) TO stdout;",
            "COPY public.t (id) FROM PROGRAM 'id';",
            "COPY public.t (id) FROM stdin; DROP TABLE t;",
            "COPY public.t (id) FROM stdin WITH (FREEZE);",
            "COPY public.t (id, ) FROM stdin;",
            "COPY public.t () FROM stdin;",
            "COPY public.t (lower(id)) FROM stdin;",
            "COPY public.\"t (id) FROM stdin;",
            "COPY public.\"\" (id) FROM stdin;",
            "INSERT INTO public.t VALUES (1);",
        ] {
            check(statement, None);
        }
    }

    #[test]
    fn columns_of_a_type_by_the_definition_of_their_table() {
        let definition = "CREATE UNLOGGED TABLE public.\"bytea (\" (
    a bytea,
    \"B c\" bytea DEFAULT '\\x00'::bytea NOT NULL,
    d bytea[],
    e bytea.bytea,
    f numeric(10,2) DEFAULT round((1)::numeric, 2),
    bytea integer,
    g text COLLATE pg_catalog.\"C\",
    h \"bytea\",
    i bytea GENERATED ALWAYS AS (sha256(a)) STORED,
    CONSTRAINT bytea CHECK ((length(a) < 10)),
    k bytea
)
PARTITION BY HASH (a);
ALTER TABLE ONLY public.t ALTER COLUMN body SET STORAGE EXTERNAL;
";
        assert_eq!(columns_of_type("bytea", definition), ["a", "B c", "i", "k"]);
        for nothing in ["", "CREATE TABLE s.t (\n)", "CREATE TABLE s.t OF s.u", ") a bytea ("] {
            assert!(columns_of_type("bytea", nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn rows_are_read_back_by_names_that_are_quoted_anew() {
        let table = TableName { schema: "s".to_owned(), name: "a\" TO PROGRAM 'x".to_owned() };
        let columns = ["id", "x\"y"].map(|name| CopyColumn { name: name.to_owned(), is_bytea: false }).to_vec();
        let mut target = CopyTarget { loaded_into: table.clone(), table, columns };
        let table = "\"s\".\"a\"\" TO PROGRAM 'x\"";
        assert_eq!(target.copy_to_stdout(), format!("COPY {table} (\"id\", \"x\"\"y\") TO STDOUT"));
        assert_eq!(
            target.copy_blocks_to_stdout(&(7..9)),
            Some(format!(
                "COPY (SELECT \"id\", \"x\"\"y\" FROM ONLY {table} WHERE ctid >= '(7,0)' AND ctid < '(9,0)') TO STDOUT"
            ))
        );
        target.columns[1].is_bytea = true;
        let long = "CASE WHEN pg_catalog.octet_length(\"x\"\"y\") < 2048 \
            AND pg_catalog.octet_length(\"x\"\"y\") <> 32 THEN \"x\"\"y\" ELSE pg_catalog.sha256(\"x\"\"y\") END";
        assert_eq!(target.copy_to_stdout(), format!("COPY (SELECT \"id\", {long} FROM ONLY {table}) TO STDOUT"));
        target.columns.clear();
        assert_eq!(target.copy_to_stdout(), format!("COPY {table} TO STDOUT"));
        assert_eq!(target.copy_blocks_to_stdout(&(7..9)), None);
    }
}
