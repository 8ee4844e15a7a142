use backup_core::codec::encryption::{Cipher, generate_age_pair};

use super::*;
use crate::variables::SECTIONS;

const KEY: &str = "0123456789-0123456789-0123456789";

/// The encryption that these variables make, or every complaint.
fn read(variables: &[(&str, &str)]) -> Result<Encryption, String> {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut settings = Settings::read(pairs, &SECTIONS.map(|(_, table)| table), &[]);
    let encryption = encryption(&mut settings);
    signing_key(&mut settings);
    settings.finish(encryption).map_err(|error| error.to_string())
}

#[track_caller]
fn check(variables: &[(&str, &str)], complaint: &str) {
    let error = read(variables).unwrap_err();
    assert!(error.starts_with(&format!("invalid environment:\n  {complaint}")), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn each_encryption_has_its_variables() {
    let (_, public) = generate_age_pair();
    let cipher = |variables: &[(&str, &str)]| read(variables).unwrap().cipher();
    assert_eq!(cipher(&[]), Cipher::None);
    assert_eq!(cipher(&[("BACKUP_ENCRYPTION", "false")]), Cipher::None);
    assert_eq!(cipher(&[("AGE_RECIPIENTS", &public)]), Cipher::Age);
    assert_eq!(cipher(&[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", KEY)]), Cipher::Aes256Cbc);
}

#[test]
fn mistakes_stop_the_start_and_say_what_to_do_r039() {
    let (private, public) = generate_age_pair();
    let on = ("BACKUP_ENCRYPTION", "true");
    check(&[on], "BACKUP_ENCRYPTION_KEY: is not set, and BACKUP_ENCRYPTION is true");
    check(&[on, ("BACKUP_ENCRYPTION_KEY", "canary")], "BACKUP_ENCRYPTION_KEY: is shorter than 32 characters; make one");
    check(&[("BACKUP_ENCRYPTION_KEY", KEY)], "BACKUP_ENCRYPTION_KEY: is set, and BACKUP_ENCRYPTION is not true");
    check(
        &[on, ("BACKUP_ENCRYPTION_KEY", KEY), ("AGE_RECIPIENTS", &public)],
        "BACKUP_ENCRYPTION: is true together with AGE_RECIPIENTS; keep AGE_RECIPIENTS (recommended)",
    );
    check(&[("AGE_RECIPIENTS", "age1canary")], "AGE_RECIPIENTS: key 1 is not a public key such as age1...");
    check(&[("AGE_RECIPIENTS", private.expose())], "AGE_RECIPIENTS: key 1 is a private key");
    check(&[("AGE_RECIPIENTS", "# nobody")], "AGE_RECIPIENTS: holds no key");
    check(&[("VERIFY_SIGNING_KEY", "canary")], "VERIFY_SIGNING_KEY: is called VERIFY_TRUSTED_KEYS now; rename it");
    check(&[("BACKUP_SIGNING_KEY", "canary")], "BACKUP_SIGNING_KEY: is not an Ed25519 private key");
}

#[tokio::test]
async fn a_check_says_what_it_found_and_shows_no_key_r039() {
    let (private, public) = generate_age_pair();
    let (signing, _) = SigningKey::generate().unwrap();
    let signing = SigningKey::parse(&signing).unwrap();
    let said = check_of(&[("AGE_RECIPIENTS", &public)], Some(&signing)).await;
    assert!(said.starts_with("age for age-") && said.contains("signed by ed25519-"), "{said}");
    assert!(!said.contains(&public) && !said.contains(private.expose()), "{said}");
    let said = check_of(&[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", KEY)], None).await;
    assert!(said.starts_with("aes-256-cbc with key aes-") && said.ends_with("manifests are not signed"), "{said}");
    assert!(!said.contains(KEY), "{said}");
    assert_eq!(check_of(&[], None).await, "none on this side; manifests are not signed");
}

async fn check_of(variables: &[(&str, &str)], signing_key: Option<&SigningKey>) -> String {
    super::check(&read(variables).unwrap(), signing_key).await.unwrap()
}
