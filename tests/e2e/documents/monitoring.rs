//! docs/monitoring.md: that the one page about alarms leaves none out.

use std::collections::BTreeSet;

use super::open;

/// The codes that docs/metrics.md lists, which other tests hold against the services.
fn listed() -> Vec<BTreeSet<String>> {
    let prose = open("docs/metrics.md").prose;
    let lists = prose.split("`alarm` is ").skip(1).map(|rest| rest.split(". ").next().unwrap());
    lists.map(codes).collect()
}

/// The code spans of a text.
fn codes(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_page_of_monitoring_names_every_alarm_of_each_service() {
    let prose = open("docs/monitoring.md").prose;
    let rows = prose.lines().skip_while(|line| !line.starts_with("| Question")).skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    let listed = listed();
    assert_eq!(listed.len(), 2, "{listed:?}");
    for (service, codes_of_service) in ["backup", "verify"].into_iter().zip(listed) {
        let column = if service == "backup" { 2 } else { 3 };
        let named: BTreeSet<String> = rows.iter().flat_map(|row| codes(row.split('|').nth(column).unwrap())).collect();
        assert!(named.len() > 9, "{named:?}");
        assert_eq!(named, codes_of_service, "{service}");
    }
}
