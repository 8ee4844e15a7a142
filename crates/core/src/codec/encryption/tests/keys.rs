//! Right keys, wrong keys, old keys.

use super::*;

/// A small object with a single iteration, so that thousands of keys can be tried.
fn cheap(passphrase: &Passphrase, plain: &[u8]) -> (Vec<u8>, Digests) {
    let mut writer = CbcWriter::with_salt(passphrase, &label("a"), *b"saltsalt", 1, Vec::new()).unwrap();
    writer.write_all(plain).unwrap();
    let (stored, mac) = writer.finish().unwrap();
    let digests = Digests {
        plain_bytes: plain.len() as u64,
        plain_sha256: hex::encode(Sha256::digest(plain)),
        stored_bytes: 0,
        stored_sha256: String::new(),
        stored_hmac_sha256: Some(mac),
    };
    let digests = believing(&stored, &digests);
    (stored, digests)
}

#[tokio::test]
async fn three_thousand_wrong_passphrases_are_all_refused_r037() {
    let (stored, digests) = cheap(&passphrase("right"), b"plain");
    let opening = |passphrase| Opening {
        decompression: Decompression::None,
        unlock: Unlock::Aes256Cbc {
            passphrase,
            iterations: 1,
            label: label("a"),
            folder: std::env::temp_dir(),
            unauthenticated: Unauthenticated::Refused,
        },
    };
    for number in 0..3000 {
        let (let_out, verdict) = decode(&stored, opening(passphrase(&format!("wrong{number}"))), &digests).await;
        assert!(matches!(verdict, Err(DecodeError::Mac(MacError::Wrong))), "{number}: {verdict:?}");
        assert!(let_out.is_empty());
    }
    decode(&stored, opening(passphrase("right")), &digests).await.1.unwrap();
}

#[tokio::test]
async fn a_wrong_identity_is_refused_r037() {
    let right = age();
    let (stored, digests) = right.encode(b"plain", Compression::None, &label("a")).await;
    for _ in 0..50 {
        let unlock = Unlock::Age(age().keyring.identities);
        let (let_out, verdict) =
            decode(&stored, Opening { decompression: Decompression::None, unlock }, &digests).await;
        let error = verdict.unwrap_err();
        assert!(error.to_string().contains("none of the given keys"), "{error}");
        assert!(let_out.is_empty());
    }
}

#[test]
fn no_fitting_key_names_wanted_and_given_ids_and_no_key_r037() {
    let decoding = |encryption| Decoding { decompression: Decompression::None, encryption };
    let (ours, theirs, mine) = (cbc(), passphrase("second"), age());
    let keyring = Keyring { identities: mine.keyring.identities.clone(), ..ours.keyring };
    let wanted = vec![theirs.key_id(), "x".repeat(100), "\n".to_owned()];
    let required = Required { decoding: decoding(Cipher::Aes256Cbc), key_ids: &wanted, iterations: Some(ITERATIONS) };
    let error = keyring.opening(required, &label("a"), &std::env::temp_dir()).unwrap_err().to_string();
    let (ours, mine) = (passphrase("first").key_id(), mine.encryption.key_ids().join(""));
    assert_eq!(error, format!("no key fits: the backup wants {}, and given are {ours}, {mine}", theirs.key_id()));
    let required = Required { decoding: decoding(Cipher::Age), key_ids: &[], iterations: None };
    let error = Keyring::default().opening(required, &label("a"), &std::env::temp_dir()).unwrap_err().to_string();
    assert_eq!(error, "no key fits: the backup wants none, and given are none");
}

#[tokio::test]
async fn a_keyring_opens_old_and_new_and_one_key_only_its_own_r038() {
    for (old, new) in [(cbc(), Pair { encryption: Encryption::Aes256Cbc(passphrase("b")), ..cbc() }), (age(), age())] {
        let mut both = Keyring::default();
        for encryption in [&old.encryption, &new.encryption] {
            if let Encryption::Aes256Cbc(passphrase) = encryption {
                both.passphrases.push(passphrase.clone());
            }
        }
        if let Encryption::Age(_) = old.encryption {
            // As text, the way in which a person gives several.
            let pairs = [generate_age_pair(), generate_age_pair()];
            let text = format!("# old\n{}\n# new\n{}\n", pairs[0].0.expose(), pairs[1].0.expose());
            both.identities = Identities::parse(&Secret::new(text)).unwrap();
            for (private, public) in &pairs {
                let one = Keyring { identities: Identities::parse(private).unwrap(), ..Keyring::default() };
                let pair = Pair { encryption: Encryption::Age(Recipients::parse(public).unwrap()), keyring: one };
                check(&pair, &both).await;
            }
        } else {
            check(&old, &both).await;
            check(&new, &both).await;
        }
    }
}

/// What `pair` encrypts opens with `both`.
async fn check(pair: &Pair, both: &Keyring) {
    let (stored, digests) = pair.encode(b"plain", Compression::None, &label("a")).await;
    let pair = Pair { encryption: pair.encryption.clone(), keyring: both.clone() };
    decode(&stored, pair.opening(Compression::None, &label("a")), &digests).await.1.unwrap();
}

#[tokio::test]
async fn each_of_several_recipients_can_decrypt() {
    let pairs = [generate_age_pair(), generate_age_pair()];
    let recipients = Recipients::parse(&format!("{}, {}", pairs[0].1, pairs[1].1)).unwrap();
    assert_eq!(recipients.key_ids().len(), 2);
    for (private, _) in &pairs {
        let keyring = Keyring { identities: Identities::parse(private).unwrap(), ..Keyring::default() };
        check(&Pair { encryption: Encryption::Age(recipients.clone()), keyring: Keyring::default() }, &keyring).await;
    }
}

#[test]
fn keys_are_read_as_people_write_them_and_never_quoted() {
    let (private, public) = generate_age_pair();
    let private = private.expose();
    for text in [
        public.clone(),
        format!("# alice\n{public} # laptop\n\n{public}\r\n"),
        format!("{public},{public}; ").replace("; ", ""),
        format!("  {public}\t{public}"),
    ] {
        Recipients::parse(&text).unwrap();
    }
    let recipients = |text: &str| Recipients::parse(text).unwrap_err();
    assert_eq!(recipients(" # nothing"), AgeError::Empty);
    assert_eq!(recipients(&format!("{public} ssh-ed25519")), AgeError::Recipient(2));
    assert_eq!(recipients(&public[..60]), AgeError::Recipient(1));
    assert_eq!(recipients(private), AgeError::Private(1));
    assert_eq!(recipients(&private.to_lowercase()), AgeError::Private(1));
    assert_eq!(recipients(&format!("{public} ").repeat(101)), AgeError::TooMany);
    let identities = |text: &str| Identities::parse(&Secret::new(text.to_owned())).unwrap_err();
    assert_eq!(identities(&public), AgeError::Identity(1));
    let words = identities(&format!("{private}\n{}", &private[..70])).to_string();
    assert!(words.starts_with("key 2 is not") && !words.contains(&private[..30]), "{words}");
    let key = |text: &str| Passphrase::new(Secret::new(text.to_owned())).map(drop);
    assert_eq!(key(&"ü".repeat(31)), Err(PassphraseError::TooShort));
    assert_eq!(key(&"ü".repeat(32)), Ok(()));
    assert_eq!(key(&format!("{}\n", "x".repeat(40))), Err(PassphraseError::Control));
    assert_eq!(key(&"x".repeat(513)), Err(PassphraseError::TooLong));
}

#[test]
fn debug_output_shows_no_secret_r070() {
    let pair = cbc();
    let (private, public) = generate_age_pair();
    let keyring = Keyring { identities: Identities::parse(&private).unwrap(), ..pair.keyring };
    let opening = Opening { decompression: Decompression::None, unlock: Unlock::Age(keyring.identities.clone()) };
    let shown = format!("{keyring:?} {:?} {opening:?} {:?}", pair.encryption, Recipients::parse(&public));
    assert!(!shown.contains("0123456789-") && !shown.contains("SECRET"), "{shown}");
}
