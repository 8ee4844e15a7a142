//! PagerDuty: <https://developer.pagerduty.com/docs/events-api-v2-overview>.

use serde_json::{Map, Value, json};

use crate::notify::message::{Message, Status};

pub(super) fn body(message: &Message, routing_key: &str) -> Value {
    let action = if message.status == Status::Firing { "trigger" } else { "resolve" };
    let details: Map<String, Value> =
        message.facts().into_iter().map(|(name, fact)| (name.to_owned(), json!(fact))).collect();
    let links = message.links().into_iter();
    let links: Vec<Value> = links.map(|(name, url)| json!({ "href": url, "text": name })).collect();
    let mut body = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": message.key,
        "links": links,
        "payload": {
            "summary": message.title(),
            "source": message.instance,
            "severity": message.severity.word(),
            "timestamp": message.at.to_rfc3339(),
            "group": message.service,
            "class": message.event,
            "custom_details": details,
        },
    });
    // A value is a text or not there.
    if let Some(database) = &message.database {
        body["payload"]["component"] = json!(database);
    }
    if let Some(url) = &message.url {
        (body["client"], body["client_url"]) = (json!(message.service), json!(url));
    }
    body
}
