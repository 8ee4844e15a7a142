//! Statements of a dump of roles, cut as the server and as `psql` cut them.
//!
//! Anyone who can write to the bucket can write this file, and people run it with `psql`, which takes a backslash
//! outside of quotes for a command of its own, `\!` for one of the shell. What is a quote depends on settings, on
//! encodings and on half a dozen ways to write one. So nothing is taken here that `pg_dumpall` does not write: what
//! reads in two ways is a finding, and no guess.

use std::io::{self, BufRead};

/// Maximum bytes of a statement: the longest are comments and settings.
const MAX_STATEMENT_BYTES: usize = 1024 * 1024;

/// The fence that `pg_dumpall` puts around its output since August 2025: between the two, `psql` takes no commands.
const RESTRICT: &[u8] = b"\\restrict ";
const UNRESTRICT: &[u8] = b"\\unrestrict ";

/// A part of a dump of roles.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'text> {
    /// A line that begins with `--`, without its end.
    Comment(&'text [u8]),
    /// A statement, with its semicolon.
    Statement(&'text [u8]),
}

/// What no dump of `pg_dumpall` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// The line, from 1 on.
    pub line: u64,
    /// What is there, as the rest of a sentence.
    pub what: String,
}

/// Where in a dump of roles a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Comment,
    /// A line for `psql`.
    Command,
    Statement,
    /// Behind a text, if white space alone came since: another text would go on with it.
    AfterText,
    /// In quotes. With `escapes`, a backslash takes the meaning of the next byte.
    Quoted {
        quote: u8,
        escapes: bool,
        is_escaped: bool,
    },
    /// Behind a quotation mark, which a second one makes a part of the text.
    Closing {
        quote: u8,
        escapes: bool,
    },
}

/// Cuts a dump of roles, byte by byte.
struct Cutter {
    place: Place,
    text: Vec<u8>,
    line: u64,
    began_at: u64,
    /// Of the fence, while it is closed.
    key: Option<Vec<u8>>,
    was_fenced: bool,
}

/// Hands over each comment and each statement with the number of its line, until `sink` or the text itself is odd. A
/// name or a text may hold line breaks, semicolons and what looks like a comment.
///
/// # Errors
/// What reading `source` says.
pub fn read(
    mut source: impl BufRead,
    mut sink: impl FnMut(u64, Item<'_>) -> Result<(), String>,
) -> io::Result<Result<(), Odd>> {
    let mut cutter =
        Cutter { place: Place::Between, text: Vec::new(), line: 1, began_at: 1, key: None, was_fenced: false };
    loop {
        let ready = source.fill_buf()?;
        if ready.is_empty() {
            break;
        }
        for &byte in ready {
            if let Err(what) = cutter.take(byte, &mut sink) {
                // A semicolon is odd for what it ends.
                let line = if byte == b';' { cutter.began_at } else { cutter.line };
                return Ok(Err(Odd { line, what }));
            }
            cutter.line += u64::from(byte == b'\n');
        }
        let bytes = ready.len();
        source.consume(bytes);
    }
    Ok(cutter.end(&mut sink).map_err(|what| Odd { line: cutter.began_at, what }))
}

impl Cutter {
    fn take(&mut self, byte: u8, sink: &mut impl FnMut(u64, Item<'_>) -> Result<(), String>) -> Result<(), String> {
        if byte == 0 {
            return Err("has a byte of zero".to_owned());
        }
        if self.place == Place::Between {
            if matches!(byte, b'\n' | b' ') {
                return Ok(());
            }
            self.began_at = self.line;
            self.text.clear();
        } else if self.text.len() >= MAX_STATEMENT_BYTES {
            return Err("goes on for longer than any statement of pg_dumpall".to_owned());
        }
        if !matches!(self.place, Place::Comment | Place::Command) || byte != b'\n' {
            self.text.push(byte);
        }
        self.place = match self.place {
            Place::Between => match byte {
                b'\\' => Place::Command,
                b';' => return Err("begins no statement that pg_dumpall writes".to_owned()),
                _ => self.outside(byte)?,
            },
            Place::Comment if byte == b'\n' => {
                sink(self.began_at, Item::Comment(&self.text))?;
                Place::Between
            }
            // Psql ends a comment at some of these, and what follows could be a command.
            Place::Comment if byte.is_ascii_control() => {
                return Err("has a control character in a comment".to_owned());
            }
            Place::Command if byte == b'\n' => {
                self.command()?;
                Place::Between
            }
            Place::Statement | Place::AfterText if byte == b';' => {
                sink(self.began_at, Item::Statement(&self.text))?;
                Place::Between
            }
            Place::Statement if self.text == b"--" => Place::Comment,
            Place::Statement => self.outside(byte)?,
            Place::AfterText if byte == b'\'' => return Err("has two texts in a row".to_owned()),
            Place::AfterText if byte.is_ascii_whitespace() => Place::AfterText,
            Place::AfterText => self.outside(byte)?,
            Place::Quoted { quote, escapes, is_escaped } => quoted(byte, quote, escapes, is_escaped)?,
            Place::Closing { quote, escapes } if byte == quote => Place::Quoted { quote, escapes, is_escaped: false },
            Place::Closing { quote, .. } => self.closed(byte, quote, sink)?,
            place @ (Place::Comment | Place::Command) => place,
        };
        Ok(())
    }

    /// A byte outside of quotes, which is the last of the text so far.
    fn outside(&self, byte: u8) -> Result<Place, String> {
        let before = |back: usize| self.text.len().checked_sub(back + 1).map(|place| self.text[place]);
        match byte {
            b'\'' | b'"' => {
                let is_escape = byte == b'\'' && before(1) == Some(b'E');
                let stands_after = if is_escape { before(2) } else { before(1) };
                if !matches!(stands_after, Some(b' ' | b'\n' | b'(' | b',' | b'.' | b'=')) {
                    return Err("has a quotation mark where pg_dumpall writes none".to_owned());
                }
                Ok(Place::Quoted { quote: byte, escapes: is_escape, is_escaped: false })
            }
            b'-' if before(1) == Some(b'-') => Err("has a comment inside of a statement".to_owned()),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Ok(Place::Statement),
            b'_' | b' ' | b'\n' | b',' | b'.' | b'=' | b'(' | b')' | b'-' => Ok(Place::Statement),
            b'\\' => Err("has a backslash outside of quotes, which begins a command of psql".to_owned()),
            _ => Err("has a character outside of quotes that pg_dumpall does not write there".to_owned()),
        }
    }

    /// The byte after a closing quotation mark.
    fn closed(
        &mut self,
        byte: u8,
        quote: u8,
        sink: &mut impl FnMut(u64, Item<'_>) -> Result<(), String>,
    ) -> Result<Place, String> {
        match byte {
            b';' => {
                sink(self.began_at, Item::Statement(&self.text))?;
                Ok(Place::Between)
            }
            b' ' | b'\n' if quote == b'\'' => Ok(Place::AfterText),
            b' ' | b'\n' | b',' | b')' | b'.' | b'=' => Ok(Place::Statement),
            _ => Err("has something right behind a quotation mark".to_owned()),
        }
    }

    /// A whole line for `psql`: only the two that `pg_dumpall` writes, once each, with the same key.
    fn command(&mut self) -> Result<(), String> {
        let is_key = |key: &[u8]| !key.is_empty() && key.iter().all(u8::is_ascii_alphanumeric);
        if let Some(key) = self.text.strip_prefix(RESTRICT).filter(|key| is_key(key) && !self.was_fenced) {
            (self.key, self.was_fenced) = (Some(key.to_vec()), true);
            return Ok(());
        }
        if self.key.is_some() && self.text.strip_prefix(UNRESTRICT) == self.key.as_deref() {
            self.key = None;
            return Ok(());
        }
        Err("is a command of psql that pg_dumpall does not write".to_owned())
    }

    fn end(&mut self, sink: &mut impl FnMut(u64, Item<'_>) -> Result<(), String>) -> Result<(), String> {
        match self.place {
            Place::Between => Ok(()),
            Place::Comment => sink(self.began_at, Item::Comment(&self.text)),
            Place::Command => self.command(),
            _ => Err("begins a statement that has no end".to_owned()),
        }
    }
}

/// A byte in quotes. A backslash in a text without `E` ends it or not by a setting, so `pg_dumpall` writes none.
fn quoted(byte: u8, quote: u8, escapes: bool, is_escaped: bool) -> Result<Place, String> {
    match byte {
        0 => Err("has a byte of zero".to_owned()),
        b'\\' if quote == b'\'' && !escapes => Err("has a backslash in a text without E".to_owned()),
        byte if byte == quote && !is_escaped => Ok(Place::Closing { quote, escapes }),
        byte => Ok(Place::Quoted { quote, escapes, is_escaped: escapes && !is_escaped && byte == b'\\' }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The statements with their lines, or what is odd and where.
    fn cut(text: &str, buffer_bytes: usize) -> Result<Vec<(u64, String)>, (u64, String)> {
        let mut found = Vec::new();
        let source = BufReader::with_capacity(buffer_bytes, text.as_bytes());
        let read = read(source, |line, item| {
            if let Item::Statement(text) = item {
                found.push((line, String::from_utf8_lossy(text).into_owned()));
            }
            Ok(())
        });
        read.unwrap().map(|()| found).map_err(|odd| (odd.line, odd.what))
    }

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str)]) {
        for buffer_bytes in [1, 3, 8192] {
            let expected: Vec<_> = expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
            assert_eq!(cut(text, buffer_bytes), Ok(expected), "{text}");
        }
    }

    #[track_caller]
    fn check_odd(text: &str, line: u64, words: &str) {
        for buffer_bytes in [1, 8192] {
            let (found, what) = cut(text, buffer_bytes).expect_err(text);
            assert!(found == line && what.contains(words), "{text}: line {found} {what}");
        }
    }

    #[test]
    fn statements_end_where_the_server_ends_them() {
        let text = "--\n-- Roles; of all \\!\n--\n\n\\restrict a1B\n\nCREATE ROLE \"a;\n-- b\\\";\nCOMMENT ON ROLE a IS 'two\n\
                    lines; it''s\nDROP';\nALTER ROLE a SET x TO E'\\'; DROP', 'b';GRANT a TO b;\n\\unrestrict a1B\n";
        let expected = [
            (7, "CREATE ROLE \"a;\n-- b\\\";"),
            (9, "COMMENT ON ROLE a IS 'two\nlines; it''s\nDROP';"),
            (12, "ALTER ROLE a SET x TO E'\\'; DROP', 'b';"),
            (12, "GRANT a TO b;"),
        ];
        check(text, &expected);
        check("", &[]);
        check("-- only", &[]);
        check("SET x TO E'a''\\'; DROP b';SET y;", &[(1, "SET x TO E'a''\\'; DROP b';"), (1, "SET y;")]);
        check("CREATE ROLE \"a\"\"b\";", &[(1, "CREATE ROLE \"a\"\"b\";")]);
    }

    #[test]
    fn nothing_that_psql_may_read_in_another_way_is_taken() {
        for command in ["\\! id", "\\connect postgres \\! id", "\\restrict", "\\restrict a b", "\\restrict a\\! id"] {
            check_odd(&format!("SET x;\n{command}\n"), 2, "command of psql");
        }
        check_odd("\\restrict a\n\\restrict b\n", 2, "command of psql");
        check_odd("\\restrict a\n\\unrestrict b\n", 2, "command of psql");
        check_odd("\\unrestrict a\n", 1, "command of psql");
        check_odd("\\! id", 1, "command of psql");
        check_odd("CREATE ROLE a\n\\! id\n;", 2, "backslash outside");
        check_odd("CREATE ROLE a; \\! id\n", 1, "command of psql");
        // A text that ends or goes on by a setting, by what stands before it, or by what it goes on with.
        check_odd("SET x TO 'a\\' \\! id\n", 1, "backslash in a text");
        check_odd("SET xE'a\\' \\! id\n", 1, "quotation mark where");
        check_odd("SET x TO E'a'\n'\\' \\! id ';", 2, "two texts in a row");
        check_odd("SET x TO e'\\';", 1, "quotation mark where");
        check_odd("SET x TO U&'a';", 1, "a character outside");
        check_odd("SET x TO 'a'b';", 1, "right behind");
        check_odd("SET x TO $$ ' $$ \\! id '", 1, "a character outside");
        check_odd("-- harmless\r\\! id\n", 1, "control character in a comment");
        check_odd("-- x\0\nSET x;\n", 1, "byte of zero");
        check_odd("SET x -- '\n\\! id '", 1, "comment inside");
        check_odd("SET x /* ' */ \\! id '", 1, "a character outside");
        check_odd("SET x TO :'a';", 1, "a character outside");
        check_odd("SET x TO `id`;", 1, "a character outside");
        check_odd("SET x TO 'a\0';", 1, "byte of zero");
        check_odd("SET \u{a0}x;", 1, "a character outside");
        check_odd("a;\nCOMMENT ON ROLE a IS 'never closed; ", 2, "no end");
        check_odd(&format!("SET x TO '{}';", "x".repeat(MAX_STATEMENT_BYTES)), 1, "longer than");
    }
}
