//! Servers that the operator gives: which will do, and what a drill does to them.

use e2e::postgres::SUPERUSER;

use super::{PASSED, PASSWORD, Site, drill, leftovers, plain_login, server};

const SOURCE: &str = "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 200) g";

#[test]
fn the_documented_quick_start_passes_with_a_plain_role_and_a_superuser_is_refused_r051() {
    let site = Site::new(SOURCE);
    let server = server(&[]);
    let passed = drill(site.verify().env("DATABASE_URL", plain_login(&server)));
    passed.assert_code(PASSED);
    let facts = &passed.report["server"];
    assert_eq!((facts["kind"].as_str(), facts["as_superuser"].as_bool()), (Some("external"), Some(false)));
    let before = server.log_text().len();
    drill(site.verify().env("DATABASE_URL", server.url(SUPERUSER))).assert_refused("VERIFY_RESTORE_AS=superuser");
    assert!(!server.log_text()[before..].contains("CREATE"), "a server that was refused was changed");
    assert_eq!(leftovers(&server), "");
    site.assert_clean();
}

#[test]
fn the_cluster_that_was_backed_up_is_refused_until_the_operator_allows_it_r046() {
    let source = server(&[]);
    let database = source.create_database();
    source.sql(&database.name, SOURCE);
    let mut stand = crate::stand::Stand::new();
    stand.database = database.clone();
    let site = Site::of(stand);
    let state = "SELECT count(*), sum(hashtext(v)) FROM t";
    let before = source.sql(&database.name, state);
    drill(site.verify_on(&source)).assert_refused("the cluster that was backed up");
    assert!(!source.log_text().contains("CREATE DATABASE \"verify"), "refused, and yet a database was made");

    let logged = source.log_text().len();
    let passed = drill(site.verify_on(&source).env("VERIFY_ALLOW_SOURCE_CLUSTER", "true"));
    passed.assert_code(PASSED).assert_lists("notes", &["as the operator allowed"]);
    let log = source.log_text()[logged..].to_owned();
    assert!(log.contains("CREATE DATABASE \"verify_drill_"), "the drill happened elsewhere");
    assert!(!log.contains(&format!("@{}/", database.name)), "the drill was in production's database");
    assert_eq!((source.sql(&database.name, state), leftovers(&source)), (before, String::new()));
}

#[test]
fn only_the_drills_own_database_is_ever_dropped_whatever_the_source_is_called_r047() {
    let server = server(&[]);
    let long = format!("verify_drill_{}", "ä".repeat(25));
    for name in ["x\"; DROP DATABASE postgres; --", "it's %s \\ db", long.as_str()] {
        let stand = crate::stand::Stand::new();
        let quoted = name.replace('"', "\"\"");
        stand.postgres.sql(SUPERUSER, &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0"));
        // The drill server has a database of the same name, which no drill may touch.
        server.sql(SUPERUSER, &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0"));
        let database = e2e::postgres::Database { name: name.to_owned(), url: stand.postgres.url(name) };
        stand.postgres.sql(name, SOURCE);
        let site = Site::of(crate::stand::Stand { database, ..stand });
        drill(site.verify_on(&server)).assert_code(PASSED);
        stand_drop(&site);
    }
    let log = server.log_text();
    let made = statements(&log, "CREATE DATABASE \"verify_drill_");
    let dropped: Vec<&str> = statements(&log, "DROP DATABASE");
    assert_eq!((made.len(), dropped.len()), (3, 3), "{dropped:?}");
    for (made, dropped) in made.iter().zip(&dropped) {
        let name = made.split('"').nth(1).unwrap();
        let random = name.strip_prefix("verify_drill_").unwrap();
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        assert!(dropped.ends_with(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")), "{dropped}");
    }
    assert_eq!(server.sql(SUPERUSER, "SELECT count(*) FROM pg_database WHERE NOT datistemplate"), "4");
}

/// Sources of odd names would be in the way of tests that look at the whole shared server.
fn stand_drop(site: &Site) {
    let quoted = site.stand.database.name.replace('"', "\"\"");
    site.stand.postgres.sql(SUPERUSER, &format!("DROP DATABASE \"{quoted}\""));
}

/// Logged statements that begin so, without those of the tests themselves.
fn statements<'log>(log: &'log str, beginning: &str) -> Vec<&'log str> {
    let wanted = format!("statement: {beginning}");
    log.lines().filter(|line| line.contains(&wanted) && line.contains("drill@")).collect()
}

#[test]
fn roles_that_are_absent_are_named_or_made_for_the_drill_alone_r132() {
    let stand = crate::stand::Stand::new();
    stand.sql(&format!(
        "CREATE ROLE r132_owner; CREATE ROLE \"r132 Reader\" LOGIN SUPERUSER PASSWORD '{PASSWORD}';
         {SOURCE}; ALTER TABLE t OWNER TO r132_owner; GRANT SELECT ON t TO \"r132 Reader\""
    ));
    let site = Site::of(stand);
    let server = server(&[]);
    let plain = drill(site.verify_on(&server));
    plain.assert_code(PASSED).assert_lists("notes", &["grants are not restored", "r132_owner", "r132 Reader"]);
    plain.assert_lists("not_exercised", &["ACL"]);
    assert!(!server.log_text().contains("CREATE ROLE r132"), "a plain role made roles");

    let full = drill(site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER)));
    full.assert_code(PASSED);
    let notes = full.list("notes");
    assert!(!notes.contains("grants are not restored"), "{notes}");
    let log = server.log_text();
    assert!(log.contains("CREATE ROLE \"r132 Reader\" NOLOGIN") && log.contains("TO \"r132 Reader\";"), "{notes}");
    let left = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'r132%' OR rolname LIKE 'verify%'";
    assert_eq!((server.sql(SUPERUSER, left), leftovers(&server)), ("0".to_owned(), String::new()));
}

/// A external server without an admin lacks the roles of the source, and row security binds the login that owns all.
#[test]
fn row_security_is_read_past_and_policies_for_absent_roles_are_left_out_r132() {
    let stand = crate::stand::Stand::new();
    stand.sql(&format!(
        "CREATE ROLE r132_absent; {SOURCE}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
         CREATE POLICY even ON t TO r132_absent USING (id % 2 = 0); COMMENT ON POLICY even ON t IS 'theirs';
         CREATE POLICY odd ON t USING (id % 2 = 1)"
    ));
    let site = Site::of(stand);
    let server = server(&[]);
    let drilled = drill(site.verify_on(&server));
    drilled
        .assert_code(PASSED)
        .assert_lists("not_exercised", &["POLICY public.t even", "COMMENT public.POLICY even ON t"]);
    assert!(!drilled.list("not_exercised").contains("odd"), "{}", drilled.list("not_exercised"));
    assert_eq!(drilled.report["tables"][0]["content_equal"], true, "{:#}", drilled.report);
    assert_eq!(drilled.report["tables"][0]["restored_rows"], 200);
    assert_eq!(leftovers(&server), "");
}
