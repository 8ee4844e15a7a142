//! Where requests go, by each form in which an endpoint and a bucket can be written.

use e2e::http_proxy::HttpProxy;

use crate::stand::Stand;

/// The URL of the first request to the bucket `name` at `endpoint`, as a proxy sees it.
fn first_url(stand: &Stand, endpoint: &str, name: &str, style: &str) -> String {
    let proxy = HttpProxy::start(stand.s3.port(), None);
    let run = stand.backup().env("S3_ENDPOINT", endpoint).env("S3_BUCKET", name).env("S3_FORCE_PATH_STYLE", style);
    // Most of these names are not known to the server: what counts is what it was asked.
    run.env("HTTP_PROXY", proxy.url("")).env("RETRY_ATTEMPTS", "1").args(["list"]).output();
    let asked = proxy.asked();
    asked.first().unwrap_or_else(|| panic!("{endpoint} {name}: nothing was asked")).clone()
}

#[test]
fn each_form_of_endpoint_and_bucket_leads_to_the_bucket_r117() {
    let stand = Stand::new();
    for (endpoint, bucket, style, url) in [
        ("http://s3.test", "backups", "true", "http://s3.test/backups/"),
        ("http://s3.test/", "backups", "true", "http://s3.test/backups/"),
        ("http://s3.test:9000", "backups", "true", "http://s3.test:9000/backups/"),
        ("http://s3.test:9000/behind/a/path/", "backups", "true", "http://s3.test:9000/behind/a/path/backups/"),
        ("http://[2001:db8::1]:9000", "backups", "true", "http://[2001:db8::1]:9000/backups/"),
        ("http://10.1.2.3", "backups", "true", "http://10.1.2.3/backups/"),
        ("http://s3.test", "with.dots", "true", "http://s3.test/with.dots/"),
        ("http://s3.test:9000", "backups", "false", "http://backups.s3.test:9000/"),
        ("http://s3.test", "with.dots", "false", "http://with.dots.s3.test/"),
    ] {
        assert_eq!(first_url(&stand, endpoint, bucket, style), format!("GET {url}"), "{endpoint} {bucket} {style}");
    }
    // Without a word about the style: the path, as every store knows it.
    let output = stand.backup().env("S3_ENDPOINT", format!("{}/", stand.s3.endpoint())).args(["list"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
