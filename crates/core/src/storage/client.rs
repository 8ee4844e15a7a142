//! The SDK's client, set up once per run.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};

use super::clock::ClockWatch;
use super::requests::Requests;
use super::watch::WatchedClient;
use super::{Authorities, Credentials, Keeping, Prefix, RetryPolicy, Store, StoreCounters, http};
use crate::proxies::Proxies;
use crate::secret::Secret;

/// Everything that reaching the bucket needs.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// URL of the service; `None`: AWS, by region.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// Region that requests are signed for.
    pub region: String,
    /// What signs requests.
    pub credentials: Credentials,
    /// By which this service knows what it has written in the bucket.
    pub record_secret: Secret,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub path_style: bool,
    /// Checksum header of uploads.
    pub checksum: Checksum,
    /// Who may vouch for the store's certificate.
    pub authorities: Authorities,
    /// What stands between this process and the store, and receivers of messages.
    pub proxies: Proxies,
    /// How the store is asked to keep objects.
    pub keeping: Keeping,
    /// The folder that is ours.
    pub prefix: Prefix,
    /// Attempts of a request.
    pub retry: RetryPolicy,
    /// Bound of a connection attempt.
    pub connect_timeout: Duration,
    /// So long may the store take no byte and send none before an attempt is given up.
    pub attempt_timeout: Duration,
    /// What counts the requests of all its clients.
    pub counters: StoreCounters,
}

/// The checksum header of uploads, beside the SHA-256 that the signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// `x-amz-checksum-crc32`, as AWS wants it.
    Crc32,
    /// None; several compatible stores refuse what they do not know.
    None,
}

impl Checksum {
    /// Naming an algorithm in a request is not enough: the SDK would announce it, and calculate
    /// nothing, which AWS refuses.
    fn calculation(self) -> RequestChecksumCalculation {
        match self {
            Self::Crc32 => RequestChecksumCalculation::WhenSupported,
            Self::None => RequestChecksumCalculation::WhenRequired,
        }
    }
}

impl StoreConfig {
    /// Whether this is Backblaze B2, where every bucket keeps old versions unless its lifecycle says
    /// otherwise.
    pub fn is_b2(&self) -> bool {
        self.endpoint.as_deref().is_some_and(|endpoint| endpoint.contains("backblazeb2.com"))
    }

    /// A fresh client; sends nothing yet.
    pub fn open(&self) -> Store {
        // Built by hand and not loaded from the surroundings: what was not asked for is not looked for.
        let mut shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.provider())
            .http_client(WatchedClient(http::for_store(&self.authorities, &self.proxies, self.endpoint.as_deref())))
            .timeout_config(TimeoutConfig::builder().connect_timeout(self.connect_timeout).build())
            .retry_config(RetryConfig::disabled()) // Our own retries know which operation is safe to repeat.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        shared.set_endpoint_url(self.endpoint.clone());
        let clock = ClockWatch::default();
        let config = aws_sdk_s3::config::Builder::from(&shared.build())
            .interceptor(clock.clone())
            .identity_cache(IdentityCache::no_cache()) // Ours outlives a client and renews earlier.
            .force_path_style(self.path_style)
            .request_checksum_calculation(self.checksum.calculation())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Store {
            client: aws_sdk_s3::Client::from_conf(config),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            requests: Requests::new(self.retry, self.attempt_timeout, self.counters.clone(), self.credentials.clone()),
            checksum: self.checksum == Checksum::Crc32,
            conditional: AtomicBool::new(true),
            keeping: self.keeping.clone(),
            hides: self.is_b2(),
            clock,
        }
    }
}
