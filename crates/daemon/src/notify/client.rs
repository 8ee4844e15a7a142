//! One request to a service that is not ours, within bounds, and what came of it. Nothing of an answer is shown, and
//! nothing of an address.

use std::error::Error;
use std::time::Duration;

use backup_core::proxies::{self, Proxies};
use backup_core::secret::Secret;
use backup_core::storage::Authorities;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, NoProxy, Proxy, Response, StatusCode};
use serde_json::Value;

use super::format::Post;

/// An attempt takes at most this long, from the name to the end of the answer.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 1024;

/// A longer wait than this is none that a server can mean.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What came of an attempt that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another attempt may succeed.
    Passing {
        reason: String,
        /// The server asks for this pause.
        retry_after: Option<Duration>,
    },
    /// None will, with this message.
    Final { reason: String },
    /// None will, with any message: the address is gone.
    Gone,
}

/// Said if the proxy refuses the login.
const PROXY_LOGIN: &str = "the proxy refuses the login; check the user and the password in HTTPS_PROXY or HTTP_PROXY";

/// The client of a process. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    /// One that trusts these authorities, and goes through these proxies.
    ///
    /// # Errors
    /// If the TLS library refuses its own defaults.
    pub(crate) fn new(authorities: &Authorities, proxies: &Proxies) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(authorities.for_other_servers()?)
            .redirect(Policy::none())
            .timeout(ATTEMPT_TIMEOUT)
            .user_agent(concat!("postgres-backup/", env!("CARGO_PKG_VERSION")))
            .no_proxy(); // What is not in the configuration does not count.
        let exceptions = || proxies.exceptions().and_then(NoProxy::from_string);
        let https = proxies.https().map(|url| Proxy::https(url.expose())).transpose()?;
        let http = proxies.http().map(|url| Proxy::http(url.expose())).transpose()?;
        let all = [https, http].into_iter().flatten().map(|proxy| proxy.no_proxy(exceptions()));
        Ok(Self(all.fold(client, reqwest::ClientBuilder::proxy).build()?))
    }

    /// Sends `post` to `url`.
    ///
    /// # Errors
    /// Unless the server has taken it.
    pub(super) async fn post(&self, url: &Secret, post: &Post) -> Result<(), Refusal> {
        let request = self.0.post(url.expose()).header(CONTENT_TYPE, "application/json").body(post.body.clone());
        let request = post.headers.iter().fold(request, |request, (name, value)| request.header(*name, value.expose()));
        answered(request.send().await).await
    }
}

impl Client {
    /// Sends a ping.
    ///
    /// # Errors
    /// Unless the monitor has taken it.
    pub(super) async fn ping(&self, method: Method, url: &Secret, body: &str) -> Result<(), Refusal> {
        let request = self.0.request(method, url.expose());
        let request = match body {
            "" => request,
            body => request.header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body.to_owned()),
        };
        answered(request.send().await).await
    }
}

async fn answered(outcome: Result<Response, reqwest::Error>) -> Result<(), Refusal> {
    let response = outcome.map_err(|error| unsent(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("the receiver answered {}", status.as_u16());
    Err(match status {
        StatusCode::GONE => Refusal::Gone,
        // What stands before the receiver has answered.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Refusal::Final { reason: PROXY_LOGIN.to_owned() },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => passing(reason, response).await,
        status if status.is_server_error() => passing(reason, response).await,
        status if status.is_redirection() => {
            Refusal::Final { reason: format!("{reason}, and redirects are not followed") }
        }
        _ => Refusal::Final { reason },
    })
}

async fn passing(reason: String, response: Response) -> Refusal {
    let header = retry_after(response.headers(), Utc::now());
    let retry_after = match header {
        Some(pause) => Some(pause),
        None => retry_after_in(&beginning(response).await),
    };
    Refusal::Passing { reason, retry_after: retry_after.map(|pause| pause.min(MAX_RETRY_AFTER)) }
}

/// The first bytes of an answer; what is not read ends with the connection.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_ANSWER_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    bytes
}

/// Seconds or a date: RFC 9110, 10.2.3.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()
}

/// As Discord says it, with a fraction, and Telegram.
fn retry_after_in(answer: &[u8]) -> Option<Duration> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let seconds = answer["retry_after"].as_f64().or_else(|| answer["parameters"]["retry_after"].as_f64())?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Why nothing came back. The words of the library hold the address.
fn unsent(error: &reqwest::Error) -> Refusal {
    let cause = cause_of(error);
    let reason = match (error.is_timeout(), error.is_builder(), cause) {
        (true, ..) => format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
        (_, true, _) => return Refusal::Final { reason: "the request cannot be made".to_owned() },
        _ if proxies::wants_login(error) => return Refusal::Final { reason: PROXY_LOGIN.to_owned() },
        (_, _, Some(cause)) if error.is_connect() => format!("no connection: {cause}"),
        (_, _, None) if error.is_connect() => "no connection: is the host known and the proxy right?".to_owned(),
        (_, _, Some(cause)) => format!("the connection broke: {cause}"),
        _ => "the connection broke".to_owned(),
    };
    Refusal::Passing { reason, retry_after: None }
}

/// What of the cause can be shown: what is wrong with a certificate, or what the system says.
pub(super) fn cause_of(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    let mut found = None;
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Some(tls.to_string());
            }
            found = Some(io.kind().to_string());
        }
        next = error.source();
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// What comes of a request to a server that answers each one with `answer`, and holds the connection then.
    async fn outcome(answer: &'static str) -> Result<(), Refusal> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = Secret::new(format!("http://{}/canary-of-an-address", listener.local_addr().unwrap()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).unwrap() > 0);
                if stream.write_all(answer.as_bytes()).is_err() || answer.is_empty() {
                    continue; // Closed without an answer.
                }
                while answer.ends_with("endless") && stream.write_all(&[b'x'; 4096]).is_ok() {}
            }
        });
        let client = Client::new(&Authorities::System, &Proxies::default()).unwrap();
        let outcome = client.post(&url, &Post { body: "{}".to_owned(), headers: Vec::new() }).await;
        assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
        outcome
    }

    #[tokio::test]
    async fn an_answer_is_taken_for_what_it_is_and_not_shown_r073() {
        let passing = |reason: &str, retry_after: Option<f64>| {
            let retry_after = retry_after.map(Duration::from_secs_f64);
            Err(Refusal::Passing { reason: reason.to_owned(), retry_after })
        };
        let refused = |reason: &str| Err(Refusal::Final { reason: reason.to_owned() });
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok(())),
            ("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", Ok(())),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
            ("HTTP/1.1 400 canary\r\nContent-Length: 6\r\n\r\ncanary", refused("the receiver answered 400")),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", refused("the receiver answered 404")),
            ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Err(Refusal::Gone)),
            (
                "HTTP/1.1 302 Found\r\nLocation: /canary\r\nContent-Length: 0\r\n\r\n",
                refused("the receiver answered 302, and redirects are not followed"),
            ),
            ("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", passing("the receiver answered 408", None)),
            (
                "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
                passing("the receiver answered 429", Some(7.0)),
            ),
            (
                "HTTP/1.1 429 Slow\r\nContent-Length: 21\r\n\r\n{\"retry_after\": 0.25}",
                passing("the receiver answered 429", Some(0.25)),
            ),
            ("HTTP/1.1 500 canary\r\nContent-Length: 6\r\n\r\ncanary", passing("the receiver answered 500", None)),
            // As long as it goes on: it is read for a kibibyte.
            ("HTTP/1.1 503 Busy\r\n\r\nendless", passing("the receiver answered 503", None)),
        ] {
            assert_eq!(outcome(answer).await, expected, "{answer}");
        }
        let Err(Refusal::Passing { reason, .. }) = outcome("").await else { panic!("it was closed") };
        assert!(reason.starts_with("the connection broke"), "{reason}");
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let url = Secret::new(format!("http://127.0.0.1:{port}/canary"));
        let client = Client::new(&Authorities::System, &Proxies::default()).unwrap();
        let outcome = client.post(&url, &Post { body: String::new(), headers: Vec::new() }).await;
        assert_eq!(outcome, passing("no connection: connection refused", None));
    }

    #[test]
    fn a_pause_that_a_server_asks_for_is_understood() {
        let now: DateTime<Utc> = "2026-11-29T09:00:00Z".parse().unwrap();
        let of = |text: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now)
                .map(|pause| pause.as_secs_f64())
        };
        assert_eq!(of("120"), Some(120.0));
        assert_eq!(of(" 0.5"), Some(0.5));
        assert_eq!(of("Sun, 29 Nov 2026 09:01:00 GMT"), Some(60.0));
        assert_eq!(of("Sun, 29 Nov 2026 08:00:00 GMT"), None);
        assert_eq!((of("-1"), of("NaN"), of("soon")), (None, None, None));
        let of = |text: &str| retry_after_in(text.as_bytes()).map(|pause| pause.as_secs_f64());
        assert_eq!(of(r#"{"message": "limited", "retry_after": 0.65, "global": false}"#), Some(0.65));
        assert_eq!(of(r#"{"ok": false, "parameters": {"retry_after": 7}}"#), Some(7.0));
        assert_eq!((of("{"), of("{}"), of(r#"{"retry_after": -1}"#)), (None, None, None));
    }
}
