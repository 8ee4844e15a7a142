use std::fs;

use super::*;

static TABLE: &[Variable] = &[
    Variable { name: "S3_BUCKET", kind: Kind::Text, default: "", example: "b", aliases: &["BUCKET"], meaning: "" },
    Variable {
        name: "KEEP",
        kind: Kind::Number { min: 1, max: 9 },
        default: "3",
        example: "3",
        aliases: &[],
        meaning: "",
    },
    Variable {
        name: "MODE",
        kind: Kind::Choice(&["zstd", "gzip"]),
        default: "zstd",
        example: "zstd",
        aliases: &[],
        meaning: "",
    },
];

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::read(pairs, &[TABLE], &["S3_"])
}

#[test]
fn a_name_wins_over_its_alias_and_an_empty_value_is_no_value() {
    assert_eq!(settings(&[("S3_BUCKET", "a"), ("BUCKET", "b")]).text("S3_BUCKET").as_deref(), Some("a"));
    assert_eq!(settings(&[("S3_BUCKET", ""), ("BUCKET", "b")]).text("S3_BUCKET").as_deref(), Some("b"));
    assert!(!settings(&[("BUCKET", "")]).is_set("S3_BUCKET"));
}

#[test]
fn a_value_may_come_from_a_file_without_its_last_newline() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "from file\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(settings(&[("S3_BUCKET_FILE", path)]).text("S3_BUCKET").as_deref(), Some("from file"));
    let error = settings(&[("S3_BUCKET_FILE", path), ("S3_BUCKET", "x")]).finish(Some(())).unwrap_err();
    assert!(error.to_string().contains("S3_BUCKET: is set together with S3_BUCKET_FILE"), "{error}");
    let error = settings(&[("S3_BUCKET_FILE", "/nowhere/at-all")]).finish(Some(())).unwrap_err();
    assert!(error.to_string().contains("S3_BUCKET_FILE: the file that it names cannot be read"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once_and_no_value_is_shown() {
    let mut settings = settings(&[("KEEP", "canary1"), ("MODE", "canary2")]);
    settings.number("KEEP");
    settings.choice("MODE", [("zstd", 1), ("gzip", 2)]);
    settings.required("S3_BUCKET");
    let error = settings.finish(Some(())).unwrap_err().to_string();
    assert_eq!(
        error,
        "invalid environment:\n  KEEP: is not a whole number from 1 to 9\n  MODE: is not one of: zstd, gzip\n  S3_BUCKET: is not set"
    );
}

#[test]
fn names_that_look_like_ours_are_worth_a_warning() {
    let settings = settings(&[("S3_BUKET", "x"), ("PATH", "y"), ("S3_BUCKET_FILE", "/dev/null")]);
    assert_eq!(settings.warnings(), ["S3_BUKET is not a variable of this program; see docs/configuration.md"]);
}

#[test]
fn an_index_that_differs_from_the_tables_is_found() {
    let sections = [("How long", &TABLE[1..2])];
    let row = |name: &str, link: &str| format!("| `{name}` | {link} | a phrase |\n");
    let keep = row("KEEP", "[`backup`](configuration-backup.md#how-long), [`verify`](configuration-verify.md#x)");
    let difference = |rows: &str| {
        let document = format!("# C\n\n## Index\n\n| Variable |\n{rows}\n## Commands\n\n| `x` | y | z |\n");
        index_difference(&document, "backup", &sections)
    };
    assert_eq!(difference(&keep), None);
    assert_eq!(difference(&format!("{keep}{}", row("OF_VERIFY", "[`verify`](configuration-verify.md#x)"))), None);
    for (rows, complaint) in [
        (String::new(), "the tables have"),
        (row("KEEP", "[`backup`](configuration-backup.md#elsewhere)"), "elsewhere"),
        (format!("{keep}{}", row("NEW", "[`backup`](configuration-backup.md#how-long)")), "NEW"),
        (format!("{keep}{}", row("NEW", "-")), "in place of a service"),
        (keep.replace("a phrase", ""), "says nothing about KEEP"),
    ] {
        let found = difference(&rows).unwrap_or_default();
        assert!(found.contains(complaint), "{rows}: {found}");
    }
}
