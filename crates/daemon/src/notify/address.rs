//! The addresses of `WEBHOOK_URL`: several, each with a filter. An address is a secret as a whole, so no error quotes one.

use backup_core::private_host::is_private;
use backup_core::secret::Secret;
use reqwest::Url;

use super::channel::{Channel, Filter, Format};

/// Maximum number of addresses.
const MAX_ADDRESSES: usize = 16;

/// A part of an address with fewer characters is a word, and masking it would hide the log.
const MIN_SECRET_CHARS: usize = 16;

/// What an address is like that was understood.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) channel: Channel,
    /// Whether it is plain http to a public host.
    pub(super) is_exposed: bool,
}

/// The addresses of `text`, which are separated by commas or line breaks.
///
/// # Errors
/// What is wrong with the first one that is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Address>, String> {
    let entries = split(text);
    if entries.len() > MAX_ADDRESSES {
        return Err(format!("holds more than {MAX_ADDRESSES} addresses"));
    }
    let numbered = entries.iter().zip(1..);
    numbered.map(|(entry, number)| address(entry).map_err(|problem| format!("address {number} {problem}"))).collect()
}

/// Everything in `text` that nothing may show: each address, and the parts of it that are no words.
pub(super) fn secrets(text: &str) -> Vec<Secret> {
    let mut parts: Vec<&str> = Vec::new();
    for entry in split(text) {
        let address = entry.split_once('#').map_or(entry, |(address, _)| address);
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let password = host.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
        parts.extend([address, rest]);
        parts.extend(password);
        let is_long = |part: &&str| part.len() >= MIN_SECRET_CHARS;
        let pieces = path.split(['/', '?', '&']).map(|piece| piece.split_once('=').map_or(piece, |(_, value)| value));
        parts.extend(pieces.chain([path]).filter(is_long));
        if host.len() == rest.len() {
            parts.extend(Some(host).filter(is_long)); // The key of `pagerduty://KEY`.
        }
    }
    parts.into_iter().map(|part| Secret::new(part.to_owned())).collect()
}

/// A comma is part of an address or of its filter unless another address follows.
fn split(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut begin = 0;
        for (at, _) in line.match_indices(',') {
            if begins_address(&line[at + 1..]) {
                entries.push(&line[begin..at]);
                begin = at + 1;
            }
        }
        entries.push(&line[begin..]);
    }
    entries.into_iter().map(|entry| entry.trim().trim_end_matches(',')).filter(|entry| !entry.is_empty()).collect()
}

fn begins_address(text: &str) -> bool {
    let is_of_scheme = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
    text.trim_start()
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(is_of_scheme))
}

fn address(entry: &str) -> Result<Address, String> {
    let (address, filter) = match entry.split_once('#') {
        Some((address, fragment)) => (address, Some(Filter::parse(fragment)?)),
        None => (entry, None),
    };
    const NO_URL: &str = "is not a URL such as https://host/path";
    let (scheme, rest) = address.split_once("://").ok_or(NO_URL)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "pagerduty" {
        return Ok(Address { channel: Channel::page(rest, filter)?, is_exposed: false });
    }
    let (format, scheme) = match scheme.split_once('+') {
        Some((word, scheme)) => (Some(Format::of_word(word).ok_or_else(unknown_word)?), scheme),
        None => (None, scheme.as_str()),
    };
    if !["https", "http"].contains(&scheme) {
        return Err("has a scheme that is neither https nor http".to_owned());
    }
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| NO_URL)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NO_URL)?.to_ascii_lowercase();
    let is_exposed = scheme == "http" && !is_private(host.trim_matches(['[', ']']));
    let format = match format {
        Some(format) => format,
        None => Format::of_host(&host, url.path())?,
    };
    Ok(Address { channel: Channel::new(format, &url, filter)?, is_exposed })
}

fn unknown_word() -> String {
    let words: Vec<&str> = Format::ALL.iter().map(|format| format.word()).collect();
    format!("has a word before its + that is not one of: {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use backup_core::scrub::Scrubber;

    use super::*;

    /// The format of each address, and what its filter takes.
    #[track_caller]
    fn check(text: &str, expected: &[(&str, &[&str])]) {
        let addresses = parse(text).unwrap();
        let found: Vec<_> = addresses
            .iter()
            .map(|address| (address.channel.word(), address.channel.filter.as_ref().map_or(vec![], Filter::words)))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(word, filter)| (*word, filter.to_vec())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn an_address_tells_its_format() {
        check("https://hooks.slack.com/services/T000/B000/XXXX", &[("slack", &[])]);
        check("https://discord.com/api/webhooks/1/abc", &[("discord", &[])]);
        check("https://discordapp.com/api/webhooks/1/abc", &[("discord", &[])]);
        check("https://prod-1.westeurope.logic.azure.com:443/workflows/1?sig=abc", &[("teams", &[])]);
        check("https://x.environment.api.powerplatform.com/workflows/1?sig=abc", &[("teams", &[])]);
        check("https://x.powerautomate.com/workflows/1", &[("teams", &[])]);
        check("https://api.telegram.org/bot1:abc/sendMessage?chat_id=-100", &[("telegram", &[])]);
        check("https://ntfy.sh/my-topic", &[("ntfy", &[])]);
        check("ntfy+https://user:pass@ntfy.example.com/my-topic", &[("ntfy", &[])]);
        check("pagerduty://0123456789abcdef0123456789abcdef", &[("pagerduty", &[])]);
        check("https://events.pagerduty.com/v2/enqueue?routing_key=0123456789abcdef", &[("pagerduty", &[])]);
        check("https://chat.googleapis.com/v1/spaces/x/messages?key=a&token=b", &[("google-chat", &[])]);
        check("slack+https://mattermost.example.com/hooks/abc", &[("slack", &[])]);
        check("https://example.com/hook", &[("json", &[])]);
        check("json+http://127.0.0.1:8080/hook", &[("json", &[])]);
        check("HTTPS://HOOKS.SLACK.COM/services/x", &[("slack", &[])]);
    }

    #[test]
    fn several_addresses_have_filters_of_their_own() {
        let text =
            "https://ntfy.sh/a#on=failure,recovery, https://example.com/a,b#on=success\n\n https://ntfy.sh/c ,\n";
        check(text, &[("ntfy", &["failure", "recovery"]), ("json", &["success"]), ("ntfy", &[])]);
        check("", &[]);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_address() {
        for (text, expected) in [
            ("canary", "address 1 is not a URL such as https://host/path"),
            ("https://?canary", "address 1 "),
            ("https://ntfy.sh/a,ftp://canary/x", "address 2 has a scheme that is neither https nor http"),
            ("canary+https://x/y", "address 1 has a word before its + that is not one of: slack, discord"),
            ("https://x.webhook.office.com/webhookb2/canary", "Microsoft has retired"),
            ("https://api.telegram.org/botcanary/sendMessage", "chat_id"),
            ("https://api.telegram.org/botcanary/getMe?chat_id=1", "sendMessage"),
            ("https://ntfy.sh/", "topic"),
            ("pagerduty://", "key"),
            ("https://events.pagerduty.com/v2/enqueue", "routing_key"),
            (
                "https://x/y#canary",
                "has something after # that is not on= with words of: failure, recovery, success, summary",
            ),
            ("https://x/y#on=canary", "has something after # that is not on="),
            (&"https://x/y\n".repeat(17), "holds more than 16 addresses"),
        ] {
            let problem = parse(text).map(|_| ()).unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("canary"), "{text}: {problem}");
        }
    }

    #[test]
    fn every_part_of_an_address_that_is_a_secret_is_masked() {
        let text = "https://u:pa55word@hooks.slack.com/services/T0/B0/abcdefghijklmnopqrst,\
            https://x/y?key=short&token=zyxwvutsrqponmlkji#on=failure,pagerduty://0123456789abcdef0123";
        let scrubber = Scrubber::new(&secrets(text));
        for shown in [
            "abcdefghijklmnopqrst",
            "token is zyxwvutsrqponmlkji",
            "pa55word",
            "key 0123456789abcdef0123",
            "POST /services/T0/B0/abcdefghijklmnopqrst",
            "https://x/y?key=short&token=zyxwvutsrqponmlkji",
        ] {
            let safe = scrubber.scrub(shown);
            assert!(safe.contains("***"), "{safe}");
            assert!(!safe.contains("abcdefghijk") && !safe.contains("zyxwv") && !safe.contains("pa55"), "{safe}");
        }
        assert_eq!(scrubber.scrub("/services and hooks.slack.com"), "/services and hooks.slack.com");
    }
}
