//! The documents, held against the repository and carried out: links, blocks of commands, quoted messages.

mod commands;
mod links;
mod log_events;
mod markdown;
mod messages;
mod monitoring;
mod operator;
mod readme;
mod requirements;
mod restore;
mod runbooks;

use std::fs;
use std::path::{Path, PathBuf};

use self::markdown::Document;

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The document at a path below the root of the repository.
#[track_caller]
fn open(path: &str) -> Document {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Document::parse(&text)
}

/// The block of commands that the marker before it calls `name`.
#[track_caller]
pub(crate) fn commands(path: &str, name: &str) -> String {
    let document = open(path);
    let found = document.blocks.into_iter().find(|block| block.name() == Some(name));
    found.unwrap_or_else(|| panic!("{path} has no block of commands called {name}")).text
}

/// Every file below `folder` of the repository that ends so, by its path below the root. Neither what a build has
/// made nor the history is looked at.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        match entry.file_type().unwrap().is_dir() {
            true if [".git", "target"].contains(&name.as_str()) => {}
            true => found.extend(files(&path, end)),
            false if name.ends_with(end) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}
