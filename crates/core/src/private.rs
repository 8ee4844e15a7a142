//! Private folders: for what children read their passwords from, and for copies of backups.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rand::Rng;

use crate::secret::Secret;

const NAME_START: &str = "postgres-backup-private-";
const LOCK_FILE: &str = "lock";

/// A folder (0700) with files (0600) that is removed on drop, and by the next start of any process
/// of this user after a death that left it behind: its lock file is held for as long as it is in use.
pub struct PrivateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PrivateDir {
    /// Makes a folder below the system's folder for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create() -> io::Result<Self> {
        Self::create_in(&std::env::temp_dir())
    }

    /// Makes a folder below `parent`, which must exist.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create_in(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!("{NAME_START}{:016x}", rand::rng().random::<u64>()));
        DirBuilder::new().mode(0o700).create(&path)?;
        let locked = create_file(&path.join(LOCK_FILE)).and_then(|file| {
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| io::Error::from(error))
        });
        match locked {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                remove(&path); // Without a lock in it, no later start would know that it is abandoned.
                Err(error)
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only this user can read.
    ///
    /// # Errors
    /// Where the disk is full, for example.
    pub fn write(&self, name: &str, content: &Secret) -> io::Result<PathBuf> {
        let (mut file, path) = self.create_file(name)?;
        file.write_all(content.expose().as_bytes())?;
        Ok(path)
    }

    /// Makes an empty file that only this user can read, and that did not exist before.
    ///
    /// # Errors
    /// Where it exists or cannot be made.
    pub fn create_file(&self, name: &str) -> io::Result<(File, PathBuf)> {
        let path = self.path.join(name);
        Ok((create_file(&path)?, path))
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = remove_folder(folder) {
        tracing::warn!(%error, folder = %folder.display(), "cannot remove a private folder; remove it by hand");
    }
}

/// Removes the lock file last: a removal that fails in the middle leaves a folder that the next start knows.
fn remove_folder(folder: &Path) -> io::Result<()> {
    let lock = folder.join(LOCK_FILE);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.path() {
            path if path == lock => {}
            path if entry.file_type()?.is_dir() => fs::remove_dir_all(path)?,
            path => fs::remove_file(path)?,
        }
    }
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let removed = fs::remove_dir(folder);
    if removed.is_err() {
        // Something was written into it in the meantime, by a server that was about to end, for example.
        drop(create_file(&lock)?);
    }
    removed
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes private folders below `parent` of processes that died; returns how many.
pub fn sweep_private_dirs(parent: &Path) -> usize {
    let Ok(entries) = fs::read_dir(parent) else { return 0 };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(NAME_START));
    ours.filter(|entry| is_abandoned(&entry.path()) && remove_folder(&entry.path()).is_ok()).count()
}

fn is_abandoned(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK_FILE)) else { return false };
    Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_folder_is_private_and_gone_afterwards_r069() {
        let parent = tempfile::tempdir().unwrap();
        let private = PrivateDir::create_in(parent.path()).unwrap();
        let file = private.write("pgpass", &Secret::new("x".to_owned())).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(private.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(sweep_private_dirs(parent.path()), 0);
        assert!(file.exists(), "a folder in use was swept");
        let path = private.path().to_owned();
        drop(private);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_left_by_a_dead_process_is_swept_with_its_files_r085() {
        let parent = tempfile::tempdir().unwrap();
        let private = PrivateDir::create_in(parent.path()).unwrap();
        let left_behind = parent.path().join(format!("{NAME_START}left"));
        let foreign = parent.path().join("foreign");
        for folder in [&left_behind, &foreign] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(LOCK_FILE), "").unwrap();
        }
        fs::write(left_behind.join("dump"), "rows").unwrap();
        assert_eq!(sweep_private_dirs(parent.path()), 1);
        assert!(!left_behind.exists() && private.path().exists() && foreign.exists());
    }

    #[test]
    fn a_removal_that_fails_leaves_the_lock_so_that_the_next_start_tries_again_r085() {
        let parent = tempfile::tempdir().unwrap();
        let left_behind = parent.path().join(format!("{NAME_START}left"));
        fs::create_dir(&left_behind).unwrap();
        for folder in ["a", "m", "z"] {
            fs::create_dir(left_behind.join(folder)).unwrap();
            fs::write(left_behind.join(folder).join("file"), "rows").unwrap();
        }
        fs::write(left_behind.join(LOCK_FILE), "").unwrap();
        let stuck = left_behind.join("m/file");
        let hold = |sign: &str| Command::new("chattr").arg(format!("{sign}i")).arg(&stuck).status();
        if !hold("+").is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: private: no file can be made immutable here");
            return;
        }
        let swept = sweep_private_dirs(parent.path());
        let knows = left_behind.join(LOCK_FILE).exists();
        hold("-").unwrap();
        assert_eq!((swept, knows), (0, true), "nobody will ever know that this folder is abandoned");
        assert_eq!(sweep_private_dirs(parent.path()), 1);
        assert!(!left_behind.exists());
    }
}
