//! ntfy: <https://docs.ntfy.sh/publish/#publish-as-json>. As JSON, since titles in headers could not hold all names.

use serde_json::{Value, json};

use super::Tone;
use crate::notify::message::Message;

pub(super) fn body(message: &Message, topic: &str) -> Value {
    let (priority, tag) = match Tone::of(message) {
        Tone::Good => (3, "white_check_mark"),
        Tone::Neutral => (3, "information_source"),
        Tone::Warning => (4, "warning"),
        Tone::Bad => (5, "rotating_light"),
    };
    let links = message.links().into_iter();
    let links: Vec<Value> = links.map(|(name, url)| json!({ "action": "view", "label": name, "url": url })).collect();
    let mut body = json!({
        "topic": topic,
        "title": message.title(),
        "message": message.body(),
        "priority": priority,
        "tags": [tag],
        "actions": links,
    });
    if let Some(url) = &message.url {
        body["click"] = json!(url);
    }
    body
}
