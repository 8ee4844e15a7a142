//! The server itself: its start, and what lies in its bucket, behind the back of the protocol.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use hyper::{
    body::Incoming,
    header::{DATE, HeaderValue},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::{
    dto::{Timestamp, TimestampFormat},
    service::S3ServiceBuilder,
};

use crate::{
    background::{Background, ReceiveBuffer},
    keys::Keys,
    operations::Operations,
    store::{Replace, Store},
};

/// Where and as what a server runs.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The folder that holds one folder per bucket; created if needed.
    pub root: PathBuf,
    /// The port on 127.0.0.1; 0 means any free one.
    pub port: u16,
    /// The bucket to create if it does not exist.
    pub bucket: String,
    /// The one access key that is let in.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

/// A running server, stopped when dropped. Requests that are under way then are cut.
pub struct S3Server {
    options: S3Options,
    store: Arc<Store>,
    keys: Keys,
    listener: Background,
}

impl S3Server {
    /// Starts a server on a folder that outlives it; its objects stay, open uploads do not.
    ///
    /// # Errors
    ///
    /// The folder cannot be written or the port is taken.
    pub fn open(options: S3Options) -> io::Result<Self> {
        let store = Arc::new(Store::open(&options.root, &options.bucket)?);
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&store)));
        let keys = Keys::default();
        keys.add(&options.access_key, &options.secret_key, None);
        builder.set_auth(keys.clone());
        builder.set_access(keys.clone());
        let service = builder.build();
        let listener = Background::listen(options.port, ReceiveBuffer::Kernel, move |stream| {
            let service = service.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let answer = Service::call(&service, request);
                async { answer.await.map(dated) }
            });
            tokio::spawn(async move {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new());
                // A client that hangs up is part of many tests and no news.
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            });
        })?;
        Ok(Self { options, store, keys, listener })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The URL of the server, without a slash at the end.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// The access key that is let in.
    pub fn access_key(&self) -> &str {
        &self.options.access_key
    }

    /// The secret of [`S3Server::access_key`].
    pub fn secret_key(&self) -> &str {
        &self.options.secret_key
    }

    /// Lets another key in, whose requests bring `session_token` along, until `expires_at`.
    pub fn lend(&self, access_key: &str, secret_key: &str, session_token: &str, expires_at: SystemTime) {
        self.keys.add(access_key, secret_key, Some((session_token, expires_at)));
    }

    /// Lets another key in that stays, as one that was made for a rotation.
    pub fn add_key(&self, access_key: &str, secret_key: &str) {
        self.keys.add(access_key, secret_key, None);
    }

    /// Lets a key in no more.
    pub fn remove_key(&self, access_key: &str) {
        self.keys.remove(access_key);
    }

    /// How many requests each key has signed that were let in.
    pub fn requests_by_key(&self) -> BTreeMap<String, usize> {
        self.keys.requests()
    }

    /// Every object of the bucket: its key and its size in bytes.
    pub fn objects(&self) -> BTreeMap<String, u64> {
        let files = self.store.list(self.bucket()).expect("list the bucket");
        files.into_iter().map(|(key, file)| (key, file.bytes)).collect()
    }

    /// The content of an object, which must exist.
    pub fn read(&self, key: &str) -> Vec<u8> {
        fs::read(self.path(key)).unwrap_or_else(|err| panic!("cannot read object {key}: {err}"))
    }

    /// Puts an object behind the protocol's back, in place of one with that key.
    pub fn write(&self, key: &str, content: impl AsRef<[u8]>) {
        let file = self.store.work_file();
        fs::write(&file, content).expect("write an object");
        self.store.publish(&file, self.bucket(), key, Replace::Allowed).expect("publish an object");
    }

    /// From now on says that an object, which must exist, was written at `time`.
    pub fn set_modified(&self, key: &str, time: SystemTime) {
        let file = fs::File::options().write(true).open(self.path(key)).expect("open an object");
        file.set_modified(time).expect("set the time of an object");
    }

    /// Removes an object, which must exist.
    pub fn delete(&self, key: &str) {
        assert!(self.path(key).is_file(), "there is no object {key}");
        self.store.remove(self.bucket(), key).expect("remove an object");
    }

    /// The file that holds an object, for tests that damage it in place.
    pub fn path(&self, key: &str) -> PathBuf {
        self.store.object_path(self.bucket(), key).expect("a key that can be a path")
    }

    /// The folder with one folder per bucket.
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// From now on answers every `Range` with 200 and the whole object, as HTTP allows.
    pub fn ignore_ranges(&self) {
        self.store.ignores_ranges.store(true, Ordering::Relaxed);
    }

    /// How many multipart uploads are neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.store.uploads.list(self.bucket()).len()
    }
}

/// The answer with its time. hyper remembers the time of the last answer until a later one comes, so a clock that is set
/// back would stand still.
fn dated<B>(mut answer: hyper::Response<B>) -> hyper::Response<B> {
    let mut date = Vec::new();
    let written = Timestamp::from(std::time::SystemTime::now()).format(TimestampFormat::HttpDate, &mut date);
    if let (Ok(()), Ok(value)) = (written, HeaderValue::from_bytes(&date)) {
        answer.headers_mut().insert(DATE, value);
    }
    answer
}

/// `length` lower-case hexadecimal characters that are given once. Random enough for a test; a
/// real secret needs a real generator.
pub fn random_text(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&format!("{:016x}", RandomState::new().build_hasher().finish()));
    }
    text.truncate(length);
    text
}
