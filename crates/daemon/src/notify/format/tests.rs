use serde_json::{Value, json};

use super::super::channel::{Dialect, Format};
use super::super::message::tests::{at, message};
use super::super::message::{MAX_BODY_CHARS, Occasion};
use super::*;

/// The body of `message` in one format.
fn body(format: Format, message: &Message) -> Value {
    let url = Secret::new("https://example.com".to_owned());
    let webhook = Webhook { format, url, key: Secret::new("the-key".to_owned()) };
    let post = post(&webhook, message, &Credentials::default(), "msg_1", at("2026-11-29T09:00:01Z"));
    serde_json::from_str(&post.body).unwrap()
}

/// Every text of a body.
fn texts(body: &Value) -> String {
    match body {
        Value::String(text) => format!("{text}\n"),
        Value::Array(all) => all.iter().map(texts).collect(),
        Value::Object(all) => all.values().map(texts).collect(),
        _ => String::new(),
    }
}

const FORMATS: [Format; 9] = [
    Format::Slack(Dialect::Slack),
    Format::Slack(Dialect::Markdown),
    Format::Discord,
    Format::Teams,
    Format::Telegram,
    Format::Ntfy,
    Format::PagerDuty,
    Format::GoogleChat,
    Format::Json,
];

/// Every format has the same facts, and none has a limit that these exceed.
#[test]
fn every_format_has_every_fact() {
    for format in FORMATS {
        let text = texts(&body(format, &message("app", "no connection"))).replace('\\', "");
        for fact in [
            "CRITICAL: backup of app: runs fail",
            "no connection",
            "20261128T030000Z-calpt5zmzst5hrp2",
            "20261127T030000Z-7mzst5hrp2calpt5",
            "2026-11-29T10:00:00Z",
            "Check the user and the password.",
            "docs/troubleshooting.md",
            "2026-11-29T03:00:00Z",
            "failing",
            "auth",
            "https://backup.example.com/",
            env!("CARGO_PKG_VERSION"),
        ] {
            assert!(text.contains(fact), "{format:?} has no {fact}: {text}");
        }
        let long = body(format, &message(&"n".repeat(999), &"*".repeat(999)));
        assert!(long.to_string().len() < 8 * MAX_BODY_CHARS, "{format:?}");
    }
}

/// A table, a database or a store that is called like markup is shown as it is called.
#[test]
fn nothing_that_a_database_says_is_markup_r156() {
    let hostile = "@everyone <!channel> <@U1> **b** _i_ `c` [x](http://evil) {{DATE(2026)}} &lt; # h";
    let message = message("<b>@here</b>", hostile);
    for format in FORMATS {
        let body = body(format, &message);
        let text = texts(&body);
        let banned: &[&str] = match format {
            Format::Slack(Dialect::Slack) => &["<", ">", "@everyone", "@here"],
            Format::Slack(Dialect::Markdown) => &["@everyone", "@here", " **b", "[x](", " `c", " _i", " <!"],
            Format::Discord => &["\\@\\@", " **b", "[x](", " `c", " _i", " <@", " <!", " {{"],
            Format::Teams => &[" **b", "[x](", " `c", " _i", " <@", "{{DATE"],
            Format::Telegram => &["@everyone", "@here", "@U1"],
            Format::GoogleChat => &["`c`"],
            // These take text as it is.
            Format::Ntfy | Format::PagerDuty | Format::Json => &[],
        };
        for markup in banned {
            assert!(!text.contains(markup), "{format:?} has {markup:?}: {text}");
        }
        let word = if format == Format::Telegram || matches!(format, Format::Slack(_)) { "@\u{200b}" } else { "@" };
        assert!(text.replace('\\', "").contains(&format!("{word}everyone")), "{format:?}: {text}");
    }
    assert_eq!(body(Format::Slack(Dialect::Slack), &message)["mrkdwn"], json!(false));
    assert_eq!(body(Format::Discord, &message)["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(body(Format::Telegram, &message)["parse_mode"], Value::Null);
    let chat = body(Format::GoogleChat, &message);
    let chat = chat["text"].as_str().unwrap();
    assert!(chat.starts_with("```\n") && chat.ends_with("\n```") && chat.matches('`').count() == 6, "{chat}");
}

#[test]
fn each_format_shows_how_urgent_it_is_and_when_it_is_over() {
    let firing = message("app", "why");
    let resolved = Message { occasion: Occasion::Resolved, status: Status::Resolved, ..message("app", "why") };
    let shown = |message: &Message| {
        let page = body(Format::PagerDuty, message);
        (
            body(Format::Slack(Dialect::Slack), message)["attachments"][0]["color"].clone(),
            body(Format::Discord, message)["embeds"][0]["color"].clone(),
            body(Format::Teams, message)["attachments"][0]["content"]["body"][0]["color"].clone(),
            body(Format::Ntfy, message)["priority"].clone(),
            (page["event_action"].clone(), page["dedup_key"].clone(), page["payload"]["severity"].clone()),
            body(Format::Json, message)["type"].clone(),
        )
    };
    let key = json!("backup/shop, production/app/main");
    let page = (json!("trigger"), key.clone(), json!("critical"));
    assert_eq!(
        shown(&firing),
        (json!("#c62828"), json!(0xc62828), json!("Attention"), json!(5), page, json!("alarm.raised"))
    );
    let page = (json!("resolve"), key, json!("critical"));
    assert_eq!(
        shown(&resolved),
        (json!("#2e7d32"), json!(0x2e7d32), json!("Good"), json!(3), page, json!("alarm.resolved"))
    );
}

#[test]
fn keys_and_topics_are_where_they_belong() {
    let message = message("app", "why");
    assert_eq!(body(Format::PagerDuty, &message)["routing_key"], "the-key");
    let ntfy = body(Format::Ntfy, &message);
    assert_eq!((&ntfy["topic"], &ntfy["click"]), (&json!("the-key"), &json!("https://backup.example.com/")));
    let teams = body(Format::Teams, &message);
    assert_eq!(teams["attachments"][0]["content"]["version"], "1.4");
    assert_eq!(teams["attachments"][0]["content"]["body"][1]["type"], "FactSet");
}

/// docs/webhook.schema.json is a promise: what it requires is there, and nothing is there that it does not know.
#[test]
fn the_schema_knows_what_a_standard_webhook_holds() {
    let schema: Value = serde_json::from_str(include_str!("../../../../../docs/webhook.schema.json")).unwrap();
    let whole = body(Format::Json, &message("app", "why"));
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let data = &schema["properties"]["data"];
    assert_eq!(names(&whole), names(&schema["properties"]));
    let optional = |occasion| names(&body(Format::Json, &Message { occasion, ..message("app", "why") })["data"]);
    let mut known = optional(Occasion::Digest { changes: 2 });
    known.extend(optional(Occasion::Summary { succeeded: 2, failed: 1 }));
    assert_eq!(known, names(&data["properties"]));
    let required: std::collections::BTreeSet<String> = serde_json::from_value(data["required"].clone()).unwrap();
    assert_eq!(optional(Occasion::Onset), required);
    let types = &schema["properties"]["type"]["enum"];
    assert!(types.as_array().unwrap().contains(&whole["type"]), "{types}");
}
