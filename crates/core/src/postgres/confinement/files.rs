//! The files that a child may use (Landlock).

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Files;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    Scope, path_beneath_rules,
};

/// What of this must be there for the rules to count as whole: Linux 6.2, the first that also keeps files from being
/// cut off.
const NEEDED: ABI = ABI::V3;

/// The newest that was tried: devices (Linux 6.10), signals and abstract sockets (6.12).
const KNOWN: ABI = ABI::V6;

/// Folders of programs, libraries and what belongs to them. All users may read them on any machine.
const PROGRAM_FOLDERS: [&str; 8] =
    ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"];

/// Names of folders in which packages put the programs of one major version.
const LIBRARY_FOLDERS: [&str; 3] = ["lib", "lib64", "libexec"];

/// What libraries look at when they start. Nothing here tells one machine's secrets.
const FACTS: [&str; 18] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies",
    "/etc/perl",
    // Debian's dictionaries for full text search, to which links in the server's folder lead.
    "/var/cache/postgresql/dicts",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system",
    "/sys/kernel/mm/transparent_hugepage",
];

const DEVICES_TO_READ: [&str; 3] = ["/dev/urandom", "/dev/random", "/dev/zero"];
const DEVICES_TO_WRITE: [&str; 1] = ["/dev/null"];

/// The rules for `program`, and whether this kernel keeps all of them. Without Landlock there are none.
pub(super) fn rules(program: &Path, files: &Files) -> (Option<OwnedFd>, bool) {
    let rules = |level| ruleset(program, files, level);
    match rules(CompatLevel::HardRequirement) {
        Ok(fd) => (fd, true),
        Err(error) => {
            tracing::debug!(%error, "this kernel keeps not all rules for files");
            (rules(CompatLevel::BestEffort).ok().flatten(), false)
        }
    }
}

fn ruleset(program: &Path, files: &Files, needed: CompatLevel) -> Result<Option<OwnedFd>, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    let own: BitFlags<AccessFs> = AccessFs::from_all(KNOWN) & !AccessFs::Execute;
    let program = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let ruleset = Ruleset::default()
        .set_compatibility(needed)
        .handle_access(AccessFs::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(PROGRAM_FOLDERS, read))?
        .add_rules(path_beneath_rules([installation(&program)], read))?
        .add_rules(path_beneath_rules(shared_data(&program), read))?
        .add_rules(path_beneath_rules(FACTS.iter().chain(&DEVICES_TO_READ), read))?
        .add_rules(path_beneath_rules(DEVICES_TO_WRITE, read | write))?
        .add_rules(path_beneath_rules(&files.read, read))?
        .add_rules(path_beneath_rules(&files.own, own))?
        .add_rules(path_beneath_rules(executables(&program), read | AccessFs::Execute))?;
    Ok(ruleset.into())
}

/// The folder with the programs, libraries and data of the installation that `program` is of. In `/opt`, where
/// libraries lie in folders of their own beside it, it is `/opt`.
fn installation(program: &Path) -> PathBuf {
    if program.starts_with("/opt") {
        return PathBuf::from("/opt");
    }
    let folder = program.parent().unwrap_or(program);
    if folder.ends_with("bin") { folder.parent().unwrap_or(folder) } else { folder }.to_owned()
}

/// The data of an installation whose programs are in a folder below `lib`, as Debian's are: `share` beside it.
fn shared_data(program: &Path) -> Option<PathBuf> {
    let is_library_folder = |folder: &&Path| LIBRARY_FOLDERS.iter().any(|name| folder.ends_with(name));
    let libraries = program.ancestors().skip(1).find(is_library_folder)?;
    Some(libraries.with_file_name("share"))
}

/// The program, and what the kernel loads it by. In the Nix store a program may be a wrapper around another one.
fn executables(program: &Path) -> Vec<PathBuf> {
    let mut executables = vec![program.to_owned()];
    executables.extend(loader(program));
    executables.extend(program.starts_with("/nix/store").then(|| PathBuf::from("/nix/store")));
    executables
}

/// The interpreter that an ELF file of 64 bits names, such as `/lib64/ld-linux-x86-64.so.2`.
fn loader(program: &Path) -> Option<PathBuf> {
    const PROGRAM_HEADERS_AT: u64 = 32;
    const HEADER_BYTES_AT: u64 = 54;
    const HEADERS_AT: u64 = 56;
    const INTERPRETER: [u8; 4] = 3_u32.to_ne_bytes();
    const MAX_PATH_BYTES: u64 = 4096;

    let file = fs::File::open(program).ok()?;
    let first = u64::from_ne_bytes(bytes_at(&file, PROGRAM_HEADERS_AT)?);
    let header_bytes = u64::from(u16::from_ne_bytes(bytes_at(&file, HEADER_BYTES_AT)?));
    let headers = u64::from(u16::from_ne_bytes(bytes_at(&file, HEADERS_AT)?));
    let places = (0..headers).map(|index| first.saturating_add(index * header_bytes));
    let header = places.into_iter().find(|at| bytes_at(&file, *at) == Some(INTERPRETER))?;
    let offset = u64::from_ne_bytes(bytes_at(&file, header + 8)?);
    let length = u64::from_ne_bytes(bytes_at(&file, header + 32)?);
    let mut path = vec![0; usize::try_from(length.min(MAX_PATH_BYTES)).ok()?];
    file.read_exact_at(&mut path, offset).ok()?;
    let path = path.strip_suffix(b"\0")?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn bytes_at<const BYTES: usize>(file: &fs::File, offset: u64) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_an_installation() {
        for (program, folder) in [
            ("/usr/lib/postgresql/17/bin/postgres", "/usr/lib/postgresql/17"),
            ("/usr/libexec/postgresql17/postgres", "/usr/libexec/postgresql17"),
            ("/opt/pgsql/bin/postgres", "/opt"),
            ("/srv/pg/bin/pg_restore", "/srv/pg"),
        ] {
            assert_eq!(installation(Path::new(program)), Path::new(folder));
        }
    }

    #[test]
    fn the_data_beside_the_libraries_of_an_installation() {
        for (program, folder) in [
            ("/srv/pg/lib/postgresql/17/bin/postgres", Some("/srv/pg/share")),
            ("/srv/pg/libexec/postgresql17/postgres", Some("/srv/pg/share")),
            ("/srv/pg/bin/postgres", None),
        ] {
            assert_eq!(shared_data(Path::new(program)), folder.map(PathBuf::from));
        }
    }

    #[test]
    fn programs_name_their_loader() {
        let own = std::env::current_exe().unwrap();
        let loader = loader(&own).expect("tests are linked dynamically");
        assert!(loader.exists(), "{}", loader.display());
    }
}
