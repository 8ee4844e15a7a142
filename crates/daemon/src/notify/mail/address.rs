//! What `SMTP_URL` and `MAIL_TO` mean. No error quotes them.

use backup_core::secret::Secret;
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;

use crate::notify::channel::{Channel, Filter};

/// Maximum number of addresses in `MAIL_TO`.
const MAX_RECIPIENTS: usize = 16;

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything that matters, or nothing is sent.
    StartTls,
    /// None.
    Plain,
}

/// What `SMTP_URL` says.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) protection: Protection,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// Why a text is not a `SMTP_URL`.
const NO_URL: &str = "is not a URL such as smtps://host, smtp://host:587 or smtp+plain://host:25";

impl Server {
    /// Parses `text`. The password ends at the last `@`, so that it can hold `#`, `/` and `@` as they are; what is
    /// percent-encoded in it is decoded.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(NO_URL)?;
        let (protection, usual_port) = match scheme.to_ascii_lowercase().as_str() {
            "smtps" => (Protection::Tls, 465),
            "smtp" => (Protection::StartTls, 587),
            "smtp+plain" => (Protection::Plain, 25),
            _ => return Err(NO_URL),
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place.strip_suffix('/').unwrap_or(place), usual_port)?;
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
            None => (None, None),
        };
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self { protection, host, port, user: given(user), password: given(password).map(Secret::new) })
    }
}

fn host_and_port(place: &str, usual_port: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']').ok_or(NO_URL)?;
            (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("")).ok_or(NO_URL)?)
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let is_of_host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_of_host) {
        return Err(NO_URL);
    }
    let port = if port.is_empty() { usual_port } else { port.parse().map_err(|_| NO_URL)? };
    Ok((host.to_ascii_lowercase(), port))
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "has a user or a password that is not UTF-8 after its decoding")
}

/// The channels of `MAIL_TO`: one for each address, so that one that is refused keeps no mail from the others.
///
/// # Errors
/// What is wrong with the first one that is wrong.
pub(super) fn recipients(text: &str) -> Result<Vec<Channel>, String> {
    let entries = split(text);
    match entries.len() {
        0 => return Err("holds no address".to_owned()),
        1..=MAX_RECIPIENTS => {}
        _ => return Err(format!("holds more than {MAX_RECIPIENTS} addresses")),
    }
    let numbered = entries.iter().zip(1..);
    numbered.map(|(entry, number)| recipient(entry).map_err(|problem| format!("address {number} {problem}"))).collect()
}

fn recipient(entry: &str) -> Result<Channel, String> {
    let (address, filter) = match entry.rsplit_once('#') {
        Some((address, fragment)) if !fragment.contains('@') => (address, Some(Filter::parse(fragment)?)),
        _ => (entry, None),
    };
    let mailbox = address.trim().parse::<Mailbox>();
    Ok(Channel::mail(mailbox.map_err(|_| "is not an address such as ops@example.com")?, filter))
}

/// A comma is part of a filter unless another address follows.
fn split(text: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines() {
        for (number, piece) in line.split(',').enumerate() {
            match entries.last_mut() {
                Some(last) if number > 0 && !piece.contains('@') && !piece.trim().is_empty() => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => entries.push(piece.to_owned()),
            }
        }
    }
    entries.into_iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'text> = (Protection, &'text str, u16, Option<&'text str>, Option<&'text str>);

    #[track_caller]
    fn check(text: &str, expected: Expected<'_>) {
        let server = Server::parse(text).unwrap();
        let found: Expected<'_> = (
            server.protection,
            &server.host,
            server.port,
            server.user.as_deref(),
            server.password.as_ref().map(Secret::expose),
        );
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_url_tells_how_a_server_is_reached_and_a_password_can_hold_anything() {
        check("smtps://mail.example.com", (Protection::Tls, "mail.example.com", 465, None, None));
        check("SMTP://Mail.Example.Com:2525/", (Protection::StartTls, "mail.example.com", 2525, None, None));
        check("smtp+plain://[::1]:1025", (Protection::Plain, "::1", 1025, None, None));
        check("smtp+plain://[::1]", (Protection::Plain, "::1", 25, None, None));
        let host = "h";
        check("smtp://u@h", (Protection::StartTls, host, 587, Some("u"), None));
        check("smtp://me%40x.org:p%23%2F%40%25@h", (Protection::StartTls, host, 587, Some("me@x.org"), Some("p#/@%")));
        check("smtp://me@x.org:a#/@:b@h:25", (Protection::StartTls, host, 25, Some("me@x.org"), Some("a#/@:b")));
    }

    #[test]
    fn what_is_not_a_url_of_a_mail_server_is_refused_without_being_shown() {
        for text in [
            "canary",
            "https://canary",
            "smtp://",
            "smtp://canary:x",
            "smtp://canary:99999",
            "smtp://canary/path",
            "smtp://canary?x=y",
            "smtp://u:canary@",
            "smtp://[canary",
            "smtp://u:%ff@h",
        ] {
            let problem = Server::parse(text).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn each_recipient_is_a_channel_with_a_filter_of_its_own() {
        let all = recipients("a@x.org, Ops <b@x.org>#on=failure,recovery,c@x.org\n\nd@x.org#on=success,").unwrap();
        let found: Vec<_> = all.iter().map(|channel| channel.filter.as_ref().map_or(vec![], Filter::words)).collect();
        assert_eq!(found, [vec![], vec!["failure", "recovery"], vec![], vec!["success"]]);
        for (text, expected) in [
            ("canary", "address 1 is not an address such as ops@example.com"),
            ("a@x.org,canary@", "address 2 is not an address"),
            ("a@x.org#canary", "address 1 has something after # that is not on="),
            (", \n", "holds no address"),
            (&"a@x.org,".repeat(17), "holds more than 16 addresses"),
        ] {
            let problem = recipients(text).map(|_| ()).unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("canary"), "{text}: {problem}");
        }
    }
}
