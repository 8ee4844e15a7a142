//! The S3 server, used through the same client that the product uses.

use std::time::Duration;

use aws_sdk_s3::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata,
    types::{CompletedMultipartUpload, CompletedPart},
};
use e2e::{
    process::{Output, Run},
    s3::S3Server,
};
use nix::sys::signal::Signal;

/// The smallest size of a part that is not the last.
const PART: usize = 5 * 1024 * 1024;

/// A client that tries once.
pub(crate) fn client(server: &S3Server, endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(server.access_key(), server.secret_key(), None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// The code of an S3 error, or what else went wrong.
pub(crate) fn code<T, E>(result: Result<T, E>) -> String
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match result {
        Ok(_) => "OK".to_owned(),
        Err(err) => err.code().map_or_else(|| format!("{err:?}"), str::to_owned),
    }
}

/// Sends a request that curl signs; older versions leave it to the caller to name the digest of the
/// body, here of none.
fn curl(user: &str, args: &[&str]) -> Output {
    const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let digest = format!("x-amz-content-sha256: {SHA256_OF_NOTHING}");
    let signed = ["-sS", "-w", "%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user, "-H", &digest];
    Run::program("/usr/bin/curl").args(signed).args(args).output()
}

#[test]
fn a_wrong_signature_is_refused_and_a_right_one_served() {
    let server = S3Server::start();
    server.write("a", "content");
    let url = format!("{}/{}/a", server.endpoint(), server.bucket());
    let get = |secret: &str| curl(&format!("{}:{secret}", server.access_key()), &[&url]).stdout;
    assert_eq!(get(server.secret_key()), "content200");
    let refused = get("wrong");
    assert!(refused.contains("SignatureDoesNotMatch") && refused.ends_with("403"), "{refused}");
    let anonymous = Run::program("/usr/bin/curl").args(["-sS", &url]).output().stdout;
    assert!(anonymous.contains("AccessDenied"), "{anonymous}");
}

#[tokio::test]
async fn objects_come_back_under_strange_keys() {
    let server = S3Server::start();
    let (s3, bucket) = (client(&server, &server.endpoint()), server.bucket());
    let long = format!("p/{}/{}.dump", "%C3%BC".repeat(40), "~".repeat(200));
    let keys = ["p/plain", "p/~til%de+plus &x=y", "p/ünïcode", "p/a/b", "p/a-b", long.as_str()];
    for key in keys {
        s3.put_object().bucket(bucket).key(key).body(key.as_bytes().to_vec().into()).send().await.unwrap();
        let body = s3.get_object().bucket(bucket).key(key).send().await.unwrap().body;
        assert_eq!(body.collect().await.unwrap().to_vec(), key.as_bytes());
        assert_eq!(server.read(key), key.as_bytes());
    }
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(server.objects().into_keys().collect::<Vec<_>>(), sorted);

    let (mut listed, mut token) = (Vec::new(), None);
    loop {
        let page = s3.list_objects_v2().bucket(bucket).prefix("p/").max_keys(2).set_continuation_token(token);
        let page = page.send().await.unwrap();
        assert!(page.contents().len() <= 2);
        listed.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        token = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() != Some(true) {
            break;
        }
    }
    assert_eq!(listed, sorted);
    let folded = s3.list_objects_v2().bucket(bucket).prefix("p/").delimiter("/").send().await.unwrap();
    assert_eq!(folded.common_prefixes().len(), 2);

    s3.delete_object().bucket(bucket).key(&long).send().await.unwrap();
    s3.delete_object().bucket(bucket).key(&long).send().await.unwrap();
    server.delete("p/a/b");
    assert_eq!(server.objects().len(), 4);
}

#[tokio::test]
async fn conditions_digests_and_ranges_are_honoured() {
    let server = S3Server::start();
    let (s3, bucket) = (client(&server, &server.endpoint()), server.bucket());
    let put = |key: &'static str| s3.put_object().bucket(bucket).key(key).body(b"0123456789".to_vec().into());
    assert_eq!(code(put("a").if_none_match("*").send().await), "OK");
    assert_eq!(code(put("a").if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(code(put("bad").content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await), "BadDigest");
    assert_eq!(code(put("bad").checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(server.objects().into_keys().collect::<Vec<_>>(), ["a"]);

    let get = || s3.get_object().bucket(bucket).key("a");
    let part = get().range("bytes=3-5").send().await.unwrap();
    assert_eq!(part.content_range(), Some("bytes 3-5/10"));
    let etag = part.e_tag().unwrap().to_owned();
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"345");
    assert_eq!(code(get().range("bytes=10-").send().await), "InvalidRange");
    assert_eq!(code(get().if_match(&etag).send().await), "OK");
    server.write("a", "9876543210");
    assert_eq!(code(get().if_match(&etag).send().await), "PreconditionFailed");
    assert_eq!(code(s3.get_object().bucket(bucket).key("none").send().await), "NoSuchKey");
    assert_eq!(code(s3.get_object().bucket("none").key("a").send().await), "NoSuchBucket");
}

fn completed(parts: &[(i32, &str)]) -> CompletedMultipartUpload {
    let parts = parts.iter().map(|(number, etag)| CompletedPart::builder().part_number(*number).e_tag(*etag).build());
    CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build()
}

#[tokio::test]
async fn multipart_uploads_end_in_an_object_or_in_nothing() {
    let server = S3Server::start();
    let (s3, bucket) = (client(&server, &server.endpoint()), server.bucket());
    let created = s3.create_multipart_upload().bucket(bucket).key("big").send().await.unwrap();
    let id = created.upload_id().unwrap();
    let part = |number: i32, content: Vec<u8>| {
        let part = s3.upload_part().bucket(bucket).key("big").upload_id(id).part_number(number);
        async move { part.body(content.into()).send().await.unwrap().e_tag().unwrap().to_owned() }
    };
    let complete = |parts: CompletedMultipartUpload| {
        s3.complete_multipart_upload().bucket(bucket).key("big").upload_id(id).multipart_upload(parts)
    };
    let (one, two) = (part(1, vec![1; PART]).await, part(2, vec![2; 3]).await);
    assert_eq!(server.open_uploads(), 1);
    let listed = s3.list_multipart_uploads().bucket(bucket).prefix("b").send().await.unwrap();
    assert_eq!(listed.uploads()[0].upload_id(), Some(id));
    assert_eq!(code(complete(completed(&[(2, &two), (1, &one)])).send().await), "InvalidPartOrder");
    assert_eq!(code(complete(completed(&[(1, &two)])).send().await), "InvalidPart");
    assert_eq!(code(complete(completed(&[(1, &one), (2, &two)])).if_none_match("*").send().await), "OK");
    assert_eq!(code(complete(completed(&[(1, &one), (2, &two)])).send().await), "NoSuchUpload");
    assert_eq!(server.read("big"), [vec![1; PART], vec![2; 3]].concat());
    assert_eq!(server.open_uploads(), 0);

    let created = s3.create_multipart_upload().bucket(bucket).key("no").send().await.unwrap();
    let id = created.upload_id().unwrap();
    let part = s3.upload_part().bucket(bucket).key("no").upload_id(id).part_number(1).body(vec![0; 9].into());
    part.send().await.unwrap();
    let abort = || s3.abort_multipart_upload().bucket(bucket).key("no").upload_id(id);
    assert_eq!(code(abort().send().await), "OK");
    assert_eq!(code(abort().send().await), "NoSuchUpload");
    assert_eq!((server.open_uploads(), server.objects().len()), (0, 1));
    let left = std::fs::read_dir(server.root().join(".work")).unwrap().count();
    assert_eq!(left, 0, "parts remain");
}

#[test]
fn the_program_serves_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let args = ["--root", root, "--access-key", "AK", "--secret-key", "SK", "--bucket", "demo"];
    let mut program = Run::new("s3-server").args(args).spawn();
    let line = program.wait_for_line("listening on ", Duration::from_secs(10));
    let url = format!("{}/demo/dir/file", line.strip_prefix("listening on ").unwrap());
    let output = curl("AK:SK", &["-X", "PUT", "-H", "Content-Length: 0", &url]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "200"), "{}", output.stderr);
    assert_eq!(std::fs::read(folder.path().join("demo/dir/file")).unwrap(), b"");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait(Duration::from_secs(10)).code, Some(0));
}
