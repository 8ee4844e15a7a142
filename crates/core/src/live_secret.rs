//! A secret that may be replaced while the process runs: its file is read again when it has changed, as Kubernetes and
//! Vault change files.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::value_file::read_value_file;
use crate::scrub::Scrubber;
use crate::secret::Secret;

/// What tells whether a file is the same as before. Kubernetes replaces a link that leads to it, which changes all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_nanoseconds: i128,
    changed_nanoseconds: i128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified_nanoseconds: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_nanoseconds: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// A secret with the file that it comes from, if it does. Clones share what was read.
#[derive(Clone)]
pub struct LiveSecret(Arc<Shared>);

struct Shared {
    /// The variable that names the file, and its path.
    file: Option<(String, PathBuf)>,
    held: Mutex<Held>,
}

struct Held {
    secret: Secret,
    stamp: Option<Stamp>,
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl LiveSecret {
    /// One that stays.
    pub fn fixed(secret: Secret) -> Self {
        Self(Arc::new(Shared { file: None, held: Mutex::new(Held { secret, stamp: None }) }))
    }

    /// One that was read from the file at `path`, which `variable` names.
    pub fn in_file(secret: Secret, variable: String, path: PathBuf) -> Self {
        // What is there now may be newer than what was read before: without a stamp it is read once more.
        Self(Arc::new(Shared { file: Some((variable, path)), held: Mutex::new(Held { secret, stamp: None }) }))
    }

    /// The secret as it is now. A file that is gone, empty or no text leaves the one that was read before.
    pub fn now(&self) -> Secret {
        let Some((variable, path)) = &self.0.file else { return self.held().secret.clone() };
        let stamp = Stamp::of(path);
        let mut held = self.held();
        if stamp.is_some() && stamp != held.stamp {
            match read_value_file(&path.to_string_lossy()) {
                Ok(read) if read.is_empty() => {}
                Ok(read) => {
                    if read.expose() != held.secret.expose() {
                        Scrubber::learn(&read);
                        tracing::info!(variable, "a secret was replaced");
                        held.secret = read;
                    }
                    held.stamp = stamp;
                }
                Err(error) => tracing::debug!(variable, error, "cannot read a secret again"),
            }
        }
        held.secret.clone()
    }

    /// The secret as it was read last.
    pub fn last(&self) -> Secret {
        self.held().secret.clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changes_and_kept_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let put = |text: &str| {
            let new = folder.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        put("first-secret\n");
        let live = LiveSecret::in_file(Secret::new("first-secret".to_owned()), "X_FILE".to_owned(), path.clone());
        assert_eq!(live.now().expose(), "first-secret");
        put("second-secret\n");
        assert_eq!(live.clone().now().expose(), "second-secret");
        assert_eq!(Scrubber::default().scrub("it is second-secret"), "it is ***");
        put("");
        assert_eq!(live.now().expose(), "second-secret");
        fs::remove_file(&path).unwrap();
        assert_eq!((live.now().expose(), live.last().expose()), ("second-secret", "second-secret"));
        assert_eq!(format!("{live:?}"), "***");
    }
}
