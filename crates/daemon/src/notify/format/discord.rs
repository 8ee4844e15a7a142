//! Discord's webhooks: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use backup_core::text::shortened;
use serde_json::{Value, json};

use super::{Tone, without_markdown};
use crate::notify::message::Message;

/// Limits of an embed, in characters.
const MAX_TITLE_CHARS: usize = 256;
const MAX_DESCRIPTION_CHARS: usize = 4_096;

pub(super) fn body(message: &Message) -> Value {
    let shown = |name: &str, fact: String| if message.is_link(name) { fact } else { without_markdown(&fact) };
    let facts = message.facts().into_iter();
    let lines: Vec<String> = facts.map(|(name, fact)| format!("**{name}**: {}", shown(name, fact))).collect();
    let mut body = json!({
        // A name of a table mentions no one.
        "allowed_mentions": { "parse": [] },
        "embeds": [{
            "title": shortened(&without_markdown(&message.title()), MAX_TITLE_CHARS),
            "description": shortened(&lines.join("\n"), MAX_DESCRIPTION_CHARS),
            "color": Tone::of(message).colour(),
            "timestamp": message.at.to_rfc3339(),
        }],
    });
    if let Some(url) = &message.url {
        body["embeds"][0]["url"] = json!(url);
    }
    body
}
