//! The table of what became of each item.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

/// If it is set, the table is appended to this file.
const FILE: &str = "SUITE_TABLE";

/// Shows rows in columns as wide as their widest cell, on standard error or in the file of `SUITE_TABLE`.
pub(super) fn show<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let text = text(head, rows);
    let Some(file) = env::var_os(FILE).filter(|file| !file.is_empty()) else { return eprint!("{text}") };
    let mut file = OpenOptions::new().append(true).create(true).open(file).expect("open the file of SUITE_TABLE");
    file.write_all(text.as_bytes()).expect("write to the file of SUITE_TABLE");
}

fn text<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[&str; N]> =
        std::iter::once(head).chain(rows.iter().map(|row| row.each_ref().map(String::as_str))).collect();
    let mut widths = [0; N];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &[&str; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line: Vec<String> = cells.collect();
        format!("{}\n", line.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["M1".to_owned(), "größer".to_owned(), "x".to_owned()]];
        assert_eq!(text(["id", "what", "role"], &rows), "id  what    role\nM1  größer  x\n");
    }
}
