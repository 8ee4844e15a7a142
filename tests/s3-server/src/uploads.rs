//! Multipart uploads: in memory, with the bytes of their parts in work files.
//!
//! Parts of one size arrive in one file, each at its place, which becomes the object: no real server copies the
//! bytes of an upload when it is completed, and a benchmark must not wait for that. What does not fit (a part that
//! comes again, sizes that differ) lies in a file of its own, and then they are copied.
//!
//! They follow S3 in what a client can rely on: an unknown upload is `NoSuchUpload`, a refused
//! completion leaves the upload as it was, and aborting removes every part.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use s3s::{S3Result, dto::CompletedPart, s3_error};

use crate::{
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
    pub(crate) place: Place,
}

/// Where the bytes of a body go, in a file of its own or among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: PathBuf,
    /// Of the first byte.
    pub(crate) offset: u64,
    /// Whether other parts lie in the same file.
    pub(crate) is_shared: bool,
}

impl Place {
    /// A file for one body.
    pub(crate) fn alone(file: PathBuf) -> Self {
        Self { file, offset: 0, is_shared: false }
    }
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
    /// The file that becomes the object, where all parts find their places in it.
    whole: PathBuf,
    /// The size of the first part that came.
    part_bytes: Option<u64>,
    /// The parts that have begun to arrive in `whole`.
    begun: BTreeSet<i32>,
}

/// The open uploads of a server by their id.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Upload>>);

impl Uploads {
    /// Opens an upload and returns its id. `whole` is a path for its bytes.
    pub(crate) fn create(&self, bucket: &str, key: &str, whole: PathBuf) -> String {
        let id = random_text(32);
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            initiated: SystemTime::now(),
            parts: BTreeMap::new(),
            whole,
            part_bytes: None,
            begun: BTreeSet::new(),
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

    /// The place for a part of `bytes` that is about to arrive; `own` is a path for the case that it needs one.
    pub(crate) fn place(&self, id: &str, number: i32, bytes: Option<u64>, own: PathBuf) -> Place {
        let mut all = self.all();
        let (Some(upload), Some(bytes)) = (all.get_mut(id), bytes) else { return Place::alone(own) };
        let part_bytes = *upload.part_bytes.get_or_insert(bytes);
        if bytes > part_bytes || !upload.begun.insert(number) {
            return Place::alone(own);
        }
        let before = u64::try_from(number - 1).unwrap_or(0);
        Place { file: upload.whole.clone(), offset: before * part_bytes, is_shared: true }
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
            Some(upload) => {
                upload.parts.values().try_for_each(remove_part)?;
                match fs::remove_file(&upload.whole) {
                    Err(err) if err.kind() != io::ErrorKind::NotFound => Err(internal(err)),
                    _ => Ok(()),
                }
            }
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

/// Turns the upload `id` into the object of its key. Blocks, and longer if parts are copied.
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
    let kept = upload.whole.clone();
    let whole = if is_whole(&chosen, &kept).map_err(internal)? {
        File::options()
            .write(true)
            .open(&kept)
            .and_then(|file| file.set_modified(upload.initiated))
            .map_err(internal)?;
        kept.clone()
    } else {
        let copy = store.work_file();
        assemble(&chosen, &copy, upload.initiated).map_err(internal)?;
        copy
    };
    let published = store.publish(&whole, bucket, key, replace);
    if published.is_err() {
        if whole != kept {
            fs::remove_file(&whole).map_err(internal)?;
        }
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

/// Whether `file` is these parts, one after the other, and nothing else.
fn is_whole(parts: &[&Part], file: &Path) -> io::Result<bool> {
    let mut end = 0;
    for part in parts {
        if !part.place.is_shared || part.place.offset != end {
            return Ok(false);
        }
        end += part.bytes;
    }
    Ok(fs::metadata(file)?.len() == end)
}

fn assemble(parts: &[&Part], whole: &Path, modified: SystemTime) -> io::Result<()> {
    let mut target = File::create(whole)?;
    for part in parts {
        let mut source = File::open(&part.place.file)?;
        source.seek(io::SeekFrom::Start(part.place.offset))?;
        io::copy(&mut source.take(part.bytes), &mut target)?;
    }
    target.set_modified(modified)
}

fn remove_part(part: &Part) -> S3Result<()> {
    // What lies among others goes with them.
    if part.place.is_shared { Ok(()) } else { fs::remove_file(&part.place.file).map_err(internal) }
}
