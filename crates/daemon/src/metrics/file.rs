//! A file that its readers see whole: the old text or the new one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;

/// Everyone may read it: node_exporter runs as another user.
const MODE: u32 = 0o644;

/// Replaces the file at `path`. The new text is written beside it, under a name that node_exporter does not read.
///
/// # Errors
/// If it cannot be written; then nothing is left of it.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = path.file_name().context("the path has no file name")?;
    let beside = path.with_file_name(format!(".{}.{:016x}.tmp", name.to_string_lossy(), rand::random::<u64>()));
    let written = write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err()
        && let Err(error) = fs::remove_file(&beside)
    {
        tracing::debug!(%error, "nothing is left of the metrics file that was not written");
    }
    written.with_context(|| format!("write {}", path.display()))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?; // The umask does not count.
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays_in_the_folder() {
        let folder = std::env::temp_dir().join(format!("metrics-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("backup.prom");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        // A folder stands where the file should be: the new text cannot take its place.
        let taken = folder.join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), "").unwrap();
        assert!(replace(&taken, "three").is_err());
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["backup.prom", "taken"]);
        assert!(replace(&folder.join("missing/backup.prom"), "four").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
    /// So a process that is killed while it writes leaves the file as it was.
    #[test]
    fn a_reader_sees_one_text_or_the_other_and_never_a_part() {
        let folder = std::env::temp_dir().join(format!("metrics-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("backup.prom");
        let texts = ["a".repeat(300_000), "b".repeat(200_000)];
        replace(&path, &texts[0]).unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100 {
                    replace(&path, &texts[number % 2]).unwrap();
                }
                is_over.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(texts.contains(&seen), "{} bytes", seen.len());
            }
        });
        fs::remove_dir_all(&folder).unwrap();
    }
}
