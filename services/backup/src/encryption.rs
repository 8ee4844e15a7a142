//! Who can read backups, and who vouches for them: variables, keys, and what is said of them at start.

use anyhow::Context;
use backup_core::codec::encryption::{Encryption, Passphrase, Probe, Recipients, probe};
use backup_core::config::{Kind, Settings, Variable};
use backup_core::repository::SigningKey;
use backup_core::secret::Secret;

/// The section "Encryption" of the table of variables.
pub(crate) static ENCRYPTION_VARIABLES: &[Variable] = &[
    Variable::new(
        "AGE_RECIPIENTS",
        Kind::Text,
        "",
        "age1...",
        "Encrypt for these public keys, separated by commas, white space or line breaks; `#` begins a comment. `backup keygen` makes a pair. `backup` cannot decrypt what it then stores.",
    ),
    Variable::new(
        "BACKUP_ENCRYPTION",
        Kind::Flag,
        "false",
        "true",
        "`true`: encrypt with AES-256-CBC and the key below. Not together with `AGE_RECIPIENTS`.",
    ),
    Variable::new(
        "BACKUP_ENCRYPTION_KEY",
        Kind::Secret,
        "",
        "-",
        "The key of `BACKUP_ENCRYPTION`, 32 characters or more: `openssl rand -base64 48`.",
    ),
    Variable::new(
        "BACKUP_SIGNING_KEY",
        Kind::Secret,
        "",
        "-",
        "Sign manifests with this Ed25519 private key, as `backup keygen --signing` prints it or in PEM.",
    ),
    Variable::new(
        "VERIFY_TRUSTED_KEYS",
        Kind::Text,
        "",
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "The public keys whose signatures count, as for `verify`. `backup prune` then reads manifests, which needs `s3:GetObject`, and a backup that none of these keys has signed takes no place from a signed one. A size that was accepted counts only with a signature by one of them or by `BACKUP_SIGNING_KEY`.",
    ),
];

/// What encrypts; `None` if something is wrong, which is noted then.
pub(crate) fn encryption(settings: &mut Settings) -> Option<Encryption> {
    let on = settings.flag("BACKUP_ENCRYPTION");
    let recipients = settings.text("AGE_RECIPIENTS");
    let key = settings.secret("BACKUP_ENCRYPTION_KEY");
    if on && recipients.is_some() {
        settings.reject(
            "BACKUP_ENCRYPTION",
            "is true together with AGE_RECIPIENTS; keep AGE_RECIPIENTS (recommended) and unset BACKUP_ENCRYPTION and \
             BACKUP_ENCRYPTION_KEY, or the other way round. Backups of either kind stay readable with their own key",
        );
        return None;
    }
    match (on, key, recipients) {
        (true, Some(key), _) => {
            let passphrase = Passphrase::new(key);
            passphrase
                .map(Encryption::Aes256Cbc)
                .map_err(|error| settings.reject("BACKUP_ENCRYPTION_KEY", error.to_string()))
                .ok()
        }
        (true, None, _) => {
            settings.reject("BACKUP_ENCRYPTION_KEY", "is not set, and BACKUP_ENCRYPTION is true");
            None
        }
        (false, Some(_), _) => {
            settings.reject(
                "BACKUP_ENCRYPTION_KEY",
                "is set, and BACKUP_ENCRYPTION is not true, so it would have no effect; set that, or unset this",
            );
            None
        }
        (false, None, Some(_)) => settings.parsed("AGE_RECIPIENTS", Recipients::parse).map(Encryption::Age),
        (false, None, None) => Some(Encryption::None),
    }
}

/// What signs manifests, if anything does.
pub(crate) fn signing_key(settings: &mut Settings) -> Option<SigningKey> {
    let text = settings.secret("BACKUP_SIGNING_KEY")?;
    SigningKey::parse(&text).map_err(|error| settings.reject("BACKUP_SIGNING_KEY", error.to_string())).ok()
}

/// The lines of a key of several lines, which may show one by one.
pub(crate) fn lines_of_keys(settings: &Settings) -> Vec<Secret> {
    let key = settings.secret("BACKUP_SIGNING_KEY");
    let lines = key.iter().flat_map(|key| key.expose().lines().map(|line| Secret::new(line.trim().to_owned())));
    lines.filter(|line| line.expose().len() > 20 && !line.expose().starts_with(['#', '-'])).collect()
}

/// Encrypts a probe, and decrypts it if the key is here; what that shows, in a sentence.
///
/// # Errors
/// If backups could not be encrypted, or not be decrypted.
pub(crate) async fn check(encryption: &Encryption, signing_key: Option<&SigningKey>) -> anyhow::Result<String> {
    let probe = probe(encryption).await.context("try the encryption")?;
    let signed = match signing_key {
        Some(key) => format!("manifests are signed by {}", key.key_id()),
        None => "manifests are not signed".to_owned(),
    };
    Ok(match probe {
        None => format!("none on this side; {signed}"),
        Some(Probe::RoundTrip(ids)) => {
            format!("aes-256-cbc with key {}, a probe came back; {signed}", ids.join(", "))
        }
        Some(Probe::OneWay(ids)) => {
            format!("age for {}, which cannot be decrypted here; {signed}", ids.join(", "))
        }
    })
}

#[cfg(test)]
mod tests;
