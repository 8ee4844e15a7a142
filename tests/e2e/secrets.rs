//! Passwords and keys stay out of sight: of the log, of the bucket, of other processes.

use std::collections::BTreeMap;

use e2e::process::Output;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::stand::Stand;

mod canaries;
mod children;
mod drills;
mod malformed;
mod processes;
mod stored;
mod visitors;

/// So many characters in a row of a secret that was chosen for a test never show by chance.
const CHOSEN_WINDOW: usize = 4;

/// The same for hexadecimal digits, of which times, ids and digests are full.
const RANDOM_WINDOW: usize = 10;

/// Asserts that `shown` holds no four characters in a row of `words`, which must occur in no
/// ordinary text, and none of their percent-encoded or base64 forms.
#[track_caller]
fn assert_hides(what: &str, shown: &str, words: &[&str]) {
    assert_hides_windows(what, shown, words, CHOSEN_WINDOW);
}

/// As [`assert_hides`], for secrets of random hexadecimal digits.
#[track_caller]
fn assert_hides_random(what: &str, shown: &str, words: &[&str]) {
    assert_hides_windows(what, shown, words, RANDOM_WINDOW);
}

#[track_caller]
fn assert_hides_windows(what: &str, shown: &str, words: &[&str], window_characters: usize) {
    let encoded =
        |word: &&str| [(*word).to_owned(), utf8_percent_encode(word, NON_ALPHANUMERIC).to_string(), base64(word)];
    for word in words.iter().flat_map(encoded) {
        let characters: Vec<char> = word.chars().collect();
        for window in characters.windows(window_characters) {
            let window: String = window.iter().collect();
            assert!(!shown.contains(&window), "{what} shows {window:?} of a secret:\n{shown}");
        }
    }
}

fn base64(word: &str) -> String {
    base64_simd::STANDARD.encode_to_string(word)
}

/// Both streams of a program.
fn both(output: &Output) -> String {
    format!("{}\n{}", output.stdout, output.stderr)
}

/// Asserts that nothing in the bucket shows one of `words`: no key, no manifest, no list of roles.
#[track_caller]
fn assert_bucket_hides(stand: &Stand, words: &[&str]) {
    let objects: BTreeMap<String, u64> = stand.s3.objects();
    for key in objects.keys() {
        assert_hides("a key", key, words);
        assert_hides(key, &String::from_utf8_lossy(&stand.s3.read(key)), words);
    }
}
