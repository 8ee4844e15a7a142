//! Who may see and ask what: `HTTP_TOKEN`, and the headers of every answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backup_core::live_secret::LiveSecret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use serde_json::json;
use zeroize::Zeroizing;

use super::attempts::{Attempts, WINDOW};
use super::connection::Network;
use crate::state::SCHEMA;

/// Minimum length of `HTTP_TOKEN`.
pub(crate) const MIN_TOKEN_CHARS: usize = 16;

/// What everyone may ask: platforms and monitors send no token. Reasons name hosts, databases and tables, so that without
/// the token the answer is a status alone.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/health"];

/// Maximum number of bytes of an `Authorization` header that is looked at.
const MAX_AUTHORIZATION_BYTES: usize = 4 * 1024;

/// What a browser sends with a request that a page of the same origin has made.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// For every answer that has none of its own: nothing of it may be interpreted.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Path of the badge.
const BADGE_PATH: &str = "/badge.svg";

/// Who may see what over HTTP.
#[derive(Debug, Clone, Default)]
pub struct HttpAccess {
    /// What clients have to know, if anything.
    pub token: Option<LiveSecret>,
    /// Whether the badge is shown without it.
    pub is_badge_public: bool,
}

/// How much of an answer a client may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All of it.
    All,
    /// The status, and it as one word.
    Status,
}

/// Decides about each request. Clones share what they have counted.
#[derive(Clone)]
pub(super) struct Access(Arc<Inner>);

struct Inner {
    token: Option<Token>,
    is_badge_public: bool,
    attempts: Mutex<Attempts>,
    /// What a browser shows when it asks for the token.
    challenge: HeaderValue,
}

/// A token that is compared by its MAC under a key of this process.
struct Token {
    key: hmac::Key,
    /// It may be in a file that is replaced.
    secret: LiveSecret,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// It has no token.
    NoToken,
    /// It has another one.
    WrongToken,
    /// Too many wrong ones have come.
    TooMany,
    /// It wants to change something, and there is no token that could allow it.
    ReadOnly,
    /// It wants to change something, and a page of another origin may have sent it.
    CrossSite,
}

/// The token of a request, and what sends such a header by itself.
enum Shown {
    /// Only a program sends this.
    Bearer(Zeroizing<String>),
    /// A browser sends this again with each request, whichever page has made it.
    Basic(Zeroizing<String>),
}

impl Access {
    /// For the pages of `service`.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(super) fn new(service: &str, access: &HttpAccess) -> anyhow::Result<Self> {
        let (token, is_badge_public) = (access.token.as_ref().map(Token::new).transpose()?, access.is_badge_public);
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{service}\", charset=\"UTF-8\""))?;
        Ok(Self(Arc::new(Inner { token, is_badge_public, attempts: Mutex::default(), challenge })))
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap, from: Network) -> Result<Sight, Denied> {
        let is_read = [Method::GET, Method::HEAD].contains(method);
        if is_read && self.0.is_badge_public && path == BADGE_PATH {
            return Ok(Sight::All);
        }
        let known = match &self.0.token {
            Some(token) => self.knows(token, headers, from),
            None if is_read => return Ok(Sight::All),
            None => return Err(Denied::ReadOnly),
        };
        if is_read && PROBES.contains(&path) {
            return Ok(if known.is_ok() { Sight::All } else { Sight::Status });
        }
        let is_same_origin = headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin");
        match known? {
            Shown::Basic(_) if !is_read && !is_same_origin => Err(Denied::CrossSite),
            Shown::Basic(_) | Shown::Bearer(_) => Ok(Sight::All),
        }
    }

    /// What a request shows, if it is the token. Each wrong one counts, wherever it is shown: probes are no place to guess.
    fn knows(&self, token: &Token, headers: &HeaderMap, from: Network) -> Result<Shown, Denied> {
        let shown = shown(headers).ok_or(Denied::NoToken)?;
        let mut attempts = self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if !attempts.may_try(from, Instant::now()) {
            return Err(Denied::TooMany);
        }
        if !token.is(shown.text()) {
            attempts.was_wrong(from);
            return Err(Denied::WrongToken);
        }
        attempts.was_right(from);
        Ok(shown)
    }
}

impl Token {
    fn new(secret: &LiveSecret) -> anyhow::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        Ok(Self { key, secret: secret.clone() })
    }

    /// Takes as long for every text of one length, however much of it is right.
    fn is(&self, text: &str) -> bool {
        let secret = self.secret.now();
        let tag = hmac::sign(&self.key, secret.expose().as_bytes());
        // One that was replaced by a text too short for a token lets no one in.
        let is_long_enough = secret.expose().len() >= MIN_TOKEN_CHARS;
        is_long_enough && hmac::verify(&self.key, text.as_bytes(), tag.as_ref()).is_ok()
    }
}

impl Shown {
    fn text(&self) -> &str {
        match self {
            Self::Bearer(text) | Self::Basic(text) => text,
        }
    }
}

/// The token of a request: of `Bearer`, or the password of `Basic` with any user.
fn shown(headers: &HeaderMap) -> Option<Shown> {
    let value = headers.get(header::AUTHORIZATION).filter(|value| value.len() <= MAX_AUTHORIZATION_BYTES)?;
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Shown::Bearer(Zeroizing::new(rest.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(rest).ok()?);
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Shown::Basic(Zeroizing::new(password.to_owned())))
}

/// Lets a request through, or answers it.
pub(super) async fn guard(Shared(access): Shared<Access>, request: Request, next: Next) -> Response {
    // The listener gives each request its address; without one it is counted as that of any other.
    let from =
        request.extensions().get::<Network>().copied().unwrap_or(Network(std::net::Ipv4Addr::UNSPECIFIED.into()));
    match access.check(request.method(), request.uri().path(), request.headers(), from) {
        Ok(Sight::All) => next.run(request).await,
        Ok(Sight::Status) => one_word(next.run(request).await.status()),
        Err(denied) => denied.answer(&access),
    }
}

/// A probe for everyone.
fn one_word(status: StatusCode) -> Response {
    let word = if status.is_success() { "ok" } else { "failing" };
    (status, Json(json!({ "status": word }))).into_response()
}

impl Denied {
    fn answer(self, access: &Access) -> Response {
        let (status, error) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "this needs the token of HTTP_TOKEN"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "this is not the token of HTTP_TOKEN"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens; try again later"),
            Self::ReadOnly => (StatusCode::FORBIDDEN, "nothing can be asked for without HTTP_TOKEN"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "send the token as Bearer, or from a page of the same origin"),
        };
        let mut response = (status, Json(json!({ "schema": SCHEMA, "error": error }))).into_response();
        match self {
            Self::NoToken | Self::WrongToken => {
                response.headers_mut().append(header::WWW_AUTHENTICATE, access.0.challenge.clone());
                response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(WINDOW.as_secs()));
            }
            Self::ReadOnly | Self::CrossSite => {}
        }
        response
    }
}

/// Adds what every answer says to a browser, unless it says it already.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let all = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in all {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use backup_core::secret::Secret;

    use super::*;

    const TOKEN: &str = "correct-horse-battery";
    const HERE: Network = Network(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn access(token: Option<&str>) -> Access {
        let token = token.map(|text| LiveSecret::fixed(Secret::new(text.to_owned())));
        Access::new("backup", &HttpAccess { token, is_badge_public: false }).unwrap()
    }

    fn basic(password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("me:{password}")))
    }

    /// What becomes of a request with these headers.
    fn asked(access: &Access, method: &str, path: &str, headers: &[(&'static str, &str)]) -> Result<Sight, Denied> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        access.check(&method.parse().unwrap(), path, &headers.collect(), HERE)
    }

    #[tokio::test]
    async fn without_a_token_everything_is_read_and_nothing_asked_for() {
        let open = access(None);
        for path in ["/status", "/metrics", "/livez", "/"] {
            assert_eq!(asked(&open, "GET", path, &[]), Ok(Sight::All));
            assert_eq!(asked(&open, "POST", path, &[("sec-fetch-site", "same-origin")]), Err(Denied::ReadOnly));
        }
    }

    #[tokio::test]
    async fn the_badge_is_public_only_if_that_is_asked_for() {
        let token = Some(LiveSecret::fixed(Secret::new(TOKEN.to_owned())));
        for (is_badge_public, expected) in [(true, Ok(Sight::All)), (false, Err(Denied::NoToken))] {
            let access = Access::new("backup", &HttpAccess { token: token.clone(), is_badge_public }).unwrap();
            assert_eq!(asked(&access, "GET", BADGE_PATH, &[]), expected);
            assert_eq!(asked(&access, "GET", "/", &[]), Err(Denied::NoToken));
            assert_eq!(asked(&access, "POST", BADGE_PATH, &[]), Err(Denied::NoToken));
        }
    }

    #[tokio::test]
    async fn with_a_token_only_the_probes_are_read_without_it_r159() {
        let closed = access(Some(TOKEN));
        for path in PROBES {
            assert_eq!(asked(&closed, "GET", path, &[]), Ok(Sight::Status));
            assert_eq!(asked(&closed, "GET", path, &[("authorization", "Bearer another")]), Ok(Sight::Status));
            assert_eq!(asked(&closed, "GET", path, &[("authorization", &basic(TOKEN))]), Ok(Sight::All));
            assert_eq!(asked(&closed, "POST", path, &[]), Err(Denied::NoToken));
        }
        for path in ["/", "/status", "/metrics", "/api/v1/backups", "/livez/", "//livez", "/nothing"] {
            assert_eq!(asked(&closed, "GET", path, &[]), Err(Denied::NoToken), "{path}");
            let wrong = [("authorization", &*format!("Bearer {TOKEN}x"))];
            assert_eq!(asked(&access(Some(TOKEN)), "GET", path, &wrong), Err(Denied::WrongToken), "{path}");
            for right in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN}"), basic(TOKEN)] {
                assert_eq!(asked(&closed, "GET", path, &[("authorization", &right)]), Ok(Sight::All), "{path}");
            }
        }
        for nonsense in ["Bearer", TOKEN, "Basic !!!", "Basic bWU=", "Digest x", "Negotiate"] {
            assert_eq!(asked(&closed, "GET", "/", &[("authorization", nonsense)]), Err(Denied::NoToken), "{nonsense}");
        }
        assert_eq!(asked(&closed, "GET", "/", &[("authorization", &basic(""))]), Err(Denied::WrongToken));
    }

    /// A browser adds a password that it knows also to what a page of another origin sends.
    #[tokio::test]
    async fn a_password_of_a_browser_asks_for_nothing_from_another_origin() {
        let closed = access(Some(TOKEN));
        let (bearer, basic) = (format!("Bearer {TOKEN}"), basic(TOKEN));
        let ask = |headers: &[(&'static str, &str)]| asked(&closed, "POST", "/api/v1/backups", headers);
        assert_eq!(ask(&[("authorization", &bearer)]), Ok(Sight::All));
        assert_eq!(ask(&[("authorization", &basic)]), Err(Denied::CrossSite));
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(ask(&[("authorization", &basic), ("sec-fetch-site", site)]), Err(Denied::CrossSite));
        }
        assert_eq!(ask(&[("authorization", &basic), ("sec-fetch-site", "same-origin")]), Ok(Sight::All));
        assert_eq!(ask(&[("sec-fetch-site", "same-origin")]), Err(Denied::NoToken));
    }

    #[tokio::test]
    async fn guesses_are_limited_and_the_right_token_waits_with_them() {
        let closed = access(Some(TOKEN));
        let ask_for = |path, token: &str| asked(&closed, "GET", path, &[("authorization", &format!("Bearer {token}"))]);
        let guesses: Vec<_> = (0..100).map(|number| ask_for("/", &format!("guess-{number}"))).collect();
        assert_eq!(guesses.iter().filter(|denied| **denied == Err(Denied::WrongToken)).count(), 10);
        assert_eq!(ask_for("/", TOKEN), Err(Denied::TooMany));
        assert_eq!(ask_for("/health", TOKEN), Ok(Sight::Status));
    }

    /// Else a probe would tell which guess is right, without a limit.
    #[tokio::test]
    async fn guesses_count_at_probes_as_well() {
        let closed = access(Some(TOKEN));
        let ask = |path| asked(&closed, "GET", path, &[("authorization", "Bearer guess")]);
        assert!((0..10).all(|_| ask("/readyz") == Ok(Sight::Status)));
        assert_eq!(ask("/"), Err(Denied::TooMany));
    }

    #[tokio::test]
    async fn a_refusal_says_what_is_missing_and_never_the_token() {
        for denied in [Denied::NoToken, Denied::WrongToken, Denied::TooMany, Denied::ReadOnly, Denied::CrossSite] {
            let answer = denied.answer(&access(Some(TOKEN)));
            let has_challenge = answer.headers().contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(has_challenge, answer.status() == StatusCode::UNAUTHORIZED, "{denied:?}");
            assert!(!format!("{answer:?}").contains(TOKEN));
        }
    }
}
