//! Roles that are a script for the reader's shell.

use super::DrillStand;

/// What a person does with the file by hand would run each of these.
#[test]
fn commands_for_psql_in_the_roles_are_found() {
    let stand = DrillStand::of("CREATE TABLE t (id int)", &[("COMPRESSION", "none"), ("BACKUP_GLOBALS", "true")]);
    let roles = String::from_utf8(stand.stand.s3.read(&stand.key("globals.sql"))).unwrap();
    let fence = |roles: &str| roles.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n");
    let open = fence(&roles);
    let check = |roles: &str, words: &str| {
        stand.forge("globals", roles.as_bytes());
        stand.drill().assert_found_by("roles", words);
    };
    let before_end = |more: &str| {
        open.replacen(
            "--\n-- PostgreSQL database cluster dump complete",
            &format!("{more}\n--\n-- PostgreSQL database cluster dump complete"),
            1,
        )
    };
    check(&before_end("\\connect postgres \\! touch /tmp/owned"), "is a command of psql");
    check(&before_end("CREATE ROLE x\n\\! touch /tmp/owned\n;"), "a backslash outside of quotes");
    check(&before_end("COMMENT ON ROLE x IS E'a'\n'\\' \\! touch /tmp/owned '';"), "two texts in a row");
    check(&before_end("ALTER SYSTEM SET archive_command TO 'touch /tmp/owned';"), "begins no statement");
    check(&before_end("SELECT pg_catalog.lo_export(1, '/tmp/owned');"), "begins no statement");
    // What pg_dumpall writes passes, with its fence and without.
    for good in [roles.as_str(), &before_end("CREATE ROLE \"odd \\! name\";\nCOMMENT ON ROLE x IS E'a \\\\! b';")] {
        stand.forge("globals", good.as_bytes());
        stand.drill().assert_verdict("passed", 0);
    }
}
