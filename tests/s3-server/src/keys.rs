//! Who is let in: the one user, and keys that are lent for a while, as STS and metadata services do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    s3_error,
};

/// One access key.
#[derive(Clone)]
struct Key {
    secret: String,
    /// What every request has to bring along.
    session_token: Option<String>,
    /// From then on it is refused.
    expires_at: Option<SystemTime>,
    requests: usize,
}

/// All keys that are let in.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<Mutex<BTreeMap<String, Key>>>);

impl Keys {
    /// Lets a key in, in place of one with the same id.
    pub(crate) fn add(&self, id: &str, secret: &str, lent: Option<(&str, SystemTime)>) {
        let (session_token, expires_at) = lent.map(|(token, until)| (token.to_owned(), until)).unzip();
        self.all().insert(id.to_owned(), Key { secret: secret.to_owned(), session_token, expires_at, requests: 0 });
    }

    /// Lets a key in no more.
    pub(crate) fn remove(&self, id: &str) {
        self.all().remove(id);
    }

    /// How many requests each key has signed.
    pub(crate) fn requests(&self) -> BTreeMap<String, usize> {
        self.all().iter().map(|(id, key)| (id.clone(), key.requests)).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let all = self.all();
        let key = all.get(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(SecretKey::from(key.secret.clone()))
    }
}

#[async_trait::async_trait]
impl S3Access for Keys {
    /// After the signature was found to be good.
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(id) = context.credentials().map(|credentials| credentials.access_key.clone()) else {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        };
        let token = context.headers().get("x-amz-security-token").and_then(|token| token.to_str().ok());
        let mut all = self.all();
        let key = all.get_mut(&id).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        if key.session_token.as_deref() != token {
            return Err(s3_error!(InvalidToken));
        }
        if key.expires_at.is_some_and(|expires_at| expires_at <= SystemTime::now()) {
            return Err(s3_error!(ExpiredToken));
        }
        key.requests += 1;
        Ok(())
    }
}
