//! Whether every block of commands says which test runs it, or why none can.

use std::fs;

use super::markdown::Block;
use super::{files, open, root};

/// The documents with commands, beside those directly in docs/.
const DOCUMENTS: [&str; 4] = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "tests/README.md"];

#[test]
fn every_block_of_commands_says_which_test_runs_it_or_why_none_can() {
    let in_docs = files("docs", ".md").into_iter().filter(|path| path.matches('/').count() == 1);
    let mut wrong = Vec::new();
    let mut run = 0;
    for path in DOCUMENTS.map(str::to_owned).into_iter().chain(in_docs) {
        for block in open(&path).blocks {
            if let Some(why) = complaint(&path, &block) {
                wrong.push(format!("{path}:{}: {why}", block.line));
            }
            run += usize::from(block.marker.is_some_and(|marker| marker.starts_with("run by: ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 30, "only {run} blocks are run by a test");
}

/// What is wrong with a block of the document at `path`.
fn complaint(path: &str, block: &Block) -> Option<String> {
    if block.language.is_empty() {
        return Some("a block without a language; commands are `sh`, anything else is `text`".to_owned());
    }
    let marker = block.marker.as_deref();
    if let Some(reason) = marker.and_then(|marker| marker.strip_prefix("not run: ")) {
        return (reason.trim().len() < 10).then(|| "no reason why no test runs it".to_owned());
    }
    match marker.and_then(|marker| marker.strip_prefix("run by: ")) {
        Some(test) => complaint_about_test(path, test.split(" (").next().unwrap_or_default(), block.name()),
        None if block.is_shell() => {
            Some("commands without a comment before them, `run by: module::test` or `not run: reason`".to_owned())
        }
        None => None,
    }
}

/// What is wrong with a test, `module::name`, that is said to run a block of the document at `path`.
fn complaint_about_test(path: &str, test: &str, block: Option<&str>) -> Option<String> {
    let Some((module, name)) = test.rsplit_once("::") else { return Some(format!("{test} is no module::test")) };
    let file = format!("tests/e2e/{}.rs", module.replace("::", "/"));
    let Ok(source) = fs::read_to_string(root().join(&file)) else { return Some(format!("there is no {file}")) };
    if !source.contains(&format!("#[test]\nfn {name}(")) {
        return Some(format!("{file} has no test {name}"));
    }
    if !source.contains(&format!("\"{path}\"")) {
        return Some(format!("{file} does not read {path}"));
    }
    let block = block?;
    (!source.contains(&format!("\"{block}\""))).then(|| format!("{file} does not name the block {block}"))
}

#[test]
fn a_block_that_nobody_runs_is_found() {
    let test = "encryption::by_hand::every_format_is_restored_by_the_commands_of_the_document_r045";
    let block = |language: &str, marker: Option<String>| Block {
        line: 1,
        language: language.to_owned(),
        text: String::new(),
        marker,
    };
    for (language, marker, good) in [
        ("sh", Some(format!("run by: {test} (check)")), true),
        ("sh", Some("not run: needs another machine".to_owned()), true),
        ("json", None, true),
        ("sh", None, false),
        ("", None, false),
        ("sh", Some("not run: no".to_owned()), false),
        ("sh", Some("a comment about something else".to_owned()), false),
        ("sh", Some("run by: encryption::nowhere::test".to_owned()), false),
        ("sh", Some("run by: encryption::by_hand::no_such_test".to_owned()), false),
        ("sh", Some(format!("run by: {test} (no-such-block)")), false),
    ] {
        assert_eq!(complaint("docs/restore.md", &block(language, marker.clone())).is_none(), good, "{marker:?}");
    }
    assert!(complaint("SECURITY.md", &block("sh", Some(format!("run by: {test}")))).is_some());
}
