//! A message in the form that each kind of channel takes. Nothing that a database or a store says is markup in any of
//! them.

mod discord;
mod google_chat;
mod mail;
mod ntfy;
mod pagerduty;
mod slack;
mod standard;
mod teams;
mod telegram;

use backup_core::live_secret::LiveSecret;
use backup_core::secret::Secret;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::channel::{Format, Webhook};
use super::message::{Level, Message, Status};

pub(super) use mail::mail;
pub(crate) use standard::SigningSecret;

/// What channels need besides their addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// `NTFY_TOKEN`.
    pub(crate) ntfy_token: Option<LiveSecret>,
    /// `WEBHOOK_SECRET`.
    pub(crate) signing: Option<SigningSecret>,
}

/// A POST of JSON.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, Secret)>,
}

/// `message` for `webhook`, to be sent at `now`. `id` is the same for each attempt.
pub(super) fn post(
    webhook: &Webhook,
    message: &Message,
    credentials: &Credentials,
    id: &str,
    now: DateTime<Utc>,
) -> Post {
    let plain = |body: Value| Post { body: body.to_string(), headers: Vec::new() };
    match webhook.format {
        Format::Slack(dialect) => plain(slack::body(message, dialect)),
        Format::Discord => plain(discord::body(message)),
        Format::Teams => plain(teams::body(message)),
        Format::Telegram => plain(telegram::body(message)),
        Format::Ntfy => {
            let bearer =
                |token: &LiveSecret| ("authorization", Secret::new(format!("Bearer {}", token.now().expose())));
            let headers = credentials.ntfy_token.iter().map(bearer).collect();
            Post { headers, ..plain(ntfy::body(message, webhook.key.expose())) }
        }
        Format::PagerDuty => plain(pagerduty::body(message, webhook.key.expose())),
        Format::GoogleChat => plain(google_chat::body(message)),
        Format::Json => standard::post(message, credentials.signing.as_ref(), id, now),
    }
}

/// What a message looks like at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Neutral,
    Warning,
    Bad,
}

impl Tone {
    fn of(message: &Message) -> Self {
        match (message.status, message.severity) {
            (Status::Resolved, Level::Info) if message.event == "test" => Self::Neutral,
            (Status::Resolved, _) => Self::Good,
            (Status::Firing, Level::Info) => Self::Neutral,
            (Status::Firing, Level::Warning) => Self::Warning,
            (Status::Firing, Level::Critical) => Self::Bad,
        }
    }

    /// As in CSS, without its `#`.
    fn colour(self) -> u32 {
        match self {
            Self::Good => 0x2e7d32,
            Self::Neutral => 0x607d8b,
            Self::Warning => 0xf9a825,
            Self::Bad => 0xc62828,
        }
    }
}

/// `text` with a backslash before every character that Markdown may take for markup.
fn without_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(
            letter,
            '\\' | '*'
                | '_'
                | '~'
                | '`'
                | '|'
                | '>'
                | '<'
                | '#'
                | '['
                | ']'
                | '('
                | ')'
                | '{'
                | '}'
                | '!'
                | '+'
                | '-'
                | '&'
                | ':'
                | '@'
        ) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// `text` in which no `@` is followed by a name: that would call people.
fn without_mentions(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests;
