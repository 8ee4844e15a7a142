//! What no drill sees is documented, and nothing else is said to be so.

use std::collections::BTreeSet;

use super::{items, known};

/// Where docs/restore.md lists the exceptions.
const HEADING: &str = "## What a drill cannot see";

#[test]
fn what_a_drill_cannot_see_is_in_the_document_and_the_other_way_round() {
    let known = known::all("mutations.known");
    let document = super::read("../../docs/restore.md");
    let listed: BTreeSet<String> = list_items(&document, HEADING).into_iter().collect();
    let sentences: BTreeSet<String> = known.into_iter().map(|known| known.sentence).collect();
    assert!(!sentences.is_empty(), "mutations.known has no exceptions");
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| left.difference(right).cloned().collect::<Vec<_>>();
    assert_eq!(only(&sentences, &listed), [""; 0], "in mutations.known, and not in docs/restore.md");
    assert_eq!(only(&listed, &sentences), [""; 0], "in docs/restore.md, and not in mutations.known");
}

#[test]
fn every_exception_is_about_items_that_exist() {
    for (list, folder) in [("mutations.known", "mutations"), ("good.known", "good")] {
        let ids: BTreeSet<String> = items::all(folder).into_iter().map(|item| item.id).collect();
        let mut named = known::all(list).into_iter().flat_map(|known| known.ids);
        assert_eq!(named.find(|id| !ids.contains(id)), None, "in {list}, and not in {folder}");
    }
}

/// The items of the lists below a heading, each in one line.
fn list_items(document: &str, heading: &str) -> Vec<String> {
    let section =
        document.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("## "));
    let mut items: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in section {
        match (line.strip_prefix("- "), line.strip_prefix("  ")) {
            (Some(first), _) => {
                items.push(first.trim().to_owned());
                is_inside = true;
            }
            (None, Some(more)) if is_inside => {
                let item = items.last_mut().unwrap();
                item.push(' ');
                item.push_str(more.trim());
            }
            _ => is_inside = false,
        }
    }
    items
}

#[test]
fn a_list_item_is_one_line_however_it_is_wrapped() {
    let document = "## A\n- not this\n## B\n\nText:\n\n- one\n  and more\n- two\n\n  no list\n## C\n- nor this\n";
    assert_eq!(list_items(document, "## B"), ["one and more", "two"]);
}
