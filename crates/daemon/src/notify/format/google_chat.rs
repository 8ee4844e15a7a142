//! Google Chat: <https://developers.google.com/workspace/chat/format-messages>. Its markup has no escapes, so everything
//! stands in a block of code, which has none.

use serde_json::{Value, json};

use crate::notify::message::Message;

pub(super) fn body(message: &Message) -> Value {
    let text = format!("{}\n\n{}", message.title(), message.body()).replace('`', "'");
    json!({ "text": format!("```\n{text}\n```") })
}
