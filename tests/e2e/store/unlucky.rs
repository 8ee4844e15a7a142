//! One unlucky answer among thousands costs a request, at most a run, and never the night.

use std::io::{Read, Write};
use std::net::TcpListener;

use e2e::proxy::{Fault, Operation, Rule};

use super::{assert_exactly_one_backup, assert_exit, in_parts, large_stand};
use crate::stand::Stand;

/// R118: each once in the middle of an upload, all in one run; none of them costs more than its request.
#[test]
fn an_answer_that_may_be_an_accident_costs_one_request_r118() {
    let stand = large_stand();
    let statuses = [507, 509, 520, 522, 524, 529, 598].map(Fault::bare_status);
    let damaged = ["BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "ExpiredToken"]
        .map(|code| Fault::status(400, code));
    let refused = [Fault::bare_status(401), Fault::status(403, "AccessDenied")];
    let faults = [&statuses[..], &damaged, &refused].concat();
    for fault in &faults {
        stand.proxy.rule(Rule::new(Operation::UploadPart, fault.clone()).first(1));
    }
    for operation in [Operation::CompleteMultipartUpload, Operation::CreateMultipartUpload] {
        stand.proxy.rule(Rule::new(operation, Fault::bare_status(401)).first(1));
    }
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(403, "AccessDenied")).key("manifest.json").first(1));
    let output = in_parts(&stand).env("RETRY_ATTEMPTS", "20").output();
    assert_exit(&output, 0);
    assert!(!output.stderr.contains("backup failed"), "the run was repeated: {}", output.stderr);
    let hurt = stand.proxy.requests().into_iter().filter(|request| request.faulted).count();
    assert_eq!(hurt, faults.len() + 3);
    assert_exactly_one_backup(&stand);
}

/// The upload cannot be saved, the night can.
#[test]
fn a_lost_upload_costs_one_run() {
    for (operation, fault) in [
        (Operation::CompleteMultipartUpload, Fault::status(400, "InvalidPart")),
        (Operation::UploadPart, Fault::status(404, "NoSuchUpload")),
    ] {
        let stand = large_stand();
        stand.proxy.rule(Rule::new(operation, fault).first(1));
        let output = in_parts(&stand).output();
        assert_exit(&output, 0);
        assert!(output.stderr.contains("the store has lost the upload of"), "{}", output.stderr);
        assert_eq!(output.stderr.matches("backup failed for a reason that may pass").count(), 1, "{}", output.stderr);
        assert_exactly_one_backup(&stand);
    }
}

/// R116: credentials that are refused from the first request on are final, before the database was asked to dump.
#[test]
fn credentials_that_never_worked_are_refused_once_and_before_the_dump_r116() {
    for (status, code) in [(401, "Unauthorized"), (403, "InvalidAccessKeyId"), (400, "ExpiredToken")] {
        let stand = Stand::with_rows(100);
        stand.proxy.rule(Rule::new(Operation::ListObjectsV2, Fault::status(status, code)));
        let output = stand.run();
        assert_exit(&output, 1);
        assert!(output.stderr.contains("reach the bucket") && output.stderr.contains(code), "{}", output.stderr);
        assert!(!output.stderr.contains("\"dumping\""), "{}", output.stderr);
        assert_eq!(stand.proxy.requests_of(Operation::ListObjectsV2).len(), 1);
        assert!(stand.proxy.requests_of(Operation::PutObject).is_empty());
    }
}

/// R116: the answer names the region, and so does the message; a full bucket is no lack of rights.
#[test]
fn a_message_says_what_the_answer_says_r116() {
    let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting \
                  'eu-central-1'</Message><Region>eu-central-1</Region></Error>";
    let full = "<Error><Code>QuotaExceeded</Code><Message>The bucket has reached its quota</Message></Error>";
    for (status, body, said, unsaid) in [
        ("400 Bad Request", region, "the bucket is in region eu-central-1", "s3:PutObject"),
        ("403 Forbidden", full, "raise its quota", "s3:PutObject"),
    ] {
        let stand = Stand::new();
        let output = stand.backup().args(["run"]).env("S3_ENDPOINT", answering(status, body)).output();
        assert_exit(&output, 1);
        assert!(output.stderr.contains(said) && !output.stderr.contains(unsaid), "{}", output.stderr);
    }
}

/// Answers that are kept in memory have a bound, for any length that they announce.
#[test]
fn an_answer_without_an_end_is_not_read_to_it() {
    for status in ["200 OK", "500 Internal Server Error"] {
        let stand = Stand::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let most = std::thread::spawn(move || endless(&listener, status));
        let run = stand.backup().args(["list"]).env("S3_ENDPOINT", &endpoint).env("RETRY_ATTEMPTS", "1");
        let output = run.output();
        assert_exit(&output, 1);
        assert!(output.stderr.contains("no end within 16 MiB"), "{}", output.stderr);
        let sent_mib = most.join().unwrap() >> 20;
        assert!(sent_mib < 64, "{sent_mib} MiB were taken");
    }
}

/// Answers one request until its bytes are no longer read, with half a gigabyte at most; how many bytes could be sent.
fn endless(listener: &TcpListener, status: &str) -> usize {
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = [0; 8192];
    assert!(stream.read(&mut head).unwrap() > 0);
    let begin = format!("HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n<Error><Code>");
    stream.write_all(begin.as_bytes()).unwrap();
    let piece = vec![b'x'; 1 << 20];
    (0..512).take_while(|_| stream.write_all(&piece).is_ok()).count() << 20
}

/// The endpoint of a server that answers everything with this, for as long as the test runs.
fn answering(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 8192];
            if stream.read(&mut head).unwrap_or(0) > 0 {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n");
                let answer = format!("{head}Connection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    endpoint
}
