//! What can go wrong with a bucket, sorted by what a caller does about it.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::ObjectKey;

/// A request that failed. `Display` holds the store's code and request id, never its body, which
/// may echo credentials.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object or upload.
    #[error("{0} does not exist")]
    NotFound(ObjectKey),
    /// There is one, and it is not what it must be: it changed while it was read, or has another size.
    #[error("{key} {reason}")]
    Damaged {
        /// The object.
        key: ObjectKey,
        /// What is wrong with it, as the rest of a sentence.
        reason: String,
    },
    /// `If-None-Match: *` found an object.
    #[error("{0} exists already")]
    AlreadyExists(ObjectKey),
    /// The store does not know a part of the request: 501, or a 400 that does not say which.
    #[error("{operation} {key}: {reason}")]
    Unsupported {
        /// A verb.
        operation: &'static str,
        /// The object.
        key: ObjectKey,
        /// The store's words.
        reason: String,
    },
    /// May work when it is tried again.
    #[error("{operation} {key}: {reason}")]
    Passing {
        /// A verb.
        operation: &'static str,
        /// The object, or the start of a listing.
        key: ObjectKey,
        /// The store's or the network's words.
        reason: String,
        /// How long the store asks to wait.
        retry_after: Option<Duration>,
    },
    /// Will not work until somebody changes something.
    #[error("{operation} {key}: {reason}")]
    Permanent {
        /// A verb.
        operation: &'static str,
        /// The object, or the start of a listing.
        key: ObjectKey,
        /// The store's words and a hint.
        reason: String,
        /// Whether the store said 403.
        denied: bool,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Passing { .. } => true,
            Self::NotFound(_)
            | Self::Damaged { .. }
            | Self::AlreadyExists(_)
            | Self::Unsupported { .. }
            | Self::Permanent { .. } => false,
        }
    }

    /// Whether the store did its part, and it is the object that is missing or wrong.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Damaged { .. })
    }

    /// Whether the credentials lack a permission.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Permanent { denied: true, .. })
    }

    pub(super) fn broken_listing(key: &ObjectKey, reason: &str) -> Self {
        let reason = format!("the listing is not usable: {reason}");
        Self::Permanent { operation: "list", key: key.clone(), reason, denied: false }
    }

    pub(super) fn damaged(key: &ObjectKey, reason: impl Into<String>) -> Self {
        Self::Damaged { key: key.clone(), reason: reason.into() }
    }

    pub(super) fn changed(key: &ObjectKey) -> Self {
        Self::damaged(key, "changed while it was read; objects of a backup are never overwritten")
    }

    /// The answer to a read broke off, or is not the answer to what was asked.
    pub(super) fn broken_answer(key: &ObjectKey, reason: impl std::fmt::Display) -> Self {
        let reason = format!("the answer is not usable: {reason}");
        Self::Passing { operation: READ, key: key.clone(), reason, retry_after: None }
    }

    pub(super) fn timed_out(operation: &'static str, key: &ObjectKey, timeout: Duration) -> Self {
        let reason = format!("no answer within {} s", timeout.as_secs());
        Self::Passing { operation, key: key.clone(), reason, retry_after: None }
    }

    pub(super) fn from_sdk<E>(operation: &'static str, key: &ObjectKey, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let passing = |reason, retry_after| Self::Passing { operation, key: key.clone(), reason, retry_after };
        match &error {
            SdkError::ServiceError(service) => answered(operation, key, service.err(), service.raw()),
            SdkError::DispatchFailure(failure) => {
                let reason = innermost(&error);
                if failure.is_user() || is_certificate_problem(&reason) {
                    let reason = format!("{reason}; {}", certificate_hint(&reason));
                    return Self::Permanent { operation, key: key.clone(), reason, denied: false };
                }
                passing(format!("cannot reach the store: {reason}"), None)
            }
            SdkError::ResponseError(_) => passing(format!("the answer is not usable: {}", innermost(&error)), None),
            SdkError::TimeoutError(_) => passing(format!("no answer: {}", innermost(&error)), None),
            _ => {
                let reason = format!("the request cannot be made: {}", innermost(&error));
                Self::Permanent { operation, key: key.clone(), reason, denied: false }
            }
        }
    }
}

/// The operation that needs other permissions than the rest, and whose conditions mean something else.
pub(super) const READ: &str = "read";

/// Codes that pass, whatever the HTTP status that carries them (S3 answers 200 with an error inside).
const PASSING_CODES: [&str; 8] = [
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownWrite",
    "Throttling",
    "TooManyRequests",
];

/// Codes with which stores refuse a header that they do not know, `If-None-Match` above all.
const UNSUPPORTED_CODES: [&str; 3] = ["InvalidArgument", "InvalidRequest", "NotImplemented"];

fn answered<E: ProvideErrorMetadata>(
    operation: &'static str,
    key: &ObjectKey,
    error: &E,
    raw: &HttpResponse,
) -> StoreError {
    let status = raw.status().as_u16();
    let code = error.code().unwrap_or("no code");
    let header = |name| raw.headers().get(name).filter(|value| value.len() < 100);
    let request_id = header("x-amz-request-id").unwrap_or("none");
    let mut reason = format!("the store answered {status} {code} (request id {request_id})");
    let conditional_conflict = status == 409 && code == "ConditionalRequestConflict";
    match status {
        412 if operation == READ => return StoreError::changed(key),
        412 => return StoreError::AlreadyExists(key.clone()),
        416 if operation == READ => return StoreError::damaged(key, "is shorter than the backup says"),
        501 => return StoreError::Unsupported { operation, key: key.clone(), reason },
        400 if UNSUPPORTED_CODES.contains(&code) => {
            return StoreError::Unsupported { operation, key: key.clone(), reason };
        }
        404 if matches!(code, "NoSuchKey" | "NoSuchUpload") => return StoreError::NotFound(key.clone()),
        _ => {}
    }
    let passing_status = matches!(status, 200 | 408 | 425 | 429 | 500 | 502 | 503 | 504);
    if passing_status || conditional_conflict || PASSING_CODES.contains(&code) {
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        return StoreError::Passing { operation, key: key.clone(), reason, retry_after };
    }
    if let Some(hint) = hint(operation, status, code) {
        reason.push_str("; ");
        reason.push_str(hint);
    }
    if let Some(region) = header("x-amz-bucket-region") {
        reason.push_str(&format!("; the bucket is in region {region}"));
    }
    StoreError::Permanent { operation, key: key.clone(), reason, denied: status == 403 }
}

fn hint(operation: &str, status: u16, code: &str) -> Option<&'static str> {
    match (status, code) {
        (_, "NoSuchBucket") => Some("check S3_BUCKET and S3_ENDPOINT"),
        (_, "InvalidAccessKeyId") => Some("check S3_ACCESS_KEY_ID"),
        (_, "SignatureDoesNotMatch") => Some("check S3_SECRET_ACCESS_KEY and S3_REGION"),
        (_, "RequestTimeTooSkewed") => Some("the clock of this machine is wrong"),
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect") => {
            Some("check S3_REGION and S3_ENDPOINT")
        }
        // Without s3:ListBucket, a missing object is a 403, too.
        (403, _) if operation == READ => {
            Some("the credentials need s3:GetObject and s3:ListBucket on the bucket and prefix")
        }
        (403, _) => {
            Some("the credentials need s3:PutObject, s3:ListBucket and s3:DeleteObject on the bucket and prefix")
        }
        (301 | 307, _) => Some("check S3_REGION and S3_ENDPOINT"),
        (404, _) => Some("check S3_BUCKET and S3_FORCE_PATH_STYLE"),
        _ => None,
    }
}

/// The last link of a chain of errors is the one that says what happened: "connection refused".
pub(super) fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    for _ in 0..20 {
        match error.source() {
            Some(source) => error = source,
            None => break,
        }
    }
    error.to_string()
}

fn is_certificate_problem(reason: &str) -> bool {
    reason.contains("certificate") || reason.contains("UnknownIssuer")
}

/// What to do about a certificate, by the words of rustls.
fn certificate_hint(reason: &str) -> &'static str {
    if reason.contains("UnknownIssuer") || reason.contains("BadSignature") {
        "no authority that is trusted here has issued the store's certificate; give its own by S3_CA_CERT"
    } else if reason.contains("expired") || reason.contains("not valid before") {
        "renew the certificate of the store, or set the clock of this machine"
    } else if reason.contains("not valid for name") || reason.contains("NotValidForName") {
        "set S3_ENDPOINT to a name that the certificate of the store lists"
    } else {
        "check S3_ENDPOINT and the certificate of the store"
    }
}
