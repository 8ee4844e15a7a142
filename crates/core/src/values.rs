//! Data taken out of what PostgreSQL says: its messages quote values of rows, and what leaves the machine (a
//! page, a notification, a record in the bucket) names objects only.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Where messages of PostgreSQL quote values, in English as our sessions ask for it. Source: the messages of
/// its data types, `COPY` and constraints.
static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let shape = |pattern| Regex::new(pattern).expect("the pattern is a constant and tested");
    vec![
        // DETAIL: Key (email)=(a@b.example) already exists.
        (
            shape(r"(?s)(Key \([^)]*\))=\(.*?\)( (?:already exists|is duplicated|conflicts|is not present|is still))"),
            "$1=(...)$2",
        ),
        (shape(r"(?s)(conflicts with existing key \([^)]*\))=\(.*?\)\."), "$1=(...)."),
        // DETAIL: Failing row contains (1, a, b).
        (shape(r"(?s)(Failing row contains )\(.*\)"), "$1(...)"),
        // CONTEXT: COPY t, line 3, column c: "value" and COPY t, line 3: "whole line".
        (shape(r#"(?s)(COPY [^\n]*?, line \d+(?:, column [^:\n]*)?: )".*""#), "$1\"...\""),
        // invalid input syntax for type integer: "value", invalid input value for enum mood: "value".
        (
            shape(
                r#"(?s)((?:invalid input (?:syntax|value)|malformed \w+ literal|out of range|(?:in)?valid (?:value|string)|not recogni[sz]ed|unterminated)[^"\n]*: )".*?"( \(|$|\n|; )"#,
            ),
            "$1\"...\"$2",
        ),
        // value "99999999999" is out of range for type integer; invalid hexadecimal digit: "x".
        (shape(r#"(?s)(\bvalue )".*?"( is out of range)"#), "$1\"...\"$2"),
        (shape(r#"(invalid (?:hexadecimal|octal|binary) digit: )"[^"]*""#), "$1\"...\""),
        // invalid byte sequence for encoding "UTF8": 0xe9 0x6e.
        (
            shape(r"((?:byte sequence for|character with byte sequence) [^:\n]*:?) ?0x[0-9a-f]{2}(?: 0x[0-9a-f]{2})*"),
            "$1 ...",
        ),
    ]
});

/// `message` without the values of rows that it quotes, `"..."` or `(...)` in their place. Names of tables,
/// columns, constraints and types stay. Messages that a function of the source makes (`RAISE`) have no shape,
/// and stay as they are.
pub fn without_values(message: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(message);
    for (shape, replacement) in SHAPES.iter() {
        if let Cow::Owned(changed) = shape.replace_all(&text, *replacement) {
            text = Cow::Owned(changed);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(without_values(message), expected);
        assert_eq!(without_values(expected), expected, "twice is as once");
    }

    #[test]
    fn values_go_and_names_stay() {
        check(
            "invalid input syntax for type integer: \"canary\" (data)",
            "invalid input syntax for type integer: \"...\" (data)",
        );
        check(
            "invalid input value for enum public.mood: \"ca\"na\"ry\"",
            "invalid input value for enum public.mood: \"...\"",
        );
        check(
            "COPY failed for table \"t\": ERROR:  date/time field value out of range: \"31.02.1999\"",
            "COPY failed for table \"t\": ERROR:  date/time field value out of range: \"...\"",
        );
        check(
            "value \"99999999999\" is out of range for type integer",
            "value \"...\" is out of range for type integer",
        );
        check("malformed array literal: \"{canary\"", "malformed array literal: \"...\"");
        check("COPY t, line 3, column c: \"canary\"", "COPY t, line 3, column c: \"...\"");
        check("COPY t, line 3: \"1\tcanary\"", "COPY t, line 3: \"...\"");
        check("Key (a, b)=(x, (y)) already exists.", "Key (a, b)=(...) already exists.");
        check(
            "Key (k)=(canary) is not present in table \"kinds\".",
            "Key (k)=(...) is not present in table \"kinds\".",
        );
        check("Failing row contains (1, canary).", "Failing row contains (...).");
        check(
            "invalid byte sequence for encoding \"UTF8\": 0xe9 0x6e",
            "invalid byte sequence for encoding \"UTF8\": ...",
        );
        for message in [
            "duplicate key value violates unique constraint \"t_pkey\"",
            "new row for relation \"t\" violates check constraint \"positive\"",
            "insert or update on table \"a\" violates foreign key constraint \"b\"",
            "could not access file \"$libdir/x\": No such file or directory",
            "relation \"no_such_table\" does not exist",
            "unrecognized configuration parameter \"transaction_timeout\"",
            "query \"too few\": 100, and > 100 is expected",
            "the rows of t differ: 500 in the archive, 499 restored",
        ] {
            check(message, message);
        }
    }
}
