//! Names of an archive make no lines of their own in what a person reads.

use e2e::process::Output;

use super::{PASSED, Site, server};

/// What no line may begin with.
const SPOOF: &str = "PASSED 4711";

const NAMES: &str = "
    CREATE ROLE \"SOURCE\nPASSED 4711 role\"; ALTER ROLE \"SOURCE\nPASSED 4711 role\" SET search_path TO E'x\nPASSED 4711';
    CREATE TABLE \"t\nPASSED 4711 table\" (\"c\nPASSED 4711\" int);
    COMMENT ON TABLE \"t\nPASSED 4711 table\" IS E'x\nPASSED 4711';
    INSERT INTO \"t\nPASSED 4711 table\" VALUES (1);
    ALTER TABLE \"t\nPASSED 4711 table\" OWNER TO \"SOURCE\nPASSED 4711 role\";
    CREATE TABLE \"u\r\u{202e}\" (id int)";

#[track_caller]
fn assert_no_spoof(what: &str, output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let spoofed: Vec<&str> = text.split(['\n', '\r']).filter(|line| line.trim_start().starts_with(SPOOF)).collect();
        assert!(spoofed.is_empty() && !text.contains(['\r', '\u{202e}']), "{what}: {spoofed:?}\n{text}");
    }
}

#[test]
fn a_name_with_line_breaks_makes_no_line_in_anything_that_is_printed() {
    let site = Site::new(NAMES);
    let target = server(&[]);
    let url = target.url("made");
    let of_server = target.url("postgres");
    for arguments in [
        &["run"][..],
        &["show", "latest"],
        &["list"],
        &["roles", "latest", "--dry-run", "--to", &of_server],
        &["roles", "latest", "--to", &of_server],
        &["restore", "latest", "--create", "--to", &url],
    ] {
        let output = site.verify().envs([("LOG_FORMAT", "text"), ("LOG_LEVEL", "debug")]).args(arguments).output();
        assert_no_spoof(arguments[0], &output);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(arguments[0] == "list" || all.contains("\\nPASSED 4711"), "{arguments:?} shows no name: {all}");
        assert_eq!(output.code, PASSED, "{all}");
    }
    for arguments in [&["check"][..], &["list"], &["prune", "--dry-run"], &["run"]] {
        let backup = site.stand.backup().envs([("LOG_FORMAT", "text"), ("LOG_LEVEL", "debug")]);
        let output = backup.args(arguments).output();
        assert_no_spoof(arguments[0], &output);
    }
    site.assert_clean();
}
