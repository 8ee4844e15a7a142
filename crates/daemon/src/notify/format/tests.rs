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

/// Every text of a body, each fact with its name before it.
fn texts(body: &Value) -> String {
    match body {
        Value::String(text) => format!("{text}\n"),
        Value::Array(all) => all.iter().map(texts).collect(),
        Value::Object(all) => match (all.get("title"), all.get("value")) {
            (Some(name), Some(fact)) => texts(name) + &texts(fact),
            _ => all.iter().map(|(name, value)| format!("{name}\n{}", texts(value))).collect(),
        },
        _ => String::new(),
    }
}

/// `text` without what the formats have between the name of a fact and the fact, and before markup.
fn bare(text: &str) -> String {
    text.replace(['\\', '*', '\r'], "").replace(": ", "\n")
}

/// The parts of a mail, without the tags of the second one.
fn parts_of_mail(message: &Message) -> [String; 2] {
    let [from, to] = ["backup@example.com", "ops@example.org"].map(|text| text.parse().unwrap());
    let mail = String::from_utf8(mail(message, &from, &to, "msg_1").unwrap().formatted()).unwrap();
    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
    let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
    let plain = mail.split_once("text/plain").unwrap().1.split_once("text/html").unwrap().0;
    let html = mail.split_once("text/html").unwrap().1;
    let mut is_tag = false;
    let text = html.chars().filter_map(|letter| match letter {
        '<' => {
            is_tag = true;
            None
        }
        '>' => {
            is_tag = false;
            Some('\n')
        }
        letter => (!is_tag).then_some(letter),
    });
    let html: String = text.collect();
    let lines = html.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n"));
    [format!("{subject}\n{plain}"), lines.collect()]
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

/// Every format has the same facts, both parts of a mail included.
#[test]
fn every_format_has_every_fact() {
    let backup_id = Some("20261126T030000Z-hrp2calpt57mzst5".to_owned());
    let firing = Message { backup_id, ..message("app", "no connection") };
    let over = Message { occasion: Occasion::Resolved, status: Status::Resolved, ..firing.clone() };
    let safe = "newest backup 20261128T030000Z-calpt5zmzst5hrp2 (30 h old); newest proven backup \
                20261127T030000Z-7mzst5hrp2calpt5 (2 d old)";
    for (message, title, status) in [
        (&firing, "CRITICAL: backup of app: runs fail (shop, production)", "firing, critical"),
        (&over, "RESOLVED after 6 h: backup of app: runs fail (shop, production)", "resolved, critical"),
    ] {
        let bodies = FORMATS.map(|format| (format!("{format:?}"), texts(&body(format, message))));
        let [plain, html] = parts_of_mail(message);
        for (format, text) in bodies.into_iter().chain([("plain".to_owned(), plain), ("html".to_owned(), html)]) {
            let text = format!("\n{}", bare(&text));
            assert!(text.contains(&bare(title)), "{format} has no {title}: {text}");
            for (name, fact) in [
                ("Reason", "no connection"),
                ("Still safe", safe),
                ("Next attempt", "2026-11-29T10:00:00Z"),
                ("What to do", "Check the user and the password."),
                ("Runbook", "https://backup.example.com/runbooks/troubleshooting"),
                ("Since", "2026-11-29T03:00:00Z (6 h)"),
                ("Failed runs", "3"),
                ("Event", "failing"),
                ("Status", status),
                ("Class", "auth"),
                ("Backup", "20261126T030000Z-hrp2calpt57mzst5"),
                ("Page", "https://backup.example.com/"),
                ("Instance", "shop, production"),
                ("Version", env!("CARGO_PKG_VERSION")),
            ] {
                assert!(text.contains(&bare(&format!("\n{name}: {fact}\n"))), "{format} has no {name}: {text}");
            }
        }
    }
    let data = &body(Format::Json, &firing)["data"];
    for (name, fact) in [
        ("event", json!("failing")),
        ("severity", json!("critical")),
        ("status", json!("firing")),
        ("since", json!("2026-11-29T03:00:00Z")),
        ("occurrences", json!(3)),
        ("service", json!("backup")),
        ("instance", json!("shop, production")),
        ("database", json!("app")),
        ("backup_id", json!("20261126T030000Z-hrp2calpt57mzst5")),
        ("class", json!("auth")),
        ("reason", json!("no connection")),
        ("next_attempt_at", json!("2026-11-29T10:00:00Z")),
        ("what_to_do", json!("Check the user and the password.")),
        ("runbook", json!("https://backup.example.com/runbooks/troubleshooting")),
        ("url", json!("https://backup.example.com/")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(data[name], fact, "{name}");
    }
    assert_eq!(data["safe"]["newest_proven"]["at"], "2026-11-27T03:00:00Z");
}

#[test]
fn no_body_grows_with_what_it_tells() {
    for format in FORMATS {
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
    let (block, links) = chat.rsplit_once("\n```").unwrap();
    assert!(block.starts_with("```\n") && chat.matches('`').count() == 6, "{chat}");
    assert_eq!(links, format!("\n<{RUNBOOK}|Runbook>\n<{PAGE}|Page>"), "nothing else is outside of the block");
}

/// Where the pages of `message` are.
const PAGE: &str = "https://backup.example.com/";
const RUNBOOK: &str = "https://backup.example.com/runbooks/troubleshooting";

/// What a channel would otherwise show as text, or with backslashes in it, is a link of the channel's own kind.
#[test]
fn runbook_and_page_are_links_if_there_is_a_public_url() {
    let linked = message("app", "see https://evil-1.example/");
    let named = |body: &Value, list: &str, of: &str, url: &str| -> Vec<(String, String)> {
        let text = |link: &Value, name: &str| link[name].as_str().unwrap().to_owned();
        body.pointer(list).unwrap().as_array().unwrap().iter().map(|link| (text(link, of), text(link, url))).collect()
    };
    let both = [("Runbook", RUNBOOK), ("Page", PAGE)].map(|(name, url)| (name.to_owned(), url.to_owned()));
    let teams = body(Format::Teams, &linked);
    let (card, none) = ("/attachments/0/content/actions", Message { pages: None, url: None, ..linked.clone() });
    assert_eq!(named(&teams, card, "title", "url"), both);
    assert_eq!(named(&body(Format::PagerDuty, &linked), "/links", "text", "href"), both);
    assert_eq!(named(&body(Format::Ntfy, &linked), "/actions", "label", "url"), both);
    for (format, list) in [(Format::Teams, card), (Format::PagerDuty, "/links"), (Format::Ntfy, "/actions")] {
        assert_eq!(body(format, &none).pointer(list), Some(&json!([])), "{format:?}");
    }
    let discord = body(Format::Discord, &linked);
    assert_eq!((&discord["embeds"][0]["url"], discord["embeds"][0]["title"].is_string()), (&json!(PAGE), true));
    for (format, fields) in [
        (Format::Discord, discord),
        (Format::Slack(Dialect::Slack), body(Format::Slack(Dialect::Slack), &linked)),
        (Format::Slack(Dialect::Markdown), body(Format::Slack(Dialect::Markdown), &linked)),
    ] {
        let text = texts(&fields);
        assert!(text.contains(RUNBOOK) && text.contains(PAGE), "{format:?}: {text}");
        let is_markdown = format != Format::Slack(Dialect::Slack);
        assert_eq!(text.contains("https://evil-1"), !is_markdown, "only our own address is shown as it is: {text}");
    }
    let whole = body(Format::Json, &linked);
    assert_eq!((&whole["data"]["runbook"], &whole["data"]["url"]), (&json!(RUNBOOK), &json!(PAGE)));
    assert_eq!(body(Format::Json, &none)["data"]["runbook"], "docs/troubleshooting.md");
    for format in FORMATS {
        let text = texts(&body(format, &none)).replace('\\', "");
        assert!(text.contains("docs/troubleshooting.md") && !text.contains("backup.example.com"), "{format:?}: {text}");
    }
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
    let page = body(Format::PagerDuty, &message);
    assert_eq!((&page["routing_key"], &page["payload"]["component"]), (&json!("the-key"), &json!("app")));
    let unnamed = body(Format::PagerDuty, &Message { database: None, ..message.clone() });
    assert_eq!(unnamed["payload"].get("component"), None, "null is not a text");
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
