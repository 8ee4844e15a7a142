//! Slack's incoming webhooks: <https://api.slack.com/reference/messaging/attachments>. Mattermost and Rocket.Chat take
//! the same.

use serde_json::{Value, json};

use super::{Tone, without_markdown, without_mentions};
use crate::notify::channel::Dialect;
use crate::notify::message::Message;

pub(super) fn body(message: &Message, dialect: Dialect) -> Value {
    let text = |text: &str| escaped(text, dialect);
    let shown = |name: &str, fact: &str| if message.is_link(name) { fact.to_owned() } else { text(fact) };
    let fields: Vec<Value> = message
        .facts()
        .into_iter()
        .map(|(name, fact)| json!({ "title": name, "value": shown(name, &fact), "short": fact.chars().count() < 40 }))
        .collect();
    json!({
        "text": text(&message.title()),
        "mrkdwn": false,
        "attachments": [{
            "color": format!("#{:06x}", Tone::of(message).colour()),
            "fallback": text(&message.title()),
            "fields": fields,
            "mrkdwn_in": [],
        }],
    })
}

fn escaped(text: &str, dialect: Dialect) -> String {
    let text = without_mentions(text);
    match dialect {
        // <https://api.slack.com/reference/surfaces/formatting#escaping>
        Dialect::Slack => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        Dialect::Markdown => without_markdown(&text),
    }
}
