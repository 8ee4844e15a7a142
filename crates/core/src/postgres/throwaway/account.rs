//! The operating-system users of a throwaway server: PostgreSQL refuses to be root, and must not be a user who is
//! something else on this machine, such as `postgres`, to whom the sockets and files of other clusters belong.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{Gid, Group, Uid, User, fchown, fchownat, geteuid};
use rand::Rng;

use super::super::before_exec::Account;

/// The user whom PostgreSQL's packages make, and one that every system has.
const KNOWN_USERS: [&str; 2] = ["postgres", "nobody"];

/// The numbers that systemd gives to services for as long as they run; no user of a machine has one of them for good,
/// and what such a service leaves behind lies in folders that only root can enter.
const PASSING_IDS: std::ops::RangeInclusive<u32> = 61_184..=65_519;

/// How many of these are tried. If each of them is taken on a machine, something else is wrong.
const ATTEMPTS: usize = 64;

/// Whom the programs of a server run as; `None` in each means as we are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Accounts {
    /// `initdb`, which refuses a user without a name. No code of an archive runs as that user.
    pub(super) initdb: Option<Account>,
    /// `postgres`, as a user that is nothing else on this machine.
    pub(super) postgres: Option<Account>,
}

impl Accounts {
    /// Chooses them.
    ///
    /// # Errors
    /// If we are root and none of [`KNOWN_USERS`] exists.
    pub(super) fn choose() -> anyhow::Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::default());
        }
        let known = known()?;
        Ok(Self { initdb: Some(known), postgres: Some(unused().unwrap_or(known)) })
    }

    /// What a report should say: that the server's user may be another program's.
    pub(super) fn note(&self) -> Option<String> {
        let shared = self.postgres.filter(|postgres| Some(*postgres) == self.initdb)?;
        let name = User::from_uid(shared.uid).ok().flatten().map_or_else(|| shared.uid.to_string(), |user| user.name);
        Some(format!(
            "the throwaway server ran as the user {name}, since this machine has no unused number for a user of its own: \
             code of the archive could have reached what else belongs to {name}"
        ))
    }
}

fn known() -> anyhow::Result<Account> {
    for name in KNOWN_USERS {
        let user = User::from_name(name).with_context(|| format!("look up the user {name}"))?;
        if let Some(user) = user.filter(|user| !user.uid.is_root()) {
            return Ok(Account { uid: user.uid, gid: user.gid });
        }
    }
    bail!("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run initdb as")
}

/// A user and a group without names, files of their own and processes; `None` if the machine has none to give, as in a
/// container whose namespace knows few numbers.
fn unused() -> Option<Account> {
    let is_mapped = |map: &str, id| fs::read_to_string(map).is_ok_and(|map| is_mapped(&map, id));
    let mut candidates = (0..ATTEMPTS).map(|_| rand::rng().random_range(PASSING_IDS));
    candidates.find_map(|id| {
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        let is_nameless = matches!((User::from_uid(uid), Group::from_gid(gid)), (Ok(None), Ok(None)));
        let is_possible = is_mapped("/proc/self/uid_map", id) && is_mapped("/proc/self/gid_map", id);
        (is_nameless && is_possible && !has_processes(uid)).then_some(Account { uid, gid })
    })
}

/// Whether a map of a namespace has the number: lines of the first one inside, the first one outside, and how many.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
        let (first, count) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
        (first..first.saturating_add(count)).contains(&u64::from(id))
    })
}

/// Whether a process runs as the user, by any of its four numbers, as far as can be seen.
fn has_processes(uid: Uid) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    let statuses = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let number = uid.to_string();
    statuses.into_iter().any(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.is_some_and(|uids| uids.split_whitespace().any(|uid| uid == number))
    })
}

/// Gives `path` to the user.
///
/// # Errors
/// If the file system refuses.
pub(super) fn give(path: &Path, account: Option<Account>) -> io::Result<()> {
    match account {
        Some(account) => std::os::unix::fs::chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())),
        None => Ok(()),
    }
}

/// Gives `folder` and everything in it to the user. Meanwhile it is root's alone, and no link leads out of it, even if
/// another process of the user that it belonged to changes it at the same time.
///
/// # Errors
/// If the file system refuses, and if a file has another name somewhere else.
pub(super) fn give_all(folder: &Path, account: Option<Account>) -> io::Result<()> {
    let Some(account) = account else { return Ok(()) };
    let root = Account { uid: Uid::from_raw(0), gid: Gid::from_raw(0) };
    let dir = Dir::open(folder, FOLDER, Mode::empty())?;
    fchown(&dir, Some(root.uid), Some(root.gid))?;
    give_entries(dir, account)?;
    give(folder, Some(account))
}

const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC).union(OFlag::O_RDONLY);

fn give_entries(mut dir: Dir, account: Account) -> io::Result<()> {
    let names =
        dir.iter().map(|entry| entry.map(|entry| entry.file_name().to_owned())).collect::<Result<Vec<_>, _>>()?;
    for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        let facts = fstatat(&dir, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
            give_entries(Dir::openat(&dir, name.as_c_str(), FOLDER, Mode::empty())?, account)?;
        } else if facts.st_nlink != 1 {
            return Err(Errno::EMLINK.into());
        }
        fchownat(&dir, name.as_c_str(), Some(account.uid), Some(account.gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn maps_of_namespaces() {
        for (map, expected) in [
            ("         0          0 4294967295\n", true),
            ("0 100000 65536\n", true),
            ("0 1000 1\n", false),
            ("0 1000 1\n60000 100000 5536\n", true),
            ("", false),
        ] {
            assert_eq!(is_mapped(map, 61_184), expected, "{map}");
        }
    }

    #[test]
    fn a_user_of_a_process_is_seen() {
        assert!(!cfg!(target_os = "linux") || has_processes(geteuid()));
    }

    #[test]
    fn a_folder_is_given_with_all_that_is_in_it_and_nothing_beside() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: account: only root can give files away");
            return;
        }
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        fs::write(folder.path().join("base/1"), "").unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let account = unused().unwrap();
        give_all(folder.path(), Some(account)).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        for name in ["", "base", "base/1", "link"] {
            assert_eq!(owner(&folder.path().join(name)), account.uid.as_raw(), "{name}");
        }
        assert_eq!((owner(outside.path()), owner(&outside.path().join("kept"))), (0, 0));
        fs::hard_link(outside.path().join("kept"), folder.path().join("base/2")).unwrap();
        assert!(give_all(folder.path(), Some(account)).is_err());
        assert_eq!(owner(&outside.path().join("kept")), 0);
    }
}
