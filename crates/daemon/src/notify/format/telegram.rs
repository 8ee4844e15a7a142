//! Telegram's bots: <https://core.telegram.org/bots/api#sendmessage>. The chat is in the address.

use backup_core::text::shortened;
use serde_json::{Value, json};

use super::without_mentions;
use crate::notify::message::Message;

/// Telegram refuses longer texts.
const MAX_TEXT_CHARS: usize = 4_096;

pub(super) fn body(message: &Message) -> Value {
    let text = without_mentions(&format!("{}\n\n{}", message.title(), message.body()));
    json!({
        // There is no parse_mode: what looks like markup stays text.
        "text": shortened(&text, MAX_TEXT_CHARS),
        "link_preview_options": { "is_disabled": true },
    })
}
