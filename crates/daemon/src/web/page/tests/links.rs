//! Where the pages lead to.

use super::super::style::STYLE;
use super::*;

#[test]
fn every_page_ends_with_the_version_and_where_programs_and_people_read_on() {
    let page = view(Daemon::Backup, proven(0)).home(now());
    let footer = page.split("<footer>").nth(1).unwrap();
    assert!(footer.contains(&format!("backup {}", env!("CARGO_PKG_VERSION"))), "{footer}");
    let api = ["databases", "backups", "drills", "retention", "events"].map(|list| format!("/api/v1/{list}"));
    let all = ["/runbooks", "/status", "/health", "/metrics"].map(str::to_owned).into_iter().chain(api);
    let links: Vec<&str> = footer.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, all.collect::<Vec<_>>());
}

#[test]
fn the_documents_are_pages_in_the_same_frame_and_link_to_each_other() {
    let view = view(Daemon::Verify, proven(0));
    for (name, title) in
        [("", "Runbooks"), ("troubleshooting", "Troubleshooting"), ("restore", "Restore"), ("alerts", "Alerts")]
    {
        let page = view.document(name, now()).unwrap();
        assert!(page.contains(&format!("<title>{title} · verify</title>")), "{name}");
        assert!(page.contains("<nav aria-label=\"Documents\">") && page.contains(&format!("<b>{title}</b>")), "{name}");
        assert!(page.contains(STYLE.as_str()) && page.contains("<footer>"), "{name}");
    }
    assert_eq!(view.document("runbooks", now()), None);
}
