//! How the bucket is reached, out of [`S3_VARIABLES`](super::S3_VARIABLES).

use super::Settings;
use crate::private_host::is_private;
use crate::storage::{Authorities, Checksum, Prefix, RetryPolicy, StoreConfig, StoreCounters};

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
        let access_key_id = self.required("S3_ACCESS_KEY_ID");
        let secret_access_key = self.required("S3_SECRET_ACCESS_KEY");
        let bucket = self.required("S3_BUCKET").map(|bucket| bucket.expose().to_owned());
        let endpoint = self.required("S3_ENDPOINT").and_then(|endpoint| {
            Endpoint::parse(endpoint.expose()).map_err(|message| self.reject("S3_ENDPOINT", message)).ok()
        });
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
            region: self.text("S3_REGION").unwrap_or_default(),
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token: self.secret("S3_SESSION_TOKEN"),
            authorities,
            prefix: prefix?,
            retry,
            connect_timeout: self.seconds("S3_CONNECT_TIMEOUT"),
            attempt_timeout: self.seconds("S3_ATTEMPT_TIMEOUT"),
            counters: StoreCounters::default(),
        })
    }
}

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

    /// `None` if the SDK knows the regional endpoint better than the global name.
    fn for_sdk(self) -> Option<String> {
        (self.host() != "s3.amazonaws.com").then_some(self.0)
    }

    fn plain_http_warning(&self) -> Option<String> {
        (self.0.starts_with("http://") && !is_private(self.host())).then(|| {
            "S3_ENDPOINT is plain http to a public address: backups and signatures travel unprotected; use https"
                .to_owned()
        })
    }
}
