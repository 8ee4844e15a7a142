//! Multipart uploads: in memory, with the bytes of each part in a work file.
//!
//! They follow S3 in what a client can rely on: an unknown upload is `NoSuchUpload`, a refused
//! completion leaves the upload as it was, and aborting removes every part.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use s3s::{S3Result, dto::CompletedPart, s3_error};

use super::{
    random_text,
    store::{Replace, Store, StoredFile, internal},
};

/// Every part but the last has at least this many bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const SMALLEST_PART_BYTES: u64 = 5 * 1024 * 1024;

/// One stored part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What the client must name when it completes the upload.
    pub(crate) etag: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// When its last byte arrived.
    pub(crate) modified: SystemTime,
    /// Where its bytes lie.
    pub(crate) file: PathBuf,
}

/// One upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// The bucket it was initiated in.
    pub(crate) bucket: String,
    /// The key it was initiated for.
    pub(crate) key: String,
    /// When it was initiated; becomes the time of the object.
    pub(crate) initiated: SystemTime,
    /// The parts by their number.
    pub(crate) parts: BTreeMap<i32, Part>,
}

/// The open uploads of a server by their id.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Upload>>);

impl Uploads {
    /// Opens an upload and returns its id.
    pub(crate) fn create(&self, bucket: &str, key: &str) -> String {
        let id = random_text(32);
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            initiated: SystemTime::now(),
            parts: BTreeMap::new(),
        };
        self.all().insert(id.clone(), upload);
        id
    }

    /// A copy of the upload `id`, which must belong to that bucket and key.
    pub(crate) fn get(&self, id: &str, bucket: &str, key: &str) -> S3Result<Upload> {
        match self.all().get(id) {
            Some(upload) if upload.bucket == bucket && upload.key == key => Ok(upload.clone()),
            _ => Err(s3_error!(NoSuchUpload)),
        }
    }

    /// Adds a part, in place of one with the same number.
    pub(crate) fn add_part(&self, id: &str, number: i32, part: Part) -> S3Result<()> {
        let mut all = self.all();
        let Some(upload) = all.get_mut(id) else {
            drop(all);
            remove_part(&part)?;
            return Err(s3_error!(NoSuchUpload));
        };
        match upload.parts.insert(number, part) {
            Some(replaced) => remove_part(&replaced),
            None => Ok(()),
        }
    }

    /// Ends the upload without an object and removes its parts.
    pub(crate) fn abort(&self, id: &str, bucket: &str, key: &str) -> S3Result<()> {
        self.get(id, bucket, key)?;
        match self.all().remove(id) {
            Some(upload) => upload.parts.values().try_for_each(remove_part),
            None => Err(s3_error!(NoSuchUpload)),
        }
    }

    /// Every open upload of `bucket` with its id, ordered by key and time.
    pub(crate) fn list(&self, bucket: &str) -> Vec<(String, Upload)> {
        let mut found: Vec<_> = self
            .all()
            .iter()
            .filter(|(_, upload)| upload.bucket == bucket)
            .map(|(id, upload)| (id.clone(), upload.clone()))
            .collect();
        found.sort_by(|(_, a), (_, b)| (&a.key, a.initiated).cmp(&(&b.key, b.initiated)));
        found
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns the upload `id` into the object of its key. Blocks while the parts are copied.
pub(crate) fn complete(
    store: &Store,
    id: &str,
    bucket: &str,
    key: &str,
    listed: &[CompletedPart],
    replace: Replace,
) -> S3Result<StoredFile> {
    let upload = store.uploads.get(id, bucket, key)?;
    let chosen = choose_parts(&upload, listed)?;
    let whole = store.work_file();
    assemble(&chosen, &whole, upload.initiated).map_err(internal)?;
    let published = store.publish(&whole, bucket, key, replace);
    if published.is_err() {
        fs::remove_file(&whole).map_err(internal)?;
        return published;
    }
    store.uploads.abort(id, bucket, key)?;
    published
}

fn choose_parts<'upload>(upload: &'upload Upload, listed: &[CompletedPart]) -> S3Result<Vec<&'upload Part>> {
    let mut chosen = Vec::with_capacity(listed.len());
    let mut previous = 0;
    for wanted in listed {
        let number = wanted.part_number.unwrap_or_default();
        if number <= previous {
            return Err(s3_error!(InvalidPartOrder));
        }
        previous = number;
        let named = wanted.e_tag.as_ref().map(s3s::dto::ETag::value);
        match upload.parts.get(&number) {
            Some(part) if named == Some(part.etag.as_str()) => chosen.push(part),
            _ => return Err(s3_error!(InvalidPart, "part {number} is not there or has changed")),
        }
    }
    let Some((_, all_but_last)) = chosen.split_last() else {
        return Err(s3_error!(MalformedXML, "an upload needs at least one part"));
    };
    if all_but_last.iter().any(|part| part.bytes < SMALLEST_PART_BYTES) {
        return Err(s3_error!(EntityTooSmall));
    }
    Ok(chosen)
}

fn assemble(parts: &[&Part], whole: &Path, modified: SystemTime) -> io::Result<()> {
    let mut target = File::create(whole)?;
    for part in parts {
        io::copy(&mut File::open(&part.file)?, &mut target)?;
    }
    target.set_modified(modified)
}

fn remove_part(part: &Part) -> S3Result<()> {
    fs::remove_file(&part.file).map_err(internal)
}
