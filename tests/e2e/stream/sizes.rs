//! The upload of streams of every size, without PostgreSQL: the codec and the store as `backup`
//! uses them, against the real S3 server.

use std::fs;
use std::io::Cursor;
use std::time::Duration;

use backup_core::codec::encryption::{Encryption, Label};
use backup_core::codec::{Codec, Compression, encode};
use backup_core::proxies::Proxies;
use backup_core::secret::Secret;
use backup_core::stop::Stop;
use backup_core::storage::{
    Authorities, Checksum, Keeping, ObjectKey, Prefix, RetryPolicy, Store, StoreConfig, StoreCounters, UploadPlan,
};
use backup_core::stored::Digests;
use e2e::process::Run;
use e2e::proxy::{FaultProxy, Operation};
use e2e::s3::S3Server;
use tokio::io::AsyncRead;

use crate::stand::keys;

const MIB: usize = 1024 * 1024;

/// The smallest part that S3 takes.
const PART_BYTES: usize = 5 * MIB;

/// A store below prefix `p` behind a proxy, as `backup` opens it: see also `store`.
pub(crate) struct Bucket {
    pub(crate) s3: S3Server,
    pub(crate) proxy: FaultProxy,
    pub(crate) store: Store,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        Self::with_attempt_timeout(Duration::from_secs(30))
    }

    /// A store that may be silent for so long.
    pub(crate) fn with_attempt_timeout(attempt_timeout: Duration) -> Self {
        let s3 = S3Server::start();
        let proxy = FaultProxy::start(&s3);
        let config = StoreConfig {
            endpoint: Some(proxy.endpoint()),
            bucket: s3.bucket().to_owned(),
            region: "us-east-1".to_owned(),
            credentials: keys(&s3),
            record_secret: Secret::new("x".to_owned()),
            path_style: true,
            checksum: Checksum::None,
            authorities: Authorities::System,
            proxies: Proxies::default(),
            keeping: Keeping::default(),
            prefix: Prefix::parse("p").unwrap(),
            retry: RetryPolicy { attempts: 3, first_pause: Duration::ZERO },
            connect_timeout: Duration::from_secs(5),
            attempt_timeout,
            counters: StoreCounters::default(),
        };
        Self { store: config.open(), s3, proxy }
    }

    pub(crate) fn key(&self, name: &str) -> ObjectKey {
        self.store.prefix().key(name)
    }

    /// Stores what `plain` gives under `name`; an error comes with all its causes.
    pub(crate) async fn put<R>(
        &self,
        name: &str,
        plain: R,
        compression: Compression,
        plan: UploadPlan,
    ) -> Result<Digests, String>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let codec = Codec { compression, encryption: Encryption::None };
        let body = encode(plain, codec, &Label::default(), plan.part_bytes, Default::default());
        let stored = self.store.put(&self.key(name), plan, body, &Stop::default()).await;
        stored.map_err(|error| format!("{error:#}"))
    }
}

/// Numbers without a pattern that any compression would find; the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

pub(crate) fn plan(part_bytes: usize, most_parts: u32) -> UploadPlan {
    UploadPlan { most_parts, ..UploadPlan::with_part_bytes(part_bytes as u64, u64::MAX).unwrap() }
}

/// R033: Cloudflare R2 takes no other parts than equal ones.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sizes_are_stored_in_equal_parts_r033() {
    let bucket = Bucket::new();
    bucket.proxy.require_equal_parts();
    let mut random = Random::new(33);
    let edges = (1..=2).flat_map(|parts| [parts * PART_BYTES - 1, parts * PART_BYTES, parts * PART_BYTES + 1]);
    let mut sizes: Vec<usize> = edges.chain([0, 1, 3 * PART_BYTES, 3 * PART_BYTES + 1]).collect();
    while sizes.len() < 200 {
        sizes.push(PART_BYTES - 100_000 + random.below(1_500_000));
    }
    // One buffer for all of them, so that making random bytes takes no time.
    let plain = bytes::Bytes::from(random.bytes(3 * PART_BYTES + 1));
    for size in sizes {
        let body = Cursor::new(plain.slice(..size));
        let digests = bucket.put("object", body, Compression::None, plan(PART_BYTES, 10_000)).await.unwrap();
        assert_eq!(digests.stored_bytes, size as u64);
        assert!(fs::read(bucket.s3.path("p/object")).unwrap() == plain[..size], "{size} bytes changed");
        bucket.s3.delete("p/object");
    }
    let completed = bucket.proxy.requests_of(Operation::CompleteMultipartUpload);
    assert!(completed.len() > 100, "only {} of the uploads had parts", completed.len());
}

/// R035.
#[tokio::test(flavor = "multi_thread")]
async fn every_size_comes_back_bit_exact_by_stock_tools_r035() {
    const PART: usize = 6 * MIB;
    let bucket = Bucket::new();
    let mut random = Random::new(35);
    let tools = [
        (Compression::None, "cat"),
        (Compression::Gzip { level: 1 }, "gzip -dc"),
        (Compression::Zstd { level: 3 }, "zstd -qdc"),
    ];
    for size in [0, 1, 5 * MIB - 1, 5 * MIB, PART - 1, PART, PART + 1, 2 * PART] {
        let plain = random.bytes(size);
        let folder = tempfile::tempdir().unwrap();
        let expected = folder.path().join("plain");
        fs::write(&expected, &plain).unwrap();
        for (compression, decode) in tools {
            let body = Cursor::new(plain.clone());
            let digests = bucket.put("object", body, compression, plan(PART, 10_000)).await.unwrap();
            assert_eq!(digests.plain_bytes, size as u64);
            assert_eq!(bucket.s3.objects()["p/object"], digests.stored_bytes);
            let script = format!("{decode} < \"$1\" | cmp - \"$2\"");
            let stored = bucket.s3.path("p/object");
            let arguments = ["-ec", &script, "sh", stored.to_str().unwrap(), expected.to_str().unwrap()];
            let compared = Run::program("/bin/sh").args(arguments).output();
            assert_eq!(compared.code, Some(0), "{compression}, {size} bytes: {}{}", compared.stdout, compared.stderr);
            bucket.s3.delete("p/object");
        }
    }
    assert_eq!(bucket.s3.open_uploads(), 0);
}

/// R034: the estimate was wrong and the dump is larger than the parts that the store takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_too_many_parts_fails_before_the_store_would_refuse_it_r034() {
    let bucket = Bucket::new();
    bucket.proxy.max_parts(20);
    let zeros = |bytes: usize| tokio::io::AsyncReadExt::take(tokio::io::repeat(0), bytes as u64);
    let body = zeros(20 * PART_BYTES + 1);
    let words = bucket.put("over", body, Compression::None, plan(PART_BYTES, 20)).await.unwrap_err();
    assert!(words.contains("exceeds 20 parts") && words.contains("PART_SIZE"), "{words}");
    let numbers =
        bucket.proxy.requests_of(Operation::UploadPart).into_iter().map(|part| part.query["partNumber"].clone());
    assert!(numbers.flat_map(|number| number.parse::<u32>()).all(|number| number <= 20));
    assert_eq!((bucket.s3.objects().len(), bucket.s3.open_uploads()), (0, 0));

    let body = zeros(20 * PART_BYTES);
    bucket.put("full", body, Compression::None, plan(PART_BYTES, 20)).await.unwrap();
    assert_eq!(bucket.s3.objects()["p/full"], 20 * PART_BYTES as u64);
}
