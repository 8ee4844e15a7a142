//! The links of a message: to the page of what it is about, and to the runbook, which the same service serves.

use super::message::Message;
use crate::documents::address_of;

/// Where a person reads on if no alarm says more.
pub(super) const ANY_RUNBOOK: &str = "docs/troubleshooting.md";

/// The facts that are addresses if `PUBLIC_URL` is set.
const LINKS: [&str; 2] = ["Runbook", "Page"];

impl Message {
    /// The address of the runbook; without `PUBLIC_URL`, its path in the repository.
    pub(super) fn runbook_place(&self) -> String {
        let address = self.pages.as_deref().zip(address_of(self.runbook));
        let url = address.map(|(pages, address)| pages.trim_end_matches('/').to_owned() + &address);
        url.unwrap_or_else(|| self.runbook.to_owned())
    }

    /// Whether the fact that is called `name` is an address that a channel may show as a link. It is made of `PUBLIC_URL`,
    /// and nothing in it is from a database or a store.
    pub(super) fn is_link(&self, name: &str) -> bool {
        self.pages.is_some() && LINKS.contains(&name)
    }

    /// What each link is called, and its address.
    pub(super) fn links(&self) -> Vec<(&'static str, String)> {
        self.facts().into_iter().filter(|(name, _)| self.is_link(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm_code::AlarmCode;
    use crate::notify::message::tests::message;

    fn of(runbook: &'static str, pages: Option<&str>) -> Message {
        let pages = pages.map(str::to_owned);
        Message { runbook, url: pages.clone(), pages, ..message("app", "https://evil.example/") }
    }

    #[test]
    fn a_message_links_to_the_runbook_that_its_service_serves_r156() {
        for (pages, expected) in [
            (None, "docs/runbooks.md#a-drill-failed"),
            (Some("https://a.example"), "https://a.example/runbooks#a-drill-failed"),
            (Some("https://a.example/below/"), "https://a.example/below/runbooks#a-drill-failed"),
        ] {
            let message = of("docs/runbooks.md#a-drill-failed", pages);
            assert_eq!(message.runbook_place(), expected);
            let lines = format!("\nWhat to do: Check the user and the password.\nRunbook: {expected}\n");
            assert!(message.body().contains(&lines), "{}", message.body());
        }
        for code in AlarmCode::ALL {
            let place = of(code.entry().runbook, Some("https://a.example")).runbook_place();
            assert!(place.starts_with("https://a.example/runbooks"), "{code:?}: {place}");
        }
        assert_eq!(
            of(ANY_RUNBOOK, Some("https://a.example")).runbook_place(),
            "https://a.example/runbooks/troubleshooting"
        );
    }

    #[test]
    fn only_addresses_of_the_service_are_links() {
        let message = of("docs/alerts.md#delivery", Some("https://a.example"));
        let expected = [("Runbook", "https://a.example/runbooks/alerts#delivery"), ("Page", "https://a.example")];
        assert_eq!(message.links(), expected.map(|(name, url)| (name, url.to_owned())));
        assert!(of("docs/alerts.md#delivery", None).links().is_empty());
    }
}
