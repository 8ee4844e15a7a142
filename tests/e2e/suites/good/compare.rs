//! The source, our restore of it and that of stock tools, by the texts that `pg_dump --create` makes of them.

use std::collections::BTreeSet;
use std::fs;
use std::str;
use std::time::Duration;

use e2e::postgres::SUPERUSER;
use e2e::process::{Output, Run};

use crate::suites::source::server;

/// A stock tool on a machine that is busy with other tests.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// How many lines of a difference are shown of each side.
const LINES_SHOWN: usize = 12;

/// What stands in a text for the name of the database.
const ANY_NAME: &str = "the_database";

/// The names of one database in its three copies.
pub(super) struct Names {
    /// The source, once stock tools have its first name.
    pub(super) source: String,
    /// What `verify restore` made.
    pub(super) ours: String,
    /// What `pg_restore --create` made, which knows no other name than that in the archive.
    pub(super) stock: String,
}

impl Names {
    /// For a source that is called `name` now.
    pub(super) fn of(name: &str) -> Self {
        Self { source: format!("{name}_source"), ours: format!("{name}_ours"), stock: name.to_owned() }
    }
}

/// Compares what we restored with the source and with a stock restore, which takes the first name of the source.
/// `url` is that of the source for the role that backed it up: what that role cannot dump, stock tools cannot either.
///
/// # Errors
/// How the three differ.
pub(super) fn compare(names: &Names, url: &str) -> Result<(), String> {
    let complaints = restore_with_stock_tools(names, url);
    let [source, ours, stock] = [&names.source, &names.ours, &names.stock].map(|name| text(names, name));
    let (source, ours) = (source?, ours?);
    if source == ours {
        return Ok(());
    }
    let stock = match stock {
        Ok(stock) if stock == ours => "stock tools make the same of it".to_owned(),
        Ok(stock) if stock == source => "stock tools restore it as it was".to_owned(),
        Ok(stock) => {
            format!("stock tools make something else of it:\n{}", difference("source", &source, "stock", &stock))
        }
        Err(words) => words,
    };
    Err(format!("{}{stock}\n{complaints}", difference("source", &source, "ours", &ours)))
}

/// Dumps and restores with stock tools; what they complained of.
fn restore_with_stock_tools(names: &Names, url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("stock.dump");
    let dumped = tool("pg_dump").args(["--format=custom", "--dbname", url, "--file"]).args([&archive]).output();
    server().sql(SUPERUSER, &format!("ALTER DATABASE {} RENAME TO {}", names.stock, names.source));
    let into = server().url(SUPERUSER);
    let restored = tool("pg_restore").args(["--create", "--dbname", &into]).args([&archive]).output();
    let words = |name: &str, output: &Output| match output.code {
        Some(0) => String::new(),
        code => format!("{name} ended with {code:?}: {}\n", output.stderr.trim()),
    };
    words("pg_dump", &dumped) + &words("pg_restore", &restored)
}

/// The text of a database, with one name for all three. In the encoding of the database: one of `SQL_ASCII` may hold
/// what no encoding knows.
fn text(names: &Names, name: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.sql");
    let output = tool("pg_dump").args(["--create", "--dbname", &server().url(name), "--file"]).args([&file]).output();
    if output.code != Some(0) {
        return Err(format!("pg_dump of {name} failed: {}", output.stderr.trim()));
    }
    let bytes = fs::read(file).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| match str::from_utf8(line) {
        Ok(line) => line.to_owned(),
        Err(_) => line.escape_ascii().to_string(),
    });
    // Its key is another one each time.
    let is_restriction = |line: &String| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    let lines: Vec<String> = lines.filter(|line| !is_restriction(line)).collect();
    // The name of the stock one is the beginning of the others.
    let [source, ours, stock] = [&names.source, &names.ours, &names.stock];
    Ok([source, ours, stock].into_iter().fold(lines.join("\n"), |text, name| text.replace(name, ANY_NAME)))
}

fn tool(name: &str) -> Run {
    Run::program(server().bin_dir().join(name)).deadline(TOOL_LIMIT)
}

/// Lines that one text has and the other has not.
fn difference(left_name: &str, left: &str, right_name: &str, right: &str) -> String {
    let only = |name: &str, text: &str, other: &str| {
        let others: BTreeSet<&str> = other.lines().collect();
        let lines = text.lines().filter(|line| !others.contains(line));
        lines.take(LINES_SHOWN).map(|line| format!("  {name} only: {line}\n")).collect::<String>()
    };
    let lines = only(left_name, left, right) + &only(right_name, right, left);
    if lines.is_empty() {
        format!("  {left_name} and {right_name} have the same lines in another order\n")
    } else {
        lines
    }
}
