//! Whether the messages that the documents quote are messages of the programs as they are.

use std::fs;

use super::{files, open, root};

/// The documents that quote what an operator sees.
const DOCUMENTS: [&str; 3] = ["docs/troubleshooting.md", "docs/runbooks.md", "docs/restore.md"];

/// Fewer words in a code span are a name or a value.
const FEWEST_WORDS: usize = 3;

/// What the code spans begin with that are commands or statements.
const NOT_MESSAGES: [&str; 10] = [
    "backup keygen",
    "verify run",
    "verify restore",
    "openssl ",
    "age ",
    "pg_dump --",
    "set -o",
    "ALTER ",
    "GRANT ",
    "SET ",
];

/// What others say: PostgreSQL, its client tools, the store, libraries.
const BY_OTHERS: [&str; 9] = [
    "password authentication failed",
    "no pg_hba.conf entry for host",
    "sorry, too many clients already",
    "too many connections for role",
    "invalid peer certificate",
    "item order invariant violated",
    "lacks matching index tuple",
    "TLS failed: ... UnknownIssuer",
    "unrecognized parameter \"pg_attver\"",
];

/// A text of the source, cut where something is put in: `None` stands for that.
pub(super) struct Template {
    pieces: Vec<Option<char>>,
    text: String,
}

#[test]
fn every_quoted_message_is_one_of_the_programs() {
    let templates = templates();
    let mut unknown = Vec::new();
    let mut quoted = Vec::new();
    for path in DOCUMENTS {
        for (line, span) in open(path).code_spans() {
            if span.split(' ').count() >= FEWEST_WORDS && !NOT_MESSAGES.iter().any(|start| span.starts_with(start)) {
                if !is_known(&span, &templates) && !BY_OTHERS.iter().any(|words| span.contains(words)) {
                    unknown.push(format!("{path}:{line}: {span}"));
                }
                quoted.push(span);
            }
        }
    }
    assert!(unknown.is_empty(), "no program says:\n{}", unknown.join("\n"));
    assert!(quoted.len() > 150, "only {} messages are quoted", quoted.len());
    for words in BY_OTHERS {
        assert!(quoted.iter().any(|span| span.contains(words)), "no document quotes {words:?} any more");
    }
}

/// Whether every part of a quoted message, cut at `...`, is a part of one text of the source. An error is a chain
/// of texts with `: ` between them.
pub(super) fn is_known(span: &str, templates: &[Template]) -> bool {
    let fragments = span.split("...").map(|part| part.trim_matches([' ', ',', ';', ':', '(', ')', '`']));
    fragments.filter(|part| !part.is_empty()).all(|part| is_chain(part, templates))
}

fn is_chain(part: &str, templates: &[Template]) -> bool {
    if is_name(part) || templates.iter().any(|template| template.says(part)) {
        return true;
    }
    part.match_indices(": ").any(|(at, _)| {
        let (first, rest) = (&part[..at], &part[at + 2..]);
        (is_name(first) || templates.iter().any(|template| template.says(first))) && is_chain(rest, templates)
    })
}

/// The name of a variable or of a check, a number, a code: what is put in.
fn is_name(part: &str) -> bool {
    !part.contains(' ')
}

impl Template {
    /// `text` as between the quotes of a string literal, with its escapes resolved.
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '{' | '}' if letters.peek() == Some(&letter) => pieces.extend(letters.next().map(Some)),
                '{' => {
                    letters.by_ref().take_while(|letter| *letter != '}').for_each(drop);
                    pieces.push(None);
                }
                // As in `format` of SQL.
                '%' if letters.next_if_eq(&'s').is_some() => pieces.push(None),
                letter => pieces.push(Some(letter)),
            }
        }
        let text = pieces.iter().map(|piece| piece.unwrap_or(' ')).collect();
        Self { pieces, text }
    }

    /// Whether `part` can be a part of this text, with two fifths of it not put in: codes of stores are long.
    fn says(&self, part: &str) -> bool {
        if self.text.contains(part) {
            return true;
        }
        // Most texts have nothing to do with each other, which is quickly seen.
        let words: Vec<&str> = part.split(' ').filter(|word| word.len() > 3).collect();
        let shared = words.iter().filter(|word| self.text.contains(**word)).count();
        if shared * 3 < words.len() || (shared == 0 && !words.is_empty()) || !self.pieces.contains(&None) {
            return false;
        }
        let length = part.chars().count();
        self.literal_letters(part).is_some_and(|letters| letters * 5 >= length * 2)
    }

    /// How many letters of `part` are not put in, at most, where it lies in this text; `None` if it does not.
    fn literal_letters(&self, part: &str) -> Option<usize> {
        // best[at]: with all letters of `part` until now used up, and the next piece being that at `at`.
        let mut best: Vec<Option<usize>> = vec![Some(0); self.pieces.len() + 1];
        for letter in part.chars() {
            let mut next: Vec<Option<usize>> = vec![None; self.pieces.len() + 1];
            for (at, piece) in self.pieces.iter().enumerate() {
                let (here, after) = match piece {
                    Some(there) if *there == letter => (None, best[at].map(|letters| letters + 1)),
                    Some(_) => (None, None),
                    None => (best[at], best[at]),
                };
                next[at] = next[at].max(here);
                next[at + 1] = next[at + 1].max(after);
            }
            // What is put in may be nothing.
            for (at, piece) in self.pieces.iter().enumerate() {
                if piece.is_none() {
                    next[at + 1] = next[at + 1].max(next[at]);
                }
            }
            best = next;
        }
        best.into_iter().flatten().max()
    }
}

/// The texts of the programs, without those of their tests.
pub(super) fn templates() -> Vec<Template> {
    let sources = ["crates", "services"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let sources = sources.filter(|path| !path.contains("/tests"));
    let literals = sources.flat_map(|path| {
        let source = fs::read_to_string(root().join(path)).unwrap();
        literals(source.split("#[cfg(test)]\nmod tests {").next().unwrap())
    });
    literals.filter(|text| text.contains(' ')).map(|text| Template::new(&text)).collect()
}

/// The string literals of a Rust source.
pub(super) fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/', 'r']) {
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(skipped) = ["'\"'", "'\\''", "'\\\"'"].iter().find_map(|quote| rest.strip_prefix(quote)) {
            rest = skipped;
        } else if let Some(raw) = rest.strip_prefix('r') {
            let hashes = raw.bytes().take_while(|byte| *byte == b'#').count();
            rest = raw;
            if let Some(text) = raw[hashes..].strip_prefix('"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let (literal, after) = text.split_once(&end).unwrap_or((text, ""));
                found.push(literal.to_owned());
                rest = after;
            }
        } else if let Some(text) = rest.strip_prefix('"') {
            let (literal, after) = literal(text);
            found.push(literal);
            rest = after;
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// The literal whose opening quote was before `text`, with its escapes resolved, and what comes after it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (literal, &text[at + 1..]),
            '\\' => match letters.next() {
                Some((_, '\n')) => {
                    let spaces = letters.as_str().len() - letters.as_str().trim_start().len();
                    for _ in 0..spaces {
                        letters.next();
                    }
                }
                Some((_, 'n')) => literal.push('\n'),
                Some((_, escaped)) => literal.push(escaped),
                None => {}
            },
            letter => literal.push(letter),
        }
    }
    (literal, "")
}

#[test]
fn a_message_that_nobody_says_is_found() {
    let source = r##"
        // "not a message"
        let quote = '"';
        bail!("the newest backup, {}, is {} old; {bound:?} allowed");
        error("no \"server\" \
               found in {folder}");
        let raw = r#"a "raw" text"#;
        context("restore the rows");
    "##;
    let templates: Vec<Template> = literals(source).iter().map(|text| Template::new(text)).collect();
    for (span, known) in [
        ("the newest backup, ..., is 3 d old; 26 h allowed", true),
        ("is 3 d old", true),
        ("restore the rows: no \"server\" found in /tmp", true),
        ("BACKUP_X: restore the rows", true),
        ("a \"raw\" text", true),
        ("restore the rows: ...", true),
        ("the newest backup, ..., is 3 d young; 26 h allowed", false),
        ("restore all rows", false),
        ("restore the rows: no servers found in /tmp", false),
        ("not a message", false),
    ] {
        assert_eq!(is_known(span, &templates), known, "{span}");
    }
}
