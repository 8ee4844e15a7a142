use backup_core::codec::encryption::generate_age_pair;
use backup_core::config::{index_difference, markdown_tables};

use super::*;

const GOOD: [(&str, &str); 4] = [
    ("S3_ENDPOINT", "http://localhost:3900"),
    ("S3_BUCKET", "b"),
    ("S3_ACCESS_KEY_ID", "k"),
    ("S3_SECRET_ACCESS_KEY", "s"),
];

const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

fn read(changes: &[(&str, &str)]) -> Result<TargetConfig, String> {
    let kept = GOOD.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let pairs = kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = from_vars(pairs).map_err(|error| error.to_string())?;
    Ok(config.given)
}

#[track_caller]
fn check(changes: &[(&str, &str)], complaint: &str) {
    assert_eq!(read(changes).unwrap_err(), format!("invalid environment:\n  {complaint}"));
}

#[test]
fn four_variables_suffice_and_defaults_are_those_of_the_documents() {
    let config = read(&[]).unwrap();
    assert!(matches!(config.drill.target, Target::Ephemeral));
    assert_eq!(config.selection_policy, SelectionPolicy::Newest { random_every: 5 });
    assert_eq!(config.drill.backup_max_age, None);
    assert_eq!(config.timing.schedule.to_string(), "0 5 * * * UTC");
    assert_eq!(config.drill.timeout, Duration::from_secs(6 * 3600));
    assert_eq!(config.timing.max_age(Utc::now()), Duration::from_secs(24 * 3600 + 24 * 360 + 3600));
    assert_eq!((config.drill.restore_as, config.drill.source_cluster), (RestoreAs::PlainRole, SourceCluster::Refused));
    assert_eq!(
        (config.drill.content, config.drill.amcheck, config.drill.attest),
        (Content::Full, Amcheck::Auto, false)
    );
    assert_eq!((config.drill.jobs, &config.drill.spool_dir), (processors(), &std::env::temp_dir()));
    assert_eq!(config.drill.queries.timeout, Duration::from_secs(60));
    assert_eq!(config.drill.min_table_count, None);
    assert!(config.process.warnings.is_empty(), "{:?}", config.process.warnings);
}

#[test]
fn each_mistake_is_one_line_that_names_its_variable() {
    check(&[("VERIFY_CONTENT", "some")], "VERIFY_CONTENT: is not one of: full, sample, off");
    check(
        &[("TZ", "Mars/Olympus")],
        "TZ: is an unknown time zone; use a name of the IANA time zone database in its exact spelling, such as \
         Europe/Berlin or UTC",
    );
    check(&[("VERIFY_AMCHECK", "on")], "VERIFY_AMCHECK: is not one of: auto, off");
    check(&[("VERIFY_RESTORE_AS", "me")], "VERIFY_RESTORE_AS: is not one of: role, superuser");
    check(&[("VERIFY_JOBS", "0")], "VERIFY_JOBS: is not a whole number from 1 to 64");
    check(&[("VERIFY_SPOOL_DIR", "/nowhere/at-all")], "VERIFY_SPOOL_DIR: is not a folder");
    check(
        &[("VERIFY_QUERIES_FILE", "/nowhere/at-all")],
        "VERIFY_QUERIES_FILE: the file that it names cannot be read: entity not found",
    );
    check(
        &[("VERIFY_SCHEDULE", "0 3 * * *"), ("VERIFY_INTERVAL", "60")],
        "VERIFY_INTERVAL: is set together with VERIFY_SCHEDULE; keep one of them",
    );
    check(
        &[("VERIFY_BACKUP_ID", "latest")],
        "VERIFY_BACKUP_ID: is not the id of a backup, such as 20261122T030000Z-calpt5zmzst5hrp2",
    );
    check(
        &[("VERIFY_BACKUP_ID", ID), ("VERIFY_LATEST", "false")],
        "VERIFY_BACKUP_ID: is set together with VERIFY_LATEST=false; keep one of them",
    );
    check(
        &[("VERIFY_ADMIN_URL", "postgres://a@h/d")],
        "VERIFY_ADMIN_URL: is set without VERIFY_DATABASE_URL, whose server it is for",
    );
    check(
        &[("HEALTHCHECK_PING_URL", "canary")],
        "HEALTHCHECK_PING_URL: is not one URL such as https://hc-ping.com/<uuid>",
    );
    check(&[("WEBHOOK_URL", "x")], "WEBHOOK_URL: address 1 is not a URL such as https://host/path");
}

#[test]
fn keys_that_are_none_stop_the_start_and_are_not_shown() {
    let (private, public) = generate_age_pair();
    check(
        &[("AGE_IDENTITY", &public)],
        "AGE_IDENTITY: key 1 is not a private key such as AGE-SECRET-KEY-1...; plugins and passphrases are not supported",
    );
    let short = "is shorter than 32 characters; make one with: openssl rand -base64 48";
    check(&[("BACKUP_ENCRYPTION_KEY", "canary")], &format!("BACKUP_ENCRYPTION_KEY: {short}"));
    let keys = format!("{}\n\ncanary\n", "x".repeat(32));
    check(&[("BACKUP_ENCRYPTION_KEYS_OLD", &keys)], &format!("BACKUP_ENCRYPTION_KEYS_OLD: {short}"));
    check(
        &[("VERIFY_TRUSTED_KEYS", "canary")],
        "VERIFY_TRUSTED_KEYS: key 1 is not an Ed25519 public key as backup keygen --signing prints it, or in PEM",
    );
    for (old, new) in
        [("VERIFY_SIGNING_KEY", "VERIFY_TRUSTED_KEYS"), ("VERIFY_SIGNING_KEY_FILE", "VERIFY_TRUSTED_KEYS_FILE")]
    {
        check(&[(old, "canary")], &format!("{old}: is called {new} now; rename it"));
    }
    let identities = format!("# old\n{}\n", private.expose());
    let old = format!("{}\n{}\n", "y".repeat(32), "z".repeat(32));
    let config = read(&[
        ("AGE_IDENTITY", &identities),
        ("BACKUP_ENCRYPTION_KEY", &"x".repeat(32)),
        ("BACKUP_ENCRYPTION_KEYS_OLD", &old),
    ])
    .unwrap();
    assert_eq!((config.drill.keyring.passphrases.len(), config.drill.keyring.identities.key_ids().len()), (3, 1));
    let shown = format!("{config:?}");
    assert!(!shown.contains("yyyy") && !shown.contains("AGE-SECRET"), "{shown}");
    let scrubbed = config.process.scrubber.scrub(&format!("{} {}", "z".repeat(32), private.expose())).into_owned();
    assert_eq!(scrubbed, "*** ***");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = read(&[("S3_BUCKET", ""), ("BACKUP_MAX_AGE", "1"), ("VERIFY_JOBS", "x"), ("DATABASE_URL", "x")]);
    let error = error.unwrap_err();
    for name in ["S3_BUCKET", "BACKUP_MAX_AGE", "VERIFY_JOBS", "DATABASE_URL"] {
        assert!(error.contains(&format!("\n  {name}: ")), "{name} is missing: {error}");
    }
}

#[test]
fn which_backup_is_a_habit() {
    let selection_policy = |changes: &[(&str, &str)]| read(changes).unwrap().selection_policy;
    assert_eq!(selection_policy(&[("VERIFY_LATEST", "false")]), SelectionPolicy::Random);
    assert_eq!(selection_policy(&[("VERIFY_RANDOM_EVERY", "0")]), SelectionPolicy::Newest { random_every: 0 });
    assert_eq!(selection_policy(&[("VERIFY_BACKUP_ID", ID)]), SelectionPolicy::Always(BackupId::parse(ID).unwrap()));
}

#[test]
fn the_drill_server_must_not_be_production() {
    let url = "postgres://drill:x@127.0.0.1/app";
    check(
        &[("VERIFY_DATABASE_URL", url), ("DATABASE_URL", "postgresql://app@localhost:5432/app")],
        "VERIFY_DATABASE_URL: must differ from the production DATABASE_URL",
    );
    let login = |changes: &[(&str, &str)]| match read(changes).unwrap().drill.target {
        Target::External { login, .. } => login.hosts()[0].to_string(),
        Target::Ephemeral => "throwaway".to_owned(),
    };
    assert_eq!(login(&[("DATABASE_URL", url)]), "127.0.0.1:5432");
    assert_eq!(
        login(&[("DATABASE_URL", url), ("VERIFY_DATABASE_URL", "postgres://a@127.0.0.2/app")]),
        "127.0.0.2:5432"
    );
}

#[test]
fn queries_are_read_at_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "SELECT true;\n").unwrap();
    let config = read(&[("VERIFY_QUERIES_FILE", file.path().to_str().unwrap()), ("VERIFY_SQL", "SELECT 1")]).unwrap();
    let names: Vec<_> = config.drill.queries.list.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["VERIFY_SQL", "VERIFY_QUERIES_FILE"]);
    check(&[("VERIFY_SQL", "-- name: x")], "VERIFY_SQL: has no SQL under the name \"x\"");
}

#[test]
fn a_misspelled_name_is_worth_a_warning_and_a_variable_of_backup_is_not() {
    let config = read(&[("VERIFY_SCHEDUL", "x"), ("BACKUP_SCHEDULE", "0 3 * * *")]).unwrap();
    assert_eq!(
        config.process.warnings,
        ["VERIFY_SCHEDUL is not a variable of this program; see docs/configuration.md"]
    );
}

/// For `verify`, DATABASE_URL is a server to drill on, and no hint may lead to it.
#[test]
fn the_source_of_another_tool_is_none_of_verify() {
    let config = read(&[("BACKUP_DATABASE_URL", "postgres://h.invalid/d"), ("AWS_S3_BUCKET", "b")]).unwrap();
    let hint = "AWS_S3_BUCKET is not a variable of this program; did you mean S3_BUCKET?";
    assert_eq!(config.process.warnings, [hint]);
}

#[test]
fn neither_debug_output_nor_scrubbed_text_shows_a_secret_r070() {
    let config = read(&[
        ("S3_SECRET_ACCESS_KEY", "canary-key"),
        ("VERIFY_DATABASE_URL", "postgres://u:canary-drill@h.invalid/d"),
        ("VERIFY_ADMIN_URL", "postgres://u:canary-admin@h.invalid/d"),
        ("RESTORE_URL", "postgres://u:canary-restore@h.invalid/d"),
    ])
    .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("canary"), "{shown}");
    let scrubbed = config.process.scrubber.scrub("canary-key canary-drill canary-admin canary-restore").into_owned();
    assert_eq!(scrubbed, "*** *** *** ***");
}

#[test]
fn docs_list_every_variable_as_the_code_knows_it() {
    let documented = include_str!("../../../../docs/configuration-verify.md");
    let expected = markdown_tables(&SECTIONS);
    let start = documented.find("### Bucket").expect("docs/configuration-verify.md has the tables");
    let end = documented.find("## Commands").expect("after the tables come the commands");
    assert!(
        documented[start..end].trim() == expected.trim(),
        "docs/configuration-verify.md differs from the code; its tables should be:\n\n{expected}"
    );
}

#[test]
fn the_index_has_every_variable_and_nothing_else() {
    let index = include_str!("../../../../docs/configuration.md");
    assert_eq!(index_difference(index, "verify", &SECTIONS), None);
}

/// A required variable is switched on and has a placeholder; every other one is a comment with its default.
#[test]
fn the_example_environment_shows_every_variable_as_the_code_knows_it() {
    let variables = SECTIONS.iter().flat_map(|(_, table)| *table);
    let required: Vec<&str> = GOOD.iter().map(|(name, _)| *name).collect();
    let example = include_str!("../../.env.example");
    assert_eq!(backup_core::config::example_difference(example, variables, &required), None);
}
