//! Where PostgreSQL is installed.

use std::{fs, path::PathBuf, process::Command};

/// Names the folder of server programs to use instead of the newest one.
const OVERRIDE: &str = "TEST_PG_BIN";

/// Where Debian and its relatives install each major version.
const VERSIONED: &str = "/usr/lib/postgresql";

/// The folder with `initdb`, `postgres` and the client tools: `TEST_PG_BIN`, else the newest
/// version under `/usr/lib/postgresql`, else what `pg_config` says. Never Debian's wrappers in
/// `/usr/bin`, which choose a version by themselves.
pub fn bin_dir() -> PathBuf {
    if let Some(folder) = std::env::var_os(OVERRIDE) {
        return folder.into();
    }
    if let Some((_, newest)) = installed_bin_dirs().pop() {
        return newest;
    }
    let output = Command::new("pg_config").arg("--bindir").output();
    let output = output.expect("PostgreSQL is not installed: no /usr/lib/postgresql and no pg_config");
    String::from_utf8_lossy(&output.stdout).trim().into()
}

/// Every version under `/usr/lib/postgresql` that can run a server, by its major, oldest first.
pub fn installed_bin_dirs() -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(VERSIONED) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    found.sort();
    found
}
