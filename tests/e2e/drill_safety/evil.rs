//! Backups that would like to do something on the way in. If it can be told, each trap is shown to work
//! if the operator opens the door.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::skip::skip;

use super::{FAILED, Outsider, PASSED, Site, drill, leftovers, open_folder, server};

/// A materialized view whose function does `body` in every restore, and did not when it was made.
fn trap(body: &str) -> String {
    format!(
        "CREATE TABLE armed (id int);
         CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN IF EXISTS (SELECT FROM public.armed) THEN {body}; END IF; RETURN 1; END $$;
         CREATE MATERIALIZED VIEW sprung AS SELECT trap() AS n;
         INSERT INTO armed VALUES (1);
         CREATE TABLE t AS SELECT 1 AS id"
    )
}

/// What a name, a comment, a lock or a session tells of a drill to every role.
const TOLD: &str = "
    current_database() <> 'SOURCE' OR current_user ~ 'verify|drill'
    OR EXISTS (SELECT FROM pg_roles WHERE rolname ~ 'verify|drill')
    OR EXISTS (SELECT FROM pg_database WHERE datname ~ 'verify|drill')
    OR EXISTS (SELECT FROM pg_namespace WHERE nspname ~ 'verify|drill')
    OR EXISTS (SELECT FROM pg_shdescription WHERE description ~ 'verify|drill')
    OR EXISTS (SELECT FROM pg_stat_activity WHERE application_name ~ 'verify|drill')
    OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')
    OR EXISTS (SELECT FROM pg_settings WHERE setting ~ 'verify|drill' AND name !~ '_directory$|_directories$|_file$')";

/// On a source of its own: a backup has all roles of its cluster, and the one that the tests share may have those of
/// another test's drill at that moment.
#[test]
fn a_bomb_that_looks_for_the_names_of_a_drill_goes_off_in_a_drill() {
    let mut stand = crate::stand::Stand::new();
    let server = Postgres::start(PostgresOptions::default());
    server.sql(SUPERUSER, "CREATE DATABASE armed");
    stand.database = e2e::postgres::Database { url: server.url("armed"), name: "armed".to_owned() };
    let bomb = format!("IF {} THEN RETURN 1; END IF; RAISE EXCEPTION 'no restore'", TOLD.replace("SOURCE", "armed"));
    server.sql("armed", &trap(&bomb));
    let site = Site::of(stand);
    for restore_as in ["role", "superuser"] {
        let drilled = drill(site.verify().env("VERIFY_RESTORE_AS", restore_as));
        drilled.assert_code(FAILED).assert_lists("findings", &["sprung"]);
    }
    site.assert_clean();
}

/// Functions in indexes run once more when all else is there, while the indexes are checked.
#[test]
fn an_index_that_looks_for_the_names_of_a_drill_finds_none_while_it_is_checked() {
    let told = TOLD.replace("SOURCE", "armed");
    for (condition, expected) in [("true", FAILED), (&told, PASSED)] {
        let mut stand = crate::stand::Stand::new();
        let server = Postgres::start(PostgresOptions::default());
        server.sql(SUPERUSER, "CREATE DATABASE armed");
        stand.database = e2e::postgres::Database { url: server.url("armed"), name: "armed".to_owned() };
        let look = format!(
            "CREATE TABLE t AS SELECT 1 AS id;
             CREATE FUNCTION look(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN
               IF current_query() ~ 'bt_index_check' AND ({condition}) THEN
                 RAISE EXCEPTION 'seen' USING ERRCODE = 'index_corrupted';
               END IF;
               RETURN n;
             END $$;
             CREATE INDEX t_look ON t (look(id))"
        );
        server.sql("armed", &look);
        let site = Site::of(stand);
        drill(site.verify()).assert_code(expected);
        site.assert_clean();
    }
}

/// Databases with the names that a new server has itself.
#[test]
fn a_database_with_the_name_of_the_maintenance_database_is_drilled() {
    let mut stand = crate::stand::Stand::new();
    let server = server(&[]);
    stand.database = e2e::postgres::Database { url: server.url("postgres"), name: "postgres".to_owned() };
    server.sql("postgres", &trap("NULL"));
    let site = Site::of(stand);
    drill(site.verify()).assert_code(PASSED);
    site.assert_clean();
}

/// Each attempt of code that runs as a superuser on the throwaway server ends where it was made to end. A superuser's
/// functions are the worst case: what a plain role runs has the same walls around it. That a trap springs if there are no
/// walls is for the tests of views below.
#[test]
fn code_of_an_archive_gets_out_of_a_throwaway_server_by_no_way() {
    let outsider = Outsider::listen();
    let folder = open_folder();
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("secret"), "of another program").unwrap();
    fs::set_permissions(file("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let neighbour = server(&[]);
    let socket = format!("host={} port={} dbname=postgres", neighbour.socket_dir().display(), neighbour.port());
    let called = format!("SELECT FROM public.dblink('{socket}', 'SELECT 1') AS t(n int)");
    let attempts = [
        ("network", format!("SELECT FROM public.dblink('{}', 'SELECT 1') AS t(n int)", outsider.conninfo())),
        ("socket", called),
        ("program", format!("COPY (SELECT 1) TO PROGRAM 'touch {}'", file("program"))),
        ("write", format!("COPY (SELECT 1) TO '{}'", file("write"))),
        ("read", format!("SELECT pg_read_file('{}')", file("secret"))),
        ("list", format!("SELECT pg_ls_dir('{}')", folder.path().display())),
        ("host", "SELECT pg_read_file('/etc/hostname')".to_owned()),
        ("processes", "SELECT pg_read_binary_file('/proc/1/cmdline')".to_owned()),
    ];
    neighbour.sql(SUPERUSER, "CREATE EXTENSION dblink");
    for (name, attempt) in &attempts {
        // Without the walls each of them gets out; else this test would show nothing.
        if *name != "network" {
            if let Err(error) = neighbour.psql(SUPERUSER, attempt) {
                let is_of_the_machine = matches!(*name, "host" | "processes");
                assert!(is_of_the_machine, "{name} gets out of no server: {error}");
                skip(&format!("drill_safety::code_of_an_archive_gets_out ({name})"), "the machine itself hides it");
                continue;
            }
            fs::remove_file(file("program")).or(fs::remove_file(file("write"))).unwrap_or_default();
        }
        // Out is out if the attempt came to its end: then the view cannot be filled.
        let body = format!(
            "BEGIN EXECUTE '{}'; EXCEPTION WHEN OTHERS THEN RETURN 1; END; RAISE EXCEPTION 'out'",
            attempt.replace('\'', "''")
        );
        let site = Site::new(&format!("CREATE EXTENSION dblink; {}", trap(&body)));
        let drilled = drill(site.verify().env("VERIFY_RESTORE_AS", "superuser"));
        let held = &drilled.report["server"];
        assert_eq!(held["network_isolated"], true, "{held:#}");
        if held["files_isolated"] == true || *name == "network" || *name == "socket" {
            drilled.assert_code(PASSED);
            assert_eq!(outsider.calls(), 0, "the throwaway server has a network");
            assert!(!fs::exists(file("program")).unwrap() && !fs::exists(file("write")).unwrap(), "{name} got out");
        } else {
            skip("drill_safety::code_of_an_archive_gets_out", "the kernel has no Landlock");
        }
        site.assert_clean();
    }
}

#[test]
fn subscriptions_reach_nobody_and_are_named_r049() {
    let publisher = Outsider::listen();
    let site = Site::new(&format!(
        "CREATE TABLE t AS SELECT 1 AS id;
         CREATE SUBSCRIPTION sub_SOURCE CONNECTION '{}' PUBLICATION p WITH (connect = false);
         CREATE PUBLICATION everything FOR ALL TABLES;
         CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
         CREATE EVENT TRIGGER audit_ddl ON ddl_command_end EXECUTE FUNCTION audit()",
        publisher.conninfo()
    ));
    let plain = drill(site.verify());
    plain.assert_code(PASSED);
    plain
        .assert_lists("not_exercised", &["SUBSCRIPTION sub_test", "PUBLICATION everything", "EVENT TRIGGER audit_ddl"]);

    let server = server(&[]);
    let superuser = site.verify().env("DATABASE_URL", server.url(SUPERUSER)).env("VERIFY_RESTORE_AS", "superuser");
    let everything = drill(superuser);
    everything.assert_code(PASSED);
    assert_eq!(everything.list("not_exercised"), "[]");
    let log = server.log_text();
    for made in ["CREATE SUBSCRIPTION", "CREATE PUBLICATION everything FOR ALL TABLES", "CREATE EVENT TRIGGER"] {
        assert!(log.contains(made), "{made} was not restored");
    }
    assert_eq!((leftovers(&server), publisher.calls()), (String::new(), 0));
    site.assert_clean();
}

#[test]
fn a_view_that_calls_out_reaches_nobody_from_a_throwaway_server_r050() {
    let outsider = Outsider::listen();
    let call = format!("PERFORM FROM public.dblink('{}', 'SELECT 1') AS t(n int)", outsider.conninfo());
    let site = Site::new(&format!("CREATE EXTENSION dblink; {}", trap(&call)));
    let plain = drill(site.verify());
    plain.assert_lists("not_exercised", &["dblink"]);
    assert_eq!(outsider.calls(), 0, "a plain role reached the network");

    let everything = drill(site.verify().env("VERIFY_RESTORE_AS", "superuser"));
    assert_eq!(everything.report["server"]["network_isolated"], true, "{:#}", everything.report);
    assert_eq!(outsider.calls(), 0, "the throwaway server has a network");
    let server = server(&[]);
    let given = drill(site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER)));
    given.assert_lists(
        "notes",
        &["EXTENSION dblink", "the target must be network-isolated", "free space cannot be asked"],
    );
    assert_eq!(outsider.calls(), 0, "a plain role reached the network");
    assert!(!plain.list("notes").contains("network-isolated"), "a throwaway server is");
    drill(site.verify().env("DATABASE_URL", server.url(SUPERUSER)).env("VERIFY_RESTORE_AS", "superuser"));
    assert!(outsider.calls() > 0, "the trap does not work, and this test shows nothing");
}

#[test]
fn a_view_that_runs_programs_runs_none_unless_a_superuser_restores_r051() {
    let folder = open_folder();
    let file = folder.path().join("pwned");
    let copy = format!("EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch {}'''", file.display());
    let site = Site::new(&trap(&copy));
    let server = server(&[]);
    // Its owner is missing on the throwaway server, and a superuser on the given one.
    let runs = [
        site.verify(),
        site.verify_on(&server),
        site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER)),
    ];
    for run in runs {
        drill(run).assert_code(FAILED).assert_lists("findings", &["sprung"]);
        assert!(!file.exists(), "a program ran");
    }
    let superuser = || site.verify().env("VERIFY_DATABASE_URL", server.url(SUPERUSER));
    drill(superuser()).assert_refused("VERIFY_RESTORE_AS=superuser");
    assert!(!file.exists(), "a program ran");
    assert_eq!(leftovers(&server), "");

    drill(superuser().env("VERIFY_RESTORE_AS", "superuser"));
    assert!(file.exists(), "the trap does not work, and this test shows nothing");
}

#[test]
fn a_script_in_the_place_of_the_dump_runs_nothing_r052() {
    let folder = open_folder();
    let file = folder.path().join("pwn");
    let site = Site::new("CREATE TABLE t AS SELECT 1 AS id");
    let touch = format!("touch {}", file.display());
    let script = format!("\\! {touch}\n\\o |{touch}\nSELECT 1;\n\\copy (SELECT 1) TO PROGRAM '{touch}'\n");
    site.edit_dump(|_| script.into_bytes());
    let failed = drill(site.verify());
    failed.assert_code(FAILED).assert_lists("findings", &["archive"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the script ran");
    site.assert_clean();
}

#[test]
fn statements_that_no_dump_holds_are_counted_and_never_run_r054() {
    let evil = [
        ("COMMENT ON TABLE public.one IS ", "ALTER SYSTEM SET work_mem = '77MB';"),
        ("COMMENT ON TABLE public.two IS ", "CREATE ROLE r054_evil SUPERUSER LOGIN;"),
        ("COMMENT ON TABLE public.six IS ", "DROP TABLE public.one CASCADE;"),
        ("COMMENT ON TABLE public.ten IS ", "COMMENT ON TABLE public.ten IS 'x'; ALTER ROLE drill CREATEROLE;"),
    ];
    let padding = "p".repeat(60);
    let tables = ["one", "two", "six", "ten"]
        .map(|name| format!("CREATE TABLE {name} (id int); COMMENT ON TABLE {name} IS '{padding}';"));
    let site = Site::new(&tables.concat());
    site.edit_dump(|mut dump| {
        for (beginning, statement) in evil {
            let old = format!("{beginning}'{padding}';");
            let new = format!("{statement}{}", " ".repeat(old.len() - statement.len()));
            let at = dump.windows(old.len()).position(|window| window == old.as_bytes()).expect("the comment");
            dump[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
        dump
    });
    let server = server(&[]);
    for run in [site.verify_on(&server), site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER))] {
        let drilled = drill(run);
        drilled.assert_lists("not_exercised", &["TABLE one", "TABLE two", "TABLE six", "TABLE ten", "ALTER SYSTEM"]);
        drilled.assert_lists("not_exercised", &["CREATE ROLE", "DROP", "ALTER ROLE"]);
        let tables = drilled.report["tables"].as_array().unwrap();
        assert!(tables.iter().all(|table| table["restored_rows"] == 0), "a table is gone: {tables:?}");
    }
    let log = server.log_text();
    for (_, statement) in evil {
        let words = statement.rsplit("; ").next().unwrap();
        assert!(!log.contains(words), "{words:?} was executed");
    }
}

/// Functions in the expressions of indexes run while amcheck compares them with the rows. None gets at what the session
/// of that check runs: it has rights that the archive's roles have not.
#[test]
fn an_index_that_replaces_amcheck_runs_nothing_with_its_rights_r051() {
    let folder = open_folder();
    let file = folder.path().join("pwned");
    let site = Site::new(&format!(
        "CREATE EXTENSION amcheck; CREATE TABLE t AS SELECT 1 AS id;
         CREATE FUNCTION swap() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
           IF current_query() ~ 'bt_index_check' AND to_regnamespace('old') IS NULL THEN
             ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public;
             CREATE FUNCTION public.bt_index_check(regclass, bool) RETURNS void LANGUAGE plpgsql AS
               'BEGIN COPY (SELECT 1) TO PROGRAM ''touch {}''; END';
           END IF;
           RETURN 1;
         END $$;
         CREATE FUNCTION calm(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
           'BEGIN PERFORM public.swap(); RETURN n; END';
         CREATE INDEX t_calm ON t (calm(id)); CREATE INDEX t_id ON t (id);
         CREATE FUNCTION public.bt_index_check(regclass, text) RETURNS void LANGUAGE sql AS ''",
        file.display()
    ));
    let drilled = drill(site.verify().env("VERIFY_JOBS", "1"));
    assert!(!file.exists(), "a program ran with the rights of a superuser");
    drilled.assert_code(PASSED);
    site.assert_clean();
}

/// What code of an archive can do so that the sessions which restore and check it fail.
pub(super) const SHUTS_OUT: [&str; 4] = [
    "EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', current_database())",
    "EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), current_user)",
    "EXECUTE format('ALTER ROLE %I SET local_preload_libraries = ''canary-4711''', current_user)",
    "PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE usename = current_user AND pid <> pg_backend_pid()",
];

/// What calls `act()` while rows come back, and what calls it when all the rest is there.
const FIRST: &str = "CREATE TABLE t (id int CHECK (act())); INSERT INTO t VALUES (1)";
pub(super) const LAST: &str = "CREATE TABLE t AS SELECT 1 AS id; CREATE MATERIALIZED VIEW v AS SELECT act() AS done";

/// A source that makes the attempt in every restore, and did not when it was made.
pub(super) fn shuts_out(attempt: &str, called: &str) -> String {
    format!(
        "CREATE FUNCTION act() RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN
           IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN true; END IF;
           {attempt}; RETURN true;
         END $$;
         {called}"
    )
}

/// What code of an archive does to make the drill's own sessions fail is a finding, and no drill that could not run.
#[test]
fn an_archive_that_shuts_the_drill_out_fails_it() {
    let given = server(&[]);
    for attempt in SHUTS_OUT {
        let site = Site::new(&shuts_out(attempt, FIRST));
        for run in [site.verify(), site.verify_on(&given)] {
            let drilled = drill(run);
            // Sessions that are ended when they are no longer needed do no harm.
            if !(attempt.contains("terminate") && drilled.output.code == PASSED) {
                drilled.assert_code(FAILED);
            }
            assert!(!drilled.report.to_string().contains("4711"), "{:#}", drilled.report);
            given.sql(SUPERUSER, "ALTER ROLE drill RESET ALL");
        }
        site.assert_clean();
    }
}
