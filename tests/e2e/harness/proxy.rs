//! Each fault and each policy of the proxy.

use std::time::{Duration, Instant};

use aws_sdk_s3::{Client, config::timeout::TimeoutConfig};
use e2e::{
    process::wait_until,
    proxy::{B2_REJECTS, Fault, FaultProxy, NOT_FOR_BACKUP, Operation, RGW_REJECTS, Rule},
    s3::S3Server,
};

use super::s3::{client, code};

const SOON: Duration = Duration::from_secs(10);

/// A server, a proxy before it, and a client of the proxy that tries once and waits for a second.
struct Stand {
    server: S3Server,
    proxy: FaultProxy,
    s3: Client,
}

impl Stand {
    fn new() -> Self {
        let server = S3Server::start();
        let proxy = FaultProxy::start(&server);
        let patient = client(&server, &proxy.endpoint());
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(1)).build();
        let config = patient.config().to_builder().timeout_config(timeouts).build();
        Self { server, proxy, s3: Client::from_conf(config) }
    }

    async fn put(&self, key: &str, bytes: usize) -> String {
        let body = vec![7; bytes].into();
        code(self.s3.put_object().bucket(self.server.bucket()).key(key).body(body).send().await)
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        let reply = self.s3.get_object().bucket(self.server.bucket()).key(key).send().await;
        let body = reply.map_err(|err| code::<(), _>(Err(err)))?.body;
        Ok(body.collect().await.map_err(|err| format!("{err:?}"))?.to_vec())
    }

    /// What a put of `key` ends with when `fault` strikes it.
    async fn put_with(&self, key: &str, fault: Fault) -> String {
        self.proxy.rule(Rule::new(Operation::PutObject, fault).key(key));
        self.put(key, 1000).await
    }

    fn has(&self, key: &str) -> bool {
        self.server.objects().contains_key(key)
    }
}

#[tokio::test]
async fn without_rules_it_only_records() {
    let stand = Stand::new();
    assert_eq!(stand.put("dir/a~b ü", 300_000).await, "OK");
    assert_eq!(stand.get("dir/a~b ü").await.unwrap().len(), 300_000);
    let list = stand.s3.list_objects_v2().bucket(stand.server.bucket()).prefix("dir/");
    assert_eq!(list.send().await.unwrap().key_count(), Some(1));
    let seen = stand.proxy.requests();
    let operations: Vec<Operation> = seen.iter().map(|request| request.operation).collect();
    assert_eq!(operations, [Operation::PutObject, Operation::GetObject, Operation::ListObjectsV2]);
    assert_eq!((seen[0].key.as_str(), seen[0].status, seen[0].faulted), ("dir/a~b ü", Some(200), false));
    assert!(seen[0].body_bytes >= 300_000 && seen[0].header("authorization").is_some());
    assert_eq!(seen[2].query["prefix"], "dir/");
}

#[tokio::test]
async fn statuses_are_answered_for_as_often_as_asked() {
    let stand = Stand::new();
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(503, "SlowDown")).key("a").first(2));
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::bare_status(429)).key("b").nth(2));
    for (key, expected) in [("a", "SlowDown"), ("a", "SlowDown"), ("a", "OK"), ("b", "OK")] {
        assert_eq!(stand.put(key, 10).await, expected);
    }
    stand.put("b", 10).await;
    let statuses: Vec<_> = stand.proxy.requests().iter().map(|request| request.status.unwrap()).collect();
    assert_eq!(statuses, [503, 503, 200, 200, 429]);
    let late = Fault::Status { status: 503, code: None, retry_after_seconds: Some(7) };
    stand.proxy.rule(Rule::new(Operation::Any, late));
    assert!(stand.put("c", 10).await.contains("\"7\""), "Retry-After is shown in the raw answer");
    stand.proxy.clear_rules();
    assert_eq!(stand.put("c", 10).await, "OK");
}

#[tokio::test]
async fn a_success_can_carry_an_error() {
    let stand = Stand::new();
    stand.put_with("a", Fault::OkWithError("InternalError")).await;
    assert_eq!(stand.proxy.requests()[0].status, Some(200));
    assert!(!stand.has("a"));
}

#[tokio::test]
async fn connections_are_cut_before_or_after_the_effect() {
    let stand = Stand::new();
    for (key, fault, stored) in [("before", Fault::CutBeforeReply, false), ("after", Fault::DropReply, true)] {
        let error = stand.put_with(key, fault).await;
        assert!(error.contains("DispatchFailure"), "{key}: {error}");
        assert_eq!(stand.has(key), stored, "{key}");
    }
    assert!(stand.proxy.requests().iter().all(|request| request.status.is_none() && request.faulted));
}

#[tokio::test]
async fn silence_lasts_until_the_client_gives_up() {
    let stand = Stand::new();
    for (key, fault) in [("hole", Fault::BlackHole), ("stall", Fault::StallRead)] {
        let error = stand.put_with(key, fault).await;
        assert!(error.contains("TimeoutError"), "{key}: {error}");
        assert!(!stand.has(key));
    }
    let seen = stand.proxy.requests();
    assert_eq!((seen[0].body_bytes, seen[1].body_bytes), (1000, 0));
}

#[tokio::test]
async fn delays_and_slow_links_take_their_time() {
    let stand = Stand::new();
    let started = Instant::now();
    assert_eq!(stand.put_with("late", Fault::Delay(Duration::from_millis(400))).await, "OK");
    assert!(started.elapsed() > Duration::from_millis(400));

    let slow = Fault::Throttle { bytes_per_second: 500_000, pause: Duration::from_millis(300) };
    stand.proxy.rule(Rule::new(Operation::Any, slow));
    let started = Instant::now();
    assert_eq!(stand.put("slow", 200_000).await, "OK");
    assert!(started.elapsed() > Duration::from_millis(690), "{:?}", started.elapsed());
    let started = Instant::now();
    assert_eq!(stand.get("slow").await.unwrap().len(), 200_000);
    assert!(started.elapsed() > Duration::from_millis(690), "{:?}", started.elapsed());
}

#[tokio::test]
async fn answers_are_truncated_and_rewritten() {
    let stand = Stand::new();
    stand.server.write("a", vec![1; 200_000]);
    let get = |fault: Fault| Rule::new(Operation::GetObject, fault).first(1);
    stand.proxy.rule(get(Fault::TruncateReply));
    let error = stand.get("a").await.unwrap_err();
    assert!(error.contains("UnexpectedEof"), "{error}");
    assert_eq!(stand.proxy.requests()[0].status, Some(200));
    stand.proxy.rule(get(Fault::CutReplyAfter(150_000)));
    assert!(stand.get("a").await.is_err());
    stand.proxy.rule(get(Fault::rewrite(|body| body[..5].to_vec())));
    assert_eq!(stand.get("a").await.unwrap(), [1; 5]);
    stand.proxy.rule(get(Fault::SetReplyHeader("date", "Thu, 01 Jan 2037 00:00:00 GMT".to_owned())));
    assert_eq!(stand.get("a").await.unwrap().len(), 200_000);
}

#[tokio::test]
async fn a_cut_answer_delivers_what_came_before() {
    let stand = Stand::new();
    stand.server.write("a", vec![1; 200_000]);
    stand.proxy.rule(Rule::new(Operation::GetObject, Fault::CutReplyAfter(150_000)));
    let mut body = stand.s3.get_object().bucket(stand.server.bucket()).key("a").send().await.unwrap().body;
    let mut bytes = 0;
    while let Some(Ok(chunk)) = body.next().await {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 150_000);
}

#[tokio::test]
async fn denied_operations_are_denied() {
    let stand = Stand::new();
    stand.proxy.deny(NOT_FOR_BACKUP);
    assert_eq!(stand.put("a", 10).await, "OK");
    assert_eq!(stand.get("a").await.unwrap_err(), "AccessDenied");
    let bucket = stand.server.bucket();
    assert_eq!(code(stand.s3.list_multipart_uploads().bucket(bucket).send().await), "AccessDenied");
    assert_eq!(code(stand.s3.list_objects_v2().bucket(bucket).send().await), "OK");
    assert_eq!(code(stand.s3.delete_object().bucket(bucket).key("a").send().await), "OK");
}

#[tokio::test]
async fn other_stores_refuse_what_they_refuse() {
    let stand = Stand::new();
    let bucket = stand.server.bucket();
    let put = || stand.s3.put_object().bucket(bucket).key("a").body(vec![1].into());
    stand.proxy.reject_if_none_match(501);
    assert_eq!(code(put().if_none_match("*").send().await), "NotImplemented");
    assert_eq!(code(put().send().await), "OK");
    stand.proxy.require_digest();
    stand.proxy.require_content_length();
    stand.proxy.require_one_checksum();
    stand.proxy.reject_headers(RGW_REJECTS);
    // The SDK sends a CRC32 by default, in a header because the body is in memory.
    assert_eq!(code(put().send().await), "OK");
    stand.proxy.reject_headers(B2_REJECTS);
    assert_eq!(code(put().send().await), "InvalidArgument");
    assert_eq!(code(stand.s3.list_objects_v2().bucket(bucket).send().await), "OK");
}

#[tokio::test]
async fn signatures_are_judged_by_their_headers_and_their_region() {
    let stand = Stand::new();
    stand.proxy.require_region(&["us-east-1"]);
    stand.proxy.reject_signed("user-agent");
    assert_eq!(stand.put("a", 10).await, "OK");
    stand.proxy.reject_signed("host");
    assert_eq!(stand.put("a", 10).await, "SignatureDoesNotMatch");
    let first = Stand::new();
    first.proxy.require_region(&["auto"]);
    assert_eq!(first.put("a", 10).await, "AuthorizationHeaderMalformed");
}

#[tokio::test]
async fn connections_that_are_lost_swallow_what_comes() {
    let stand = Stand::new();
    assert_eq!(stand.put("a", 10).await, "OK");
    stand.proxy.lose_connections();
    let error = stand.put("b", 10).await;
    assert!(error.contains("Timeout") && !stand.has("b"), "{error}");
    // The client has given that one up and opens another.
    assert_eq!(stand.put("c", 10).await, "OK");
    let swallowed: Vec<bool> = stand.proxy.requests().iter().map(|request| request.faulted).collect();
    assert_eq!(swallowed, [false, true, false]);
}

#[tokio::test]
async fn parts_are_counted_and_measured() {
    let stand = Stand::new();
    stand.proxy.max_parts(3);
    stand.proxy.require_equal_parts();
    let bucket = stand.server.bucket();
    for (sizes, expected) in [
        ([5 << 20, 5 << 20, 9], "OK"),
        ([6 << 20, 5 << 20, 9], "InvalidPart"),
        ([5 << 20, 5 << 20, 6 << 20], "InvalidPart"),
    ] {
        let created = stand.s3.create_multipart_upload().bucket(bucket).key("k").send().await.unwrap();
        let id = created.upload_id().unwrap();
        let upload = |number: i32, bytes: usize| {
            let part = stand.s3.upload_part().bucket(bucket).key("k").upload_id(id).part_number(number);
            part.body(vec![3; bytes].into()).send()
        };
        let mut parts = aws_sdk_s3::types::CompletedMultipartUpload::builder();
        for (number, bytes) in (1..).zip(sizes) {
            let etag = upload(number, bytes).await.unwrap().e_tag().unwrap().to_owned();
            parts = parts.parts(aws_sdk_s3::types::CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        assert_eq!(code(upload(4, 1).await), "InvalidArgument");
        let complete = stand.s3.complete_multipart_upload().bucket(bucket).key("k").upload_id(id);
        assert_eq!(code(complete.multipart_upload(parts.build()).send().await), expected, "{sizes:?}");
    }
    assert_eq!(stand.server.open_uploads(), 2);
}

#[test]
fn a_dead_server_is_a_cut_connection() {
    let server = S3Server::start();
    let proxy = FaultProxy::start(&server);
    drop(server);
    let port = proxy.port();
    assert!(wait_until(SOON, || e2e::process::http_get(port, "/backups/a").is_err()));
}
