//! Private folders: for what children read their passwords from, and for copies of backups.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rand::Rng;

use crate::secret::Secret;

const NAME_START: &str = "postgres-backup-private-";

/// Another process may sweep a folder in the instant before it is locked; more often than this is no accident.
const ATTEMPTS: u32 = 5;

/// A folder (0700) with files (0600) that is removed on drop, and by the next start of any process
/// of this user after a death that left it behind: the folder itself is locked for as long as it is in use,
/// so if its process dies at any instant, nothing is left that looks alive.
pub struct PrivateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PrivateDir {
    /// Makes a folder below the system's folder for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create() -> io::Result<Self> {
        Self::create_in(&std::env::temp_dir())
    }

    /// Makes a folder below `parent`, which must exist.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create_in(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = parent.join(format!("{NAME_START}{:016x}", rand::rng().random::<u64>()));
            DirBuilder::new().mode(0o700).create(&path)?;
            match lock(&path) {
                Ok(Some(lock)) => return Ok(Self { path, _lock: lock }),
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(error);
                }
            }
        }
        Err(io::Error::other("private folders vanish as soon as they are made"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only this user can read.
    ///
    /// # Errors
    /// If the disk is full, for example.
    pub fn write(&self, name: &str, content: &Secret) -> io::Result<PathBuf> {
        let (mut file, path) = self.create_file(name)?;
        file.write_all(content.expose().as_bytes())?;
        Ok(path)
    }

    /// Makes an empty file that only this user can read, and that did not exist before.
    ///
    /// # Errors
    /// If it exists or cannot be made.
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
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, folder = %folder.display(), "cannot remove a private folder; remove it by hand");
    }
}

/// Locks a folder; `None` if a process holds it, or it is gone.
fn lock(folder: &Path) -> io::Result<Option<Flock<File>>> {
    let opened = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
        // The process that held the lock a moment ago may have removed the folder.
        Ok(lock) => Ok(folder.exists().then_some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes private folders below `parent` of processes that died; returns how many.
pub fn sweep_private_dirs(parent: &Path) -> usize {
    let Ok(entries) = fs::read_dir(parent) else { return 0 };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(NAME_START));
    ours.filter(|entry| is_swept(&entry.path())).count()
}

/// Removes a folder unless its process lives, or it is another user's.
fn is_swept(folder: &Path) -> bool {
    let Ok(Some(_lock)) = lock(folder) else { return false };
    fs::remove_dir_all(folder).is_ok()
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
        }
        fs::write(left_behind.join("dump"), "rows").unwrap();
        let empty = parent.path().join(format!("{NAME_START}died-at-once"));
        fs::create_dir(&empty).unwrap();
        assert_eq!(sweep_private_dirs(parent.path()), 2);
        assert!(!left_behind.exists() && !empty.exists() && private.path().exists() && foreign.exists());
    }

    #[test]
    fn a_removal_that_fails_is_tried_again_by_the_next_start_r085() {
        let parent = tempfile::tempdir().unwrap();
        let left_behind = parent.path().join(format!("{NAME_START}left"));
        fs::create_dir(&left_behind).unwrap();
        for folder in ["a", "m", "z"] {
            fs::create_dir(left_behind.join(folder)).unwrap();
            fs::write(left_behind.join(folder).join("file"), "rows").unwrap();
        }
        let stuck = left_behind.join("m/file");
        let hold = |sign: &str| Command::new("chattr").arg(format!("{sign}i")).arg(&stuck).status();
        if !hold("+").is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: private: no file can be made immutable here");
            return;
        }
        let swept = sweep_private_dirs(parent.path());
        hold("-").unwrap();
        assert_eq!(swept, 0);
        assert_eq!(sweep_private_dirs(parent.path()), 1);
        assert!(!left_behind.exists());
    }
}
