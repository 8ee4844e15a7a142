//! What signs requests to a store: keys that were given, or keys that an identity of this process is lent for a while.

mod identity;
mod lease;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

pub use identity::{Identity, IdentitySource};

pub(super) use identity::NoCredentials;

use crate::live_secret::LiveSecret;

/// What signs requests.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Keys that were given.
    Keys(Keys),
    /// Keys that are lent, and renewed before they expire.
    Identity(Identity),
}

/// An access key with its secret, each of which may be in a file that is replaced.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Access key.
    pub access_key_id: LiveSecret,
    /// Secret key.
    pub secret_access_key: LiveSecret,
    /// Token of temporary credentials.
    pub session_token: Option<LiveSecret>,
}

impl Credentials {
    /// For the SDK, which asks before each request.
    pub(super) fn provider(&self) -> SharedCredentialsProvider {
        match self {
            Self::Keys(keys) => SharedCredentialsProvider::new(keys.clone()),
            Self::Identity(identity) => SharedCredentialsProvider::new(identity.clone()),
        }
    }

    /// The store has refused what signs requests: if it can be renewed, it is, before the next request.
    pub(super) fn doubt(&self) {
        match self {
            Self::Keys(_) => {}
            Self::Identity(identity) => identity.doubt(),
        }
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.for_sdk()))
    }
}

impl Keys {
    fn for_sdk(&self) -> aws_sdk_s3::config::Credentials {
        aws_sdk_s3::config::Credentials::new(
            self.access_key_id.now().expose(),
            self.secret_access_key.now().expose(),
            self.session_token.as_ref().map(|token| token.now().expose().to_owned()),
            None,
            "environment",
        )
    }
}
