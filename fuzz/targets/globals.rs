//! The roles beside a dump, as `pg_dumpall --globals-only` writes them.

use std::io::BufReader;

use backup_core::postgres::globals::{ClusterRoles, Item, Statement, read};

use crate::run::{Target, file, words};

const REAL: &str = "tests/fixtures/format-1/none/postgres-backups/app/20261129T162012Z-dnzrny4hqavnidbj/globals.sql";

/// The statements up to the first that is odd, and whether there is one.
fn statements(bytes: &[u8], buffer_bytes: usize) -> (Vec<(u64, Vec<u8>, Statement)>, bool) {
    let mut found = Vec::new();
    let outcome = read(BufReader::with_capacity(buffer_bytes, bytes), |line, item| {
        if let Item::Statement(text) = item {
            let decoded = match std::str::from_utf8(text) {
                Ok(decoded) => decoded.to_owned(),
                Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
            };
            let statement = Statement::parse(&decoded).ok_or("is odd")?;
            found.push((line, text.to_vec(), statement));
        }
        Ok(())
    });
    (found, outcome.expect("memory is always readable").is_err())
}

/// Whether `psql` would see a command in `text`: a backslash outside of quotes and comments. Of the ways to quote, only
/// those that `pg_dumpall` uses are known here.
fn holds_a_command(text: &[u8]) -> bool {
    let (mut quote, mut escapes, mut before) = (None, false, b' ');
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        match quote {
            None if byte == b'\\' => return true,
            None if byte == b'\'' || byte == b'"' => (quote, escapes) = (Some(byte), byte == b'\'' && before == b'E'),
            Some(_) if escapes && byte == b'\\' => drop(rest.next()),
            // Two of them close the quote and open it again, which is the same here, but for the `E`.
            Some(mark) if byte == mark => quote = None,
            None | Some(_) => {}
        }
        // A text in two halves stays one with escapes.
        before = if byte == b'\'' && escapes { b'E' } else { byte };
    }
    quote.is_some()
}

#[test]
fn roles_are_read_or_odd() {
    let words = words(&[
        "CREATE ROLE a;\n",
        "ALTER ROLE a WITH ",
        "ALTER ROLE a SET ",
        "ALTER ROLE a IN DATABASE b SET ",
        " TO ",
        "GRANT a TO b",
        " WITH ADMIN OPTION",
        ", INHERIT FALSE",
        " GRANTED BY c",
        "COMMENT ON ROLE a IS ",
        "SECURITY LABEL FOR x ON ROLE a IS ",
        "GRANT SET ON PARAMETER a.b TO c",
        "CREATE TABLESPACE t",
        "'",
        "\"",
        "E'",
        "\\",
        "\\! id\n",
        "\\restrict a\n",
        "\\unrestrict a\n",
        "--",
        "\n",
        ";",
        "''",
        "\\'",
        ".a",
        ", 'x'",
        "\0",
        "CONNECTION LIMIT 7",
        "VALID UNTIL 'x'",
        "SET client_encoding = 'UTF8';\n",
        "\u{e9}",
        "\r",
    ]);
    // A name of many parts.
    let once = vec![format!("ALTER ROLE a SET a{} TO 'x';\n", ".a".repeat(500_000)).into_bytes()];
    Target { name: "globals", items: vec![file(REAL)], words, once, bytes_per_byte: 128 }.fuzz(|bytes| {
        let all = statements(bytes, 8192);
        assert_eq!(statements(bytes, 1), all);
        ClusterRoles::from_lines(bytes).expect("memory is always readable");
        for (_, text, _) in &all.0 {
            assert!(!holds_a_command(text), "{}", String::from_utf8_lossy(text));
        }
    });
}
