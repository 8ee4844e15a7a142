//! What the answers of stores mean, by status and code.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::clock::Clock;
use super::credentials::NoCredentials;
use super::fault::{Refusal, StoreError, find, innermost};
use super::{ObjectKey, Operation};
use crate::proxies;

/// Codes that pass, under any HTTP status (S3 answers 200 with an error inside). Some say that
/// bytes were damaged or lost on their way, the rest that the store is busy or broken. `ConnectionClosed` and
/// `DisconnectError` are Wasabi's, with 410.
const PASSING_CODES: [&str; 20] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "ConnectionClosed",
    "DisconnectError",
    "IncompleteBody",
    "InternalError",
    "InternalServerError",
    "OperationAborted",
    "PriorRequestNotComplete",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
];

/// Codes with which stores refuse a header that they do not know, `If-None-Match` above all.
const UNSUPPORTED_CODES: [&str; 3] = ["InvalidArgument", "InvalidRequest", "NotImplemented"];

/// Refuses what was signed at another time than the store's, which allows fifteen minutes.
const TOO_SKEWED: &str = "RequestTimeTooSkewed";

/// Codes that refuse the credentials themselves.
const CREDENTIALS_CODES: [&str; 8] = [
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestExpired",
    TOO_SKEWED,
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Words in the codes of stores that are full, each of which has its own: `QuotaExceeded`,
/// `XMinioAdminBucketQuotaExceeded`, `StorageLimitExceeded`.
const FULL_WORDS: [&str; 4] = ["Quota", "StorageLimit", "StorageFull", "InsufficientStorage"];

/// The status of WebDAV (RFC 4918) that stores send if their disks are full.
const INSUFFICIENT_STORAGE: u16 = 507;

/// Maximum characters of a code. S3's own have 40 at most.
const MAX_CODE_CHARACTERS: usize = 64;

/// Said if a proxy refuses the login.
const PROXY_LOGIN: &str =
    "cannot reach the store: the proxy refuses the login; check the user and the password in HTTPS_PROXY";

const FULL_HINT: &str = "the bucket or the account is full: raise its quota, or keep fewer backups";

impl StoreError {
    /// What a request failed with.
    pub(super) fn from_sdk<E>(operation: Operation, key: &ObjectKey, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let passing = |reason, retry_after| Self::Passing { operation, key: key.clone(), reason, retry_after };
        if let Some(none) = find::<NoCredentials>(&error) {
            let refusal = Refusal::Credentials;
            return Self::Permanent { operation, key: key.clone(), reason: none.to_string(), refusal };
        }
        match &error {
            SdkError::ServiceError(service) => answered(operation, key, service.err(), service.raw()),
            SdkError::DispatchFailure(failure) => {
                let reason = innermost(&error);
                if proxies::wants_login(&error) {
                    let reason = PROXY_LOGIN.to_owned();
                    return Self::Permanent { operation, key: key.clone(), reason, refusal: Refusal::Unsent };
                }
                if let Some(words) = proxies::tunnel_error(&error) {
                    // The innermost error is why the proxy itself cannot be reached, if that is so.
                    let words = if reason.contains(&words) { words } else { format!("{words}: {reason}") };
                    return passing(format!("cannot reach the store through the proxy of HTTPS_PROXY: {words}"), None);
                }
                if failure.is_user() || is_certificate_problem(&reason) {
                    let reason = format!("{reason}; {}", certificate_hint(&reason));
                    return Self::Permanent { operation, key: key.clone(), reason, refusal: Refusal::Unsent };
                }
                passing(format!("cannot reach the store: {reason}"), None)
            }
            SdkError::ResponseError(_) => passing(format!("the answer is not usable: {}", innermost(&error)), None),
            SdkError::TimeoutError(_) => passing(format!("no answer: {}", innermost(&error)), None),
            _ => {
                let reason = format!("the request cannot be made: {}", innermost(&error));
                Self::Permanent { operation, key: key.clone(), reason, refusal: Refusal::Unsent }
            }
        }
    }
}

/// The error that an answer amounts to.
fn answered<E: ProvideErrorMetadata>(
    operation: Operation,
    key: &ObjectKey,
    error: &E,
    raw: &HttpResponse,
) -> StoreError {
    let answer = Answer::of(error, raw);
    let (status, code) = (answer.status, answer.code);
    let mut reason = answer.words();
    match status {
        412 if operation == Operation::Read => return StoreError::changed(key),
        412 => return StoreError::AlreadyExists(key.clone()),
        416 if operation == Operation::Read => return StoreError::damaged(key, "is shorter than the backup says"),
        501 => return StoreError::Unsupported { operation, key: key.clone(), reason },
        400 if UNSUPPORTED_CODES.contains(&code) => {
            return StoreError::Unsupported { operation, key: key.clone(), reason };
        }
        404 if code == "NoSuchKey" => return StoreError::NotFound(key.clone()),
        _ if matches!(code, "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder") => {
            return StoreError::LostUpload { key: key.clone(), reason };
        }
        _ => {}
    }
    if passes(status, code) {
        if is_full(status, code) {
            reason.push_str("; ");
            reason.push_str(FULL_HINT);
        }
        return StoreError::Passing { operation, key: key.clone(), reason, retry_after: answer.retry_after };
    }
    let difference = if code == TOO_SKEWED { Clock::told_by(raw).difference() } else { None };
    let hint = difference.or_else(|| hint(operation, status, code).map(str::to_owned));
    for hint in [hint, answer.place()].into_iter().flatten() {
        reason.push_str("; ");
        reason.push_str(&hint);
    }
    StoreError::Permanent { operation, key: key.clone(), reason, refusal: refusal(status, code) }
}

/// Whether the same request may succeed later. Gateways in front of stores have statuses of their own (507, 509, 520 to
/// 529, 598); of all from 500 on, only 501 and 505 say that the request itself is the reason.
fn passes(status: u16, code: &str) -> bool {
    match status {
        200 | 408 | 425 | 429 => true,
        501 | 505 => false,
        500.. => true,
        _ => PASSING_CODES.contains(&code),
    }
}

fn refusal(status: u16, code: &str) -> Refusal {
    match status {
        _ if is_full(status, code) => Refusal::Full,
        401 => Refusal::Credentials,
        _ if CREDENTIALS_CODES.contains(&code) => Refusal::Credentials,
        _ => Refusal::Request,
    }
}

fn is_full(status: u16, code: &str) -> bool {
    status == INSUFFICIENT_STORAGE || FULL_WORDS.iter().any(|word| code.contains(word))
}

/// What to do about an answer. A code that says something else gets no hint about rights.
fn hint(operation: Operation, status: u16, code: &str) -> Option<&'static str> {
    match (status, code) {
        (status, code) if is_full(status, code) => Some(FULL_HINT),
        (_, "NoSuchBucket" | "InvalidBucketName") => Some("check S3_BUCKET and S3_ENDPOINT"),
        (_, "InvalidAccessKeyId") => Some("check S3_ACCESS_KEY_ID"),
        (_, "SignatureDoesNotMatch") => Some("check S3_SECRET_ACCESS_KEY and S3_REGION"),
        (_, "ExpiredToken" | "InvalidToken" | "RequestExpired" | "TokenRefreshRequired") => Some(
            "the temporary credentials have ended: if they were given, renew S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and \
             S3_SESSION_TOKEN",
        ),
        (_, TOO_SKEWED) => Some("the clock of this machine is wrong"),
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect") | (301 | 307 | 308, _) => {
            Some("check S3_REGION and S3_ENDPOINT")
        }
        (_, "EntityTooLarge") => Some("the store takes no parts of this size: set PART_SIZE to smaller ones"),
        (_, "InvalidObjectState") => Some("the object is archived: bring it back from its storage class first"),
        (_, "AccountProblem" | "AllAccessDisabled" | "NotSignedUp" | "UserSuspended" | "AccountSuspended") => {
            Some("the account cannot be used: ask its provider")
        }
        (_, code) if code.starts_with("KMS") => Some("the key that encrypts the bucket cannot be used: see its policy"),
        (407, _) => Some("the proxy refuses the login; check the user and the password in HTTP_PROXY"),
        (401, _) => Some("check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"),
        (403, "AccessDenied" | "AccessForbidden" | "Forbidden" | "UnauthorizedAccess" | NO_CODE) => {
            Some(rights(operation))
        }
        (404, _) => Some("check S3_BUCKET and S3_FORCE_PATH_STYLE"),
        (405, _) => Some("check S3_ENDPOINT: what answers there does not know this request of S3"),
        _ => None,
    }
}

fn rights(operation: Operation) -> &'static str {
    match operation {
        // Without s3:ListBucket, a missing object is a 403, too.
        Operation::Read => "the credentials need s3:GetObject and s3:ListBucket on the bucket and prefix",
        Operation::AbortUpload => "the credentials lack s3:AbortMultipartUpload on the prefix",
        Operation::ListUploads => "the credentials lack s3:ListBucketMultipartUploads on the bucket",
        _ => "the credentials need s3:PutObject, s3:ListBucket and s3:DeleteObject on the bucket and prefix",
    }
}

/// Whether it can be a code, and no text of any length that a store makes up.
fn is_code(text: &str) -> bool {
    text.len() <= MAX_CODE_CHARACTERS && text.chars().all(|one| one.is_ascii_alphanumeric() || "._-".contains(one))
}

/// Stands for a code if an answer has none, or something else in its place.
const NO_CODE: &str = "no code";

/// What is read of an answer.
struct Answer<'answer> {
    status: u16,
    code: &'answer str,
    request_id: &'answer str,
    retry_after: Option<Duration>,
    /// Where the bucket is, if the answer says so.
    region: Option<&'answer str>,
    endpoint: Option<&'answer str>,
}

impl<'answer> Answer<'answer> {
    fn of<E: ProvideErrorMetadata>(error: &'answer E, raw: &'answer HttpResponse) -> Self {
        let header = |name| raw.headers().get(name).filter(|value| value.len() < 100);
        let body = raw.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
        Self {
            status: raw.status().as_u16(),
            code: error.code().filter(|code| is_code(code)).unwrap_or(NO_CODE),
            request_id: header("x-amz-request-id").unwrap_or("none"),
            retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
            region: header("x-amz-bucket-region").filter(|text| is_name(text)).or_else(|| element(body, "Region")),
            endpoint: element(body, "Endpoint"),
        }
    }

    /// `the store answered 403 QuotaExceeded (request id 7)`. Never the message: stores echo credentials in it.
    fn words(&self) -> String {
        let Self { status, code, request_id, .. } = self;
        format!("the store answered {status} {code} (request id {request_id})")
    }

    /// Where the bucket is.
    fn place(&self) -> Option<String> {
        match (self.region, self.endpoint) {
            (Some(region), _) => Some(format!("the bucket is in region {region}")),
            (None, Some(endpoint)) => Some(format!("the bucket is at {endpoint}")),
            (None, None) => None,
        }
    }
}

/// The text of the first element of this name, if it is a name of a region or a host.
fn element<'body>(body: &'body str, name: &str) -> Option<&'body str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    is_name(text).then_some(text)
}

fn is_name(text: &str) -> bool {
    (1..100).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_from_500_on_passes_but_two_r118() {
        for status in 500..=599 {
            assert_eq!(passes(status, NO_CODE), !matches!(status, 501 | 505), "{status}");
        }
        for (status, code) in [(400, "BadDigest"), (400, "IncompleteBody"), (400, "XAmzContentSHA256Mismatch")] {
            assert!(passes(status, code), "{code}");
        }
        for (status, code) in [(403, "AccessDenied"), (404, NO_CODE), (400, "EntityTooLarge"), (401, NO_CODE)] {
            assert!(!passes(status, code), "{status} {code}");
        }
    }

    #[test]
    fn a_hint_says_nothing_that_the_answer_does_not_say() {
        let hint = |status, code| hint(Operation::UploadPart, status, code).unwrap_or_default();
        assert!(hint(403, "AccessDenied").contains("s3:PutObject"));
        for code in ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "StorageLimitExceeded"] {
            assert!(hint(403, code).contains("raise its quota"), "{code}");
        }
        assert_eq!(hint(403, "SomethingNew"), "");
        assert!(hint(401, NO_CODE).contains("S3_SECRET_ACCESS_KEY"));
        assert!(hint(403, "AccountProblem").contains("provider"));
    }

    #[test]
    fn regions_are_read_out_of_answers_and_nothing_else_is() {
        let region = |body| element(body, "Region");
        assert_eq!(region("<Error><Code>x</Code><Region>eu-central-1</Region></Error>"), Some("eu-central-1"));
        assert_eq!(region("<Error><Region></Region></Error>"), None);
        assert_eq!(region("<Error><Region>a b</Region></Error>"), None);
        assert_eq!(region("<Error><Region>eu-central-1"), None);
    }
}
