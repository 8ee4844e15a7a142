//! How the bucket is reached, out of [`S3_VARIABLES`](super::S3_VARIABLES).

use super::Settings;
use crate::private_host::is_private;
use crate::proxies::{self, Proxies};
use crate::storage::{AtRest, Authorities, Checksum, Keeping, Prefix, RetryPolicy, StoreConfig, StoreCounters};

impl Settings {
    /// Attempts of requests, and of everything else that is tried again.
    pub fn retry(&mut self) -> RetryPolicy {
        RetryPolicy {
            attempts: u32::try_from(self.number("RETRY_ATTEMPTS")).unwrap_or(1),
            first_pause: self.seconds("RETRY_DELAY"),
        }
    }

    /// The bucket; `None` if something is missing or wrong, which is noted then.
    pub fn store(&mut self, retry: RetryPolicy) -> Option<StoreConfig> {
        let bucket = self.required("S3_BUCKET").map(|bucket| bucket.expose().to_owned());
        let endpoint = self.endpoint();
        let region = self.text("S3_REGION").unwrap_or_default();
        let prefix = self.parsed("BACKUP_PREFIX", Prefix::parse);
        let path_style = self.optional_flag("S3_FORCE_PATH_STYLE");
        let checksum = self
            .choice("S3_CHECKSUM", [("auto", None), ("crc32", Some(Checksum::Crc32)), ("none", Some(Checksum::None))]);
        let authorities = match self.file("S3_CA_CERT").map(|pem| Authorities::from_pem(&pem)) {
            Some(Ok(given)) => given,
            Some(Err(message)) => {
                self.reject("S3_CA_CERT", message);
                Authorities::System
            }
            None => Authorities::System,
        };
        let proxies = self.proxies();
        let credentials = self.credentials(&region, &authorities, &proxies);
        let record_secret = credentials.as_ref().map(|credentials| self.record_secret(credentials));
        let keeping = Keeping { encryption: self.encryption_at_rest(), ..Keeping::default() };
        let (endpoint, bucket) = (endpoint?, bucket?);
        if let Some(warning) = endpoint.plain_http_warning() {
            self.warn(warning);
        }
        Some(StoreConfig {
            path_style: path_style.unwrap_or(!endpoint.is_aws() || bucket.contains('.')),
            checksum: match checksum {
                Some(checksum) => checksum,
                None if endpoint.is_aws() => Checksum::Crc32,
                None => Checksum::None,
            },
            endpoint: endpoint.for_sdk(),
            bucket,
            region,
            credentials: credentials?,
            record_secret: record_secret?,
            authorities,
            proxies,
            keeping,
            prefix: prefix?,
            retry,
            connect_timeout: self.seconds("S3_CONNECT_TIMEOUT"),
            attempt_timeout: self.seconds("S3_ATTEMPT_TIMEOUT"),
            counters: StoreCounters::default(),
        })
    }

    /// How the store is asked to encrypt what it keeps.
    fn encryption_at_rest(&mut self) -> Option<AtRest> {
        let key_id = self.text("S3_SSE_KMS_KEY_ID");
        let words = [("aes256", Sse::Aes256), ("aws:kms", Sse::Kms)];
        let chosen = self.is_set("S3_SSE").then(|| self.choice("S3_SSE", words));
        match (chosen, key_id) {
            (Some(Sse::Kms), key_id) => Some(AtRest::Kms { key_id }),
            (chosen, Some(_)) => {
                self.reject("S3_SSE_KMS_KEY_ID", "is set, and S3_SSE is not aws:kms");
                chosen.map(|_| AtRest::Aes256)
            }
            (Some(Sse::Aes256), None) => Some(AtRest::Aes256),
            (None, None) => None,
        }
    }

    /// The proxies for everything that goes by HTTP. An empty value is no proxy.
    fn proxies(&mut self) -> Proxies {
        let (https, http) = (self.parsed("HTTPS_PROXY", proxies::check), self.parsed("HTTP_PROXY", proxies::check));
        Proxies::new(https, http, self.text("NO_PROXY"))
    }

    /// The URL of the store. On AWS, the region says enough.
    fn endpoint(&mut self) -> Option<Endpoint> {
        match self.secret("S3_ENDPOINT") {
            Some(endpoint) => {
                Endpoint::parse(endpoint.expose()).map_err(|message| self.reject("S3_ENDPOINT", message)).ok()
            }
            None if self.is_set("S3_REGION") => Some(Endpoint(AWS.to_owned())),
            None => {
                self.reject("S3_ENDPOINT", "is not set; for a bucket on AWS, S3_REGION is enough");
                None
            }
        }
    }
}

/// A word of `S3_SSE`.
#[derive(Clone, Copy)]
enum Sse {
    Aes256,
    Kms,
}

/// Stands for the endpoint of the region.
const AWS: &str = "https://s3.amazonaws.com";

/// The URL of the S3 service.
struct Endpoint(String);

impl Endpoint {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().trim_end_matches('/');
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return Err("does not start with https:// or http://");
        };
        match rest {
            "" => Err("has no host"),
            rest if rest.contains(['@', '?', '#', ' ']) => Err(
                "is not a plain URL of scheme, host and port; keys go into S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
            ),
            _ => Ok(Self(text.to_owned())),
        }
    }

    fn host(&self) -> &str {
        let authority = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    fn is_aws(&self) -> bool {
        self.host().ends_with(".amazonaws.com") || self.host().ends_with(".amazonaws.com.cn")
    }

    /// `None` if the SDK knows the regional endpoint better than the global name. A path needs its last slash: the SDK
    /// puts the name of the bucket right behind it.
    fn for_sdk(self) -> Option<String> {
        let has_path = self.0.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let slash = if has_path { "/" } else { "" };
        (self.host() != "s3.amazonaws.com").then(|| format!("{}{slash}", self.0))
    }

    fn plain_http_warning(&self) -> Option<String> {
        (self.0.starts_with("http://") && !is_private(self.host())).then(|| {
            "S3_ENDPOINT is plain http to a public address: backups and signatures travel unprotected; use https"
                .to_owned()
        })
    }
}
