//! An HTTP proxy between the services and what they reach by HTTP.

use e2e::certificates::{Authority, Validity};
use e2e::http_proxy::HttpProxy;
use e2e::process::Run;
use e2e::receiver::Receiver;
use e2e::tls_front::TlsFront;

use crate::stand::Stand;

/// User and password, with signs that a URL does not hold as they are.
const LOGIN: &str = "someone:qz@proxy/canary7";

/// The same as it is written in a URL.
const WRITTEN: &str = "someone:qz%40proxy%2Fcanary7";

/// A store that only the proxy can find, and whose certificate is for the name that only the proxy knows.
const NOWHERE: &str = "https://store.invalid";

/// `backup` for a store that is behind `proxy` alone.
fn through(stand: &Stand, proxy: &str, authority: &Authority) -> Run {
    let run = stand.backup().env("S3_ENDPOINT", NOWHERE).env("S3_CA_CERT", authority.certificate());
    run.env("HTTPS_PROXY", proxy).env("RETRY_ATTEMPTS", "2")
}

#[test]
fn a_bucket_is_reached_through_a_proxy_with_a_login_that_is_never_shown_r126() {
    let stand = Stand::with_rows(10);
    let authority = Authority::create();
    let front = TlsFront::start(stand.s3.port(), &authority.issue("DNS:store.invalid", Validity::Now));
    let proxy = HttpProxy::start(front.port(), Some(LOGIN));
    let output = through(&stand, &proxy.url(WRITTEN), &authority).args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(stand.manifests().len(), 1);
    assert!(!proxy.asked().is_empty() && proxy.asked().iter().all(|asked| asked == "CONNECT store.invalid:443"));
    let verify = Run::new("verify").envs(stand.s3.env_through(NOWHERE)).env("https_proxy", proxy.url(WRITTEN));
    let output = verify.env("S3_CA_CERT", authority.certificate()).args(["list"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);

    // Without an exception it would go to the proxy, which leads to another server.
    let direct = stand.backup().env("HTTP_PROXY", "http://192.0.2.1:3128").env("NO_PROXY", "example.com,127.0.0.0/8");
    assert_eq!(direct.args(["list"]).output().code, Some(0));
}

#[test]
fn a_proxy_that_lets_nothing_through_is_named_and_its_password_is_not_r126() {
    let stand = Stand::with_rows(10);
    let authority = Authority::create();
    let front = TlsFront::start(stand.s3.port(), &authority.issue("DNS:store.invalid", Validity::Now));
    let proxy = HttpProxy::start(front.port(), Some(LOGIN));
    let nothing = HttpProxy::start(1, None);
    for (url, words) in [
        (
            proxy.url("someone:qzwrong5canary"),
            "the proxy refuses the login; check the user and the password in HTTPS_PROXY",
        ),
        (proxy.url(""), "the proxy refuses the login; check the user and the password in HTTPS_PROXY"),
        (nothing.url(""), "cannot reach the store through the proxy of HTTPS_PROXY: unsuccessful"),
        ("http://someone:qzwrong5canary@127.0.0.1:1".to_owned(), "through the proxy of HTTPS_PROXY: failed to create"),
    ] {
        let output = through(&stand, &url, &authority).args(["run"]).output();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains(words), "{words:?} is missing in {}", output.stderr);
        assert!(!output.stderr.contains("canary"), "{}", output.stderr);
    }
    assert!(proxy.asked().is_empty());
    let output = through(&stand, "socks5://qzcanary:1", &authority).args(["run"]).output();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(output.stderr.contains("HTTPS_PROXY: is not a URL of a proxy") && !output.stderr.contains("canary"));
}

#[test]
fn a_store_without_tls_is_reached_through_the_proxy_of_http_r126() {
    let stand = Stand::with_rows(10);
    let proxy = HttpProxy::start(stand.s3.port(), Some(LOGIN));
    let run = |url: String| {
        let run = stand.backup().env("S3_ENDPOINT", "http://store.internal:9000").env("HTTP_PROXY", url);
        run.env("RETRY_ATTEMPTS", "2").args(["run"]).output()
    };
    let output = run(proxy.url(WRITTEN));
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        proxy.asked().iter().any(|asked| asked.starts_with("PUT http://store.internal:9000/")),
        "{:?}",
        proxy.asked()
    );
    let output = run(proxy.url("someone:qzwrong5canary"));
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(
        output.stderr.contains("check the user and the password in HTTP_PROXY") && !output.stderr.contains("canary"),
        "{}",
        output.stderr
    );
}

#[test]
fn messages_and_pings_go_through_the_proxy_too_r126() {
    let stand = Stand::with_rows(10);
    let receiver = Receiver::start();
    let port = receiver.authority().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = HttpProxy::start(port, Some(LOGIN));
    let notify = |url: String| {
        let run = stand.backup().env("WEBHOOK_URL", "http://hooks.internal/x").env("HTTP_PROXY", url);
        run.env("NO_PROXY", "127.0.0.1").args(["notify"]).output()
    };
    let output = notify(proxy.url(WRITTEN));
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    assert_eq!(proxy.asked(), ["POST http://hooks.internal/x"]);
    let output = notify(proxy.url("someone:qzwrong5canary"));
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(output.stdout.contains("the proxy refuses the login"), "{}", output.stdout);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains("canary"));

    let ping = stand.backup().env("HEALTHCHECK_PING_URL", "http://pings.internal/uuid");
    let ping = ping.env("HTTP_PROXY", proxy.url(WRITTEN)).env("NO_PROXY", "127.0.0.1").args(["run"]).output();
    assert_eq!(ping.code, Some(0), "{}", ping.stderr);
    assert!(proxy.asked().iter().any(|asked| asked.contains("http://pings.internal/uuid")), "{:?}", proxy.asked());
}
