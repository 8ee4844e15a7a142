//! The pages of the documents that a service carries: Markdown as HTML, within the frame of every other page.

use std::sync::OnceLock;

use maud::{PreEscaped, html};
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html::push_html};

use super::layout::Frame;
use super::view::View;
use super::words::Clock;
use crate::documents::{DOCUMENTS, Document, address_of};

/// The page of the document that is called `name`; `None` if there is none.
pub(super) fn page(view: &View, name: &str, clock: Clock) -> Option<String> {
    let (document, text) = DOCUMENTS.iter().zip(rendered()).find(|(document, _)| document.name == name)?;
    let body = html! {
        nav aria-label="Documents" { @for other in &DOCUMENTS {
            @if other.name == name { b { (other.title) } } @else { a href=(other.address()) { (other.title) } }
        } }
        article { (PreEscaped(text)) }
        p.soft { "This is " code { (document.path) } " of version " (env!("CARGO_PKG_VERSION")) "." }
    };
    let title = document.title.to_owned();
    Some(Frame { view, clock, title, subject: "", is_live: false, is_home: false }.around(&body))
}

/// The HTML of every document, in their order.
fn rendered() -> &'static [String] {
    static RENDERED: OnceLock<Vec<String>> = OnceLock::new();
    RENDERED.get_or_init(|| DOCUMENTS.iter().map(render).collect())
}

/// `document` without its HTML: that is comments about its tests.
fn render(document: &Document) -> String {
    let mut events: Vec<Event<'_>> = Vec::new();
    // Where the text of a heading begins, and that of a link that leads nowhere here.
    let (mut heading, mut link) = (0, None);
    let mut anchors: Vec<String> = Vec::new();
    for event in Parser::new_ext(document.text, Options::ENABLE_TABLES) {
        match event {
            Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            Event::Start(Tag::Heading { .. }) => {
                heading = events.len();
                events.push(event);
            }
            Event::End(TagEnd::Heading(level)) => {
                let anchor = free(&anchor(&text_of(&events[heading..])), &anchors);
                anchors.push(anchor.clone());
                let (id, classes, attrs) = (Some(anchor.into()), Vec::new(), Vec::new());
                events[heading] = Event::Start(Tag::Heading { level, id, classes, attrs });
                events.push(event);
            }
            Event::Start(Tag::Link { dest_url, .. }) => match target(document, &dest_url) {
                Target::Address(address) => events.push(Event::Start(link_to(address))),
                Target::Repository(place) => link = Some((events.len(), place)),
            },
            Event::End(TagEnd::Link) => match link.take() {
                None => events.push(event),
                Some((start, place)) => name_place(&mut events, start, place),
            },
            // A table may be wider than a phone. An alignment would be a style of its own, which the policy forbids.
            Event::Start(Tag::Table(_)) => {
                events.push(Event::Html("<div class=\"wide\">".into()));
                events.push(Event::Start(Tag::Table(Vec::new())));
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                events.push(Event::Html("</div>\n".into()));
            }
            event => events.push(event),
        }
    }
    let mut html = String::new();
    push_html(&mut html, events.into_iter());
    html
}

/// Where a link of a document leads.
enum Target {
    /// To another place of the same document, to a document that is served, or out of here.
    Address(String),
    /// To a file of the repository, by its path from the root. There is no address of it.
    Repository(String),
}

fn target(document: &Document, link: &str) -> Target {
    if link.starts_with('#') || link.starts_with("https://") {
        return Target::Address(link.to_owned());
    }
    let place = match (link.strip_prefix("../"), document.path.rsplit_once('/')) {
        (Some(above), _) => above.to_owned(),
        (None, Some((folder, _))) => format!("{folder}/{link}"),
        (None, None) => link.to_owned(),
    };
    address_of(&place).map_or(Target::Repository(place), Target::Address)
}

fn link_to(address: String) -> Tag<'static> {
    let (title, id) = (CowStr::Borrowed(""), CowStr::Borrowed(""));
    Tag::Link { link_type: LinkType::Inline, dest_url: address.into(), title, id }
}

/// Adds the path behind the text that begins at `start`, or puts it there in its place if that is the name of the file.
fn name_place<'text>(events: &mut Vec<Event<'text>>, start: usize, place: String) {
    let text = text_of(&events[start..]);
    if place.rsplit('/').next() == Some(text.as_str()) {
        events.truncate(start);
        events.push(Event::Code(place.into()));
    } else {
        events.extend([Event::Text(" (".into()), Event::Code(place.into()), Event::Text(")".into())]);
    }
}

fn text_of(events: &[Event<'_>]) -> String {
    let text = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(&**text),
        _ => None,
    });
    text.collect()
}

/// What GitHub makes of a heading: lower case; of punctuation only `-` and `_` stay; a space becomes `-`.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// `anchor`, or, if a heading before has it already, with the first number that none has.
fn free(anchor: &str, taken: &[String]) -> String {
    let numbered = (1..).map(|number| format!("{anchor}-{number}"));
    let mut names = std::iter::once(anchor.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::alarm_code::AlarmCode;

    fn rendering(text: &'static str) -> String {
        render(&Document { name: "", path: "docs/runbooks.md", title: "", text })
    }

    /// Every value of an attribute in `html`.
    fn values<'html>(html: &'html str, attribute: &str) -> Vec<&'html str> {
        let before = format!(" {attribute}=\"");
        let found = html.split(&before).skip(1);
        found.filter_map(|rest| rest.split('"').next()).collect()
    }

    /// What can be linked to, by page.
    fn ids() -> BTreeMap<String, Vec<&'static str>> {
        let pages = DOCUMENTS.iter().zip(rendered());
        pages.map(|(document, html)| (document.address(), values(html, "id"))).collect()
    }

    #[track_caller]
    fn assert_leads_somewhere(address: &str, from: &str) {
        let (page, id) = address.split_once('#').unwrap_or((address, ""));
        let ids = ids();
        let there = ids.get(page).unwrap_or_else(|| panic!("{from}: {address} is not served"));
        assert!(id.is_empty() || there.contains(&id), "{from}: {page} has no {id}");
    }

    #[test]
    fn the_runbook_of_every_alarm_is_a_heading_of_a_page() {
        for code in AlarmCode::ALL {
            let address = address_of(code.entry().runbook).unwrap();
            assert!(address.contains('#'), "{code:?}");
            assert_leads_somewhere(&address, &format!("{code:?}"));
        }
    }

    #[test]
    fn every_link_of_a_page_leads_somewhere() {
        for (document, html) in DOCUMENTS.iter().zip(rendered()) {
            let links = values(html, "href");
            assert!(links.len() > 5, "{}: {links:?}", document.path);
            for link in links {
                match link.strip_prefix('#') {
                    Some(_) => assert_leads_somewhere(&(document.address() + link), document.path),
                    None if link.starts_with("https://") => {}
                    None => assert_leads_somewhere(link, document.path),
                }
            }
        }
    }

    #[test]
    fn a_link_leads_to_a_page_or_is_the_path_of_a_file() {
        let html = rendering(
            "[a](#b) [c](restore.md#d) [e](runbooks.md) [f](https://example.org/)\n\n\
             [format.md](format.md), [the state](databases.md#gone), [x](../SECURITY.md#hardened)",
        );
        let expected = "<p><a href=\"#b\">a</a> <a href=\"/runbooks/restore#d\">c</a> \
            <a href=\"/runbooks\">e</a> <a href=\"https://example.org/\">f</a></p>\n\
            <p><code>docs/format.md</code>, the state (<code>docs/databases.md#gone</code>), \
            x (<code>SECURITY.md#hardened</code>)</p>\n";
        assert_eq!(html, expected);
    }

    #[test]
    fn a_heading_has_the_anchor_that_github_makes_of_it() {
        for (heading, expected) in [
            ("With `verify restore`", "with-verify-restore"),
            ("GDPR, HIPAA, PCI DSS, SOC 2", "gdpr-hipaa-pci-dss-soc-2"),
            ("1. Find the backup", "1-find-the-backup"),
            ("drill-&lt;time&gt;.json", "drill-timejson"),
            ("What a [drill](alerts.md#y) is, and `not_counted`", "what-a-drill-is-and-not_counted"),
            ("a - b", "a---b"),
            ("Süd & Ost", "süd--ost"),
        ] {
            let html = rendering(format!("## {heading}\n").leak());
            assert_eq!(values(&html, "id"), [expected]);
        }
        assert_eq!(values(&rendering("# Twice\n\n## Twice\n\n## Twice\n"), "id"), ["twice", "twice-1", "twice-2"]);
    }

    #[test]
    fn nothing_of_a_document_is_markup_that_the_policy_forbids() {
        let html = rendering(
            "<script>x</script>\n\n<!-- run by: a::b (c) -->\n```sh\na <b> & c\n```\n\na <b>b</b>\n\n| n |\n| ---: |\n| 1 |\n",
        );
        let expected = "<pre><code class=\"language-sh\">a &lt;b&gt; &amp; c\n</code></pre>\n<p>a b</p>\n\
            <div class=\"wide\"><table><thead><tr><th>n</th></tr></thead><tbody>\n<tr><td>1</td></tr>\n</tbody></table>\n\
            </div>\n";
        assert_eq!(html, expected);
        for (document, html) in DOCUMENTS.iter().zip(rendered()) {
            for forbidden in ["<script", "<!--", " style=", "<img", "<iframe", "javascript:"] {
                assert!(!html.contains(forbidden), "{}: {forbidden}", document.path);
            }
        }
    }
}
