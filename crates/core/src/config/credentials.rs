//! What signs requests to the bucket: given keys, or an identity that the environment names.

use std::path::{Path, PathBuf};

use rand::Rng;

use super::Settings;
use crate::proxies::Proxies;
use crate::secret::Secret;
use crate::storage::{Authorities, Credentials, Identity, IdentitySource, Keys};

/// Minimum length of `RECORD_KEY`.
const MIN_RECORD_KEY_CHARACTERS: usize = 16;

/// What is to be done about a bucket without keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// What the environment names, without asking the network whether there is something.
    Auto,
    /// The metadata service of the machine as well.
    Instance,
}

/// Said if there is nothing at all, beside the name of the variable that is missing.
const NOTHING: &str = "is not set, and no identity takes its place: there is no AWS_WEB_IDENTITY_TOKEN_FILE, no \
                       AWS_CONTAINER_CREDENTIALS_FULL_URI, no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, no AWS_PROFILE and no \
                       file of profiles; for the role of an EC2 instance, set S3_CREDENTIALS=instance";

impl Settings {
    /// Credentials of the bucket; `None` if something is missing or wrong, which is noted then.
    pub(super) fn credentials(
        &mut self,
        region: &str,
        authorities: &Authorities,
        proxies: &Proxies,
    ) -> Option<Credentials> {
        let wish = self.choice("S3_CREDENTIALS", [("auto", Wish::Auto), ("instance", Wish::Instance)]);
        match (self.live_secret("S3_ACCESS_KEY_ID"), self.live_secret("S3_SECRET_ACCESS_KEY")) {
            (Some(_), _) | (_, Some(_)) if wish == Wish::Instance => {
                self.reject("S3_CREDENTIALS", "is instance, and keys are set; keep one of them");
                None
            }
            (Some(access_key_id), Some(secret_access_key)) => {
                let session_token = self.live_secret("S3_SESSION_TOKEN");
                Some(Credentials::Keys(Keys { access_key_id, secret_access_key, session_token }))
            }
            (Some(_), None) => self.missing("S3_SECRET_ACCESS_KEY", "is not set"),
            (None, Some(_)) => self.missing("S3_ACCESS_KEY_ID", "is not set"),
            (None, None) if self.is_set("S3_SESSION_TOKEN") => {
                self.missing("S3_ACCESS_KEY_ID", "is not set, and S3_SESSION_TOKEN is")
            }
            (None, None) => {
                let sources = self.identity_sources(wish)?;
                Some(Credentials::Identity(Identity::new(&sources, region, authorities, proxies)))
            }
        }
    }

    /// By which a service knows after a restart what it has written; that must be a secret of this service which stays.
    pub(super) fn record_secret(&mut self, credentials: &Credentials) -> Secret {
        match (self.secret("RECORD_KEY"), credentials) {
            (Some(given), _) => {
                if given.expose().chars().count() < MIN_RECORD_KEY_CHARACTERS {
                    self.reject(
                        "RECORD_KEY",
                        format!(
                            "is shorter than {MIN_RECORD_KEY_CHARACTERS} characters; `openssl rand -hex 32` makes a good one"
                        ),
                    );
                }
                given
            }
            (None, Credentials::Keys(keys)) => keys.secret_access_key.last(),
            (None, Credentials::Identity(_)) => {
                self.warn(
                    "the bucket is reached by an identity, and RECORD_KEY is not set: what this service has written in \
                     the bucket about messages and drills does not count after a restart",
                );
                Secret::new(hex::encode(rand::rng().random::<[u8; 32]>()))
            }
        }
    }

    fn missing(&mut self, name: &str, message: &str) -> Option<Credentials> {
        self.reject(name, message);
        None
    }

    /// What the environment names; `None` if that is nothing or not enough, which is noted then.
    fn identity_sources(&mut self, wish: Wish) -> Option<Vec<IdentitySource>> {
        let has = |name| self.of_platform(name).is_some();
        let has_token = has("AWS_WEB_IDENTITY_TOKEN_FILE");
        let found = [
            (has_token, IdentitySource::WebIdentity),
            (
                has("AWS_CONTAINER_CREDENTIALS_FULL_URI") || has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
                IdentitySource::Container,
            ),
            (has("AWS_PROFILE") || self.has_profiles(), IdentitySource::Profile),
            (wish == Wish::Instance, IdentitySource::Instance),
        ];
        let has_role = has("AWS_ROLE_ARN");
        let sources: Vec<_> = found.into_iter().filter(|(is_there, _)| *is_there).map(|(_, source)| source).collect();
        if sources.is_empty() {
            self.reject("S3_ACCESS_KEY_ID", NOTHING);
            self.reject("S3_SECRET_ACCESS_KEY", "is not set");
            return None;
        }
        if has_token && !has_role {
            self.reject("AWS_ROLE_ARN", "is not set, and AWS_WEB_IDENTITY_TOKEN_FILE is");
            return None;
        }
        Some(sources)
    }

    /// Whether there is a file of profiles, at the places where the AWS tools look for them.
    fn has_profiles(&self) -> bool {
        let home = self.of_platform("HOME").map(PathBuf::from).unwrap_or_default();
        let named = |variable, file| match self.of_platform(variable) {
            Some(path) => PathBuf::from(path),
            None => home.join(".aws").join(file),
        };
        let files = [named("AWS_SHARED_CREDENTIALS_FILE", "credentials"), named("AWS_CONFIG_FILE", "config")];
        files.iter().any(|path| path.is_absolute() && Path::is_file(path))
    }
}
