//! Which S3 operation a request is.

use std::{collections::BTreeMap, time::Instant};

use hyper::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// The operations that a backup tool may use, and those that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `PUT key`
    PutObject,
    /// `POST key?uploads`
    CreateMultipartUpload,
    /// `PUT key?partNumber=N&uploadId=U`
    UploadPart,
    /// `POST key?uploadId=U`
    CompleteMultipartUpload,
    /// `DELETE key?uploadId=U`
    AbortMultipartUpload,
    /// `GET bucket?list-type=2`
    ListObjectsV2,
    /// `DELETE key`
    DeleteObject,
    /// `GET key`
    GetObject,
    /// `HEAD key`
    HeadObject,
    /// `HEAD bucket`
    HeadBucket,
    /// `GET bucket?uploads`
    ListMultipartUploads,
    /// `GET key?uploadId=U`
    ListParts,
    /// `POST bucket?delete`
    DeleteObjects,
    /// Anything else.
    Other,
    /// In rules only: every operation.
    Any,
}

impl Operation {
    /// Whether a rule or policy about `self` applies to a request that is `actual`.
    pub(super) fn covers(self, actual: Self) -> bool {
        self == Self::Any || self == actual
    }

    fn of(method: &Method, has_key: bool, query: &BTreeMap<String, String>) -> Self {
        let has = |name: &str| query.contains_key(name);
        match (method.as_str(), has_key) {
            ("PUT", true) if has("partNumber") && has("uploadId") => Self::UploadPart,
            ("PUT", true) if query.keys().all(|name| name == "x-id") => Self::PutObject,
            ("POST", true) if has("uploads") => Self::CreateMultipartUpload,
            ("POST", true) if has("uploadId") => Self::CompleteMultipartUpload,
            ("DELETE", true) if has("uploadId") => Self::AbortMultipartUpload,
            ("DELETE", true) => Self::DeleteObject,
            ("GET", true) if has("uploadId") => Self::ListParts,
            ("GET", true) => Self::GetObject,
            ("HEAD", true) => Self::HeadObject,
            ("HEAD", false) => Self::HeadBucket,
            ("GET", false) if has("uploads") => Self::ListMultipartUploads,
            ("GET", false) if has("list-type") => Self::ListObjectsV2,
            ("POST", false) if has("delete") => Self::DeleteObjects,
            _ => Self::Other,
        }
    }
}

/// One request that came to the proxy, in the order of arrival, and what became of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What kind of request it is.
    pub operation: Operation,
    /// The HTTP method.
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The key without encoding; empty for operations on the bucket.
    pub key: String,
    /// The query by name, without encoding; a name alone has an empty value.
    pub query: BTreeMap<String, String>,
    /// Every header by its name in lower case.
    pub headers: BTreeMap<String, String>,
    /// How many bytes of the body the proxy has read until now.
    pub body_bytes: u64,
    /// The status that was sent back, if any was.
    pub status: Option<u16>,
    /// Whether a rule of the test touched it.
    pub faulted: bool,
    /// When its head had arrived.
    pub at: Instant,
}

impl Recorded {
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query: BTreeMap<_, _> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let key = uri.path().trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            operation: Operation::of(method, !key.is_empty(), &query),
            method: method.to_string(),
            path: uri.path().to_owned(),
            key: decode(key),
            query,
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body_bytes: 0,
            status: None,
            faulted: false,
            at: Instant::now(),
        }
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
