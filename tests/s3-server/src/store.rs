//! Objects as files: `<root>/<bucket>/<key>`, and work in progress in `<root>/.work`.
//!
//! The layout is the plain one, so that a test (or a person running the demo) can look at, damage
//! or add an object with ordinary tools. Nothing is remembered beside the file: size, time and
//! `ETag` come from its metadata, so a file that was changed behind the server's back is a changed
//! object. The price: a path component has at most 255 bytes, and an object cannot also be the
//! "folder" of another one.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::uploads::Uploads;

/// The folder of unfinished bodies and parts; no bucket can be called that.
const WORK_FOLDER: &str = ".work";

/// What a listing tells about an object.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// When the object was put, or when its multipart upload was initiated, as in S3.
    pub(crate) modified: SystemTime,
    /// Changes whenever the content does; deliberately not an MD5, which no client may expect.
    pub(crate) etag: String,
}

/// Whether an object may take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replace {
    /// The newer object wins.
    Allowed,
    /// `If-None-Match: *`: answer 412 when the key is taken.
    Refused,
}

/// All buckets of one server.
pub(crate) struct Store {
    root: PathBuf,
    next_file: AtomicU64,
    publishing: Mutex<()>,
    /// Whether a `Range` is answered with the whole object.
    pub(crate) ignores_ranges: AtomicBool,
    /// The multipart uploads that are neither completed nor aborted.
    pub(crate) uploads: Uploads,
}

impl Store {
    /// Opens `root`, creating it and `bucket` if needed. Unfinished work of an earlier server is
    /// removed; finished objects stay.
    pub(crate) fn open(root: &Path, bucket: &str) -> io::Result<Self> {
        let work = root.join(WORK_FOLDER);
        if work.exists() {
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work)?;
        fs::create_dir_all(root.join(bucket))?;
        Ok(Self {
            root: root.to_owned(),
            next_file: AtomicU64::new(1),
            publishing: Mutex::new(()),
            ignores_ranges: AtomicBool::new(false),
            uploads: Uploads::default(),
        })
    }

    /// A path for new unfinished bytes, unique within this server.
    pub(crate) fn work_file(&self) -> PathBuf {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        self.root.join(WORK_FOLDER).join(number.to_string())
    }

    /// The folder of `bucket`.
    pub(crate) fn bucket_path(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.root.join(bucket);
        if bucket.starts_with('.') || bucket.contains('/') || !path.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(path)
    }

    /// Where the object of `key` lies, whether it exists or not.
    pub(crate) fn object_path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let folder = self.bucket_path(bucket)?;
        let relative = Path::new(key);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        // `components` forgives doubled, trailing and dotted parts, which are other keys in S3.
        let same = relative.components().collect::<PathBuf>().to_str() == Some(key);
        if !plain || !same || key.is_empty() {
            return Err(s3_error!(InvalidArgument, "this test server cannot store such a key"));
        }
        Ok(folder.join(relative))
    }

    /// What is known about the object of `key`.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> S3Result<StoredFile> {
        let path = self.object_path(bucket, key)?;
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => describe(&metadata).map_err(internal),
            _ => Err(s3_error!(NoSuchKey)),
        }
    }

    /// Every object of `bucket` in the byte order of its key. An object that disappears while the
    /// listing runs is left out.
    pub(crate) fn list(&self, bucket: &str) -> S3Result<BTreeMap<String, StoredFile>> {
        let top = self.bucket_path(bucket)?;
        let mut found = BTreeMap::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.map_err(internal)?.path();
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                let key = path.strip_prefix(&top).map_err(internal)?.to_string_lossy();
                found.insert(key.into_owned(), describe(&metadata).map_err(internal)?);
            }
        }
        Ok(found)
    }

    /// Makes the finished file `from` the object of `key`, all at once. After an error `from` is
    /// still there.
    pub(crate) fn publish(&self, from: &Path, bucket: &str, key: &str, replace: Replace) -> S3Result<StoredFile> {
        let path = self.object_path(bucket, key)?;
        let _one_at_a_time = self.publishing.lock().map_err(internal_text)?;
        if replace == Replace::Refused && path.exists() {
            return Err(s3_error!(PreconditionFailed, "the key exists already"));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(internal)?;
        }
        fs::rename(from, &path).map_err(internal)?;
        describe(&fs::metadata(&path).map_err(internal)?).map_err(internal)
    }

    /// Removes the object of `key`; not having one is no error, as in S3.
    pub(crate) fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.object_path(bucket, key)?;
        let top = self.bucket_path(bucket)?;
        let _one_at_a_time = self.publishing.lock().map_err(internal_text)?;
        match fs::remove_file(&path) {
            Ok(()) => (),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(err) => return Err(internal(err)),
        }
        // S3 has no folders: those that became empty go as well.
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != top) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A 500 that carries the cause, for faults of the stand itself.
pub(crate) fn internal(err: impl std::error::Error + Send + Sync + 'static) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::InternalError, err.to_string());
    error.set_source(Box::new(err));
    error
}

/// As [`internal`], for errors that borrow something.
pub(crate) fn internal_text(err: impl std::fmt::Display) -> S3Error {
    S3Error::with_message(S3ErrorCode::InternalError, err.to_string())
}

fn describe(metadata: &fs::Metadata) -> io::Result<StoredFile> {
    let modified = metadata.modified()?;
    let etag = format!("{:x}-{:x}-{:x}-{:x}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.size());
    Ok(StoredFile { bytes: metadata.size(), modified, etag })
}
