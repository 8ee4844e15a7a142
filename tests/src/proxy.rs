//! A proxy in front of an S3 server that records every request and breaks some of them.
//!
//! The service under test gets the proxy's address as its endpoint. Requests pass with their `Host`
//! header unchanged, so signatures stay valid. Only path-style addresses are understood.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use s3_server::{Background, ReceiveBuffer};

use crate::{process::assert_hides_every_secret, s3::S3Server};

use self::{
    policy::{PartSizes, Policy, Refusal},
    serve::READ_AHEAD_BYTES,
};

pub use self::{
    operation::{Operation, Recorded},
    rule::{Fault, Rule},
};

mod body;
mod operation;
mod policy;
mod rule;
mod serve;

/// What Backblaze B2 refuses, for [`FaultProxy::reject_headers`]: checksums, of which its pages on the SDKs of AWS say that
/// it does not yet accept them, and tags, which it "explicitly rejects".
/// <https://www.backblaze.com/docs/cloud-storage-use-the-aws-sdk-for-go-with-backblaze-b2>,
/// <https://www.backblaze.com/apidocs/s3-copy-object>
pub const B2_REJECTS: &[&str] = &["x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-tagging"];

/// What Google Cloud Storage cannot do with the headers of S3, for [`FaultProxy::reject_headers`]: checksums. What has
/// headers of both kinds is refused as well.
/// <https://github.com/aws/aws-sdk-go-v2/issues/1816>, <https://gitlab.com/gitlab-org/gitlab-ce/merge_requests/23858>
pub const GCS_REJECTS: &[&str] = &["x-amz-checksum-", "x-amz-sdk-checksum-algorithm", "x-amz-trailer", "x-goog-"];

/// What Ceph RGW and its relatives refuse, for [`FaultProxy::reject_headers`].
pub const RGW_REJECTS: &[&str] =
    &["content-encoding: aws-chunked", "x-amz-content-sha256: STREAMING-", "x-amz-trailer"];

/// All operations but those that the policy of `backup` allows: put, list and delete.
pub const NOT_FOR_BACKUP: &[Operation] = &[
    Operation::GetObject,
    Operation::HeadObject,
    Operation::HeadBucket,
    Operation::ListMultipartUploads,
    Operation::ListParts,
    Operation::AbortMultipartUpload,
    Operation::Other,
];

/// All operations but those that the policy of `verify` allows: get (which includes head) and list.
pub const NOT_FOR_VERIFY: &[Operation] = &[
    Operation::PutObject,
    Operation::CreateMultipartUpload,
    Operation::UploadPart,
    Operation::CompleteMultipartUpload,
    Operation::AbortMultipartUpload,
    Operation::ListMultipartUploads,
    Operation::ListParts,
    Operation::DeleteObject,
    Operation::DeleteObjects,
    Operation::Other,
];

/// A running proxy, stopped when dropped together with every request that still hangs in it.
pub struct FaultProxy {
    shared: Arc<Shared>,
    listener: Background,
}

impl FaultProxy {
    /// Starts a proxy in front of `server`. Without rules and policies it only records.
    pub fn start(server: &S3Server) -> Self {
        Self::start_to(SocketAddr::from(([127, 0, 0, 1], server.port())))
    }

    /// Starts a proxy in front of any HTTP server.
    pub fn start_to(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared { upstream, state: Mutex::default(), losses: AtomicUsize::new(0) });
        let served = Arc::clone(&shared);
        let buffer = ReceiveBuffer::Bytes(READ_AHEAD_BYTES);
        let listener = Background::listen(0, buffer, move |stream| {
            tokio::spawn(serve::connection(Arc::clone(&served), stream));
        });
        Self { shared, listener: listener.expect("start the proxy") }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The URL to use in the place of the server's.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Adds a rule. Of several that apply to a request, the one added first hurts it; the others do
    /// not count it.
    pub fn rule(&self, rule: Rule) {
        self.shared.state().rules.push(rule);
    }

    /// Removes all rules; policies stay.
    pub fn clear_rules(&self) {
        self.shared.state().rules.clear();
    }

    /// Removes all policies; rules stay.
    pub fn allow_everything(&self) {
        self.shared.state().policies.clear();
    }

    /// Every request until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().requests.clone()
    }

    /// The requests until now that were `operation`.
    pub fn requests_of(&self, operation: Operation) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| operation.covers(request.operation)).collect()
    }

    /// Answers 403 `AccessDenied` to these operations: see [`NOT_FOR_BACKUP`], [`NOT_FOR_VERIFY`].
    pub fn deny(&self, operations: &[Operation]) {
        self.policy(Policy::Deny(operations.to_vec()));
    }

    /// Refuses a completion with 400 `InvalidPart` unless all parts but the last have the same size
    /// and the last is not larger, as Cloudflare R2 does.
    pub fn require_equal_parts(&self) {
        self.policy(Policy::EqualParts);
    }

    /// Refuses part numbers above `most` with 400 `InvalidArgument`.
    pub fn max_parts(&self, most: u32) {
        self.policy(Policy::MaxParts(most));
    }

    /// Refuses with 400 `InvalidArgument` what has a header whose name begins with one of `patterns`,
    /// or for `name: part`, a header of that name whose value contains that part. All in lower case
    /// but the values. See [`B2_REJECTS`], [`RGW_REJECTS`].
    pub fn reject_headers(&self, patterns: &[&str]) {
        self.policy(Policy::RejectHeaders(patterns.iter().map(|text| (*text).to_owned()).collect()));
    }

    /// Refuses every `If-None-Match` with this status and `NotImplemented`.
    pub fn reject_if_none_match(&self, status: u16) {
        self.policy(Policy::RejectIfNoneMatch(status));
    }

    /// Answers 403 `AccessDenied` to everything that makes an object appear without `If-None-Match`, as AWS does
    /// under a bucket policy with the condition key `s3:if-none-match`.
    pub fn require_if_none_match(&self) {
        self.policy(Policy::RequireIfNoneMatch);
    }

    /// Refuses signatures that cover the header `name` with 403 `SignatureDoesNotMatch`, as a store does whose front end
    /// changes that header.
    pub fn reject_signed(&self, name: &'static str) {
        self.policy(Policy::RejectSigned(name));
    }

    /// Refuses signatures for any other region than these with 400 `AuthorizationHeaderMalformed`.
    pub fn require_region(&self, names: &[&'static str]) {
        self.policy(Policy::RequireRegion(names.to_vec()));
    }

    /// Loses every connection that is open now, as a router does that forgets them: what comes on them is swallowed, and
    /// neither an answer nor an end comes back. Such requests are recorded as faulted.
    pub fn lose_connections(&self) {
        self.shared.losses.fetch_add(1, Ordering::SeqCst);
    }

    /// Refuses bodies of unknown length with 411.
    pub fn require_content_length(&self) {
        self.policy(Policy::RequireContentLength);
    }

    /// Refuses bodies without `Content-MD5` or checksum with 400, as buckets with Object Lock do.
    pub fn require_digest(&self) {
        self.policy(Policy::RequireDigest);
    }

    /// Refuses more than one checksum in a request with 400.
    pub fn require_one_checksum(&self) {
        self.policy(Policy::OneChecksum);
    }

    fn policy(&self, policy: Policy) {
        self.shared.state().policies.push(policy);
    }
}

impl Drop for FaultProxy {
    /// What the service has sent must hold no secret, but for the access key in its signature.
    fn drop(&mut self) {
        for request in self.requests() {
            let names = ["authorization", "x-amz-security-token"];
            let headers = request.headers.iter().filter(|(name, _)| !names.contains(&name.as_str()));
            let shown: String = headers.map(|(name, value)| format!("{name}: {value}\n")).collect();
            assert_hides_every_secret("a request", &format!("{} {:?}\n{shown}", request.path, request.query));
        }
    }
}

/// What the connections of a proxy share.
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    /// How often all connections were lost.
    losses: AtomicUsize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    policies: Vec<Policy>,
    requests: Vec<Recorded>,
    parts: PartSizes,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request to the record and returns its place there.
    fn record(&self, request: Recorded) -> usize {
        let mut state = self.state();
        state.requests.push(request);
        state.requests.len() - 1
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.state().requests[index]);
    }

    fn losses(&self) -> usize {
        self.losses.load(Ordering::SeqCst)
    }

    fn refuse(&self, request: &Recorded) -> Option<Refusal> {
        let state = self.state();
        state.policies.iter().find_map(|policy| policy.refuse(request, &state.parts))
    }

    fn take_fault(&self, index: usize, request: &Recorded) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.rules.iter_mut().find_map(|rule| rule.apply(request));
        state.requests[index].faulted = fault.is_some();
        fault
    }

    /// Notes the size of the part that this request has stored, if it is about a part.
    fn remember_part(&self, index: usize) {
        let mut state = self.state();
        if let Some((upload, number, bytes)) = serve::stored_part(&state.requests[index]) {
            state.parts.entry(upload).or_default().insert(number, bytes);
        }
    }
}
