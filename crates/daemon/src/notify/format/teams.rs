//! Workflows of Microsoft Teams: a message with one Adaptive Card,
//! <https://adaptivecards.io/explorer/FactSet.html>.

use serde_json::{Value, json};

use super::{Tone, without_markdown};
use crate::notify::message::Message;

pub(super) fn body(message: &Message) -> Value {
    let colour = match Tone::of(message) {
        Tone::Good => "Good",
        Tone::Neutral => "Default",
        Tone::Warning => "Warning",
        Tone::Bad => "Attention",
    };
    let facts = message.facts().into_iter();
    let facts: Vec<Value> =
        facts.map(|(name, fact)| json!({ "title": name, "value": without_markdown(&fact) })).collect();
    let links = message.links().into_iter();
    let links: Vec<Value> =
        links.map(|(name, url)| json!({ "type": "Action.OpenUrl", "title": name, "url": url })).collect();
    let title = without_markdown(&message.title());
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    { "type": "TextBlock", "text": title, "weight": "Bolder", "color": colour, "wrap": true },
                    { "type": "FactSet", "facts": facts },
                ],
                // In a fact an address is text.
                "actions": links,
            },
        }],
    })
}
