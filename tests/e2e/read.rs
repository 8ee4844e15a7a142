//! How `verify` gets an object out of the bucket: the library's read side against a real store, with
//! a wire that breaks.

mod download;
mod small;
mod spool;

use std::time::Duration;

use backup_core::proxies::Proxies;
use backup_core::secret::Secret;
use backup_core::storage::{
    Authorities, Checksum, Keeping, ObjectKey, Prefix, RetryPolicy, Store, StoreConfig, StoreCounters, StoreError,
};
use e2e::proxy::FaultProxy;
use e2e::s3::S3Server;

use crate::stand::keys;

/// The size of a range, which is the library's own affair; the tests place their faults by it.
const RANGE: usize = 8 * 1024 * 1024;

/// An attempt that is given up on a busy machine is made again, which makes it busier still.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bucket behind a proxy, and the library's way to it.
struct Bucket {
    s3: S3Server,
    proxy: FaultProxy,
    store: Store,
}

impl Bucket {
    fn new() -> Self {
        Self::with_attempts_of(PATIENCE)
    }

    /// One whose client takes two seconds of silence for an end.
    fn impatient() -> Self {
        Self::with_attempts_of(Duration::from_secs(2))
    }

    fn with_attempts_of(attempt_timeout: Duration) -> Self {
        let s3 = S3Server::start();
        let proxy = FaultProxy::start(&s3);
        let store = config(&s3, &proxy, attempt_timeout).open();
        Self { s3, proxy, store }
    }

    /// Puts an object behind the protocol's back.
    fn put(&self, name: &str, content: &[u8]) -> ObjectKey {
        let key = key(name);
        self.s3.write(key.as_str(), content);
        key
    }
}

/// The store behind `proxy`, without pauses between attempts.
pub(crate) fn open(s3: &S3Server, proxy: &FaultProxy) -> Store {
    config(s3, proxy, PATIENCE).open()
}

fn config(s3: &S3Server, proxy: &FaultProxy, attempt_timeout: Duration) -> StoreConfig {
    StoreConfig {
        endpoint: Some(proxy.endpoint()),
        bucket: s3.bucket().to_owned(),
        region: "us-east-1".to_owned(),
        credentials: keys(s3),
        record_secret: Secret::new("x".to_owned()),
        path_style: true,
        checksum: Checksum::Crc32,
        authorities: Authorities::System,
        proxies: Proxies::default(),
        keeping: Keeping::default(),
        prefix: prefix(),
        retry: RetryPolicy { attempts: 8, first_pause: Duration::ZERO },
        connect_timeout: Duration::from_secs(2),
        attempt_timeout,
        counters: StoreCounters::default(),
    }
}

/// Where `backup` writes by default.
fn prefix() -> Prefix {
    Prefix::parse("postgres-backups").unwrap()
}

fn key(name: &str) -> ObjectKey {
    prefix().key(name)
}

/// Bytes that look random and are the same every time; another `seed` makes other ones.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(bytes).collect()
}

/// All chunks of a download, until its end or its error.
async fn download(store: &Store, key: &ObjectKey, bytes: usize) -> Result<Vec<u8>, StoreError> {
    let mut download = store.download(key, bytes as u64);
    let mut content = Vec::new();
    while let Some(chunk) = download.next_chunk().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}
