//! Figures for people, and standard output.

use std::io::{self, Write};

use chrono::TimeDelta;

/// Writes to standard output. A reader that has seen enough (`backup list | head`) is no failure.
pub fn print(text: &str) {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(%error, "cannot write to standard output");
        }
        _ => {}
    }
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
