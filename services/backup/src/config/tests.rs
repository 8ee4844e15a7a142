use backup_core::repository::SigningKey;
use backup_core::storage::Checksum;
use chrono::{TimeDelta, Utc};

use super::*;

const GOOD: [(&str, &str); 5] = [
    ("DATABASE_URL", "postgresql://user:pass@localhost/app"),
    ("S3_ENDPOINT", "http://localhost:3900"),
    ("S3_BUCKET", "b"),
    ("S3_ACCESS_KEY_ID", "k"),
    ("S3_SECRET_ACCESS_KEY", "s"),
];

fn read(changes: &[(&str, &str)]) -> Result<TargetConfig, String> {
    let kept = GOOD.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let pairs = kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = from_vars(pairs).map_err(|error| error.to_string())?;
    Ok(config.given)
}

/// Defaults, and a tick at each full hour.
pub(crate) fn hourly() -> TargetConfig {
    read(&[("BACKUP_SCHEDULE", "0 * * * *"), ("RETRY_ATTEMPTS", "3")]).unwrap()
}

/// Defaults, for tests of a whole process.
pub(crate) fn good_process() -> BackupConfig {
    from_vars(GOOD.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

/// Defaults, for tests of what stands on them.
pub(crate) fn good() -> TargetConfig {
    read(&[]).unwrap()
}

#[track_caller]
fn check(changes: &[(&str, &str)], complaint: &str) {
    assert_eq!(read(changes).unwrap_err(), format!("invalid environment:\n  {complaint}"));
}

#[test]
fn five_variables_suffice_and_defaults_are_those_of_the_documents() {
    let config = read(&[]).unwrap();
    assert_eq!(config.dump.codec.compression, Compression::Zstd { level: 3 });
    assert_eq!((config.retention.keep_days, config.retention.keep_last), (7, 3));
    assert_eq!(config.process.port, 8080);
    assert_eq!(config.timing.run_timeout, Duration::from_secs(6 * 3600));
    assert_eq!(config.timing.max_age(Utc::now(), TimeDelta::zero()), Duration::from_secs(24 * 3600 + 24 * 360 + 3600));
    assert_eq!(config.timing.make_up, MakeUp::parse("300,900,3600").unwrap());
    assert_eq!(config.dump.globals, Globals::WherePossible);
    assert_eq!(config.process.store.prefix.to_string(), "postgres-backups");
    assert!(config.process.store.path_style && config.process.store.checksum == Checksum::None);
}

/// R148: the next backup is there at the end of the next run, and ages count from the start of one.
#[test]
fn an_age_may_reach_the_longest_gap_and_as_long_as_a_run_takes_r148() {
    let age = |changes: &[(&str, &str)], takes| read(changes).unwrap().timing.max_age(Utc::now(), takes).as_secs();
    let daily = 24 * 3600 + 24 * 360 + 3600;
    assert_eq!(age(&[], TimeDelta::hours(3)), daily + 3 * 3600);
    assert_eq!(age(&[], TimeDelta::hours(100)), daily + 6 * 3600, "no run takes longer than BACKUP_TIMEOUT");
    assert_eq!(age(&[("BACKUP_TIMEOUT", "90000")], TimeDelta::hours(100)), daily + 90_000);
    assert_eq!(age(&[], TimeDelta::hours(-1)), daily);
    assert_eq!(age(&[("BACKUP_MAX_AGE", "4000")], TimeDelta::hours(3)), 4000, "what is given wins");
}

#[test]
fn each_mistake_is_one_line_that_names_its_variable() {
    check(&[("COMPRESSION", "lz4")], "COMPRESSION: is not one of: zstd, gzip, none");
    check(&[("COMPRESSION_LEVEL", "20")], "COMPRESSION_LEVEL: is not a whole number from 1 to 19");
    check(
        &[("COMPRESSION", "gzip"), ("COMPRESSION_LEVEL", "10")],
        "COMPRESSION_LEVEL: is not a whole number from 1 to 9, as gzip wants it",
    );
    check(
        &[("COMPRESSION", "none"), ("COMPRESSION_LEVEL", "1")],
        "COMPRESSION_LEVEL: is set, and COMPRESSION=none has no levels",
    );
    check(
        &[("BACKUP_RETRY_AFTER", "5m")],
        "BACKUP_RETRY_AFTER: is neither off nor whole numbers of seconds from 1 to 86400, separated by commas",
    );
    check(
        &[("BACKUP_ACCEPT_SIZE_FROM", "yesterday")],
        "BACKUP_ACCEPT_SIZE_FROM: is not the id of a backup, as `backup list` shows them",
    );
    check(&[("BACKUP_KEEP_LAST", "0")], "BACKUP_KEEP_LAST: is not a whole number from 1 to 10000");
    check(
        &[("BACKUP_SCHEDULE", "0 3 * * *"), ("BACKUP_INTERVAL", "60")],
        "BACKUP_INTERVAL: is set together with BACKUP_SCHEDULE; keep one of them",
    );
    check(&[("S3_ENDPOINT", "s3.example.com")], "S3_ENDPOINT: does not start with https:// or http://");
    check(&[("DATABASE_URL", "")], "DATABASE_URL: is not set, and neither is PGHOST");
    check(
        &[("BACKUP_PREFIX", "..")],
        "BACKUP_PREFIX: may hold letters, digits, `-`, `_` and `.` only, in folders joined by single `/`, none of them `.` or `..`",
    );
    check(&[("PG_DUMP_OPTIONS", "-f x")], "PG_DUMP_OPTIONS: holds --file, which this program sets itself");
    check(
        &[("HEALTHCHECK_PING_URL", "canary")],
        "HEALTHCHECK_PING_URL: is not one URL such as https://hc-ping.com/<uuid>",
    );
    check(
        &[("WEBHOOK_URL", "https://ntfy.sh/a\nhttps://x.webhook.office.com/canary")],
        "WEBHOOK_URL: address 2 is a connector of Microsoft Teams (webhook.office.com), which Microsoft has retired; make a \
         workflow in Teams that posts to a channel when a webhook request is received, and use its URL",
    );
    check(
        &[("WEBHOOK_SECRET", "canary")],
        "WEBHOOK_SECRET: is not whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)",
    );
    check(&[("SMTP_URL", "smtp://h"), ("MAIL_FROM", "a@x.org")], "MAIL_TO: is not set");
    check(
        &[("SMTP_URL", "https://canary"), ("MAIL_FROM", "a@x.org"), ("MAIL_TO", "a@x.org")],
        "SMTP_URL: is not a URL such as smtps://host, smtp://host:587 or smtp+plain://host:25",
    );
    check(&[("DATABASES_EXCLUDE", "tmp_*")], "DATABASES_EXCLUDE: is set, and DATABASES is not");
    check(&[("DATABASES_JOBS", "2")], "DATABASES_JOBS: is set, and DATABASES is not");
    check(&[("DATABASES", " , ")], "DATABASES: names no database");
    check(
        &[("DATABASES", "*"), ("DATABASES_EXCLUDE", "\"tmp")],
        "DATABASES_EXCLUDE: has an entry that begins with a quotation mark and does not end with one",
    );
    // Paths are added to it, and messages show it as a link.
    for url in
        ["backup.example.com", "https://", "https://a.example/?b", "https://a.example/#c", "https://a.example/>|x"]
    {
        let problem = "PUBLIC_URL: is not a plain http:// or https:// URL of at most 200 characters";
        check(&[("PUBLIC_URL", url)], problem);
    }
}

/// The names of docs/migrate.md, each with ours. A start that lacks ours names both.
#[test]
fn every_name_of_another_tool_in_the_documents_leads_to_ours() {
    let document = include_str!("../../../../docs/migrate.md");
    let mut pairs = 0;
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
        let (Some(theirs), Some(ours)) = (cells.next(), cells.next()) else { panic!("{row}") };
        if theirs == ours || ours == "-" {
            continue;
        }
        let error = from_vars([(theirs.to_owned(), "canary".to_owned())]).expect_err("five variables are missing");
        let error = error.to_string();
        let hint = format!("\n  {theirs}: is not a variable of this program; did you mean {ours}?");
        assert!(error.contains(&hint) && !error.contains("canary"), "{row}\n{error}");
        pairs += 1;
    }
    assert!(pairs > 30, "{pairs}");
    // The image of PostgreSQL has such variables, too.
    assert_eq!(read(&[("POSTGRES_PASSWORD", "canary")]).unwrap().process.warnings, [""; 0]);
}

#[test]
fn each_mistake_about_the_bucket_names_its_variable() {
    check(&[("S3_ENDPOINT", "")], "S3_ENDPOINT: is not set; for a bucket on AWS, S3_REGION is enough");
    check(&[("S3_SECRET_ACCESS_KEY", "")], "S3_SECRET_ACCESS_KEY: is not set");
    check(&[("S3_CREDENTIALS", "instance")], "S3_CREDENTIALS: is instance, and keys are set; keep one of them");
    let no_keys = [("S3_ACCESS_KEY_ID", ""), ("S3_SECRET_ACCESS_KEY", "")];
    let with = |more: &[(&'static str, &'static str)]| no_keys.iter().chain(more).copied().collect::<Vec<_>>();
    check(
        &with(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")]),
        "AWS_ROLE_ARN: is not set, and AWS_WEB_IDENTITY_TOKEN_FILE is",
    );
    check(&with(&[("S3_SESSION_TOKEN", "canary")]), "S3_ACCESS_KEY_ID: is not set, and S3_SESSION_TOKEN is");
    check(
        &[("RECORD_KEY", "canary")],
        "RECORD_KEY: is shorter than 16 characters; `openssl rand -hex 32` makes a good one",
    );
    check(&[("S3_SSE", "kms")], "S3_SSE: is not one of: aes256, aws:kms");
    check(&[("S3_SSE", "AES256"), ("S3_SSE_KMS_KEY_ID", "k")], "S3_SSE_KMS_KEY_ID: is set, and S3_SSE is not aws:kms");
    check(&[("S3_OBJECT_LOCK_MODE", "compliance")], "S3_OBJECT_LOCK_MODE: is set, and S3_OBJECT_LOCK_DAYS is not");
    check(
        &[("S3_OBJECT_LOCK_DAYS", "14"), ("S3_CHECKSUM", "none")],
        "S3_CHECKSUM: is none, and S3_OBJECT_LOCK_DAYS needs a checksum with each object",
    );
    check(&[("BACKUP_MAX_RATE", "0")], "BACKUP_MAX_RATE: is not a whole number from 1 to 100000");
}

#[test]
fn a_lock_brings_a_checksum_and_a_region_is_enough_for_aws() {
    let locked = read(&[("S3_OBJECT_LOCK_DAYS", "14")]).unwrap();
    assert_eq!(locked.process.store.checksum, Checksum::Crc32);
    let aws = read(&[("S3_ENDPOINT", ""), ("AWS_REGION", "eu-central-1")]).unwrap();
    let store = &aws.process.store;
    assert_eq!((store.endpoint.as_deref(), store.region.as_str()), (None, "eu-central-1"));
    assert_eq!((store.path_style, store.checksum), (false, Checksum::Crc32));
}

#[test]
fn names_of_other_tools_and_settings_without_effect_draw_a_warning() {
    let warnings = |vars: &[(&str, &str)]| read(vars).unwrap().process.warnings.clone();
    let shared = warnings(&[("DATABASES", "*"), ("HEALTHCHECK_PING_URL", "https://hc-ping.com/x")]);
    assert!(shared.iter().any(|warning| warning.contains("all databases share one check")), "{shared:?}");
    assert_eq!(warnings(&[("DATABASES", "*"), ("HEALTHCHECK_PING_URL", "https://hc-ping.com/x/{database}")]), [""; 0]);
    assert_eq!(
        warnings(&[("SLACK_WEBHOOK_URL", "https://hooks.slack.com/x")]),
        ["SLACK_WEBHOOK_URL is not a variable of this program; did you mean WEBHOOK_URL?"]
    );
    for (theirs, ours) in [
        ("SMTP_HOST", "SMTP_URL"),
        ("SMTP_PASS_FILE", "SMTP_PASSWORD"),
        ("SMTP_ULR", "SMTP_URL"),
        ("EMAIL_TO", "MAIL_TO"),
        ("EMAIL_BACKEND", "SMTP_URL"),
        ("MAIL_SERVER", "SMTP_URL"),
        ("MAIL_FORM", "SMTP_URL"),
        ("BACKUP_CRON_SCHEDULE", "BACKUP_SCHEDULE"),
        ("S3_PREFIX", "BACKUP_PREFIX"),
        ("NOTIFY_URL", "WEBHOOK_URL"),
        ("SHOUTRRR_URL", "WEBHOOK_URL"),
        ("PAGERDUTY_KEY", "WEBHOOK_URL"),
        ("PAGERDUTY_SERVICE_KEY_FILE", "WEBHOOK_URL"),
        ("TELEGRAM_TOKEN", "WEBHOOK_URL"),
        ("TELEGRAM_CHAT", "WEBHOOK_URL"),
        ("PUSHOVER_TOKEN", "WEBHOOK_URL"),
        ("TEAMS_WEBHOOK", "WEBHOOK_URL"),
        ("HEALTHCHECKS_IO_URL", "HEALTHCHECK_PING_URL"),
        ("HEALTHCHECKS_UUID", "HEALTHCHECK_PING_URL"),
        ("HC_URL", "HEALTHCHECK_PING_URL"),
        ("PING_URL", "HEALTHCHECK_PING_URL"),
    ] {
        let warning = format!("{theirs} is not a variable of this program; did you mean {ours}?");
        assert_eq!(warnings(&[(theirs, "canary")]), [warning]);
    }
    assert_eq!(
        warnings(&[("NTFY_TOKEN", "tk_x"), ("WEBHOOK_URL", "https://example.com/x")]),
        ["NTFY_TOKEN is set, and WEBHOOK_URL has no address of ntfy"]
    );
    assert_eq!(
        warnings(&[("WEBHOOK_URL", "http://example.com/x")]),
        ["WEBHOOK_URL is plain http to a public address: messages travel unprotected; use https"]
    );
    let mail = |url| warnings(&[("SMTP_URL", url), ("MAIL_FROM", "a@x.org"), ("MAIL_TO", "b@x.org")]);
    assert_eq!(
        mail("smtp+plain://mail.example.com"),
        ["SMTP_URL is smtp+plain:// to a public host: messages and the password travel unprotected"]
    );
    assert_eq!(mail("smtp+plain://10.0.0.1:1025"), [""; 0]);
    assert_eq!(warnings(&[("WEBHOOK_URL", "http://10.0.0.1/x,https://ntfy.sh/x")]), [""; 0]);
    let metrics = |name| warnings(&[("METRICS_FILE", std::env::temp_dir().join(name).to_str().unwrap())]);
    assert_eq!(metrics("backup.prom"), [""; 0]);
    for name in ["backup.txt", "backup", "prom", "backup.prom.old"] {
        let [warning] = &metrics(name)[..] else { panic!("{name}") };
        assert!(warning.starts_with("METRICS_FILE does not end in .prom"), "{warning}");
    }
}

#[test]
fn schedules_that_cannot_work_stop_the_start_r098() {
    for expression in ["0 0 31 2 *", "0 0 3 * * *", "x"] {
        let error = read(&[("BACKUP_SCHEDULE", expression)]).unwrap_err();
        assert!(error.contains("BACKUP_SCHEDULE: "), "{expression}: {error}");
    }
    for zone in ["Mars/Olympus", "europe/berlin", "CEST", "+02:00"] {
        // With a schedule of its own fault, a summary that goes by the zone as well, and without a bucket.
        let wrong =
            [("BACKUP_SCHEDULE", "x"), ("TZ", zone), ("NOTIFY_DIGEST", "daily"), ("S3_BUCKET", ""), ("PORT", "x")];
        let error = read(&wrong).unwrap_err();
        let named: Vec<&str> = error.lines().skip(1).filter_map(|line| line.trim().split(':').next()).collect();
        assert_eq!(named, ["S3_BUCKET", "PORT", "TZ", "BACKUP_SCHEDULE"], "{error}");
        // A schedule that needs no zone, or is not given, does not hide it.
        for (name, value) in [("BACKUP_INTERVAL", "60"), ("BACKUP_RETENTION_DAYS", "7")] {
            assert!(read(&[("TZ", zone), (name, value)]).unwrap_err().contains("TZ: is an unknown time zone"));
        }
    }
    read(&[("TZ", " Etc/UTC ")]).unwrap();
    read(&[("BACKUP_SCHEDULE", "30 2 * * sun,7"), ("TZ", "Europe/Berlin")]).unwrap();
}

#[test]
fn the_platforms_aliases_work() {
    let aliases = [
        ("S3_ENDPOINT", ""),
        ("ENDPOINT", "https://t3.example.dev"),
        ("S3_BUCKET", ""),
        ("BUCKET", "box"),
        ("REGION", "auto"),
    ];
    let config = read(&aliases).unwrap();
    assert_eq!((config.process.store.bucket.as_str(), config.process.store.region.as_str()), ("box", "auto"));
    assert_eq!(config.process.store.endpoint.as_deref(), Some("https://t3.example.dev"));
}

#[test]
fn aws_gets_its_own_style_and_others_get_theirs() {
    let aws = |bucket| {
        read(&[("S3_ENDPOINT", "https://s3.amazonaws.com"), ("S3_BUCKET", bucket)]).unwrap().process.store.clone()
    };
    assert_eq!((aws("b").endpoint, aws("b").path_style, aws("b").checksum), (None, false, Checksum::Crc32));
    assert!(aws("with.dots").path_style);
    let other = read(&[("S3_ENDPOINT", "https://x.r2.cloudflarestorage.com/"), ("S3_FORCE_PATH_STYLE", "false")])
        .unwrap()
        .process
        .store
        .clone();
    assert_eq!((other.endpoint.as_deref(), other.path_style), (Some("https://x.r2.cloudflarestorage.com"), false));
}

#[test]
fn plain_http_to_a_public_address_is_worth_a_warning() {
    let warnings = |endpoint| read(&[("S3_ENDPOINT", endpoint)]).unwrap().process.warnings.len();
    assert_eq!(warnings("http://s3.example.com"), 1);
    assert_eq!(warnings("http://93.184.216.34:9000"), 1);
    for private in
        ["http://localhost:1", "http://garage:3900", "http://10.0.0.7", "http://[::1]:80", "https://s3.example.com"]
    {
        assert_eq!(warnings(private), 0, "{private}");
    }
}

#[test]
fn debug_output_shows_no_secret_r070() {
    let config =
        read(&[("S3_SECRET_ACCESS_KEY", "canary-secret"), ("DATABASE_URL", "postgres://u:canary-pass@h/d")]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("canary"), "{shown}");
    let key = "canary-canary-canary-canary-canary";
    let (signing, _) = SigningKey::generate().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", signing.expose());
    let config =
        read(&[("BACKUP_ENCRYPTION", "true"), ("BACKUP_ENCRYPTION_KEY", key), ("BACKUP_SIGNING_KEY", &pem)]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("canary") && !shown.contains(signing.expose()), "{shown}");
    // A key of several lines shows line by line.
    assert_eq!(config.process.scrubber.scrub(&format!("{key} {}", signing.expose())), "*** ***");
}

#[test]
fn docs_list_every_variable_as_the_code_knows_it() {
    let documented = include_str!("../../../../docs/configuration-backup.md");
    let expected = backup_core::config::markdown_tables(&SECTIONS);
    let start = documented.find("### Database").expect("docs/configuration-backup.md has the tables");
    let end = documented.find("## Commands").expect("after the tables come the commands");
    assert!(
        documented[start..end].trim() == expected.trim(),
        "docs/configuration-backup.md differs from the code; its tables should be:\n\n{expected}"
    );
}

#[test]
fn the_index_has_every_variable_and_nothing_else() {
    let index = include_str!("../../../../docs/configuration.md");
    assert_eq!(backup_core::config::index_difference(index, "backup", &SECTIONS), None);
}

/// A required variable is switched on and has a placeholder; every other one is a comment with its default.
#[test]
fn the_example_environment_shows_every_variable_as_the_code_knows_it() {
    let variables = SECTIONS.iter().flat_map(|(_, table)| *table);
    let required: Vec<&str> = GOOD.iter().map(|(name, _)| *name).collect();
    let example = include_str!("../../.env.example");
    assert_eq!(backup_core::config::example_difference(example, variables, &required), None);
}
