//! TLS to the store: whose certificate is believed.

use e2e::certificates::{Authority, Validity};
use e2e::process::Run;
use e2e::tls_front::TlsFront;

use crate::stand::Stand;

/// `backup` that reaches the store of `stand` through TLS.
fn through(stand: &Stand, endpoint: &str, authority: Option<&Authority>) -> Run {
    let run = stand.backup().env("S3_ENDPOINT", endpoint).env("RETRY_ATTEMPTS", "2");
    match authority {
        Some(authority) => run.env("S3_CA_CERT", authority.certificate()),
        None => run,
    }
}

#[track_caller]
fn assert_refused(stand: &Stand, endpoint: &str, authority: Option<&Authority>, words: &[&str]) {
    let before = stand.s3.objects();
    let output = through(stand, endpoint, authority).args(["run"]).output();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is missing in {}", output.stderr);
    }
    // A certificate does not get better by being looked at twice.
    assert!(!output.stderr.contains("trying again"), "{}", output.stderr);
    stand.assert_no_commit(&before);
}

#[test]
fn a_store_with_an_authority_of_its_own_is_believed_by_s3_ca_cert_alone_r084() {
    let stand = Stand::with_rows(10);
    let (authority, other) = (Authority::create(), Authority::create());
    let front = TlsFront::start(stand.s3.port(), &authority.issue("DNS:localhost", Validity::Now));
    let endpoint = front.endpoint("localhost");
    let output = through(&stand, &endpoint, Some(&authority)).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(stand.manifests().len(), 1);
    let by_alias = through(&stand, &endpoint, None).env("AWS_CA_BUNDLE", authority.certificate()).args(["list"]);
    assert_eq!(by_alias.output().code, Some(0));

    let hint = "give its own by S3_CA_CERT";
    assert_refused(&stand, &endpoint, None, &["UnknownIssuer", hint]);
    // It has the name of the right authority, and another key.
    assert_refused(&stand, &endpoint, Some(&other), &["BadSignature", hint]);
    let verify = Run::new("verify").envs(stand.s3.env_through(&endpoint)).env("RETRY_DELAY", "0").args(["list"]);
    let output = verify.output();
    assert_eq!(output.code, Some(4), "{}", output.stderr);
    assert!(output.stderr.contains("UnknownIssuer"), "{}", output.stderr);
}

#[test]
fn an_expired_certificate_and_one_for_another_name_are_refused_with_the_cause_r084() {
    let stand = Stand::with_rows(10);
    let authority = Authority::create();
    let expired = TlsFront::start(stand.s3.port(), &authority.issue("DNS:localhost", Validity::Over));
    std::thread::sleep(std::time::Duration::from_secs(2)); // It was valid for the second of its making.
    assert_refused(&stand, &expired.endpoint("localhost"), Some(&authority), &["expired", "renew the certificate"]);
    let wrong = TlsFront::start(stand.s3.port(), &authority.issue("DNS:store.invalid", Validity::Now));
    let words = ["not valid for name", "store.invalid", "set S3_ENDPOINT to a name"];
    assert_refused(&stand, &wrong.endpoint("localhost"), Some(&authority), &words);
}

#[test]
fn a_file_that_holds_no_certificate_stops_the_start_r084() {
    let stand = Stand::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "qzxwvk7jyqpgz9").unwrap();
    for (path, words) in [(file.path().to_str().unwrap(), "no usable certificate"), ("/nowhere", "cannot be read")] {
        let output = stand.backup().env("S3_CA_CERT", path).args(["list"]).output();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(output.stderr.contains("S3_CA_CERT: the file that it names") && output.stderr.contains(words));
        assert!(!output.stderr.contains("qzxw"), "{}", output.stderr);
    }
}

#[test]
fn plain_http_to_a_public_address_warns_at_each_start_and_to_a_private_one_never_r084() {
    let stand = Stand::with_rows(10);
    let warns = |endpoint: &str| {
        let run = stand.backup().env("S3_ENDPOINT", endpoint).env("S3_CONNECT_TIMEOUT", "1");
        let run = run.env("RETRY_ATTEMPTS", "1").env("BACKUP_TIMEOUT", "1").args(["run"]);
        run.output().stderr.contains("plain http to a public address")
    };
    assert!(warns("http://192.0.2.1:9000") && warns("http://store.invalid"));
    assert!(!warns(&stand.s3.endpoint()) && !warns("http://store.railway.internal") && !warns("https://store.invalid"));
}
