//! Prometheus' own checks: the program promtool, which `tests/lib/prometheus.sh` finds and names by [`PROGRAM`].

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The variable that names the program.
pub const PROGRAM: &str = "PROMTOOL";

/// Runs it with `arguments` and `input`; whether it was content, and what it said. `None` if it is not there.
pub fn promtool(arguments: &[&OsStr], input: &str) -> Option<(bool, String)> {
    let program = PathBuf::from(std::env::var_os(PROGRAM).filter(|program| !program.is_empty())?);
    let mut command = Command::new(&program);
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("promtool reads its input");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
