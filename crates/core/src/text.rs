//! What people read: lines on standard output, and figures.

use std::fmt;
use std::io::{self, Write};

use chrono::TimeDelta;
use serde_json::Value;

/// A colour of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// What is wrong.
    Red,
    /// What is in order.
    Green,
    /// What a person should know.
    Yellow,
    /// What stands back.
    Grey,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "\u{1b}[31m",
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Grey => "\u{1b}[90m",
        }
    }
}

/// Takes a colour back.
const NO_COLOUR: &str = "\u{1b}[0m";

/// What further lines of a text stand behind.
const CONTINUED: &str = "    | ";

/// Lines for a person.
///
/// Names come from a bucket or a database and may hold line breaks, so a text cannot be printed as it is: a table
/// called `t\nPASSED` would print a verdict of its own. What is added here is one line, with any content: line breaks,
/// what would move a terminal's cursor and what changes the order of text are written out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(String);

impl Lines {
    /// One with a single line.
    pub fn of(line: impl fmt::Display) -> Self {
        let mut lines = Self::default();
        lines.line(line);
        lines
    }

    /// Adds one line.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.0.push_str(&written_out(&line.to_string()));
        self.0.push('\n');
    }

    /// Adds one line of parts, some of them in a colour. A colour in the text of a part is written out like all else.
    pub fn parts(&mut self, parts: &[(Option<Colour>, &str)]) {
        for (colour, text) in parts {
            let (begin, end) = colour.map_or(("", ""), |colour| (colour.code(), NO_COLOUR));
            self.0.extend([begin, &written_out(text), end]);
        }
        self.0.push('\n');
    }

    /// Adds a line that belongs to the one before: it stands behind a bar.
    pub fn further(&mut self, line: impl fmt::Display) {
        self.line(format_args!("{CONTINUED}{line}"));
    }

    /// Adds an error, which may have lines of its own, such as a hint: each but the first one stands behind a bar.
    pub fn error(&mut self, error: impl fmt::Display) {
        for (index, line) in error.to_string().lines().enumerate() {
            if index == 0 { self.line(line) } else { self.further(line) }
        }
    }

    /// Adds all lines of `more`.
    pub fn append(&mut self, more: &Self) {
        self.0.push_str(&more.0);
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Writes to standard output. A reader that has seen enough (`backup list | head`) is no failure.
pub fn print(lines: &Lines) {
    write(&lines.0);
}

/// Writes one line to standard output.
pub fn print_line(line: impl fmt::Display) {
    print(&Lines::of(line));
}

/// Writes `value` to standard output as JSON that reads the same to a program, with nothing in it that moves a cursor.
pub fn print_json(value: &Value) {
    write(&(json_text(&format!("{value:#}")) + "\n"));
}

/// A record of a log in text form: what is not its first line stands behind a bar, so that no text in it looks like a
/// record. Colours are left to the formatter, which lets through its own ones only.
pub fn record(text: &str) -> String {
    let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
    let mut shown = String::with_capacity(text.len() + end.len());
    for character in text.chars() {
        match character {
            '\n' => shown.extend(["\n", CONTINUED]),
            '\u{1b}' => shown.push(character),
            character => push_written_out(&mut shown, character),
        }
    }
    shown + end
}

fn write(text: &str) {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(%error, "cannot write to standard output");
        }
        _ => {}
    }
}

/// Control characters, and those that turn the direction of writing, as `\n` or `\u{1b}`.
fn written_out(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push_written_out(&mut shown, character));
    shown
}

fn push_written_out(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        character if is_unprintable(character) => shown.extend(character.escape_unicode()),
        character => shown.push(character),
    }
}

/// The text `json` of a value, as a text that reads the same to a program, with nothing in it that moves a cursor. JSON
/// writes out some control characters itself; the others only occur in texts, where it knows them as `\u009b`.
pub fn json_text(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            character if is_unprintable(character) => {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                units.iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
            }
            character => shown.push(character),
        }
    }
    shown
}

/// A page with nothing in it that moves a cursor, or that turns the direction of what stands beside it.
pub fn page_text(page: &str) -> String {
    let mut shown = String::with_capacity(page.len());
    for character in page.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            character => push_written_out(&mut shown, character),
        }
    }
    shown
}

/// Whether `character` moves a cursor, turns the direction of writing, or is not seen.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An age in the unit that suits it: `less than a minute`, `40 min`, `26 h`, `12 d`; `in 3 min` of what is dated ahead.
pub fn age(age: TimeDelta) -> String {
    match age.num_minutes() {
        // Not `-age`: the largest one has no opposite.
        minutes @ ..0 => format!("in {}", self::age(TimeDelta::minutes(-minutes))),
        0 => "less than a minute".to_owned(),
        minutes @ 1..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

/// A duration of a run in seconds, or in minutes if it is long: `under 1 s`, `42 s`, `12 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..1.0 => "under 1 s".to_owned(),
        1.0..120.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    }
}

/// A size in binary units: `17 B`, `1.50 KiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let exponent = bytes.checked_ilog2().unwrap_or(0) / 10;
    match exponent.checked_sub(1).and_then(|index| UNITS.get(index as usize)) {
        None => format!("{bytes} B"),
        Some(unit) => format!("{:.2} {unit}", bytes as f64 / 2_f64.powi(exponent.cast_signed() * 10)),
    }
}

/// A text that has lines of its own, such as a hint, in one line.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Names for a message: the first `most`, and how many more there are.
pub fn some_of(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `text` within `most` characters, with no word cut in two: half a secret is not recognised as one.
pub(crate) fn whole_words(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let kept = &text[..end];
    if text[end..].starts_with(char::is_whitespace) {
        return kept.to_owned();
    }
    kept.rsplit_once(char::is_whitespace).map_or("", |(words, _)| words).to_owned()
}

/// The longest word that is kept whole or left out, far above an id in backticks.
const MAX_WORD_BYTES: usize = 80;

/// `text` within `max_chars`; an ellipsis shows that there were more. No word is cut in two, such as the id of a backup,
/// which a person copies; one that is longer than any of ours is.
pub fn shortened(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    let most = max_chars.saturating_sub(1);
    let cut: String = text.chars().take(most).collect();
    let whole = whole_words(text, most);
    let kept = if whole.is_empty() || cut.len() - whole.len() > MAX_WORD_BYTES { cut } else { whole };
    format!("{}…", kept.trim_end())
}

/// A number with its thousands apart: `1,749,612`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_stands_in_the_line_of_its_error() {
        assert_eq!(one_line("connect: refused\nhint: check the port\n"), "connect: refused; hint: check the port");
    }

    #[test]
    fn words_are_kept_whole_or_not_at_all() {
        for (text, most, kept) in [
            ("one two", 7, "one two"),
            ("one two", 6, "one"),
            ("one two", 3, "one"),
            ("one", 2, ""),
            ("größer als", 6, "größer"),
            ("", 0, ""),
        ] {
            assert_eq!(whole_words(text, most), kept, "{text:?} {most}");
        }
    }

    #[test]
    fn a_text_that_is_shortened_ends_with_a_whole_word() {
        let id = "20261122T030000Z-calpt5zmzst5hrp2";
        for (text, max_chars, expected) in [
            ("äöü", 3, "äöü".to_owned()),
            ("äö üx", 3, "äö…".to_owned()),
            ("äö üx", 4, "äö…".to_owned()),
            (&format!("run `accept {id}` now"), 47, format!("run `accept {id}`…")),
            (&format!("run `accept {id}` now"), 46, "run `accept…".to_owned()),
            ("äöüäöü", 3, "äö…".to_owned()),
            (&format!("a {}", "b".repeat(200)), 100, format!("a {}…", "b".repeat(97))),
        ] {
            let shown = shortened(text, max_chars);
            assert_eq!(shown, expected, "{text} {max_chars}");
            assert!(shown.chars().count() <= max_chars);
        }
    }

    #[test]
    fn a_name_moves_no_cursor_and_makes_no_line() {
        for (given, shown) in [
            ("Größe 日本", "Größe 日本\n"),
            ("\u{1b}[32mPASSED\u{1b}[0m", "\\u{1b}[32mPASSED\\u{1b}[0m\n"),
            ("a\u{1b}[2J\u{1b}]0;x\u{7}", "a\\u{1b}[2J\\u{1b}]0;x\\u{7}\n"),
            ("a\rb\u{9b}1A\u{202e}c\u{7f}", "a\\rb\\u{9b}1A\\u{202e}c\\u{7f}\n"),
            ("t\nPASSED  full\u{2028}x\u{85}y", "t\\nPASSED  full\\u{2028}x\\u{85}y\n"),
        ] {
            assert_eq!(Lines::of(given).to_string(), shown);
        }
    }

    #[test]
    fn an_error_has_lines_and_none_looks_like_another() {
        let mut lines = Lines::default();
        lines.error("connect: no\nhint: try \u{202e}again");
        assert_eq!(lines.to_string(), "connect: no\n    | hint: try \\u{202e}again\n");
    }

    #[test]
    fn a_record_of_the_log_is_one() {
        let coloured = "\u{1b}[2m12:00\u{1b}[0m WARN a\n2026-11-29 INFO backup committed\r\u{202e}\n";
        let shown = "\u{1b}[2m12:00\u{1b}[0m WARN a\n    | 2026-11-29 INFO backup committed\\r\\u{202e}\n";
        assert_eq!(record(coloured), shown);
        assert_eq!(record("no end\n\n"), "no end\n    | \n");
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({ "a\n\u{202e}": ["\u{9b}1A", "\u{1b}", "ü", "\u{e0041}"] });
        let text = json_text(&format!("{value:#}"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(!text.chars().any(|character| character != '\n' && is_unprintable(character)), "{text}");
    }

    #[test]
    fn figures_as_people_read_them() {
        for (seconds, expected) in
            [(0.0, "under 1 s"), (0.9, "under 1 s"), (1.2, "1 s"), (119.0, "119 s"), (150.0, "2 min")]
        {
            assert_eq!(duration(seconds), expected);
        }
        for (given, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KiB"), (1 << 20, "1.00 MiB"), (u64::MAX, "16.00 EiB")]
        {
            assert_eq!(bytes(given), expected);
        }
        for (given, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_749_612, "1,749,612")] {
            assert_eq!(count(given), expected);
        }
        for (minutes, expected) in
            [(-3, "in 3 min"), (0, "less than a minute"), (1, "1 min"), (119, "119 min"), (120, "2 h"), (2880, "2 d")]
        {
            assert_eq!(age(TimeDelta::minutes(minutes)), expected);
        }
        assert_eq!(
            (age(TimeDelta::days(-26_662)).as_str(), age(TimeDelta::hours(-3)).as_str()),
            ("in 26662 d", "in 3 h")
        );
        assert!(age(TimeDelta::MIN).starts_with("in 1"));
    }
}
