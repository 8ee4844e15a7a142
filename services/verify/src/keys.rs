//! What verify can decrypt, and whom it believes.

use backup_core::codec::encryption::{Identities, Keyring, Passphrase, Unauthenticated};
use backup_core::config::{Kind, Settings, Variable};
use backup_core::repository::Signers;
use backup_core::secret::Secret;

/// The section "Keys" of the table of variables.
pub(crate) static KEY_VARIABLES: &[Variable] = &[
    Variable::new(
        "AGE_IDENTITY",
        Kind::Secret,
        "",
        "AGE-SECRET-KEY-1...",
        "Private keys for backups that were encrypted for `AGE_RECIPIENTS`, old and new ones, separated by commas, white space or line breaks; `#` begins a comment.",
    ),
    Variable::new(
        "BACKUP_ENCRYPTION_KEY",
        Kind::Secret,
        "",
        "-",
        "The key for backups that were made with `BACKUP_ENCRYPTION=true`.",
    ),
    Variable::new(
        "BACKUP_ENCRYPTION_KEYS_OLD",
        Kind::Secret,
        "",
        "-",
        "Earlier values of `BACKUP_ENCRYPTION_KEY`, one per line, for as long as backups need them.",
    ),
    Variable::new(
        "ALLOW_UNAUTHENTICATED",
        Kind::Flag,
        "false",
        "false",
        "`true`: read `aes-256-cbc` backups whose MAC is missing or wrong, too. Anyone who can write to the bucket can then feed bytes of their own to decryption and restore, so use it only if there is no other backup. The report says so.",
    ),
    Variable::new(
        "VERIFY_TRUSTED_KEYS",
        Kind::Text,
        "",
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "The Ed25519 public keys whose signatures count, one or several, separated by commas or white space: as `backup keygen --signing` prints them, or in PEM. If it is set, a backup whose manifest none of these keys has signed is refused.",
    ),
];

/// Every key that was given. What is none is noted.
pub(crate) fn keyring(settings: &mut Settings) -> Keyring {
    let mut passphrases = Vec::new();
    for name in ["BACKUP_ENCRYPTION_KEY", "BACKUP_ENCRYPTION_KEYS_OLD"] {
        let keys = match settings.secret(name) {
            Some(key) if name == "BACKUP_ENCRYPTION_KEY" => vec![key],
            Some(keys) => lines(&keys),
            None => continue,
        };
        for key in keys {
            match Passphrase::new(key) {
                Ok(passphrase) => passphrases.push(passphrase),
                Err(error) => settings.reject(name, error.to_string()),
            }
        }
    }
    let identities = settings.secret("AGE_IDENTITY").map(|text| Identities::parse(&text));
    let identities = identities.unwrap_or_else(|| Ok(Identities::default())).unwrap_or_else(|error| {
        settings.reject("AGE_IDENTITY", error.to_string());
        Identities::default()
    });
    let unauthenticated = match settings.flag("ALLOW_UNAUTHENTICATED") {
        true => Unauthenticated::Allowed,
        false => Unauthenticated::Refused,
    };
    Keyring { passphrases, identities, unauthenticated }
}

/// Whose manifests are believed; none: all.
pub(crate) fn signers(settings: &mut Settings) -> Signers {
    settings.parsed("VERIFY_TRUSTED_KEYS", Signers::parse).unwrap_or_default()
}

/// Each key of the variables that hold several, which may show one by one.
pub(crate) fn single_keys(settings: &Settings) -> Vec<Secret> {
    let several = ["AGE_IDENTITY", "BACKUP_ENCRYPTION_KEYS_OLD"].map(|name| settings.secret(name));
    let split = |c: char| c == ',' || c.is_control() || c == ' ';
    let words = |text: &Secret| text.expose().split(split).map(str::to_owned).collect::<Vec<_>>();
    let identities = several[0].iter().flat_map(words).filter(|word| word.starts_with("AGE-SECRET-KEY-"));
    identities.map(Secret::new).chain(several[1].iter().flat_map(lines)).collect()
}

fn lines(text: &Secret) -> Vec<Secret> {
    let lines = text.expose().lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
    lines.map(|line| Secret::new(line.to_owned())).collect()
}
