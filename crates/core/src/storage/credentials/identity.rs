//! Keys that a service lends to this process, by what the environment says that it is.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::lease::Lease;
use crate::proxies::Proxies;
use crate::scrub::Scrubber;
use crate::secret::Secret;
use crate::storage::fault::innermost;
use crate::storage::{Authorities, http};
use crate::text::whole_words;

/// Bound of one round through all sources, so that a start without credentials ends within five seconds.
const MAX_TIME: Duration = Duration::from_secs(4);

/// Maximum characters that are shown of what a source said.
const MAX_WORDS_CHARACTERS: usize = 200;

/// Where keys may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// A token in a file that STS takes for keys of a role: `AWS_WEB_IDENTITY_TOKEN_FILE`, as EKS sets it.
    WebIdentity,
    /// The service beside a container: `AWS_CONTAINER_CREDENTIALS_...`, as ECS and EKS Pod Identity set them.
    Container,
    /// A profile in the files of the AWS tools.
    Profile,
    /// The metadata service of an EC2 instance, version 2 of it.
    Instance,
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WebIdentity => "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)",
            Self::Container => "container credentials (AWS_CONTAINER_CREDENTIALS_...)",
            Self::Profile => "profile (AWS_PROFILE)",
            Self::Instance => "instance metadata (S3_CREDENTIALS=instance)",
        })
    }
}

/// No source has lent keys. `Display` says which ones were asked, and what each has said.
#[derive(Debug, thiserror::Error)]
#[error("there are no credentials for the bucket; tried {0}")]
pub(in crate::storage) struct NoCredentials(String);

/// Keys that are lent. Clones share them, so that not every run asks anew.
#[derive(Clone)]
pub struct Identity(Arc<Shared>);

struct Shared {
    sources: Vec<(IdentitySource, SharedCredentialsProvider)>,
    held: Mutex<Option<(Credentials, Lease)>>,
    /// Whether a store has refused the keys.
    doubted: AtomicBool,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.0.sources.iter().map(|(source, _)| source);
        formatter.debug_list().entries(sources).finish()
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.keys())
    }
}

impl Identity {
    /// One that asks `sources` in their order, until one has keys or fails. STS is asked in `region`. Sends nothing yet.
    pub fn new(sources: &[IdentitySource], region: &str, authorities: &Authorities, proxies: &Proxies) -> Self {
        let region = Some(Region::new(region.to_owned()));
        let config = ProviderConfig::without_region().with_region(region);
        let provider = |source: &IdentitySource| {
            let client = match source {
                IdentitySource::WebIdentity | IdentitySource::Profile => http::for_sts(authorities, proxies),
                IdentitySource::Container | IdentitySource::Instance => http::for_neighbours(authorities),
            };
            (*source, provider(*source, &config.clone().with_http_client(client)))
        };
        let sources = sources.iter().map(provider).collect();
        Self(Arc::new(Shared { sources, held: Mutex::default(), doubted: AtomicBool::new(false) }))
    }

    /// The next request gets keys that were asked for after this call.
    pub(super) fn doubt(&self) {
        self.0.doubted.store(true, Ordering::Relaxed);
    }

    /// Keys that are good now. Requests that come while new ones are asked for wait for the same answer.
    async fn keys(&self) -> Result<Credentials, CredentialsError> {
        let mut held = self.0.held.lock().await;
        let (now, doubted) = (SystemTime::now(), self.0.doubted.swap(false, Ordering::Relaxed));
        if let Some((keys, lease)) = held.as_ref()
            && !doubted
            && !lease.is_due(now)
        {
            return Ok(keys.clone());
        }
        match self.0.ask().await {
            Ok((source, keys)) => {
                Scrubber::learn(&Secret::new(keys.secret_access_key().to_owned()));
                keys.session_token().iter().for_each(|token| Scrubber::learn(&Secret::new((*token).to_owned())));
                let expires_at = keys.expiry().map(|time| DateTime::<Utc>::from(time).to_rfc3339());
                tracing::info!(%source, expires_at, "credentials for the bucket were lent");
                *held = Some((keys.clone(), Lease::new(now, keys.expiry())));
                Ok(keys)
            }
            Err(error) => match held.as_mut().filter(|(_, lease)| lease.is_valid(now)) {
                Some((keys, lease)) => {
                    tracing::warn!(%error, "the credentials for the bucket cannot be renewed; the old ones are used as long as they are good");
                    lease.asked_at = now;
                    Ok(keys.clone())
                }
                None => Err(CredentialsError::provider_error(error)),
            },
        }
    }
}

impl Shared {
    /// Asks the sources. One that is there and fails is the last: another identity would hide what is wrong with it.
    async fn ask(&self) -> Result<(IdentitySource, Credentials), NoCredentials> {
        let deadline = Instant::now() + MAX_TIME;
        let mut tried = Vec::new();
        for (source, provider) in &self.sources {
            let outcome = tokio::time::timeout_at(deadline, provider.provide_credentials()).await;
            let is_absent = matches!(outcome, Ok(Err(CredentialsError::CredentialsNotLoaded(_))));
            match outcome {
                Ok(Ok(keys)) => return Ok((*source, keys)),
                Ok(Err(error)) => tried.push(format!("{source}: {}", words(*source, &error))),
                Err(_) => tried.push(format!("{source}: no answer within {} s", MAX_TIME.as_secs())),
            }
            if !is_absent {
                break;
            }
        }
        Err(NoCredentials(tried.join("; ")))
    }
}

fn provider(source: IdentitySource, config: &ProviderConfig) -> SharedCredentialsProvider {
    match source {
        IdentitySource::WebIdentity => {
            SharedCredentialsProvider::new(WebIdentityTokenCredentialsProvider::builder().configure(config).build())
        }
        IdentitySource::Container => {
            SharedCredentialsProvider::new(EcsCredentialsProvider::builder().configure(config).build())
        }
        IdentitySource::Profile => {
            SharedCredentialsProvider::new(ProfileFileCredentialsProvider::builder().configure(config).build())
        }
        IdentitySource::Instance => {
            SharedCredentialsProvider::new(ImdsCredentialsProvider::builder().configure(config).build())
        }
    }
}

/// Why a source has no keys. Of an answer of STS only its code is shown: its message may quote what was sent.
fn words(source: IdentitySource, error: &CredentialsError) -> String {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(words) = answer_of::<AssumeRoleWithWebIdentityError>(error) {
            return words;
        }
        if let Some(words) = answer_of::<AssumeRoleError>(error) {
            return words;
        }
        next = error.source();
    }
    if matches!(error, CredentialsError::InvalidConfiguration(_)) && source == IdentitySource::Container {
        return "its address is neither https nor one of this machine or of the link, or its token cannot be sent"
            .to_owned();
    }
    let shown: String = innermost(error).chars().filter(|one| !one.is_control()).collect();
    whole_words(shown.trim(), MAX_WORDS_CHARACTERS)
}

fn answer_of<E: ProvideErrorMetadata + StdError + 'static>(error: &(dyn StdError + 'static)) -> Option<String> {
    let SdkError::ServiceError(answer) = error.downcast_ref::<SdkError<E, HttpResponse>>()? else { return None };
    let code = answer.err().code().unwrap_or("no code");
    Some(format!("STS answered {} {code}", answer.raw().status().as_u16()))
}
