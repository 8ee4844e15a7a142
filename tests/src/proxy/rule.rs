//! Rules: which requests are hurt, and how.

use std::{fmt, sync::Arc, time::Duration};

use super::operation::{Operation, Recorded};

/// What happens to a request that a rule applies to.
#[derive(Clone)]
pub enum Fault {
    /// The body is read, nothing is forwarded, and this status comes back.
    Status {
        /// The HTTP status.
        status: u16,
        /// The code of the XML error; without one the answer has no body at all.
        code: Option<&'static str>,
        /// The `Retry-After` header in seconds.
        retry_after_seconds: Option<u32>,
    },
    /// The body is read, nothing is forwarded, and 200 comes back with an XML error of this code.
    OkWithError(&'static str),
    /// The request is forwarded only after this time.
    Delay(Duration),
    /// The connection is reset as soon as the head has arrived; nothing is forwarded.
    CutBeforeReply,
    /// The request takes effect, then the connection is reset in place of an answer.
    DropReply,
    /// The body is read, nothing is forwarded, and no answer ever comes.
    BlackHole,
    /// The body is not even read, so that the sender's buffers fill up.
    StallRead,
    /// Bodies in both directions pass at this speed, and each of them stops once after its first
    /// bytes.
    Throttle {
        /// The speed in each direction; at least 1.
        bytes_per_second: u64,
        /// How long each body stops.
        pause: Duration,
    },
    /// The head and the first half of the answer's body arrive, then the connection ends.
    TruncateReply,
    /// The head and this many bytes of the answer's body arrive, then the connection ends.
    CutReplyAfter(u64),
    /// The answer's body is replaced by what the function makes of it.
    RewriteBody(Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>),
    /// The answer has this header, whether it had one of that name before or not.
    SetReplyHeader(&'static str, String),
}

impl Fault {
    /// An XML error: a status and its S3 code.
    pub fn status(status: u16, code: &'static str) -> Self {
        Self::Status { status, code: Some(code), retry_after_seconds: None }
    }

    /// A status without a body, as load balancers send it.
    pub fn bare_status(status: u16) -> Self {
        Self::Status { status, code: None, retry_after_seconds: None }
    }

    /// A function for the answer's body.
    pub fn rewrite(function: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::RewriteBody(Arc::new(function))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Status { status, code, .. } => return write!(f, "Status({status}, {code:?})"),
            Self::OkWithError(code) => return write!(f, "OkWithError({code})"),
            Self::Delay(time) => return write!(f, "Delay({time:?})"),
            Self::CutReplyAfter(bytes) => return write!(f, "CutReplyAfter({bytes})"),
            Self::SetReplyHeader(name, value) => return write!(f, "SetReplyHeader({name}: {value})"),
            Self::CutBeforeReply => "CutBeforeReply",
            Self::DropReply => "DropReply",
            Self::BlackHole => "BlackHole",
            Self::StallRead => "StallRead",
            Self::Throttle { .. } => "Throttle",
            Self::TruncateReply => "TruncateReply",
            Self::RewriteBody(_) => "RewriteBody",
        };
        f.write_str(name)
    }
}

/// How often a rule applies, counted over the requests that match it.
#[derive(Clone, Copy, Debug)]
enum Times {
    Always,
    First(u32),
    Only(u32),
}

/// A fault and the requests that it is for.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Operation,
    key_part: String,
    times: Times,
    seen: u32,
    fault: Fault,
}

impl Rule {
    /// Applies `fault` to every request that is `operation`.
    pub fn new(operation: Operation, fault: Fault) -> Self {
        Self { operation, key_part: String::new(), times: Times::Always, seen: 0, fault }
    }

    /// Only if the key contains `part`. For listings: if their prefix does.
    #[must_use]
    pub fn key(mut self, part: &str) -> Self {
        part.clone_into(&mut self.key_part);
        self
    }

    /// Only the first `count` of the matching requests.
    #[must_use]
    pub fn first(mut self, count: u32) -> Self {
        self.times = Times::First(count);
        self
    }

    /// Only the matching request with this number, counted from 1.
    #[must_use]
    pub fn nth(mut self, number: u32) -> Self {
        self.times = Times::Only(number);
        self
    }

    /// The fault for this request, which is counted if it matches.
    pub(super) fn apply(&mut self, request: &Recorded) -> Option<Fault> {
        let name = match request.query.get("prefix") {
            Some(prefix) if request.key.is_empty() => prefix,
            _ => &request.key,
        };
        if !self.operation.covers(request.operation) || !name.contains(&self.key_part) {
            return None;
        }
        self.seen += 1;
        let applies = match self.times {
            Times::Always => true,
            Times::First(count) => self.seen <= count,
            Times::Only(number) => self.seen == number,
        };
        applies.then(|| self.fault.clone())
    }
}
