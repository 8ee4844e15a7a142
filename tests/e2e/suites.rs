//! Two suites of many small cases, kept as data under `tests/suites/`: mutations of a restored database, which a
//! drill must notice, and unusual but good databases, which it must not complain of.
//!
//! Each has a list of exceptions beside it, which must be exact: an exception that is none any more fails the suite,
//! as does a case that should stand in the list. `SUITE`, `SUITE_SEED`, `SUITE_JOBS` and `SUITE_TABLE` are described in
//! tests/README.md.

mod choice;
mod documented;
mod good;
mod items;
mod jobs;
mod known;
mod mutations;
mod source;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use choice::Choice;

/// What this run tries. An id that neither suite has is a mistake of the person who typed it.
#[track_caller]
fn choice() -> Choice {
    let choice = Choice::from_env();
    let ids: BTreeSet<String> = ["mutations", "good"].into_iter().flat_map(items::all).map(|item| item.id).collect();
    choice.assert_names_only(&ids);
    choice
}

/// The file or folder of this name under `tests/suites/`.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites").join(name)
}

/// The text of a file under `tests/suites/`.
#[track_caller]
fn read(name: &str) -> String {
    let path = data(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
