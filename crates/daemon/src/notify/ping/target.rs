//! What `HEALTHCHECK_PING_URL` means: which request a monitor wants for which end of a run.

use backup_core::secret::Secret;
use backup_core::text::shortened;
use reqwest::{Method, Url};
use ring::digest::{SHA256, digest};

use super::super::ending::{Ending, RunOutcome};
use crate::database_name::DatabaseName;

/// What stands for the name of a database.
const PLACEHOLDER: &str = "{database}";

/// Maximum characters of a body, well below the 100 kB that healthchecks.io keeps and the 8 kB that is polite.
const MAX_BODY_CHARS: usize = 2_000;

/// Digits of SHA-256 behind a name that is no slug.
const DIGITS_OF_A_SLUG: usize = 8;

/// Maximum characters of a note in an address.
const MAX_NOTE_CHARS: usize = 200;

/// How a monitor wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// <https://healthchecks.io/docs/http_api/>: a start, an end with its exit code, and notes.
    Healthchecks,
    /// <https://github.com/louislam/uptime-kuma/wiki/Internal-API>: a state and a note in the query.
    UptimeKuma,
    /// A GET after each success, and nothing else.
    Get,
}

/// An address of a monitor.
#[derive(Debug, Clone)]
pub(crate) struct PingTarget {
    pub(super) style: Style,
    /// With [`PLACEHOLDER`], if it has one.
    text: Secret,
}

/// What is told of a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal<'run> {
    Started,
    Ended { ending: &'run Ending, took_seconds: f64 },
}

/// A request to a monitor.
#[derive(Debug)]
pub(super) struct Ping {
    pub(super) method: Method,
    pub(super) url: Secret,
    pub(super) body: String,
}

impl PingTarget {
    /// Of the text of the variable; `wants_healthchecks` if the operator says what it is.
    ///
    /// # Errors
    /// If it is not a URL of one. It is not quoted.
    pub(crate) fn parse(text: &str, wants_healthchecks: bool) -> Result<Self, &'static str> {
        const PROBLEM: &str = "is not one URL such as https://hc-ping.com/<uuid>";
        let text = text.trim();
        let is_one =
            (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace);
        let url = Url::parse(&text.replace(PLACEHOLDER, "x")).ok().filter(|_| is_one).ok_or(PROBLEM)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(PROBLEM)?;
        let style = match host {
            _ if wants_healthchecks => Style::Healthchecks,
            "hc-ping.com" => Style::Healthchecks,
            host if host.ends_with(".healthchecks.io") => Style::Healthchecks,
            _ if url.path().contains("/api/push/") => Style::UptimeKuma,
            _ => Style::Get,
        };
        Ok(Self { style, text: Secret::new(text.to_owned()) })
    }

    /// The request for `signal` of a run; `None` if this monitor wants none. `run` is the same for all of one run.
    pub(super) fn ping(&self, database: &DatabaseName, signal: Signal<'_>, run: &str) -> Option<Ping> {
        let mut url = Url::parse(&self.text.expose().replace(PLACEHOLDER, &slug(database))).ok()?;
        url.set_fragment(None);
        match (self.style, signal) {
            (Style::Healthchecks, signal) => {
                let (suffix, body) = healthchecks(signal);
                let path = format!("{}{suffix}", url.path().trim_end_matches('/'));
                url.set_path(&path);
                url.query_pairs_mut().append_pair("rid", run);
                Some(Ping { method: Method::POST, url: Secret::new(url.into()), body })
            }
            (Style::UptimeKuma, Signal::Ended { ending, took_seconds }) => {
                let status = match ending.outcome {
                    RunOutcome::Succeeded => "up",
                    RunOutcome::Failed { .. } => "down",
                    RunOutcome::Untold => return None,
                };
                let is_ours = |name: &str| ["status", "msg", "ping"].contains(&name);
                let others: Vec<(String, String)> = url
                    .query_pairs()
                    .filter(|(name, _)| !is_ours(name))
                    .map(|(n, v)| (n.into_owned(), v.into_owned()))
                    .collect();
                let milliseconds = format!("{:.0}", took_seconds.max(0.0) * 1_000.0);
                url.query_pairs_mut()
                    .clear()
                    .extend_pairs(others)
                    .append_pair("status", status)
                    .append_pair("msg", &shortened(&ending.summary, MAX_NOTE_CHARS))
                    .append_pair("ping", &milliseconds);
                Some(Ping { method: Method::GET, url: Secret::new(url.into()), body: String::new() })
            }
            (Style::Get, Signal::Ended { ending, .. }) if ending.outcome == RunOutcome::Succeeded => {
                Some(Ping { method: Method::GET, url: Secret::new(url.into()), body: String::new() })
            }
            (Style::UptimeKuma, Signal::Started) | (Style::Get, _) => None,
        }
    }
}

/// What comes behind the path, and the body.
fn healthchecks(signal: Signal<'_>) -> (String, String) {
    let Signal::Ended { ending, .. } = signal else { return ("/start".to_owned(), String::new()) };
    let suffix = match ending.outcome {
        RunOutcome::Succeeded => String::new(),
        RunOutcome::Failed { exit_code, .. } => format!("/{exit_code}"),
        RunOutcome::Untold => "/log".to_owned(),
    };
    (suffix, shortened(&ending.summary, MAX_BODY_CHARS))
}

/// The name as a slug: lower-case letters, digits and single hyphens. A name that is none gets digits of its own at the end:
/// two databases that had one check would keep each other's silence from being noticed.
fn slug(database: &DatabaseName) -> String {
    let name = database.name().unwrap_or("database");
    let mut slug = String::new();
    for letter in name.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => slug.push(letter.to_ascii_lowercase()),
            '_' => slug.push('_'),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug == name {
        return name.to_owned();
    }
    let digits = hex::encode(digest(&SHA256, name.as_bytes()));
    format!("{slug}-{}", &digits[..DIGITS_OF_A_SLUG]).trim_start_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::alarm_code::AlarmCode;

    const RUN: &str = "018b2d5c-0000-4000-8000-000000000000";

    fn ending(outcome: RunOutcome) -> Ending {
        Ending { ended_at: Utc::now(), outcome, backup_id: None, summary: "why & so".to_owned() }
    }

    fn failed() -> RunOutcome {
        let code = AlarmCode::CouldNotRun;
        RunOutcome::Failed { code, raises_alarm: true, exit_code: 4, class: None, what_to_do: None }
    }

    /// The requests for the start of a run, a success, a failure and a stop: method, address, body.
    fn pings(text: &str, wants_healthchecks: bool) -> Vec<Option<String>> {
        let target = PingTarget::parse(text, wants_healthchecks).unwrap();
        let endings = [RunOutcome::Succeeded, failed(), RunOutcome::Untold].map(ending);
        let ended = endings.iter().map(|ending| Signal::Ended { ending, took_seconds: 1.5 });
        let database = DatabaseName::from("My App!");
        let shown = |ping: Ping| format!("{} {} {}", ping.method, ping.url.expose(), ping.body).trim_end().to_owned();
        std::iter::once(Signal::Started)
            .chain(ended)
            .map(|signal| target.ping(&database, signal, RUN).map(shown))
            .collect()
    }

    #[track_caller]
    fn check(text: &str, wants_healthchecks: bool, expected: [&str; 4]) {
        let pings: Vec<String> = pings(text, wants_healthchecks).into_iter().map(Option::unwrap_or_default).collect();
        assert_eq!(pings, expected.map(|ping| ping.replace("RID", RUN)), "{text}");
    }

    #[test]
    fn each_monitor_is_told_in_its_own_way_r089() {
        let hc = [
            "POST https://hc-ping.com/u/start?rid=RID",
            "POST https://hc-ping.com/u?rid=RID why & so",
            "POST https://hc-ping.com/u/4?rid=RID why & so",
            "POST https://hc-ping.com/u/log?rid=RID why & so",
        ];
        check("https://hc-ping.com/u", false, hc);
        check("https://hc-ping.com/u/", false, hc);
        let own = [
            "POST http://hc.local/ping/k/my-app-6e06c02a/start?create=1&rid=RID",
            "POST http://hc.local/ping/k/my-app-6e06c02a?create=1&rid=RID why & so",
            "POST http://hc.local/ping/k/my-app-6e06c02a/4?create=1&rid=RID why & so",
            "POST http://hc.local/ping/k/my-app-6e06c02a/log?create=1&rid=RID why & so",
        ];
        check("http://hc.local/ping/k/{database}?create=1", true, own);
        let kuma = [
            "",
            "GET http://kuma:3001/api/push/t?x=1&status=up&msg=why+%26+so&ping=1500",
            "GET http://kuma:3001/api/push/t?x=1&status=down&msg=why+%26+so&ping=1500",
            "",
        ];
        check("http://kuma:3001/api/push/t?status=up&msg=OK&ping=&x=1", false, kuma);
        check("https://example.com/beat?a=b", false, ["", "GET https://example.com/beat?a=b", "", ""]);
    }

    #[test]
    fn a_name_becomes_a_slug() {
        let slug = |name: &str| slug(&DatabaseName::from(name));
        for name in ["app", "my-app", "a__b", "shop2"] {
            assert_eq!(slug(name), name);
        }
        // The digits are those of `printf %s NAME | sha256sum`.
        for (name, expected) in [("My App!", "my-app-6e06c02a"), ("--a__b--", "a__b-d237228f"), ("日本", "cf2abf0c")]
        {
            assert_eq!(slug(name), expected);
        }
        assert_eq!(super::slug(&DatabaseName::unknown()), "database");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for text in ["canary", "https://", "https://a/b https://canary/d", "ftp://canary/x"] {
            let problem = PingTarget::parse(text, false).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
