//! `verify`: will restore backups and prove them. Not built yet; it says so and fails.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("verify is not part of this version; docs/restore.md has the restore by hand");
    ExitCode::FAILURE
}
