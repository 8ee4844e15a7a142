//! A mail: RFC 5322, with the same facts as plain text and as a table of HTML.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use ring::digest::{SHA256, digest};

use super::Tone;
use crate::notify::message::{Message, Occasion};

/// Maximum number of threads that a mail belongs to.
const MAX_THREADS: usize = 20;

/// Bytes of a digest that name a thread.
const THREAD_BYTES: usize = 16;

/// `message` from one mailbox to another. `id` is the same for each attempt, so that a server can drop what came twice.
///
/// # Errors
/// If the library refuses what is in it.
pub(in crate::notify) fn mail(
    message: &Message,
    from: &Mailbox,
    to: &Mailbox,
    id: &str,
) -> Result<lettre::Message, lettre::error::Error> {
    let domain = from.email.domain();
    let mail = lettre::Message::builder()
        .date(message.at.into())
        .from(from.clone())
        .to(to.clone())
        .subject(message.title())
        .message_id(Some(format!("<{id}@{domain}>")))
        // RFC 3834: nothing that answers mails by itself answers this one.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    // One that stands for several belongs to the thread of each.
    let each = if message.of_each.is_empty() { std::slice::from_ref(message) } else { &message.of_each };
    let roots = each.iter().filter_map(thread).map(|thread| format!("<{thread}@{domain}>"));
    let roots: Vec<String> = roots.take(MAX_THREADS).collect();
    let mail = match roots.first() {
        Some(root) => mail.references(roots.join(" ")).in_reply_to(root.clone()),
        None => mail,
    };
    mail.multipart(MultiPart::alternative_plain_html(message.body(), html(message)))
}

/// The same for all messages of one incident, of which none has it as its id: all of them answer what began it.
fn thread(message: &Message) -> Option<String> {
    match message.occasion {
        Occasion::Onset
        | Occasion::Worse
        | Occasion::Reminder
        | Occasion::Resolved
        | Occasion::Unstable { .. }
        | Occasion::Digest { .. } => {
            let incident = format!("{}\n{}", message.key, message.since.timestamp());
            let digest = digest(&SHA256, incident.as_bytes());
            Some(digest.as_ref().iter().take(THREAD_BYTES).map(|byte| format!("{byte:02x}")).collect())
        }
        Occasion::Success | Occasion::Summary { .. } | Occasion::Test => None,
    }
}

fn html(message: &Message) -> String {
    let title = escaped(&message.title());
    let colour = Tone::of(message).colour();
    let shown = |name: &str, fact: &str| match (message.is_link(name), escaped(fact)) {
        (true, url) => format!("<a href=\"{url}\">{url}</a>"),
        (false, text) => text,
    };
    let rows: String = message.facts().into_iter().map(|(name, fact)| row(name, &shown(name, &fact))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"font-family: sans-serif\">\n\
         <h1 style=\"font-size: 1.2em; border-left: 0.4em solid #{colour:06x}; padding-left: 0.6em\">{title}</h1>\n\
         <table>\n{rows}</table>\n</body>\n</html>\n"
    )
}

/// `shown` is HTML.
fn row(name: &str, shown: &str) -> String {
    let style = "text-align: left; vertical-align: top; padding: 0.1em 1em 0.1em 0";
    format!("<tr><th style=\"{style}\">{}</th><td>{shown}</td></tr>\n", escaped(name))
}

/// `text` for a place between tags.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::message::tests::message;

    /// The text of a mail as it is sent, header lines unfolded.
    fn sent(message: &Message) -> String {
        let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
        let from = mailbox("Backups <backup@example.com>");
        let mail = mail(message, &from, &mailbox("ops@example.org"), "msg_1").unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        assert!(text.is_ascii() && text.lines().all(|line| line.len() < 998), "{text}");
        text.replace("\r\n ", " ")
    }

    fn header<'text>(text: &'text str, name: &str) -> Vec<&'text str> {
        let head = text.split_once("\r\n\r\n").unwrap().0;
        head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    }

    #[test]
    fn a_mail_has_the_title_as_its_subject_and_both_parts_have_the_facts() {
        let text = sent(&message("app", "no <b>connection</b>"));
        assert_eq!(header(&text, "Subject"), ["CRITICAL: backup of app: runs fail (shop, production)"]);
        assert_eq!(header(&text, "From"), ["Backups <backup@example.com>"]);
        assert_eq!(header(&text, "To"), ["ops@example.org"]);
        assert_eq!(header(&text, "Message-ID"), ["<msg_1@example.com>"]);
        assert_eq!(header(&text, "Auto-Submitted"), ["auto-generated"]);
        assert_eq!(header(&text, "Date"), ["Sun, 29 Nov 2026 09:00:00 +0000"]);
        let unwrapped = text.replace("=\r\n", "");
        assert!(unwrapped.contains("Reason: no <b>connection</b>\r\n"), "{text}");
        assert!(
            unwrapped.contains("<td>no &lt;b&gt;connection&lt;/b&gt;</td>")
                || unwrapped.contains("no &lt;b&gt;connection"),
            "{text}"
        );
        let url = "https://backup.example.com/runbooks/troubleshooting";
        assert!(unwrapped.contains(&format!("Runbook: {url}\r\n")), "{text}");
        let html = unwrapped.replace("=3D", "=");
        assert!(html.contains(&format!("<td><a href=\"{url}\">{url}</a></td>")), "{text}");
        assert!(text.contains("text/plain; charset=utf-8") && text.contains("text/html; charset=utf-8"), "{text}");
    }

    #[test]
    fn one_incident_is_one_thread() {
        let thread = |message: &Message| {
            let text = sent(message);
            let (references, reply) = (header(&text, "References"), header(&text, "In-Reply-To"));
            assert_eq!(references, reply);
            references.first().map(|root| (*root).to_owned())
        };
        let onset = message("app", "why");
        let of = |occasion| Message { occasion, ..onset.clone() };
        let root = thread(&onset).unwrap();
        for occasion in [Occasion::Worse, Occasion::Reminder, Occasion::Resolved, Occasion::Digest { changes: 3 }] {
            let later = Message { at: onset.at + chrono::TimeDelta::days(3), ..of(occasion) };
            assert_eq!(thread(&later).as_ref(), Some(&root), "{occasion:?}");
        }
        assert_ne!(thread(&Message { since: onset.at, ..onset.clone() }).unwrap(), root, "the next incident");
        assert_ne!(thread(&Message { key: "other".to_owned(), ..onset.clone() }).unwrap(), root);
        assert_eq!([thread(&of(Occasion::Success)), thread(&of(Occasion::Test))], [None, None]);
    }

    /// Names and reasons come from databases and stores.
    #[test]
    fn nothing_that_a_database_says_becomes_a_header_r156() {
        for name in ["app\r\nBcc: a@evil.test", "a\nb", "ü\r\n\r\nbody", "x\u{2028}Bcc: a@evil.test", "\u{85}b"] {
            let text = sent(&message(name, name));
            let head = text.split_once("\r\n\r\n").unwrap().0;
            let names: Vec<&str> = head.lines().map(|line| line.split(':').next().unwrap()).collect();
            let expected = [
                "Date",
                "From",
                "To",
                "Subject",
                "Message-ID",
                "Auto-Submitted",
                "References",
                "In-Reply-To",
                "MIME-Version",
                "Content-Type",
            ];
            assert_eq!(names, expected, "{text}");
        }
    }
}
