//! Client tools with known vulnerabilities are not run.

use std::ffi::OsStr;

use super::tools::{ClientTools, minor};

/// The first release of each major version without CVE-2025-8714 and CVE-2025-8715, by which an attacker who
/// owns a dumped server, or may name objects in it, runs programs where its dump is made or restored.
/// Source: PostgreSQL's security page and the release notes of 14 August 2025. Version 18 has had the
/// repair from its first release; versions before 13 never got it.
const FIRST_PATCHED: [(u32, u32); 6] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6), (18, 0)];

/// What to do about tools with known vulnerabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutdatedTools {
    /// Do not start.
    Refused,
    /// Warn, at each start.
    Allowed,
}

/// Tools with known vulnerabilities are installed where this program would take them from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; install a newer minor version, name another folder by PG_BIN_DIR, or set ALLOW_OUTDATED_TOOLS=true", .found.join("; "))]
pub struct OutdatedError {
    found: Vec<String>,
}

/// Looks at every installation that a run may choose, for any version of its server.
///
/// # Errors
/// If one is older than the first release without known vulnerabilities, unless `policy` allows it.
pub async fn refuse_outdated(bin_dir: Option<&OsStr>, policy: OutdatedTools) -> Result<(), OutdatedError> {
    let installed = ClientTools::installed(bin_dir).await;
    let found: Vec<String> = installed.iter().filter_map(hole).collect();
    match (found.as_slice(), policy) {
        ([], _) => Ok(()),
        (_, OutdatedTools::Refused) => Err(OutdatedError { found }),
        (found, OutdatedTools::Allowed) => {
            tracing::warn!("{}; ALLOW_OUTDATED_TOOLS=true lets it run all the same", found.join("; "));
            Ok(())
        }
    }
}

/// What is wrong with an installation, if anything.
fn hole(tools: &ClientTools) -> Option<String> {
    let patched = first_patched(tools.major);
    if patched.is_some_and(|patched| minor(&tools.version) >= Some(patched)) {
        return None;
    }
    let repair = match patched {
        Some(patched) => format!("which {}.{patched} closes", tools.major),
        None => "which no release of that version closes".to_owned(),
    };
    let folder = tools.folder.display();
    Some(format!("{} in {folder} has known vulnerabilities (CVE-2025-8714, CVE-2025-8715), {repair}", tools.version))
}

/// The first minor version without known vulnerabilities; `None` if there is none.
fn first_patched(major: u32) -> Option<u32> {
    let newest = FIRST_PATCHED.last().map_or(0, |(major, _)| *major);
    if major > newest {
        return Some(0);
    }
    FIRST_PATCHED.iter().find(|(known, _)| *known == major).map(|(_, minor)| *minor)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[track_caller]
    fn check(major: u32, version: &str, expected: &str) {
        let version = format!("pg_dump (PostgreSQL) {version}");
        let tools = ClientTools { folder: PathBuf::from("/x"), major, version };
        let found = hole(&tools).unwrap_or_default();
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn tools_below_the_first_patched_minor_version_have_holes_r055() {
        check(15, "15.14", "");
        check(15, "15.18 (Debian 15.18-0+deb12u1)", "");
        check(15, "15.13", "which 15.14 closes");
        check(13, "13.22", "");
        check(13, "13.21", "which 13.22 closes");
        check(14, "14.18", "which 14.19 closes");
        check(16, "16.9", "which 16.10 closes");
        check(17, "17.5 (Debian 17.5-1)", "which 17.6 closes");
        check(18, "18.0", "");
        check(18, "18beta1", "which 18.0 closes");
        check(19, "19.0", "");
        check(12, "12.22", "which no release of that version closes");
    }
}
