//! Whether docs/requirements.md and the names of the tests speak of the same requirements.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{files, open, root};

const REQUIREMENTS: &str = "docs/requirements.md";

/// What a line of the document has if no test carries its number.
const NO_TEST: &str = "**No test**";

#[test]
fn every_requirement_has_its_tests_or_says_that_it_has_none() {
    let listed = listed(&open(REQUIREMENTS).prose);
    let tested = tested();
    assert!(listed.len() > 100 && tested.len() > 100, "{} listed, {} tested", listed.len(), tested.len());
    let wrong = complaints(&listed, &tested);
    assert!(wrong.is_empty(), "{REQUIREMENTS}:\n{}", wrong.join("\n"));
}

/// The ids of the items of a list, each with whether a test should carry it.
fn listed(prose: &str) -> Vec<(String, bool)> {
    let items = prose.split("\n- **").skip(1).filter_map(|item| {
        let (id, text) = item.split_once("**")?;
        // The next heading does not belong to the item.
        let text = text.split("\n\n").next()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        is_id(id).then(|| (id.to_owned(), !words.join(" ").contains(NO_TEST)))
    });
    items.collect()
}

/// The ids in the names of functions of all tests, each with one name that carries it.
fn tested() -> BTreeMap<String, String> {
    let sources = ["crates", "services", "tests"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let mut tested = BTreeMap::new();
    for path in sources {
        let source = fs::read_to_string(root().join(path)).unwrap();
        for name in source.lines().filter_map(function_name) {
            for id in ids(name) {
                tested.insert(id, name.to_owned());
            }
        }
    }
    tested
}

/// The name of the function that begins in this line.
fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

/// The ids in the name of a test, such as R020 and R021 in `a_name_r020_r021`.
fn ids(name: &str) -> Vec<String> {
    name.split('_').skip(1).map(str::to_uppercase).filter(|word| is_id(word)).collect()
}

/// Whether `word` is `R` and three digits.
fn is_id(word: &str) -> bool {
    word.len() == 4 && word.starts_with('R') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// What does not agree between the document and the names of the tests.
fn complaints(listed: &[(String, bool)], tested: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (id, is_tested) in listed {
        if !seen.insert(id) {
            wrong.push(format!("{id} is listed twice"));
        }
        match tested.get(id) {
            None if *is_tested => wrong.push(format!("no test carries {id}, and its line does not say {NO_TEST}")),
            Some(name) if !*is_tested => wrong.push(format!("{id} says {NO_TEST}, and {name} carries it")),
            _ => {}
        }
    }
    let unlisted = tested.iter().filter(|(id, _)| !seen.contains(id));
    wrong.extend(unlisted.map(|(id, name)| format!("{id} is not listed, and {name} carries it")));
    wrong
}

#[test]
fn a_requirement_that_is_missing_is_found() {
    let prose =
        "# Title\n\n- **R001** One.\n- **R002** Two. **No\n  test**: not built.\n- **Words** no id.\n\n## Next\n";
    let listed = listed(prose);
    assert_eq!(listed, [("R001".to_owned(), true), ("R002".to_owned(), false)]);
    let name = function_name("    async fn two_of_them_r001_r003() {").unwrap();
    assert_eq!(ids(name), ["R001", "R003"]);
    let tested = |ids: &str| -> BTreeMap<String, String> {
        ids.split_whitespace().map(|id| (id.to_owned(), name.to_owned())).collect()
    };
    assert_eq!(complaints(&listed, &tested("R001")), [""; 0]);
    for (carried, expected) in
        [("R001 R003", "R003 is not listed"), ("R001 R002", "R002 says **No test**"), ("", "no test carries R001")]
    {
        let wrong = complaints(&listed, &tested(carried));
        assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
    }
    let twice = [("R001".to_owned(), true), ("R001".to_owned(), true)];
    assert_eq!(complaints(&twice, &tested("R001")), ["R001 is listed twice"]);
}
