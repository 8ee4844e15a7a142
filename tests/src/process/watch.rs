//! Every secret that a test gives to the services is a canary: wherever they speak, none may show.
//!
//! So the whole suite is one search for leaks (R061): standard output and error of every run, every page,
//! what a run leaves in its folder for temporary files, every request that the proxy sees, and every key
//! and manifest in a bucket.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs,
    path::Path,
    sync::{LazyLock, Mutex, PoisonError},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The programs whose words are searched.
const SERVICES: [&str; 2] = ["backup", "verify"];

/// The variables that are a secret as a whole.
const SECRETS: [&str; 11] = [
    "S3_SECRET_ACCESS_KEY",
    "S3_ACCESS_KEY_ID",
    "S3_SESSION_TOKEN",
    "PGPASSWORD",
    "BACKUP_ENCRYPTION_KEY",
    "AGE_IDENTITY",
    "BACKUP_SIGNING_KEY",
    "SMTP_PASSWORD",
    "HTTP_TOKEN",
    "RECORD_KEY",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// The variables that are connection strings with a password.
const URLS: [&str; 6] =
    ["DATABASE_URL", "VERIFY_DATABASE_URL", "VERIFY_ADMIN_URL", "RESTORE_URL", "HTTPS_PROXY", "HTTP_PROXY"];

/// So many bytes in a row of a secret never show by chance, hexadecimal digits included. Secrets that are
/// shorter are words of tests about something else.
const WINDOW: usize = 10;

/// What every private key of age begins with, which is no secret.
const AGE_START: &str = "AGE-SECRET-KEY-1";

/// Pieces of [`WINDOW`] bytes of secrets, in every form in which they may show.
type Pieces = HashSet<Vec<u8>>;

/// The pieces of all secrets that this process has given to a service until now.
static GIVEN: LazyLock<Mutex<Pieces>> = LazyLock::new(Mutex::default);

/// The secrets that one run was given.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pieces: Pieces,
}

impl Watch {
    /// Takes the secrets out of the variables of a service; those of other programs are none of ours.
    pub(super) fn of(program: &Path, vars: &BTreeMap<OsString, OsString>) -> Self {
        let is_service = program.file_name().is_some_and(|name| SERVICES.iter().any(|service| name == *service));
        if !is_service {
            return Self::default();
        }
        let text = |name: &str| {
            let path = vars.get(&OsString::from(format!("{name}_FILE")));
            let from_file = path.and_then(|path| fs::read_to_string(path).ok());
            let value = vars.get(&OsString::from(name)).map(|value| value.to_string_lossy().into_owned());
            value.or(from_file)
        };
        let whole = SECRETS.iter().filter_map(|name| text(name));
        let secrets = whole.flat_map(|text| lines(&text)).chain(URLS.iter().filter_map(|name| password(&text(name)?)));
        let secrets = secrets.filter(|secret| secret.len() >= WINDOW);
        let pieces: Pieces = secrets.flat_map(|secret| forms(&secret)).flat_map(|form| pieces(&form)).collect();
        GIVEN.lock().unwrap_or_else(PoisonError::into_inner).extend(pieces.iter().cloned());
        Self { pieces }
    }

    #[track_caller]
    pub(super) fn assert_hides(&self, what: &str, shown: &str) {
        assert_hides(what, shown, &self.pieces);
    }

    /// A run that ended by itself has removed its password file.
    #[track_caller]
    pub(super) fn assert_folder_hides(&self, folder: &Path) {
        if self.pieces.is_empty() {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.assert_folder_hides(&path),
                _ => {
                    let content = fs::read(&path).unwrap_or_default();
                    self.assert_hides(&path.display().to_string(), &String::from_utf8_lossy(&content));
                }
            }
        }
    }
}

/// Asserts that `shown` holds no secret that any run of this process was given. Does nothing while the
/// test fails already.
#[track_caller]
pub(crate) fn assert_hides_every_secret(what: &str, shown: &str) {
    if std::thread::panicking() {
        return;
    }
    assert_hides(what, shown, &GIVEN.lock().unwrap_or_else(PoisonError::into_inner));
}

#[track_caller]
fn assert_hides(what: &str, shown: &str, secrets: &Pieces) {
    let found = shown.as_bytes().windows(WINDOW).find(|window| secrets.contains(*window));
    if let Some(found) = found {
        let found = String::from_utf8_lossy(found);
        panic!("{what} shows {found:?} of a secret (R061):\n{shown}");
    }
}

fn pieces(form: &str) -> Vec<Vec<u8>> {
    form.as_bytes().windows(WINDOW).map(<[u8]>::to_vec).collect()
}

/// The lines of a key of several lines that are secret: a file of keys has comments, and PEM a first and a last line.
fn lines(text: &str) -> Vec<String> {
    let secret = text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("-----"));
    secret.map(|line| line.strip_prefix(AGE_START).unwrap_or(line).to_owned()).collect()
}

/// A secret as it is, percent-encoded, as text of JSON, and as base64 at each place in a triple of bytes.
fn forms(secret: &str) -> Vec<String> {
    let base64 = |before: &str| {
        let encoded = base64_simd::STANDARD_NO_PAD.encode_to_string(format!("{before}{secret}"));
        let own_start = (before.len() * 8).div_ceil(6);
        let own_end = (before.len() + secret.len()) * 8 / 6;
        encoded[own_start..own_end].to_owned()
    };
    let escaped = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    vec![secret.to_owned(), escaped, percent, base64(""), base64("-"), base64("--")]
}

/// The password of a well-formed URL, decoded; other texts hold none that could be cut out so simply.
fn password(url: &str) -> Option<String> {
    let (authority, _) = url.split_once("://")?.1.rsplit_once('@')?;
    let (_, password) = authority.split_once(':')?;
    Some(percent_decode_str(password).decode_utf8_lossy().into_owned())
}
