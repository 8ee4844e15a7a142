//! Keys that are lent: by STS, beside a container, and by the metadata service of an instance.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use e2e::identity::Lender;
use e2e::process::Run;
use e2e::proxy::{Fault, Operation, Rule};

use crate::stand::Stand;

/// `backup` for the database of `stand`, with `identity` in the place of keys.
fn with(stand: &Stand, identity: &[(&'static str, String)]) -> Run {
    let run = stand.backup().env_remove("S3_ACCESS_KEY_ID").env_remove("S3_SECRET_ACCESS_KEY");
    run.envs(identity.iter().map(|(name, value)| (*name, value.as_str())))
}

/// What a slow store takes its time for.
const SLOW: [Operation; 5] = [
    Operation::ListObjectsV2,
    Operation::CreateMultipartUpload,
    Operation::UploadPart,
    Operation::CompleteMultipartUpload,
    Operation::PutObject,
];

/// R161: the keys expire every few seconds while parts go out slowly, and each request is signed with good ones.
#[test]
fn keys_that_expire_during_an_upload_are_renewed_before_they_do_r161() {
    let stand = Stand::with_rows(250_000);
    let lender = Lender::start(&stand.s3, Duration::from_secs(5));
    for (name, identity) in
        [("web identity", lender.web_identity()), ("container", lender.container()), ("instance", lender.instance())]
    {
        let before = lender.lent();
        // Less than the quarter of a life in which keys are renewed: what is signed arrives with good ones.
        for operation in SLOW {
            stand.proxy.rule(Rule::new(operation, Fault::Delay(Duration::from_millis(800))));
        }
        let run = with(&stand, &identity).args(["run"]).env("COMPRESSION", "none").env("PART_SIZE", "5");
        let output = run.env("RETRY_ATTEMPTS", "1").output();
        assert_eq!(output.code, Some(0), "{name}: {}", output.stderr);
        assert!(output.stderr.contains(&format!("\"source\":\"{name}")), "{name}: {}", output.stderr);
        assert!(!output.stderr.contains("ExpiredToken"), "{name}: {}", output.stderr);
        let lent = lender.lent() - before;
        assert!((2..12).contains(&lent), "{name}: {lent} keys were lent");
        let used = stand.s3.requests_by_key();
        let used = used.iter().filter(|(id, requests)| id.starts_with("ASIALENT") && **requests > 0).count();
        assert!(used >= lender.lent() - 1, "{name}: of {} keys {used} were used", lender.lent());
        stand.proxy.clear_rules();
    }
    assert_eq!(stand.manifests().len(), 3);
    assert_eq!(stand.s3.requests_by_key()[stand.s3.access_key()], 0, "the given key was not given");
    // The second version of the service wants a session, and the first one is not asked.
    assert!(lender.asked().contains(&"PUT /latest/api/token".to_owned()), "{:?}", lender.asked());
}

/// A store that does not take a key which should be good gets another one: clocks differ, and roles are revoked.
#[test]
fn keys_that_the_store_refuses_are_renewed_r128() {
    let stand = Stand::with_rows(10);
    let lender = Lender::start(&stand.s3, Duration::from_secs(3600));
    stand.proxy.rule(Rule::new(Operation::PutObject, Fault::status(400, "ExpiredToken")).first(1));
    let output = with(&stand, &lender.web_identity()).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(lender.lent(), 2, "{}", output.stderr);
}

/// Commands of `verify` use the same credentials.
#[test]
fn verify_reads_with_lent_keys_r128() {
    let stand = Stand::with_rows(10);
    stand.run_ok();
    let lender = Lender::start(&stand.s3, Duration::from_secs(3600));
    let verify = Run::new("verify").envs(stand.s3.env()).env_remove("S3_ACCESS_KEY_ID");
    let verify = verify.env_remove("S3_SECRET_ACCESS_KEY").envs(lender.container()).args(["list"]);
    let output = verify.output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.contains(&stand.database.name), "{}", output.stdout);
}

/// R128: what cannot be had is an error within five seconds that says what was tried, and no secret.
#[test]
fn an_identity_that_lends_nothing_is_an_error_within_five_seconds_r128() {
    let stand = Stand::with_rows(10);
    let lender = Lender::start(&stand.s3, Duration::from_secs(3600));
    lender.refuse();
    let web = lender.web_identity();
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap(); // It accepts nothing and answers nothing.
    let deaf = format!("http://{}", deaf.local_addr().unwrap());
    let at = |name: &'static str, url: &str| (name, url.to_owned());
    let instance = vec![at("S3_CREDENTIALS", "instance"), at("AWS_EC2_METADATA_SERVICE_ENDPOINT", &deaf)];
    let container = vec![at("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/canary")];
    let silent = vec![at("AWS_CONTAINER_CREDENTIALS_FULL_URI", &deaf)];
    let no_file = vec![
        at("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
        at("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        at("AWS_ENDPOINT_URL_STS", &lender.url()),
    ];
    for (identity, words) in [
        (web, "tried web identity (AWS_WEB_IDENTITY_TOKEN_FILE): STS answered 400 InvalidIdentityToken"),
        (no_file, "tried web identity (AWS_WEB_IDENTITY_TOKEN_FILE): No such file or directory"),
        (container, "tried container credentials (AWS_CONTAINER_CREDENTIALS_...): its address is neither https nor"),
        (silent, "tried container credentials (AWS_CONTAINER_CREDENTIALS_...): no answer within 4 s"),
        (instance, "tried instance metadata (S3_CREDENTIALS=instance): "),
    ] {
        let started = Instant::now();
        let output = with(&stand, &identity).args(["run"]).env("RETRY_ATTEMPTS", "3").output();
        // The bound of 4 s stands in what is said; this one is for a machine on which a process waits for its turn.
        assert!(started.elapsed() < Duration::from_secs(30), "{words}: {:?}", started.elapsed());
        assert_eq!(output.code, Some(1), "{words}: {}", output.stderr);
        assert!(output.stderr.contains("there are no credentials for the bucket"), "{}", output.stderr);
        assert!(output.stderr.contains(words), "{words:?} is missing in {}", output.stderr);
        assert!(!output.stderr.contains("qzjwt") && !output.stderr.contains("canary"), "{}", output.stderr);
    }
    assert!(stand.manifests().is_empty());
}

/// R128: without keys and without an identity, the start ends at once and sends nothing.
#[test]
fn no_credentials_at_all_stop_the_start_with_what_was_looked_for_r128() {
    let stand = Stand::new();
    let started = Instant::now();
    let output = with(&stand, &[("HOME", "/nowhere".to_owned())]).args(["run"]).output();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    for words in ["S3_ACCESS_KEY_ID: is not set", "AWS_WEB_IDENTITY_TOKEN_FILE", "set S3_CREDENTIALS=instance"] {
        assert!(output.stderr.contains(words), "{words:?} is missing in {}", output.stderr);
    }
    assert!(stand.proxy.requests().is_empty());
}

/// A profile in the files of the AWS tools, as a person has one.
#[test]
fn a_profile_is_an_identity_too() {
    let stand = Stand::with_rows(10);
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let keys = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = wrong\n[mine]\naws_access_key_id = {0}\n\
         aws_secret_access_key = {}\n",
        stand.s3.access_key(),
        stand.s3.secret_key()
    );
    std::fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    let home = ("HOME", home.path().to_str().unwrap().to_owned());
    let run = |profile: &str| with(&stand, &[home.clone(), ("AWS_PROFILE", profile.to_owned())]).args(["run"]).output();
    let output = run("mine");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let output = run("other");
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("tried profile (AWS_PROFILE): "), "{}", output.stderr);
    assert!(run("default").stderr.contains("SignatureDoesNotMatch"));
}
