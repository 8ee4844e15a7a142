//! `verify restore` with a login that is no superuser, into databases that a service has prepared: what such a login
//! cannot do is told before anything is written, and what the service did is not held against the restore.

use e2e::postgres::{Database, Postgres, SUPERUSER};

use super::restore::{STATE, assert_says, restore};
use super::{COULD_NOT_RUN, FAILED, PASSED, PASSWORD, Site, plain_login, server};

/// A source with an owner, a grantee, default privileges and a grant that was made through a grant option.
const SOURCE: &str = "
    CREATE ROLE \"owner of SOURCE\"; CREATE ROLE \"reader of SOURCE\"; CREATE ROLE \"guest of SOURCE\";
    ALTER DATABASE SOURCE OWNER TO \"owner of SOURCE\"; CREATE SCHEMA app; ALTER SCHEMA app OWNER TO \"owner of SOURCE\";
    GRANT USAGE ON SCHEMA app TO \"reader of SOURCE\";
    CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 500) g;
    ALTER TABLE t ADD PRIMARY KEY (id); ALTER TABLE t OWNER TO \"owner of SOURCE\";
    GRANT SELECT ON t TO \"reader of SOURCE\";
    CREATE TABLE app.u (id int GENERATED ALWAYS AS IDENTITY); ALTER TABLE app.u OWNER TO \"owner of SOURCE\";
    CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION app.f OWNER TO \"owner of SOURCE\";
    SELECT lo_from_bytea(4711, 'large'); ALTER LARGE OBJECT 4711 OWNER TO \"owner of SOURCE\";
    ALTER DEFAULT PRIVILEGES FOR ROLE \"owner of SOURCE\" GRANT SELECT ON TABLES TO \"reader of SOURCE\";
    GRANT SELECT ON app.u TO \"reader of SOURCE\" WITH GRANT OPTION;
    SET ROLE \"reader of SOURCE\"; GRANT SELECT ON app.u TO \"guest of SOURCE\"; RESET ROLE;";

/// A login to a new database of its own, as a managed service gives it.
fn managed(site: &Site, postgres: &Postgres) -> (String, Database) {
    let role = format!("managed of {}", site.stand.database.name);
    let create = format!(
        "DO $$ BEGIN CREATE ROLE \"{role}\" LOGIN CREATEDB PASSWORD '{PASSWORD}';
               EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    );
    postgres.sql(SUPERUSER, &create);
    let target = postgres.create_database();
    postgres.sql(SUPERUSER, &format!("ALTER DATABASE \"{}\" OWNER TO \"{role}\"", target.name));
    let url = postgres.url_as(&role, PASSWORD, &target.name);
    (role, Database { url, ..target })
}

#[test]
fn a_login_that_cannot_set_owners_is_told_so_before_anything_is_written() {
    let site = Site::new(SOURCE);
    let postgres = site.stand.postgres;
    let (login, target) = managed(&site, postgres);
    let owner = format!("owner of {}", site.stand.database.name);
    let before = postgres.sql(&target.name, STATE);
    let grant = format!("GRANT \"{owner}\" TO \"{login}\" first");

    let plan = restore(&site, &["--to", &target.url, "--dry-run"]).output();
    let advised = format!("the login {login} may not act as these roles of the source: ");
    assert_says(&plan, PASSED, &[&advised, &owner, "or give --no-owner", "nothing was changed (--dry-run)"]);
    let refused = restore(&site, &["--to", &target.url]).output();
    let told =
        format!("nothing was changed: the login {login} may not act as roles that own something: {owner}; {grant}");
    assert_says(&refused, COULD_NOT_RUN, &[&told, "give --no-owner"]);
    assert_eq!(postgres.sql(&target.name, STATE), before, "something was written");
    let made = format!("{} made", target.name);
    let url = postgres.url_as(&login, PASSWORD, &made);
    let refused = restore(&site, &["--to", &url, "--create"]).output();
    assert_says(&refused, COULD_NOT_RUN, &["may not act as roles that own something", &grant]);
    assert_eq!(postgres.sql(SUPERUSER, &format!("SELECT count(*) FROM pg_database WHERE datname = '{made}'")), "0");

    // A member of the owner still needs the right to give it something in the schema.
    postgres.sql(SUPERUSER, &format!("GRANT \"{owner}\" TO \"{login}\""));
    let refused = restore(&site, &["--to", &target.url]).output();
    let told = format!(
        "role {owner} owns something in schema public, and may not create there: GRANT CREATE ON SCHEMA \
        public TO \"{owner}\" first"
    );
    assert_says(&refused, COULD_NOT_RUN, &[&told]);
    let refused = restore(&site, &["--to", &url, "--create"]).output();
    assert_says(&refused, COULD_NOT_RUN, &["create the database by hand, GRANT CREATE ON SCHEMA public TO"]);
    assert_eq!(postgres.sql(&target.name, STATE), before, "something was written");
    postgres.sql(&target.name, &format!("GRANT CREATE ON SCHEMA public TO \"{owner}\""));
    let restored = restore(&site, &["--to", &target.url, "--jobs", "4"]).output();
    // All that is left is for superusers, and it has a name.
    let denied = "restore: ACL app.TABLE u: permission denied to set session authorization \"reader of ";
    assert_says(&restored, FAILED, &["NOT restored as it was"]);
    let findings = findings(&restored.stdout);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.starts_with(denied)), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.contains("ACL app.TABLE u")), "{findings:#?}");
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('app', 'public')";
    assert_eq!(postgres.sql(&target.name, owners), owner);

    // No role should be made a member of a superuser.
    let by_superuser = Site::new("CREATE TABLE t AS SELECT 1 AS id");
    let (login, target) = managed(&by_superuser, postgres);
    let refused = restore(&by_superuser, &["--to", &target.url]).output();
    let told = format!(
        "nothing was changed: the login {login} may not act as roles that own something: {SUPERUSER}; \
        restore as a superuser, or give --no-owner"
    );
    assert_says(&refused, COULD_NOT_RUN, &[&told]);
    assert!(!refused.stdout.contains("GRANT"), "{}", refused.stdout);
    site.assert_clean();
}

#[test]
fn without_owners_everything_belongs_to_the_login_and_grants_stay() {
    let site = Site::new(SOURCE);
    let postgres = site.stand.postgres;
    let (login, target) = managed(&site, postgres);
    let name = &site.stand.database.name;
    let plan = restore(&site, &["--to", &target.url, "--no-owner", "--dry-run"]).output();
    let line = format!("owners    everything will belong to {login} (--no-owner)");
    assert_says(&plan, PASSED, &[&line, "nothing was changed (--dry-run)"]);
    assert!(!plan.stdout.contains("may not act as"), "{}", plan.stdout);

    let made = format!("{} made", target.name);
    let url = postgres.url_as(&login, PASSWORD, &made);
    for (name_of_target, arguments) in
        [(&target.name, &["--to", &target.url, "--no-owner"][..]), (&made, &["--to", &url, "--no-owner", "--create"])]
    {
        let restored = restore(&site, arguments).output();
        let told = format!(
            "everything belongs to {login} (--no-owner), which may do all with it; in the source it \
            belonged to: owner of {name}"
        );
        let default =
            format!("DEFAULT ACL DEFAULT PRIVILEGES FOR TABLES was left out: it depends on role owner of {name}");
        let by_others = "ACL app.TABLE u was left out: only a superuser makes grants in the name of another role";
        assert_says(&restored, PASSED, &[&told, &default, by_others, "contents", "restored\n"]);
        let owned =
            "SELECT (SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname IN ('app', 'public')),
            (SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'app'), (SELECT count(*) FROM t),
            (SELECT lomowner::regrole FROM pg_largeobject_metadata)";
        let expected = format!("{login}|\"{login}\"|500|\"{login}\"");
        assert_eq!(postgres.sql(name_of_target, owned), expected);
        let granted = format!("SELECT has_table_privilege('reader of {name}', 't', 'SELECT')");
        assert_eq!(postgres.sql(name_of_target, &granted), "t");
    }
    site.assert_clean();
}

#[test]
fn roles_that_the_target_lacks_are_needed_only_for_what_is_asked_for() {
    let site = Site::new(&format!("{SOURCE} CREATE POLICY p ON app.u TO \"reader of SOURCE\" USING (id > 1);"));
    let server = server(&[]);
    let login = plain_login(&server);
    let name = &site.stand.database.name;
    let target = |number: u32| login.replace("/postgres", &format!("/restored_{number}"));
    let attempt = |number: u32, arguments: &[&str]| {
        let url = target(number);
        let all = [&["--to", &url, "--create"], arguments].concat();
        restore(&site, &all).output()
    };
    let refused = attempt(1, &[]);
    assert_says(
        &refused,
        COULD_NOT_RUN,
        &["the target lacks roles that own or may use something", "--no-owner and --no-"],
    );
    let refused = attempt(1, &["--no-owner", "--no-privileges"]);
    let reader = format!("reader of {name}");
    assert_says(
        &refused,
        COULD_NOT_RUN,
        &[&format!("lacks roles that policies or user mappings name: {reader}; create")],
    );
    server.sql(SUPERUSER, &format!("CREATE ROLE \"{reader}\""));
    let refused = attempt(1, &["--no-owner"]);
    let guest = format!("lacks roles that grants name: guest of {name}; create them, or give --no-privileges");
    assert_says(&refused, COULD_NOT_RUN, &[&guest]);
    let refused = attempt(1, &["--no-privileges"]);
    assert_says(
        &refused,
        COULD_NOT_RUN,
        &[&format!("lacks roles that own something: owner of {name}; create them, or")],
    );
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'restored%'";
    assert_eq!(server.sql(SUPERUSER, databases), "0");

    let restored = attempt(2, &["--no-owner", "--no-privileges"]);
    let none = "no grants and default privileges were restored (--no-privileges): ";
    assert_says(&restored, PASSED, &["grants    none will be restored (--no-privileges)", none, "restored\n"]);
    assert!(!restored.stdout.contains("was left out"), "{}", restored.stdout);
    let granted = format!("SELECT has_table_privilege('{reader}', 't', 'SELECT'), (SELECT count(*) FROM t)");
    assert_eq!(server.sql("restored_2", &granted), "f|500");
    server.sql(SUPERUSER, &format!("CREATE ROLE \"guest of {name}\""));
    let restored = attempt(3, &["--no-owner"]);
    assert_says(&restored, PASSED, &["restored\n"]);
    assert_eq!(server.sql("restored_3", &granted), "t|500");
    site.assert_clean();
}

/// What a service does to each of its databases, for a role `anon`.
const PREPARED: &str = "
    CREATE EXTENSION citext; CREATE EXTENSION hstore;
    GRANT USAGE, CREATE ON SCHEMA public TO \"anon\"; COMMENT ON SCHEMA public IS 'theirs';
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO \"anon\";
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO \"anon\";
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO \"anon\"";

#[test]
fn what_a_target_had_by_itself_is_no_finding() {
    let site = Site::new(
        "CREATE ROLE \"reader of SOURCE\"; CREATE EXTENSION citext;
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, name citext); INSERT INTO t (name) VALUES ('a');
         CREATE TABLE u (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE TYPE mood AS ENUM ('sad'); CREATE VIEW v AS SELECT 1 AS one;
         GRANT SELECT ON t TO \"reader of SOURCE\"; GRANT USAGE ON SCHEMA public TO \"reader of SOURCE\";
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO \"reader of SOURCE\"",
    );
    let postgres = site.stand.postgres;
    let anon = format!("anon of {}", site.stand.database.name);
    let prepared = PREPARED.replace("\"anon\"", &format!("\"{anon}\""));
    postgres.sql(SUPERUSER, &format!("CREATE ROLE \"{anon}\""));
    let target = postgres.create_database();
    postgres.sql(&target.name, &prepared);
    let restored = restore(&site, &["--to", &target.url]).output();
    let by_itself = "in the target before the restore, and not in the backup: ";
    let given = "default privileges of the target gave more rights than the backup has; REVOKE what is not wanted on: ";
    assert_says(
        &restored,
        PASSED,
        &[by_itself, "ACL SCHEMA public", "EXTENSION hstore", given, "ACL public.TABLE t", "restored\n"],
    );
    let rights = format!(
        "SELECT has_table_privilege('{anon}', 't', 'INSERT'),
                has_table_privilege('reader of {}', 't', 'SELECT')",
        site.stand.database.name
    );
    assert_eq!(postgres.sql(&target.name, &rights), "t|t");

    // A new database has nothing of it, even if the server gives it to others.
    let server = server(&[]);
    server.sql(SUPERUSER, &format!("CREATE ROLE \"reader of {}\"; CREATE ROLE \"{anon}\"", site.stand.database.name));
    server.sql("template1", &prepared);
    let restored = restore(&site, &["--to", &server.url("made"), "--create"]).output();
    assert_says(&restored, PASSED, &["restored\n"]);
    assert!(!restored.stdout.contains("in the target before the restore"), "{}", restored.stdout);
    assert_eq!(server.sql("made", "SELECT count(*) FROM pg_extension WHERE extname = 'hstore'"), "0");
    site.assert_clean();
}

/// The findings in what a restore has printed, without their marks.
pub(super) fn findings(stdout: &str) -> Vec<&str> {
    let findings = stdout.lines().skip_while(|line| !line.starts_with("findings"));
    let findings = findings.skip(1).take_while(|line| line.starts_with(' '));
    findings.map(|line| line.trim_start_matches([' ', '-', '*'])).collect()
}
