//! Connection strings that are wrong just where the password is.

use super::{assert_hides, both};
use crate::stand::Stand;

/// A password in two halves that occur in no message, with something between them.
const HALVES: [&str; 2] = ["qzxwvk7", "jyqpgz9"];

/// What comes before, between and after the halves.
const MALFORMED: [(&str, &str, &str); 24] = [
    ("postgresql://user:", "/", "@db.invalid:5432/app"),
    ("postgresql://user:", "@", "@db.invalid:5432/app"),
    ("postgresql://user:", "%zz", "@db.invalid:5432/app"),
    ("postgresql://user:", "%", "@db.invalid:5432/app"),
    ("postgresql://user:", "#", "@db.invalid:5432/app"),
    ("postgresql://user:", "?", "@db.invalid:5432/app"),
    ("postgresql://user:", " ", "@db.invalid:5432/app"),
    ("postgresql://user:", "\n", "@db.invalid:5432/app"),
    ("postgresql://user:", "%0a", "@db.invalid:5432/app"),
    ("postgresql://user:", "%00", "@db.invalid:5432/app"),
    ("postgresql://user:", "@[", "@db.invalid:5432/app"),
    ("postgresql://user:", "", "@[::1:5432/app"),
    ("postgresql://user:", "", "@db.invalid:port/app"),
    ("postgresql://user:", "", "@db.invalid:99999/app"),
    ("postgresql://user:", "", "@/app"),
    ("postgresql://user:", "", "@db.invalid/app?unknown=1"),
    ("postgresql://user:", "", "@db.invalid/app?sslmode"),
    ("postgresql://:", "", "@db.invalid/app"),
    ("postgres+asyncpg://user:", "", "@db.invalid/app"),
    ("\"postgresql://user:", "", "@db.invalid/app\""),
    ("postgresql://user@db.invalid/app?password=", "&", ""),
    ("host=db.invalid user=u password='", "", ""),
    ("host=db.invalid user=u password=", " ", ""),
    ("user:", "@", "@db.invalid/app"),
];

#[test]
fn a_malformed_url_shows_no_four_characters_of_its_password_r068() {
    let stand = Stand::new();
    let [first, second] = HALVES;
    for (before, between, after) in MALFORMED {
        let url = format!("{before}{first}{between}{second}{after}");
        for command in ["run", "check"] {
            let run = stand.backup().env("DATABASE_URL", &url).env("LOG_LEVEL", "trace").args([command]);
            let output = run.output();
            assert_eq!(output.code, Some(78), "{url}\n{}", output.stderr);
            assert!(output.stderr.contains("DATABASE_URL: "), "{url}\n{}", output.stderr);
            assert_hides(&url.replace(first, "<1>").replace(second, "<2>"), &both(&output), &HALVES);
        }
    }
}

/// All but schedules, which are no secret: their errors quote the field that is wrong.
#[test]
fn every_other_bad_setting_is_reported_beside_it_without_its_value_r068() {
    let stand = Stand::new();
    let [first, second] = HALVES;
    let output = stand
        .backup()
        .env("DATABASE_URL", format!("postgresql://u:{first}@{second}@h/db"))
        .env("S3_ENDPOINT", format!("http://{first}:{second}@s3.invalid"))
        .env("BACKUP_PREFIX", format!("../{first}"))
        .env("BACKUP_KEEP_LAST", second)
        .env("COMPRESSION", second)
        .env("PG_DUMP_OPTIONS", format!("--{first}"))
        .args(["run"])
        .output();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    for name in ["DATABASE_URL", "S3_ENDPOINT", "BACKUP_PREFIX", "BACKUP_KEEP_LAST", "COMPRESSION", "PG_DUMP_OPTIONS"] {
        assert!(output.stderr.contains(&format!("\n  {name}: ")), "{name} is missing in {}", output.stderr);
    }
    assert_hides("the list of problems", &both(&output), &HALVES);
}
