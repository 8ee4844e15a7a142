//! Which of the installed PostgreSQL programs to use.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// `pg_dump --version` takes milliseconds; one that does not answer is not usable.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Folders of one PostgreSQL installation each, as `parent`, start of the name, and what follows it.
const LAYOUTS: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu: 17/bin
    ("/usr/libexec", "postgresql", ""),          // Alpine: postgresql17
    ("/usr", "pgsql-", "bin"),                   // PostgreSQL's own RPMs: pgsql-17/bin
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew, Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew, Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
];

/// One installation of the client tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTools {
    /// The folder that holds `pg_dump`.
    pub folder: PathBuf,
    /// Its major version.
    pub major: u32,
    /// What `pg_dump --version` prints.
    pub version: String,
}

/// One installation of the server, with the tools that a restore takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTools {
    /// The folder that holds `postgres`.
    pub folder: PathBuf,
    /// Its major version.
    pub major: u32,
    /// What `postgres --version` prints.
    pub version: String,
}

/// Where packages put libraries, seen from the folder of the programs: Debian's and the PostgreSQL project's,
/// and that of an installation below one prefix.
const LIBRARY_FOLDERS: [&str; 2] = ["../lib", "../lib/postgresql"];

/// What a drill needs of an installation.
const SERVER_PROGRAMS: [&str; 5] = ["postgres", "initdb", "pg_resetwal", "pg_restore", "pg_dump"];

/// Why no installation fits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolsError {
    /// There is no `pg_dump` anywhere.
    #[error("no pg_dump found; install {}, or set PG_BIN_DIR", packages(*.major))]
    Missing {
        /// The server's major version.
        major: u32,
    },
    /// The server is newer than every `pg_dump`.
    #[error("the server is PostgreSQL {server}, and the newest pg_dump here is {newest}, which refuses newer servers; install {}, or set PG_BIN_DIR", packages(*.server))]
    TooOld {
        /// The server's major version.
        server: u32,
        /// The newest installed version.
        newest: u32,
    },
    /// The archive is of a newer `pg_dump` than every `pg_restore`.
    #[error("the archive was written by pg_dump {archive}, and the newest pg_restore here is {newest}, which may not know its format; install {}, or set PG_BIN_DIR", packages(*.archive))]
    TooOldForArchive {
        /// The major version of the `pg_dump` that wrote it.
        archive: u32,
        /// The newest installed version.
        newest: u32,
    },
    /// No installation has the server of this very version.
    #[error("no server of PostgreSQL {major} found ({}); {}install {}, or set PG_BIN_DIR", SERVER_PROGRAMS.join(", "), others(.installed), server_packages(*.major))]
    NoServer {
        /// The major version that is needed.
        major: u32,
        /// Those that are there.
        installed: Vec<u32>,
    },
}

fn others(installed: &[u32]) -> String {
    let majors: Vec<String> = installed.iter().map(u32::to_string).collect();
    if majors.is_empty() { String::new() } else { format!("installed is {}; ", majors.join(", ")) }
}

fn server_packages(major: u32) -> String {
    format!("postgresql-{major} (Debian), postgresql{major} (Alpine) or postgresql@{major} (Homebrew)")
}

fn packages(major: u32) -> String {
    format!("postgresql-client-{major} (Debian), postgresql{major}-client (Alpine) or postgresql@{major} (Homebrew)")
}

impl ClientTools {
    /// The installation with the lowest major version that is not older than the server's: `pg_dump`
    /// refuses newer servers, and archives of the same major restore best.
    ///
    /// # Errors
    /// If none fits; the message says which package to install.
    pub async fn find(bin_dir: Option<&OsStr>, server_major: u32) -> Result<Self, ToolsError> {
        choose(Self::installed(bin_dir).await, server_major, 0)
    }

    /// As [`ClientTools::find`], for the restore of an archive that `pg_dump` of the major version `dumped_by` wrote: an
    /// older `pg_restore` may not know its format.
    ///
    /// # Errors
    /// As [`ClientTools::find`].
    pub async fn find_for_archive(
        bin_dir: Option<&OsStr>,
        server_major: u32,
        dumped_by: u32,
    ) -> Result<Self, ToolsError> {
        choose(Self::installed(bin_dir).await, server_major, dumped_by)
    }

    /// The installation of each major version that [`ClientTools::find`] may choose.
    pub async fn installed(bin_dir: Option<&OsStr>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for folder in candidates(bin_dir, "pg_dump") {
            if let Some((major, version)) = ask_version(&folder, "pg_dump").await
                && found.iter().all(|tools| tools.major != major)
            {
                found.push(Self { folder, major, version });
            }
        }
        found
    }

    /// What to say if they are of another minor version than a server of the same major version.
    pub fn minor_note(&self, server_version_num: u32) -> Option<String> {
        let (server_major, server_minor) = (server_version_num / 10_000, server_version_num % 10_000);
        let minor = minor(&self.version).filter(|_| self.major == server_major)?;
        (minor != server_minor).then(|| {
            format!(
                "pg_dump is {}.{minor} and the server {server_major}.{server_minor}: what one minor version writes, another may not \
                 know; keep the client tools at the minor version of the server, and restore on that version",
                self.major
            )
        })
    }

    /// The path of a tool of this installation.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl ServerTools {
    /// The installation of exactly this major version that has every program that a drill takes.
    ///
    /// # Errors
    /// If there is none; the message says which package to install.
    pub async fn find(bin_dir: Option<&OsStr>, major: u32) -> Result<Self, ToolsError> {
        let installed = Self::installed(bin_dir).await;
        let majors: BTreeSet<u32> = installed.iter().map(|tools| tools.major).collect();
        let fits = installed.into_iter().find(|tools| tools.major == major);
        fits.ok_or_else(|| ToolsError::NoServer { major, installed: majors.into_iter().collect() })
    }

    /// Every installation that has all programs that a drill takes, in the order of the search.
    pub async fn installed(bin_dir: Option<&OsStr>) -> Vec<Self> {
        let mut installed = Vec::new();
        for folder in candidates(bin_dir, "postgres") {
            if SERVER_PROGRAMS.iter().all(|program| folder.join(program).is_file())
                && let Some((major, version)) = ask_version(&folder, "postgres").await
            {
                installed.push(Self { folder, major, version });
            }
        }
        installed
    }

    /// Whether the library called `name` is installed beside the programs.
    pub(super) fn has_library(&self, name: &str) -> bool {
        LIBRARY_FOLDERS.iter().any(|folder| self.folder.join(folder).join(format!("{name}.so")).exists())
    }

    /// The path of a program of this installation.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The major version of `program` in `folder`, and what it prints; `None` if it does not answer.
async fn ask_version(folder: &Path, program: &str) -> Option<(u32, String)> {
    let mut command = Command::new(folder.join(program));
    command.arg("--version").env_clear().kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output()).await.ok()?.ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some((parse_major(&version, program)?, version))
}

/// The folders to look for `program` in, the first one first.
fn candidates(bin_dir: Option<&OsStr>, program: &str) -> Vec<PathBuf> {
    if let Some(bin_dir) = bin_dir {
        return std::env::split_paths(bin_dir).collect();
    }
    let mut folders: Vec<PathBuf> =
        LAYOUTS.iter().flat_map(|(parent, start, rest)| installed(parent, start, rest)).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut seen = BTreeSet::new();
    folders.retain(|folder| folder.join(program).is_file() && seen.insert(folder.clone()));
    folders
}

fn installed(parent: &str, start: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let is_version = |name: &str| name.strip_prefix(start).is_some_and(|version| version.parse::<u32>().is_ok());
    let named = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_version));
    named.map(|entry| join(&entry.path(), rest)).collect()
}

fn join(folder: &Path, rest: &str) -> PathBuf {
    if rest.is_empty() { folder.to_owned() } else { folder.join(rest) }
}

/// `pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)`, `... 18beta1`: the first number of the third word.
fn parse_major(version: &str, program: &str) -> Option<u32> {
    let number = version.strip_prefix(program)?.strip_prefix(" (PostgreSQL) ")?;
    number[..number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len())].parse().ok()
}

/// `dumped_by` is 0 if there is no archive yet.
fn choose(mut found: Vec<ClientTools>, server_major: u32, dumped_by: u32) -> Result<ClientTools, ToolsError> {
    found.sort_by_key(|tools| tools.major);
    let newest = found.last().map(|tools| tools.major);
    let wanted = server_major.max(dumped_by);
    match (found.into_iter().find(|tools| tools.major >= wanted), newest) {
        (Some(tools), _) => Ok(tools),
        (None, Some(newest)) if newest < server_major => Err(ToolsError::TooOld { server: server_major, newest }),
        (None, Some(newest)) => Err(ToolsError::TooOldForArchive { archive: dumped_by, newest }),
        (None, None) => Err(ToolsError::Missing { major: wanted }),
    }
}

/// The minor version out of what a tool prints; `None` for what was never released, such as `18beta1`.
pub(super) fn minor(version: &str) -> Option<u32> {
    let number = version.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split_once('.')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(installed: &[u32], server: u32, expected: Result<u32, ToolsError>) {
        check_for_archive(installed, server, 0, expected);
    }

    #[track_caller]
    fn check_for_archive(installed: &[u32], server: u32, dumped_by: u32, expected: Result<u32, ToolsError>) {
        let tools = |major: &u32| ClientTools { folder: PathBuf::new(), major: *major, version: String::new() };
        assert_eq!(choose(installed.iter().map(tools).collect(), server, dumped_by).map(|tools| tools.major), expected);
    }

    #[test]
    fn the_lowest_version_that_is_not_older_than_the_server_is_used_r005() {
        check(&[18, 15, 17], 15, Ok(15));
        check(&[18, 15, 17], 16, Ok(17));
        check(&[13], 13, Ok(13));
        check(&[15, 17], 18, Err(ToolsError::TooOld { server: 18, newest: 17 }));
        check(&[], 16, Err(ToolsError::Missing { major: 16 }));
    }

    #[test]
    fn tools_that_are_older_than_the_archive_are_not_held_against_the_server() {
        check_for_archive(&[18, 15, 17], 15, 17, Ok(17));
        check_for_archive(&[18, 15, 17], 17, 15, Ok(17));
        check_for_archive(&[17], 18, 18, Err(ToolsError::TooOld { server: 18, newest: 17 }));
        check_for_archive(&[], 17, 18, Err(ToolsError::Missing { major: 18 }));
        let error = ToolsError::TooOldForArchive { archive: 18, newest: 17 };
        let words = error.to_string();
        check_for_archive(&[15, 17], 17, 18, Err(error));
        let expected = "the archive was written by pg_dump 18, and the newest pg_restore here is 17, which may not know its \
            format; install postgresql-client-18 (Debian)";
        assert!(words.starts_with(expected), "{words}");
    }

    #[test]
    fn another_minor_version_than_the_servers_is_named() {
        let check = |version: &str, server: u32, expected: Option<&str>| {
            let version = format!("pg_dump (PostgreSQL) {version}");
            let tools = ClientTools { folder: PathBuf::new(), major: 17, version };
            let note = tools.minor_note(server);
            assert_eq!(note.as_deref().map(|note| note.split(':').next().unwrap()), expected);
        };
        check("17.12", 170_012, None);
        check("17.12 (Debian 17.12-1)", 170_009, Some("pg_dump is 17.12 and the server 17.9"));
        check("17.12", 160_009, None);
        check("17beta1", 170_009, None);
    }

    #[test]
    fn versions_as_tools_print_them() {
        for (text, major) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("pg_dump (PostgreSQL) 18beta1", Some(18)),
            ("pg_dump (PostgreSQL) 17", Some(17)),
            ("pg_dump (EnterpriseDB) 17.1", None),
            ("", None),
        ] {
            assert_eq!(parse_major(text, "pg_dump"), major, "{text}");
        }
        assert_eq!(parse_major("postgres (PostgreSQL) 16.4", "postgres"), Some(16));
        assert_eq!(parse_major("postgres (PostgreSQL) 16.4", "pg_dump"), None);
    }

    #[tokio::test]
    async fn a_missing_server_is_told_with_its_package() {
        let empty = tempfile::tempdir().unwrap();
        let error = ServerTools::find(Some(empty.path().as_os_str()), 17).await.unwrap_err().to_string();
        assert!(error.starts_with(
            "no server of PostgreSQL 17 found (postgres, initdb, pg_resetwal, pg_restore, pg_dump); install"
        ));
        assert!(error.contains("postgresql-17 (Debian), postgresql17 (Alpine) or postgresql@17 (Homebrew)"), "{error}");
        let error = ToolsError::NoServer { major: 17, installed: vec![13, 15] }.to_string();
        assert!(error.contains("; installed is 13, 15; install postgresql-17"), "{error}");
    }
}
