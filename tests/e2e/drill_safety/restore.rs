//! `verify restore`: for a person, into a database that they name, and into no other.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::process::{Output, Run, command_line};
use e2e::skip::skip;
use e2e::tools::FakeTools;

use crate::stand::Stand;

use super::evil::{LAST, SHUTS_OUT, shuts_out};
use super::{COULD_NOT_RUN, FAILED, Gate, LONG, PASSED, PASSWORD, STOPPED, Site, leftovers, server};

/// What tells whether a session has been in a database.
pub(super) const STATE: &str =
    "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_proc)";

pub(super) fn restore(site: &Site, arguments: &[&str]) -> Run {
    site.verify().args(["restore", "latest"]).args(arguments)
}

/// A source with an owner, a grantee and a setting of its own.
fn owned() -> (Site, String, String) {
    let site = Site::new(
        "CREATE ROLE \"owner of SOURCE\"; CREATE ROLE \"reader of SOURCE\";
         CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 500) g;
         ALTER TABLE t OWNER TO \"owner of SOURCE\"; GRANT SELECT ON t TO \"reader of SOURCE\";
         ALTER TABLE t ADD PRIMARY KEY (id); ALTER DATABASE SOURCE SET work_mem = '7MB'",
    );
    let name = &site.stand.database.name;
    let (owner, reader) = (format!("owner of {name}"), format!("reader of {name}"));
    (site, owner, reader)
}

#[track_caller]
pub(super) fn assert_says(output: &Output, code: Option<i32>, parts: &[&str]) {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    assert_eq!(output.code, code, "{text}");
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text}"));
}

/// The password of the harness's superuser must not be in what was printed.
#[track_caller]
fn assert_secret(output: &Output, server: &Postgres) {
    let text = format!("{}\n{}", output.stdout, output.stderr);
    assert!(!text.contains(server.password()), "the password was printed");
}

#[test]
fn owners_and_grants_come_back_into_an_empty_database_with_proof_and_what_to_add_r133() {
    let (site, owner, reader) = owned();
    let postgres = site.stand.postgres;
    let target = postgres.create_database();
    let before = postgres.sql(&target.name, STATE);
    let dry = restore(&site, &["--to", &target.url, "--dry-run"]).output();
    assert_says(
        &dry,
        PASSED,
        &[
            "nothing was changed (--dry-run)",
            "drills    not proven: the bucket has no record",
            "500 rows",
            "ALTER DATABASE ... SET work_mem",
        ],
    );
    assert_eq!(postgres.sql(&target.name, STATE), before, "a dry run changed the target");

    // Visible while it runs: the arguments of verify and of its children.
    let gate = Gate::closed();
    let run = restore(&site, &[]).env("RESTORE_URL", &target.url).env("PG_BIN_DIR", gate.path());
    let running = run.spawn();
    gate.wait_until_reached();
    let family = super::processes_in(site.spool.path()).into_iter().chain([running.pid()]);
    let arguments: Vec<String> = family.flat_map(command_line).collect();
    assert!(arguments.len() > 3 && !arguments.join(" ").contains(postgres.password()), "a password on a command line");
    gate.open();
    let output = running.wait(LONG);
    assert_says(&output, PASSED, &["contents", "500 rows", "restored\n", "ALTER DATABASE ... SET work_mem"]);
    let rights = "SELECT tableowner, (SELECT count(*) FROM t) FROM pg_tables WHERE tablename = 't'";
    assert_eq!(postgres.sql(&target.name, rights), format!("{owner}|500"));
    let granted = format!("SELECT has_table_privilege('{reader}', 't', 'SELECT')");
    assert_eq!(postgres.sql(&target.name, &granted), "t");

    let filled = postgres.sql(&target.name, STATE);
    let again = restore(&site, &["--to", &target.url]).output();
    assert_says(&again, COULD_NOT_RUN, &["is not empty: ", "nothing was changed"]);
    assert_eq!(postgres.sql(&target.name, STATE), filled, "a database that is not empty was changed");
    [dry, output, again].iter().for_each(|output| assert_secret(output, postgres));
    site.assert_clean();
}

#[test]
fn a_new_database_is_made_only_where_that_was_asked_for() {
    let (site, ..) = owned();
    let postgres = site.stand.postgres;
    let name = format!("{} \"new\"", site.stand.database.name);
    let url = postgres.url(&name);
    let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    let absent = restore(&site, &["--to", &url]).output();
    assert_says(&absent, COULD_NOT_RUN, &["does not exist"]);
    let dry = restore(&site, &["--to", &url, "--create", "--dry-run"]).output();
    assert_says(&dry, PASSED, &["nothing was changed"]);
    assert_eq!(postgres.sql(SUPERUSER, &exists), "0");

    let made = restore(&site, &["--to", &url, "--create"]).output();
    assert_says(&made, PASSED, &["restored\n"]);
    assert_eq!(postgres.sql(&name, "SHOW work_mem"), "7MB");
    assert_eq!(postgres.sql(&name, "SELECT count(*) FROM t"), "500");
    let again = restore(&site, &["--to", &url, "--create"]).output();
    assert_says(&again, COULD_NOT_RUN, &["exists already"]);
    assert_eq!(postgres.sql(&name, "SELECT count(*) FROM t"), "500");
}

/// What a server says of the database DATABASE itself; roles of it are named after it.
const PROPERTIES: &str = "SELECT pg_get_userbyid(datdba), datacl, datconnlimit, datistemplate,
        shobj_description(d.oid, 'pg_database'),
        (SELECT string_agg(format('%s %s', setrole::regrole, setconfig), '; ' ORDER BY setrole)
           FROM pg_db_role_setting WHERE setdatabase = d.oid)
   FROM pg_database d WHERE datname = current_database()";

/// CONNECT may not be open to all roles again, and no operator may have to find that out.
#[test]
fn a_new_database_has_owner_rights_settings_comment_and_limit_of_the_source() {
    let site = Site::new(
        "CREATE ROLE \"owner of SOURCE\"; CREATE ROLE \"reader of SOURCE\"; CREATE TABLE t AS SELECT 1 AS id;
         COMMENT ON DATABASE SOURCE IS 'it''s the source; whole'; ALTER DATABASE SOURCE OWNER TO \"owner of SOURCE\";
         REVOKE CONNECT, TEMPORARY ON DATABASE SOURCE FROM PUBLIC;
         GRANT CONNECT ON DATABASE SOURCE TO \"reader of SOURCE\" WITH GRANT OPTION;
         SET SESSION AUTHORIZATION \"reader of SOURCE\"; GRANT CONNECT ON DATABASE SOURCE TO pg_monitor;
         RESET SESSION AUTHORIZATION; ALTER DATABASE SOURCE CONNECTION LIMIT 44;
         ALTER DATABASE SOURCE SET search_path TO \"$user\", 'a b', public;
         ALTER DATABASE SOURCE SET \"app.region\" TO 'it''s \\ west';
         ALTER DATABASE SOURCE SET default_transaction_read_only TO on;
         ALTER ROLE \"reader of SOURCE\" IN DATABASE SOURCE SET work_mem TO '9MB'",
    );
    let (postgres, source) = (site.stand.postgres, &site.stand.database.name);
    let name = format!("{source} \"again\"");
    let made = restore(&site, &["--to", &postgres.url(&name), "--create"]).output();
    assert_says(&made, PASSED, &["database", "restored\n"]);
    assert_eq!(postgres.sql(&name, PROPERTIES), postgres.sql(source, PROPERTIES));
    let planned = postgres.url(&format!("{source} planned"));
    let planned = restore(&site, &["--to", &planned, "--create", "--dry-run"]).output();
    assert_says(&planned, PASSED, &["nothing was changed (--dry-run)"]);
    let only_with_create = "come back only with --create";
    for output in [&made, &planned] {
        assert!(!output.stdout.contains(only_with_create), "{}", output.stdout);
    }

    // Until it has them, no other role gets in, also after a stop on the way.
    let mut tools = FakeTools::with_real(postgres.bin_dir().to_path_buf());
    tools.script("pg_restore", "kill -TERM $PPID; sleep 60");
    let stopped = format!("{source} stopped");
    let run = restore(&site, &["--to", &postgres.url(&stopped), "--create"]).env("PG_BIN_DIR", tools.path()).output();
    assert_eq!(run.code, STOPPED, "{}", run.stderr);
    let is_open = format!("SELECT has_database_privilege('pg_monitor', '{stopped}', 'CONNECT')");
    assert_eq!(postgres.sql(SUPERUSER, &is_open), "f");

    // A role that only the database itself names is missed before anything is changed.
    let other = server(&[]);
    other.sql(SUPERUSER, &format!("CREATE ROLE \"owner of {source}\""));
    let lacking = restore(&site, &["--to", &other.url(&name), "--create"]).output();
    let reader = format!("reader of {source}");
    assert_says(&lacking, COULD_NOT_RUN, &["the target lacks roles", &reader, "nothing was changed"]);

    // A database that was there keeps what it has, and the notes say what the archive holds.
    let there = postgres.create_database();
    let before = postgres.sql(&there.name, PROPERTIES);
    let kept = restore(&site, &["--to", &there.url]).output();
    let limit = "left as it is without --create: the connection limit of the database was 44, and is -1 now";
    assert_says(&kept, PASSED, &[limit, only_with_create, "restored\n"]);
    assert_eq!(postgres.sql(&there.name, PROPERTIES), before);
}

/// The settings are looked at, since few machines have a locale that writes amounts in another way.
#[test]
fn amounts_of_money_are_read_back_in_the_locale_of_the_dump() {
    let site = Site::new(
        "CREATE TABLE t AS SELECT 1234.56::money AS price; ALTER DATABASE SOURCE SET lc_monetary = 'C';
         ALTER ROLE CURRENT_USER IN DATABASE SOURCE SET lc_monetary = 'C.utf8'",
    );
    let server = server(&[]);
    let restored = restore(&site, &["--to", &server.url("made"), "--create"]).output();
    assert_says(&restored, PASSED, &["contents", "restored\n"]);
    let log = server.log_text();
    let processes = |words: &str| -> BTreeSet<&str> {
        let lines = log.lines().filter(|line| line.contains(words));
        lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0)).collect()
    };
    let (reading, with_locale) = (processes("TO STDOUT"), processes("$1 = 'C.utf8'"));
    assert!(!reading.is_empty() && reading.is_subset(&with_locale), "{reading:?} {with_locale:?}\n{log}");
}

#[test]
fn tablespaces_are_kept_where_the_target_has_them_and_missed_by_a_note() {
    const LIES_IN: &str = "SELECT coalesce(t.spcname, '-') FROM pg_class c LEFT JOIN pg_tablespace t
                            ON t.oid = c.reltablespace WHERE c.relname IN ('t', 't_id') ORDER BY c.relname";
    const MAKE: &str = "CREATE TABLESPACE fast LOCATION ''";
    static SOURCE: LazyLock<Postgres> = LazyLock::new(|| server(&["allow_in_place_tablespaces = on"]));
    SOURCE.sql(SUPERUSER, MAKE);
    let stand = Stand::on(&SOURCE);
    stand.sql("CREATE TABLE t TABLESPACE fast AS SELECT 1 AS id; CREATE INDEX t_id ON t (id)");
    let site = Site::of(stand);
    let target = server(&["allow_in_place_tablespaces = on"]);
    let without = restore(&site, &["--to", &target.url("without"), "--create"]).output();
    assert_says(&without, PASSED, &["lacks tablespaces of the source (fast)", "restored\n"]);
    assert_eq!(target.sql("without", LIES_IN), "-\n-");
    target.sql(SUPERUSER, MAKE);
    let with = restore(&site, &["--to", &target.url("with"), "--create"]).output();
    assert_says(&with, PASSED, &["restored\n"]);
    assert_eq!(target.sql("with", LIES_IN), "fast\n-");
}

#[test]
fn whatever_stands_in_the_way_leaves_the_target_as_it_was_r132() {
    let (site, owner, reader) = owned();
    let server = server(&[]);
    let target = server.create_database();
    let before = server.sql(&target.name, STATE);
    for arguments in [&["--to", &target.url][..], &["--to", &target.url, "--dry-run"]] {
        let roles = restore(&site, arguments).output();
        assert_says(&roles, COULD_NOT_RUN, &["the target lacks roles", &owner, &reader, "`verify roles`"]);
        assert_secret(&roles, &server);
    }
    server.sql(SUPERUSER, &format!("CREATE ROLE \"{owner}\"; CREATE ROLE \"{reader}\""));

    let wrong = "canary-of-a-wrong-password";
    let url = server.url_as(SUPERUSER, wrong, &target.name);
    let refused = restore(&site, &["--to", &url]).output();
    assert_says(&refused, COULD_NOT_RUN, &["password authentication failed"]);
    assert!(!refused.stderr.contains(wrong) && !refused.stdout.contains(wrong), "{}", refused.stderr);

    let (_, dump) = site.keys();
    let mut damaged = site.stand.s3.read(&dump);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    site.stand.s3.write(&dump, damaged);
    let output = restore(&site, &["--to", &target.url]).deadline(Duration::from_secs(60)).output();
    assert_says(&output, FAILED, &["findings", "digests: fetch ", "NOT restored as it was"]);
    assert_eq!((server.sql(&target.name, STATE), leftovers(&server)), (before, String::new()));
    site.assert_clean();
}

/// What looks different may only be spelled differently, and that takes a second database to tell.
#[test]
fn a_difference_in_words_is_judged_only_if_the_login_may_create_a_database() {
    let password = "password-of-the-maker";
    let site = Site::new(&format!(
        "CREATE ROLE \"maker of SOURCE\" LOGIN PASSWORD '{password}'; CREATE SCHEMA mine AUTHORIZATION \"maker of SOURCE\";
         SET ROLE \"maker of SOURCE\"; CREATE TABLE mine.t (v varchar CHECK (v IN ('a', 'b'))); INSERT INTO mine.t VALUES ('a')"
    ));
    let postgres = site.stand.postgres;
    let maker = format!("maker of {}", site.stand.database.name);
    let restored = |expected, parts: &[&str]| {
        let target = postgres.create_database();
        postgres.sql(SUPERUSER, &format!("ALTER DATABASE \"{}\" OWNER TO \"{maker}\"", target.name));
        let output = restore(&site, &["--to", &postgres.url_as(&maker, password, &target.name)]).output();
        assert_says(&output, expected, parts);
    };
    let unknown = "this server may only spell it differently, which could not be checked, since no reference database \
        could be made beside it: the login may not create databases";
    restored(FAILED, &["TABLE mine.t differs: ", unknown, "NOT restored as it was"]);
    postgres.sql(SUPERUSER, &format!("ALTER ROLE \"{maker}\" CREATEDB"));
    restored(PASSED, &["spelled differently by this server than in the archive", "TABLE mine.t", "restored\n"]);
    let left = "SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
                 WHERE d.datname LIKE 'verify_reference_%' AND r.rolname = 'NAME'";
    assert_eq!(postgres.sql(SUPERUSER, &left.replace("NAME", &maker)), "0");
}

/// A new database takes what it is not told from its template, whose locale is that of `initdb`.
#[test]
fn a_new_database_has_the_locale_of_the_source_on_a_server_of_another_one_r134() {
    const LOCALE: &str = "SELECT datlocprovider, datcollate, datctype, daticulocale
                            FROM pg_database WHERE datname = current_database()";
    let site = Site::new("CREATE TABLE t AS SELECT v FROM unnest(ARRAY['a', 'B', 'c']) v");
    let (postgres, source) = (site.stand.postgres, &site.stand.database.name);
    if postgres.major() < 15 {
        let test = "drill_safety::restore::a_new_database_has_the_locale_of_the_source_on_a_server_of_another_one_r134";
        return skip(test, "databases have a provider from 15 on");
    }
    let initdb = ["--locale-provider=icu", "--icu-locale=en-US"].map(str::to_owned).to_vec();
    let target = Postgres::start(PostgresOptions { initdb, ..PostgresOptions::default() });
    let of_template = "SELECT datlocprovider FROM pg_database WHERE datname = 'template0'";
    assert_eq!(target.sql(SUPERUSER, of_template), "i");
    let made = restore(&site, &["--to", &target.url("again"), "--create"]).output();
    assert_says(&made, PASSED, &["restored\n"]);
    assert_eq!(target.sql("again", LOCALE), postgres.sql(source, LOCALE));
    let sorted = "SELECT string_agg(v, '' ORDER BY v) FROM t";
    assert_eq!(target.sql("again", sorted), postgres.sql(source, sorted));
}

/// As in a drill: what code of an archive does to the sessions of its restore is a finding.
#[test]
fn an_archive_that_shuts_its_restore_out_is_at_fault() {
    let target = server(&[]);
    for (number, attempt) in SHUTS_OUT.into_iter().enumerate() {
        let site = Site::new(&shuts_out(attempt, LAST));
        let url = target.url_as("drill", PASSWORD, &format!("again {number}"));
        let run = restore(&site, &["--to", &url, "--create", "--no-owner", "--no-privileges"]).output();
        assert!(!run.stdout.contains("4711") && !run.stderr.contains("4711"), "{}\n{}", run.stdout, run.stderr);
        // Sessions that are ended when nothing needs them any more do no harm, and one that is ended between two
        // attempts leaves an object that the second one finds.
        match (attempt.contains("terminate"), run.code == PASSED) {
            (true, true) => {}
            (true, false) => assert_says(&run, FAILED, &["restore: ", "NOT restored as it was"]),
            (false, _) => assert_says(&run, FAILED, &["restore: once the restore had begun", "NOT restored as it was"]),
        }
        target.sql(SUPERUSER, "ALTER ROLE drill RESET ALL");
        site.assert_clean();
    }
}

/// Without the proof, too: rows that are not there are missed by their table's name.
#[test]
fn rows_that_are_left_out_are_a_finding_r054() {
    let padding = "p".repeat(60);
    let site = Site::new(&format!("CREATE TABLE t (id int, v text DEFAULT '{padding}'); INSERT INTO t VALUES (1)"));
    site.edit_dump(|mut dump| {
        let old = format!("'{padding}'::text\n);");
        let new = format!("{:<1$}", "'p'::text\n); DROP TABLE public.t;", old.len());
        let at = dump.windows(old.len()).position(|window| window == old.as_bytes()).expect("the default");
        dump[at..at + old.len()].copy_from_slice(new.as_bytes());
        dump
    });
    let target = site.stand.postgres.create_database();
    let run = restore(&site, &["--to", &target.url, "--no-proof"]).output();
    assert_says(
        &run,
        FAILED,
        &["coverage: the rows of TABLE DATA public.t are not restored: ", "NOT restored as it was"],
    );
}
