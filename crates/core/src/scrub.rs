//! Foreign text made safe to show: what children, servers and stores say may quote a secret.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use zeroize::Zeroizing;

use crate::secret::Secret;

const MASK: &str = "***";

/// Secrets shorter than this are not searched for: masking every `abc` of a log would hide the log,
/// and a password of three characters protects nothing.
const MIN_SECRET_BYTES: usize = 4;

/// If a text is the middle of something that is encoded as base64, only what is left of it without
/// the characters at its ends is searched for; of shorter ones that is too little.
const MIN_INNER_BYTES: usize = 8;

/// How often a text may have been escaped as a string, one time inside of another.
const ESCAPES: usize = 3;

/// What RFC 3986 leaves as it is; other encoders escape these, too.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Shapes that hold a secret in every text: the password of a URL, `password=...`, the
/// parameters and headers of an AWS signature.
///
/// The text may be a line of JSON, which must remain one: no shape takes the `"` that ends a string,
/// nor half of an escape such as `\n`.
static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let shape = |pattern| Regex::new(pattern).expect("the pattern is a constant and tested");
    vec![
        (shape(r#"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"\\]*):(?:[^\s"\\]|\\.)*@"#), "$1:***@"),
        (
            shape(
                r#"(?ix)(password|passwd|pwd|secret)(\s*[=:]\s*)
                   ('(?:[^'"\\]|\\.)*' | "[^",{}]+" | \\"(?:[^"\\]|\\[^"])*\\" | (?:[^\s&,;'}"\\]|\\[^nrt"])+)"#,
            ),
            "$1$2***",
        ),
        (
            shape(
                r#"(?i)(signature|x-amz-security-token|x-amz-credential|awsaccesskeyid)=(?:[^\s&,;<"\\]|\\[^nrt"])+"#,
            ),
            "$1=***",
        ),
        (shape(r#"(?i)<(AWSAccessKeyId|StringToSign|SignatureProvided|CanonicalRequest)>(?:[^<"\\]|\\.)*"#), "<$1>***"),
    ]
});

/// Maximum number of secrets that came up while the process ran. Keys that are lent for an hour come to a day's worth.
const MAX_LEARNED: usize = 100;

/// The forms of secrets that came up after the scrubbers were made, the longest-known first.
static LEARNED: RwLock<VecDeque<Vec<Zeroizing<String>>>> = RwLock::new(VecDeque::new());

/// Removes known secrets, and shapes that usually hold one, from text that others wrote.
///
/// Cloning is cheap; all clones share the list.
#[derive(Clone, Default)]
pub struct Scrubber {
    known: Arc<[Zeroizing<String>]>,
}

impl Scrubber {
    /// Knows each of `secrets` as it is and in its percent-encoded, JSON-escaped and base64 forms.
    pub fn new<'secret>(secrets: impl IntoIterator<Item = &'secret Secret>) -> Self {
        let mut known: Vec<Zeroizing<String>> = secrets
            .into_iter()
            .filter(|secret| secret.expose().len() >= MIN_SECRET_BYTES)
            .flat_map(|secret| forms(secret.expose()))
            .collect();
        sort(&mut known);
        Self { known: known.into() }
    }

    /// One that knows `secrets` too.
    #[must_use]
    pub fn with(&self, secrets: &[Secret]) -> Self {
        let mut known: Vec<_> = self.known.iter().chain(Self::new(secrets).known.iter()).cloned().collect();
        sort(&mut known);
        Self { known: known.into() }
    }

    /// From now on every scrubber of this process knows `secret`, which came up after it was made: it was read again, lent,
    /// or printed by a command. Only the latest are kept.
    pub fn learn(secret: &Secret) {
        if secret.expose().len() < MIN_SECRET_BYTES {
            return;
        }
        let mut learned = LEARNED.write().unwrap_or_else(PoisonError::into_inner);
        let forms = forms(secret.expose());
        if learned.iter().any(|known| known.first() == forms.first()) {
            return;
        }
        if learned.len() == MAX_LEARNED {
            learned.pop_front();
        }
        learned.push_back(forms);
    }

    /// `text` with every known secret and every secret-bearing shape replaced by `***`.
    pub fn scrub<'text>(&self, text: &'text str) -> Cow<'text, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.known.iter() {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), MASK));
            }
        }
        for secret in LEARNED.read().unwrap_or_else(PoisonError::into_inner).iter().flatten() {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), MASK));
            }
        }
        for (shape, replacement) in SHAPES.iter() {
            if shape.is_match(&clean) {
                clean = Cow::Owned(shape.replace_all(&clean, *replacement).into_owned());
            }
        }
        clean
    }

    /// A writer below a log formatter: every `write` of one whole record comes out scrubbed.
    pub fn writer<W: Write>(&self, inner: W) -> ScrubbingWriter<W> {
        ScrubbingWriter { inner, scrubber: self.clone() }
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Scrubber({} texts)", self.known.len())
    }
}

/// The longest first, so that a secret that contains another one is masked as a whole.
fn sort(known: &mut Vec<Zeroizing<String>>) {
    known.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    known.dedup();
}

fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
    ];
    // An error that shows a text by its `Debug` form, inside of another one, inside of a line of JSON.
    for _ in 0..ESCAPES {
        forms.push(escaped(forms.last().filter(|_| forms.len() > 3).map_or(secret, String::as_str)));
    }
    for alphabet in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.push(alphabet.encode(secret));
    }
    if secret.len() >= MIN_INNER_BYTES {
        forms.extend((0..3).flat_map(|before| inner_base64(secret, before)));
    }
    forms.into_iter().filter(|form| form.len() >= MIN_SECRET_BYTES).map(Zeroizing::new).collect()
}

fn escaped(text: &str) -> String {
    let json = Zeroizing::new(serde_json::to_string(text).unwrap_or_default());
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// The characters that the base64 of any text has if `secret` stands in it after `before` bytes, or
/// three, or six, more: without those that its neighbours have a share in.
fn inner_base64(secret: &str, before: usize) -> [String; 2] {
    let shifted = Zeroizing::new([&[0; 2][..before], secret.as_bytes()].concat());
    let (first, end) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|alphabet| alphabet.encode(&*shifted)[first..end].to_owned())
}

/// See [`Scrubber::writer`].
pub struct ScrubbingWriter<W> {
    inner: W,
    scrubber: Scrubber,
}

impl<W: Write> Write for ScrubbingWriter<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        self.inner.write_all(self.scrubber.scrub(&text).as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let scrubber = Scrubber::new([&Secret::new("pa/ss\"word".to_owned()), &Secret::new("abc".to_owned())]);
        assert_eq!(scrubber.scrub(text), expected);
    }

    #[test]
    fn known_secrets_go_in_every_form() {
        check("it said pa/ss\"word twice: pa/ss\"word", "it said *** twice: ***");
        check("?p=pa%2Fss%22word", "?p=***");
        let dashed = Scrubber::new([&Secret::new("a-b_c.d~e/f".to_owned()), &Secret::new("ends\"".to_owned())]);
        assert_eq!(dashed.scrub("?p=a-b_c.d~e%2Ff and a%2Db%5Fc%2Ed%7Ee%2Ff"), "?p=*** and ***");
        assert_eq!(dashed.scrub(r#"{"p":"ends\""}"#), r#"{"p":"***"}"#);
        check(r#"{"p":"pa/ss\"word"}"#, r#"{"p":"***"}"#);
        let scrubber = Scrubber::new([&Secret::new("first".to_owned())]).with(&[Secret::new("second".to_owned())]);
        assert_eq!(scrubber.scrub("first, second"), "***, ***");
    }

    #[test]
    fn known_secrets_go_as_base64_alone_and_inside_of_more_r061() {
        let secret = "wk?zqxj4+/=vb~xqzk8";
        let scrubber = Scrubber::new([&Secret::new(secret.to_owned())]);
        for alphabet in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            assert_eq!(scrubber.scrub(&alphabet.encode(secret)), MASK);
            for user in ["", "u:", "us:", "use:", "user:"] {
                let inside = alphabet.encode(format!("{user}{secret}@host"));
                let scrubbed = scrubber.scrub(&inside);
                // Of the ends, a neighbour's share is left, which holds at most six bits of the secret each.
                let left = scrubbed.replace(MASK, "").len();
                assert!(scrubbed.contains(MASK) && left <= (user.len() + 5) * 8 / 6 + 4, "{inside} became {scrubbed}");
            }
        }
        let short = Scrubber::new([&Secret::new("pass".to_owned())]);
        assert_eq!(short.scrub("cGFzcw== cGFzcw password"), "*** *** ***word");
    }

    #[test]
    fn secret_bearing_shapes_go_whoever_wrote_them() {
        check("connect postgresql://user:hunter2@host/db", "connect postgresql://user:***@host/db");
        check("connect postgresql://user:p@ss/w@host/db", "connect postgresql://user:***@host/db");
        check("host=h password='a b' user=u", "host=h password=*** user=u");
        check("X-Amz-Signature=abcdef&x=1", "X-Amz-Signature=***&x=1");
        check("<AWSAccessKeyId>AKIA1</AWSAccessKeyId>", "<AWSAccessKeyId>***</AWSAccessKeyId>");
    }

    #[test]
    fn a_line_of_json_remains_one() {
        for secret in [
            "password=plain",
            "password='a b'",
            "password=\"a b\"",
            "secret: x\\y",
            "http://u:p@h",
            "postgres://u:p\"w@h/d",
            "Signature=abc",
            "<StringToSign>AWS4\nx",
        ] {
            for end in ["", "\n", " and \"more\"", ", x@y"] {
                let line = serde_json::json!({ "error": format!("it said {secret}{end}"), "x": "a@b" }).to_string();
                let scrubbed = Scrubber::default().scrub(&line).into_owned();
                let parsed: serde_json::Value = serde_json::from_str(&scrubbed).expect(&scrubbed);
                assert!(scrubbed.contains("***") && parsed["x"] == "a@b", "{scrubbed}");
            }
        }
        check(r#"{"error":"password=","x":"y"}"#, r#"{"error":"password=","x":"y"}"#);
        check("password=\"a b\" user=u", "password=*** user=u");
    }

    #[test]
    fn harmless_text_is_left_alone() {
        check(
            "abc: relation \"users\" does not exist at http://host:80/x",
            "abc: relation \"users\" does not exist at http://host:80/x",
        );
    }
}
