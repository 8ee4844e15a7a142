//! What `backup check` tells, and what becomes of the cluster's roles.

use e2e::postgres::{Database, Postgres, PostgresOptions, SUPERUSER};
use e2e::tools::FakeTools;
use serde_json::Value;

use super::{assert_run_fails, check, committed, manifest_of, new_role, stored_key};
use crate::stand::Stand;

/// The notes of a manifest as one text.
fn notes(manifest: &Value) -> String {
    let notes = manifest["notes"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn check_names_what_a_dump_will_not_contain() {
    let stand = Stand::with_rows(5);
    let neighbour = stand.postgres.create_database();
    let database = &stand.database.name;
    stand.sql(&format!(
        "ALTER DATABASE {database} SET work_mem = '7MB'; ALTER DATABASE {database} SET \"app.tenant\" = 'x';
         CREATE EXTENSION postgres_fdw; CREATE SERVER \"else where\" FOREIGN DATA WRAPPER postgres_fdw;
         CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw;
         CREATE USER MAPPING FOR PUBLIC SERVER \"else where\" OPTIONS (password 'x');
         CREATE FOREIGN TABLE far (id int) SERVER \"else where\""
    ));
    let (code, report) = check(stand.backup());
    assert_eq!(code, Some(0), "{report}");
    for part in [
        "configuration: valid",
        &format!("database: {database} on PostgreSQL "),
        "tools: pg_dump (PostgreSQL) ",
        "other databases of this cluster are not in this dump: ",
        "rows of foreign tables stay on their own server: public.far",
        "come back only with --create, of verify restore or pg_restore: app.tenant, work_mem",
        "passwords of the user mappings of foreign servers: \"else where\"\n",
        "0 backups of this database",
        "a backup would succeed",
    ] {
        assert!(report.contains(part), "{part:?} is missing in:\n{report}");
    }
    assert!(!report.contains("no table at all"), "{report}");
    assert!(stand.s3.objects().is_empty(), "a check left an object behind");

    // A restore by hand finds the same in the manifest.
    let manifest = stand.run_ok();
    assert!(notes(&manifest).contains("public.far") && notes(&manifest).contains("app.tenant, work_mem"));
    assert_eq!(manifest["database"]["settings"], serde_json::json!(["app.tenant", "work_mem"]));
    assert_ne!(neighbour.name, *database);
}

/// What a dump lacks cannot be in it.
#[test]
fn a_role_that_does_not_see_a_mapping_is_not_warned_of_its_password() {
    let stand = Stand::with_rows(5);
    stand.sql(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
         CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'x'); GRANT SELECT ON t TO PUBLIC",
    );
    let (role, url) = new_role(&stand, "");
    let told = || {
        let (code, report) = check(stand.backup().env("DATABASE_URL", &url));
        assert_eq!(code, Some(0), "{report}");
        (report.contains("without their options (passwords above all)"), report.contains("may hold passwords"))
    };
    assert_eq!(told(), (true, false));
    stand.sql(&format!("ALTER SERVER far OWNER TO {role}"));
    assert_eq!(told(), (false, true));
}

/// Names of databases are in the encoding of the database in which they were made.
#[test]
fn a_neighbour_whose_name_is_no_text_here_is_told_without_it() {
    let server = Postgres::start(PostgresOptions::default());
    for sql in [
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        "CREATE DATABASE app TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'",
    ] {
        server.sql(SUPERUSER, sql);
    }
    server.sql("latin", "CREATE DATABASE \"caf\u{e9}\"");
    server.sql("latin", "CREATE DATABASE \"back\\slash\"");
    server.sql("latin", "CREATE ROLE \"garc\u{e9}on\"; COMMENT ON ROLE \"garc\u{e9}on\" IS 'd\u{e9}j\u{e0}'");
    let database = Database { name: "app".to_owned(), url: server.url("app") };
    let stand = Stand { database, ..Stand::with_rows(5) };
    server.sql("app", "CREATE TABLE t AS SELECT 1 AS id");
    let manifest = stand.run_ok();
    let told =
        "other databases of this cluster are not in this dump: \"back\\slash\", latin, one whose name is not in ASCII";
    assert!(notes(&manifest).contains(told), "{}", notes(&manifest));
}

/// No dump holds these, by any login.
#[test]
fn what_no_dump_holds_is_named_by_check_run_and_manifest() {
    let stand = Stand::with_rows(5);
    // An extension with a table of its own that it does not mark is made by hand out of one without any.
    stand.sql(
        "CREATE EXTENSION pg_trgm; CREATE TABLE of_extension AS SELECT 1 AS id; CREATE TABLE empty_one (id int);
         ALTER EXTENSION pg_trgm ADD TABLE of_extension; ALTER EXTENSION pg_trgm ADD TABLE empty_one;
         CREATE TABLE information_schema.mine AS SELECT 1 AS id;
         CREATE FUNCTION same(text, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
         CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE OPERATOR pg_catalog.=~= (FUNCTION = same, LEFTARG = text, RIGHTARG = text);
         CREATE COLLATION pg_catalog.mine (provider = libc, locale = 'C');
         CREATE OPERATOR FAMILY pg_catalog.mine USING btree;
         CREATE CONVERSION pg_catalog.mine FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
         CREATE TEXT SEARCH DICTIONARY pg_catalog.mine (TEMPLATE = simple);
         CREATE TEXT SEARCH CONFIGURATION pg_catalog.mine (COPY = simple)",
    );
    let parts = [
        "because the extension does not mark them for pg_dump; CREATE EXTENSION makes the tables anew: public.of_extension of pg_trgm",
        "what is in a schema of the system is in no dump: collation pg_catalog.mine, conversion pg_catalog.mine, \
         function pg_catalog.mine(), operator family pg_catalog.mine USING btree, \
         operator pg_catalog.=~=(pg_catalog.text,pg_catalog.text) and 3 more;",
    ];
    let (code, report) = check(stand.backup());
    assert_eq!(code, Some(0), "{report}");
    let (output, manifest) = committed(&stand, stand.backup());
    for part in parts {
        assert!(report.contains(part), "{part:?} is missing in:\n{report}");
        assert!(output.stderr.contains(part), "{part:?} is missing in:\n{}", output.stderr);
        assert!(notes(&manifest).contains(part), "{part:?} is missing in:\n{}", notes(&manifest));
    }
    assert!(!report.contains("empty_one"), "{report}");
}

/// A superuser's dump holds them.
#[test]
fn what_the_dump_of_this_role_lacks_is_named() {
    let stand = Stand::with_rows(5);
    let (role, url) = new_role(&stand, "");
    stand.sql(&format!(
        "GRANT SELECT ON t TO {role}; CREATE EXTENSION postgres_fdw;
         CREATE SERVER \"else where\" FOREIGN DATA WRAPPER postgres_fdw; GRANT USAGE ON FOREIGN SERVER \"else where\" TO {role};
         CREATE USER MAPPING FOR PUBLIC SERVER \"else where\" OPTIONS (user 'a', password 'kqzw7vjx-of-all');
         CREATE USER MAPPING FOR {role} SERVER \"else where\" OPTIONS (user 'b', password 'kqzw7vjx-own');
         CREATE SUBSCRIPTION \"sub {role}\" CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false, slot_name = NONE)"
    ));
    let mapping = "because the role does not see them: PUBLIC on \"else where\"; dump as a superuser";
    let subscription = format!("because pg_dump writes them for a superuser only: \"sub {role}\"; dump as");
    let (_, as_role) = check(stand.backup().env("DATABASE_URL", &url));
    assert!(as_role.contains(mapping) && as_role.contains(&subscription), "{as_role}");
    let (output, manifest) = committed(&stand, stand.backup().env("DATABASE_URL", &url));
    assert!(notes(&manifest).contains(mapping) && notes(&manifest).contains(&subscription), "{}", notes(&manifest));
    assert!(super::said(&output.stderr).contains(mapping), "{}", output.stderr);
    assert_eq!(manifest["inventory"]["objects"]["subscriptions"], Value::Null, "a drill would look for it");

    let (_, manifest) = committed(&stand, stand.backup());
    assert_eq!(manifest["inventory"]["objects"]["subscriptions"], 1);
    assert!(!notes(&manifest).contains("does not see them"), "{}", notes(&manifest));
    assert!(notes(&manifest).contains("subscriptions are restored disabled"), "{}", notes(&manifest));
    stand.sql(&format!("DROP SUBSCRIPTION \"sub {role}\""));
}

#[test]
fn check_names_other_databases_of_a_small_cluster() {
    use e2e::postgres::{Postgres, PostgresOptions};
    let postgres = Postgres::start(PostgresOptions::default());
    postgres.sql("postgres", "CREATE DATABASE app; CREATE DATABASE \"app-staging\"");
    let stand = Stand::new();
    let (code, report) = check(stand.backup().env("DATABASE_URL", postgres.url("app")));
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("are not in this dump: \"app-staging\"\n"), "{report}");
    assert!(report.contains("the database has no table at all; is it the right one?"), "{report}");
}

#[test]
fn check_tells_apart_what_is_wrong() {
    let stand = Stand::with_rows(5);
    let (code, report) = check(stand.backup().env("DATABASE_URL", format!("{}_x", stand.database.url)));
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("database: FAILED: ") && report.contains("bucket: backups/"), "{report}");
    let (code, report) = check(stand.backup().env("S3_BUCKET", "another"));
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("NoSuchBucket") && report.contains("check S3_BUCKET"), "{report}");
    assert!(report.contains(&format!("database: {} on ", stand.database.name)), "{report}");
}

#[test]
fn roles_are_stored_without_their_passwords() {
    let stand = Stand::with_rows(5);
    let (role, _) = new_role(&stand, "CONNECTION LIMIT 7");
    stand.sql(&format!("COMMENT ON ROLE {role} IS 'kept'; ALTER ROLE {role} SET work_mem = '7MB'"));
    let hash = stand.sql(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"));
    assert!(hash.starts_with("SCRAM-SHA-256$"));
    let manifest = manifest_of(&stand, stand.backup().env("COMPRESSION", "none").env("BACKUP_GLOBALS", "true"));
    let globals = String::from_utf8(stand.s3.read(&stored_key(&stand, &manifest, "globals.sql"))).unwrap();
    assert!(globals.contains(&format!("CREATE ROLE {role};")) && globals.contains("CONNECTION LIMIT 7"), "{globals}");
    assert!(globals.contains(&format!("ALTER ROLE {role} SET work_mem TO '7MB';")), "{globals}");
    assert!(!globals.contains("PASSWORD ") && !globals.contains("SCRAM-SHA-256$"), "{globals}");
    assert_eq!(manifest["globals"]["stored_bytes"], globals.len());
    assert!(!notes(&manifest).contains("roles"), "{}", notes(&manifest));
}

#[test]
fn without_roles_the_manifest_says_why() {
    let stand = Stand::with_rows(5);
    let manifest = manifest_of(&stand, stand.backup().env("BACKUP_GLOBALS", "false"));
    assert_eq!(manifest["globals"], Value::Null);
    assert!(notes(&manifest).contains("are not stored (BACKUP_GLOBALS=false)"), "{}", notes(&manifest));

    let mut tools = FakeTools::new();
    tools.script("pg_dumpall", "echo 'CREATE ROLE half'; echo 'permission denied for table pg_authid' >&2; exit 1");
    let backup = || stand.backup().env("PG_BIN_DIR", tools.path());
    let (output, manifest) = committed(&stand, backup());
    assert!(output.stderr.contains("permission denied for table pg_authid"), "{}", output.stderr);
    assert_eq!(manifest["globals"], Value::Null);
    assert!(notes(&manifest).contains("roles and tablespaces are not stored: "), "{}", notes(&manifest));
    assert!(!stand.s3.objects().keys().any(|key| key.contains("globals")), "half of the roles were stored");
    let list = backup().args(["list"]).output().stdout;
    assert_eq!(list.matches("  no  ").count(), 2, "{list}");

    let required = backup().env("BACKUP_GLOBALS", "true");
    assert_run_fails(&stand, required, &["roles", "pg_dumpall failed", "permission denied for table pg_authid"]);
}

#[test]
fn a_dump_of_roles_that_succeeds_with_nothing_or_half_is_none() {
    let stand = Stand::with_rows(5);
    for body in ["exit 0", r#""$REAL" "$@" | head -c 150"#] {
        let mut tools = FakeTools::new();
        tools.script("pg_dumpall", body);
        let backup = || stand.backup().env("PG_BIN_DIR", tools.path());
        let words = "pg_dumpall succeeded, and what it wrote is not a whole dump of roles: it has no end";
        let (output, manifest) = committed(&stand, backup());
        assert!(output.stderr.contains(words), "{body}: {}", output.stderr);
        assert_eq!(manifest["globals"], Value::Null);
        assert!(notes(&manifest).contains("roles and tablespaces are not stored: pg_dumpall failed"), "{body}");
        assert_run_fails(&stand, backup().env("BACKUP_GLOBALS", "true"), &["dump roles", words]);
    }
}

#[test]
fn a_run_that_must_store_roles_fails_where_the_tool_is_missing() {
    let stand = Stand::with_rows(5);
    let mut tools = FakeTools::new();
    tools.remove("pg_dumpall");
    let required = stand.backup().env("PG_BIN_DIR", tools.path()).env("BACKUP_GLOBALS", "true");
    assert_run_fails(&stand, required, &["roles", "start pg_dumpall"]);
}
