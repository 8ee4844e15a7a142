//! Figures for people, and standard output.

use std::io::{self, Write};

use chrono::TimeDelta;

/// What sets a colour on a terminal and takes it back. These alone reach it.
pub const COLOURS: [&str; 5] = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[90m", "\u{1b}[0m"];

/// Writes to standard output, with what would move a terminal's cursor or change the order of its text written out:
/// names come from a bucket or a database. A reader that has seen enough (`backup list | head`) is no failure.
pub fn print(text: &str) {
    match io::stdout().write_all(visible(text).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(%error, "cannot write to standard output");
        }
        _ => {}
    }
}

/// As [`print`] shows it: control characters but line breaks and [`COLOURS`], and those that turn the direction of
/// writing, as `\u{1b}`.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let colour = COLOURS.into_iter().find(|colour| rest.starts_with(colour));
        let length = colour.map_or(character.len_utf8(), str::len);
        match (colour, character) {
            (Some(colour), _) => shown.push_str(colour),
            (None, '\n') => shown.push('\n'),
            (None, character) if character.is_control() || is_directional(character) => {
                shown.extend(character.escape_unicode());
            }
            (None, character) => shown.push(character),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    shown
}

fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An age in the unit that suits it: `in 3 min`, `40 min`, `26 h`, `12 d`.
pub fn age(age: TimeDelta) -> String {
    match age.num_minutes() {
        minutes @ ..0 => format!("in {} min", -minutes),
        minutes @ 0..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
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
    fn a_name_moves_no_cursor() {
        for (given, shown) in [
            ("Größe\n日本\n", "Größe\n日本\n"),
            ("\u{1b}[32mPASSED\u{1b}[0m", "\u{1b}[32mPASSED\u{1b}[0m"),
            ("a\u{1b}[2J\u{1b}]0;x\u{7}", "a\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("a\rb\u{9b}1A\u{202e}c\u{7f}", "a\\u{d}b\\u{9b}1A\\u{202e}c\\u{7f}"),
        ] {
            assert_eq!(visible(given), shown);
        }
    }

    #[test]
    fn figures_as_people_read_them() {
        for (given, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KiB"), (1 << 20, "1.00 MiB"), (u64::MAX, "16.00 EiB")]
        {
            assert_eq!(bytes(given), expected);
        }
        for (given, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_749_612, "1,749,612")] {
            assert_eq!(count(given), expected);
        }
        for (minutes, expected) in [(-3, "in 3 min"), (0, "0 min"), (119, "119 min"), (120, "2 h"), (2880, "2 d")] {
            assert_eq!(age(TimeDelta::minutes(minutes)), expected);
        }
    }
}
