//! Whether what a document points to is there.

use std::path::{Component, Path, PathBuf};

use super::{files, open, root};

#[test]
fn every_relative_link_and_every_anchor_leads_somewhere() {
    let mut broken = Vec::new();
    let documents = files("", ".md");
    assert!(documents.iter().any(|path| path == "README.md") && documents.iter().any(|path| path == "docs/format.md"));
    for path in documents {
        for (line, target) in open(&path).links() {
            if let Some(why) = complaint(&path, &target) {
                broken.push(format!("{path}:{line}: {target}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What is wrong with a link of the document at `path`.
fn complaint(path: &str, target: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let file = match file {
        "" => path.to_owned(),
        // Out of the repository lie pages of the site that shows it.
        file => beside(path, file)?,
    };
    if !root().join(&file).exists() {
        return Some("there is no such file".to_owned());
    }
    let anchor = anchor.filter(|_| file.ends_with(".md"))?;
    (!open(&file).anchors().iter().any(|there| there == anchor)).then(|| format!("{file} has no such heading"))
}

/// The path below the root that a link of the document at `path` means; `None` if it leads out of it.
fn beside(path: &str, link: &str) -> Option<String> {
    let mut folders = PathBuf::from(path);
    folders.pop();
    for component in Path::new(link).components() {
        match component {
            Component::Normal(name) => folders.push(name),
            Component::ParentDir if !folders.pop() => return None,
            _ => {}
        }
    }
    Some(folders.to_str().unwrap().to_owned())
}

/// The rooms and the places of the invariants: by their last part in the tree, and by their path below `src` elsewhere.
#[test]
fn every_file_that_the_architecture_names_is_there() {
    let document = open("docs/architecture.md");
    let sources: Vec<String> =
        ["crates", "services", "tests"].into_iter().flat_map(|folder| files(folder, "")).collect();
    let is_path = |word: &str| word.ends_with(".rs") || word.ends_with('/');
    let tree = document.blocks.iter().flat_map(|block| block.text.split_whitespace());
    let spans = document.code_spans();
    let named: Vec<&str> =
        tree.chain(spans.iter().map(|(_, span)| span.as_str())).filter(|word| is_path(word)).collect();
    assert!(named.len() > 100, "only {named:?}");
    let is_there = |name: &str| match name.strip_suffix('/') {
        Some(folder) => root().join(folder).is_dir() || sources.iter().any(|path| path.contains(&format!("/{name}"))),
        None => sources.iter().any(|path| path.ends_with(&format!("/{name}"))),
    };
    let missing: Vec<&str> = named.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "docs/architecture.md names {missing:?}");
}

#[test]
fn a_link_to_nothing_is_found() {
    for (target, good) in [
        ("docs/restore.md", true),
        ("docs/restore.md#by-hand", true),
        ("docs/", true),
        ("https://example.org/nothing", true),
        ("../../security", true),
        ("docs/nothing.md", false),
        ("docs/restore.md#nothing", false),
        ("#nothing", false),
    ] {
        assert_eq!(complaint("README.md", target).is_none(), good, "{target}");
    }
    assert_eq!(complaint("docs/format.md", "../SECURITY.md#hardened"), None);
}
