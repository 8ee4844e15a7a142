//! Policies: what stores other than AWS, or AWS under some policy, refuse.

use std::collections::BTreeMap;

use super::operation::{Operation, Recorded};

/// What the proxy refuses under any rules.
#[derive(Clone, Debug)]
pub(super) enum Policy {
    Deny(Vec<Operation>),
    EqualParts,
    MaxParts(u32),
    RejectHeaders(Vec<String>),
    RejectIfNoneMatch(u16),
    RequireIfNoneMatch,
    RejectSigned(&'static str),
    RequireRegion(Vec<&'static str>),
    RequireContentLength,
    RequireDigest,
    OneChecksum,
}

/// An error in the place of an answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// The size in bytes of every part that was stored, by upload and number.
pub(super) type PartSizes = BTreeMap<String, BTreeMap<u32, u64>>;

impl Policy {
    /// Why this request must not pass, if it must not.
    pub(super) fn refuse(&self, request: &Recorded, parts: &PartSizes) -> Option<Refusal> {
        let writes = matches!(request.operation, Operation::PutObject | Operation::UploadPart);
        match self {
            Self::Deny(operations) => {
                let denied = operations.iter().any(|operation| operation.covers(request.operation));
                denied.then(|| refusal(403, "AccessDenied", "Access Denied"))
            }
            Self::EqualParts => unequal(request, parts),
            Self::MaxParts(most) => {
                let number = part_number(request).filter(|number| number > most)?;
                Some(refusal(400, "InvalidArgument", format!("part number {number} exceeds {most}")))
            }
            Self::RejectHeaders(patterns) => patterns.iter().find_map(|pattern| rejected_header(request, pattern)),
            Self::RejectIfNoneMatch(status) => {
                request.header("if-none-match")?;
                Some(refusal(*status, "NotImplemented", "A header you provided is not implemented"))
            }
            Self::RequireIfNoneMatch => {
                let creates = matches!(request.operation, Operation::PutObject | Operation::CompleteMultipartUpload);
                let missing = creates && request.header("if-none-match").is_none();
                missing.then(|| refusal(403, "AccessDenied", "Access Denied"))
            }
            Self::RejectSigned(name) => {
                let names = between(request, "SignedHeaders=", ',')?;
                let message = "The request signature we calculated does not match the signature you provided.";
                names.split(';').any(|signed| signed == *name).then(|| refusal(403, "SignatureDoesNotMatch", message))
            }
            Self::RequireRegion(names) => {
                // Credential=key/date/region/s3/aws4_request
                let region = between(request, "Credential=", ',')?.split('/').nth(2)?;
                let expected = names.first()?;
                let message = format!("the region '{region}' is wrong; expecting '{expected}'");
                (!names.contains(&region)).then(|| refusal(400, "AuthorizationHeaderMalformed", message))
            }
            Self::RequireContentLength => {
                let missing = writes && request.header("content-length").is_none();
                missing.then(|| refusal(411, "MissingContentLength", "Content-Length is required"))
            }
            Self::RequireDigest => {
                let has = request.header("content-md5").is_some() || checksums(request) > 0;
                (writes && !has).then(|| refusal(400, "InvalidRequest", "Content-MD5 or x-amz-checksum is required"))
            }
            Self::OneChecksum => {
                let many = checksums(request) > 1;
                many.then(|| refusal(400, "InvalidRequest", "more than one checksum"))
            }
        }
    }
}

/// The part number of an `UploadPart`.
pub(super) fn part_number(request: &Recorded) -> Option<u32> {
    request.query.get("partNumber")?.parse().ok()
}

fn unequal(request: &Recorded, parts: &PartSizes) -> Option<Refusal> {
    if request.operation != Operation::CompleteMultipartUpload {
        return None;
    }
    let sizes: Vec<u64> = parts.get(request.query.get("uploadId")?)?.values().copied().collect();
    let (last, others) = sizes.split_last()?;
    let first = others.first()?;
    let equal = others.iter().all(|size| size == first) && last <= first;
    (!equal).then(|| refusal(400, "InvalidPart", "all non-trailing parts must have the same length"))
}

/// Finds a header by `pattern`: the beginning of its name, or `name: part of its value`.
fn rejected_header(request: &Recorded, pattern: &str) -> Option<Refusal> {
    let found = match pattern.split_once(": ") {
        Some((name, part)) => request.header(name).filter(|value| value.contains(part)).map(|_| name),
        None => request.headers.keys().find(|name| name.starts_with(pattern)).map(String::as_str),
    };
    let name = found?;
    Some(refusal(400, "InvalidArgument", format!("Unsupported header '{name}' received for this API call.")))
}

/// The text of the signature from `begin` to `end`.
fn between<'a>(request: &'a Recorded, begin: &str, end: char) -> Option<&'a str> {
    request.header("authorization")?.split_once(begin)?.1.split(end).next()
}

fn checksums(request: &Recorded) -> usize {
    let names = request.headers.keys().filter(|name| name.starts_with("x-amz-checksum-"));
    names.filter(|name| !["x-amz-checksum-mode", "x-amz-checksum-type"].contains(&name.as_str())).count()
}

fn refusal(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, code, message: message.into() }
}
