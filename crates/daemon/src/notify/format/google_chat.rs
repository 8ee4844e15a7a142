//! Google Chat: <https://developers.google.com/workspace/chat/format-messages>. Its markup has no escapes, so everything
//! stands in a block of code, which has none; links are below it.

use serde_json::{Value, json};

use crate::notify::message::Message;

pub(super) fn body(message: &Message) -> Value {
    let text = format!("{}\n\n{}", message.title(), message.body()).replace('`', "'");
    let links = message.links().into_iter();
    let links: String = links.map(|(name, url)| format!("\n<{url}|{name}>")).collect();
    json!({ "text": format!("```\n{text}\n```{links}") })
}
