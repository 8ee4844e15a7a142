//! Which HTTP proxy stands between this process and a server, as the variables of curl say it.

use std::error::Error as StdError;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// The proxies of a process. `Debug` shows none of them: they may hold a password.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `https://`.
    https: Option<Secret>,
    /// For `http://`.
    http: Option<Secret>,
    /// Hosts that are reached without one.
    exceptions: Option<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, http, exceptions } = self;
        formatter.debug_struct("Proxies").field("https", https).field("http", http).field("except", exceptions).finish()
    }
}

/// Why a text is no proxy; it does not quote the text.
pub const NO_PROXY_URL: &str = "is not a URL of a proxy such as http://user:password@proxy.internal:3128, in which signs of \
                                the user and the password are percent-encoded; SOCKS is not supported";

impl Proxies {
    /// Of URLs that were checked by [`check`].
    pub fn new(https: Option<Secret>, http: Option<Secret>, exceptions: Option<String>) -> Self {
        Self { https, http, exceptions }
    }

    /// The proxy for URLs that begin with `https://`.
    pub fn https(&self) -> Option<&Secret> {
        self.https.as_ref()
    }

    /// The proxy for URLs that begin with `http://`.
    pub fn http(&self) -> Option<&Secret> {
        self.http.as_ref()
    }

    /// Hosts that are reached without a proxy, as `NO_PROXY` lists them.
    pub fn exceptions(&self) -> Option<&str> {
        self.exceptions.as_deref()
    }

    /// What of them must not be shown beside their URLs: passwords, and what a proxy is sent of them.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for url in [&self.https, &self.http].into_iter().flatten() {
            let Some((user, password)) = login(url.expose()) else { continue };
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            secrets.push(Secret::new(format!("{}:{}", decoded(user), decoded(password))));
            secrets.push(Secret::new(decoded(password)));
            secrets.push(Secret::new(password.to_owned()));
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }
}

/// Whether `url` is that of a proxy; one without a scheme is reached by HTTP.
///
/// # Errors
/// [`NO_PROXY_URL`].
pub fn check(url: &str) -> Result<Secret, &'static str> {
    let url = url.trim();
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: hyper::Uri = url.parse().map_err(|_| NO_PROXY_URL)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if is_http && is_plain && has_host { Ok(Secret::new(url)) } else { Err(NO_PROXY_URL) }
}

/// Whether a connection failed since a proxy wants a login that it was not given.
pub fn wants_login(error: &(dyn StdError + 'static)) -> bool {
    tunnel_error(error).is_some_and(|words| words.contains("authorization required"))
}

/// What the HTTP library says of a proxy that did not let a connection through. Its type cannot be named here, and its
/// words are the same in all uses.
pub fn tunnel_error(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    for _ in 0..20 {
        let words = next?.to_string();
        if let Some(words) = words.strip_prefix("tunnel error: ") {
            return Some(words.to_owned());
        }
        next = next?.source();
    }
    None
}

/// User and password, as they are written.
fn login(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    Some(login.split_once(':').unwrap_or((login, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_refused_and_not_quoted_r126() {
        for url in ["http://p:3128", "proxy.internal:3128", "https://u:p%40s@p/", "10.0.0.1:8080", "http://[::1]:3128"]
        {
            assert!(check(url).is_ok(), "{url}");
        }
        for url in
            ["socks5://canary:1080", "http://", "http://u:ca@nary@p:1 2", "http://p/canary", "http://p?canary", ""]
        {
            let error = check(url).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn the_password_of_a_proxy_is_a_secret_in_every_form_r126() {
        let url = check("http://someone:p%40ss-canary@proxy:3128").unwrap();
        let proxies = Proxies::new(Some(url), None, None);
        let secrets = proxies.secrets();
        let secrets: Vec<_> = secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, ["someone:p@ss-canary", "p@ss-canary", "p%40ss-canary"]);
        assert!(!format!("{proxies:?}").contains("canary"));
        assert!(Proxies::new(check("proxy:1").ok(), None, None).secrets().is_empty());
    }
}
