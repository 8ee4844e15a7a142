//! Tests that cannot run on a machine.

use std::fs::OpenOptions;
use std::io::Write;

/// The variable that names the file of the notes.
const SKIP_LOG: &str = "SKIP_LOG";

/// Notes that `test` did not run and why: on standard error, and for `tests/run-tests.sh`, which shows and
/// counts the notes at its end.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}");
    eprintln!("{line}");
    if let Some(log) = std::env::var_os(SKIP_LOG) {
        let mut log = OpenOptions::new().append(true).create(true).open(log).expect("open the file of SKIP_LOG");
        writeln!(log, "{line}").expect("write to the file of SKIP_LOG");
    }
}
