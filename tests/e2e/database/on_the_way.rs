//! What is between a service and the database: poolers, and a path on which nothing passes any more.

use std::time::{Duration, Instant};

use e2e::postgres::{Postgres, PostgresOptions};
use e2e::postgres_proxy::{PostgresProxy, StartupOptions, Towards};
use e2e::process::Run;

use super::{assert_run_fails, check, manifest_of, said};
use crate::stand::Stand;

fn through(stand: &Stand, proxy: &PostgresProxy) -> Run {
    stand.backup().env("DATABASE_URL", proxy.url(stand.postgres, &stand.database.name))
}

/// As behind PgBouncer in session mode: settings are made by statements, and rows look as they do elsewhere.
#[test]
fn startup_options_that_are_dropped_are_made_up_for_r135() {
    let stand = Stand::new();
    let database = &stand.database.name;
    // What the options would have overruled. The session with the snapshot is idle until all rows are read.
    stand.sql(&format!(
        "CREATE TABLE t AS SELECT g AS id, '2026-01-01 00:00:00+00'::timestamptz AS at, repeat('x', 300) AS v
           FROM generate_series(1, 50000) g;
         ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '50ms';
         ALTER DATABASE {database} SET TimeZone = 'Asia/Kathmandu'"
    ));
    let proxy = PostgresProxy::start(stand.postgres, StartupOptions::Dropped);
    let manifest = manifest_of(&stand, through(&stand, &proxy).env("COMPRESSION", "none"));
    assert_eq!(manifest["inventory"]["tables"][0]["rows"], 50_000);
    let dump = stand.s3.read(&super::stored_key(&stand, &manifest, ".dump"));
    let holds = |text: &[u8]| dump.windows(text.len()).any(|window| window == text);
    assert!(holds(b"2026-01-01 00:00:00+00") && !holds(b"05:45:00+05:45"), "the rows are in another time zone");

    // pg_dump cannot be told this by other means.
    stand.sql(&format!("ALTER DATABASE {database} SET bytea_output = 'escape'"));
    let words = ["the startup options of the session were dropped on the way", "bytea_output", "pooler"];
    assert_run_fails(&stand, through(&stand, &proxy), &words);
    // Directly, the options arrive.
    manifest_of(&stand, stand.backup());
}

#[test]
fn options_of_the_connection_string_that_are_dropped_are_refused_r135() {
    let stand = Stand::with_rows(10);
    let proxy = PostgresProxy::start(stand.postgres, StartupOptions::Dropped);
    let url = format!("{}&options=-c%20work_mem%3D64MB", proxy.url(stand.postgres, &stand.database.name));
    let words = ["the options of the connection string were dropped on the way", "use the direct endpoint"];
    assert_run_fails(&stand, stand.backup().env("DATABASE_URL", url), &words);
}

/// R149: in each direction, and early or late on each connection. The proxy answers keepalives itself.
#[test]
fn a_path_that_goes_deaf_ends_the_run_soon_and_says_who_fell_silent_r149() {
    let stand = Stand::new();
    stand.sql("CREATE TABLE t AS SELECT g AS id, repeat('x', 1000) AS v FROM generate_series(1, 20000) g");
    let cases = [
        (Towards::Server, 1_500), // During the questions.
        (Towards::Server, 14_000),
        (Towards::Server, 20_000), // While pg_dump reads the catalogs.
        (Towards::Client, 1_500),
        (Towards::Client, 60_000),
        (Towards::Client, 5_000_000), // Among the rows.
    ];
    std::thread::scope(|scope| {
        for (towards, bytes) in cases {
            let stand = &stand;
            scope.spawn(move || {
                let proxy = PostgresProxy::start(stand.postgres, StartupOptions::Kept);
                proxy.go_deaf_after(towards, bytes);
                let run = through(stand, &proxy).args(["run"]).env("DATABASE_SILENCE_TIMEOUT", "2");
                let started = Instant::now();
                let output = run.env("RETRY_ATTEMPTS", "1").env("BACKUP_TIMEOUT", "600").output();
                let log = said(&output.stderr);
                assert_eq!(output.code, Some(1), "{towards:?} after {bytes}: {log}");
                let names_it = ["fell silent: ", "has not answered a question for ", "no answer within "];
                assert!(names_it.iter().any(|words| log.contains(words)), "{towards:?} after {bytes}: {log}");
                assert!(started.elapsed() < Duration::from_secs(60), "{towards:?} after {bytes}");
            });
        }
    });
    assert!(stand.manifests().is_empty());
}

/// A server that works on a question for longer than the bound, and a slow stream, are not silent.
#[test]
fn a_server_that_works_is_not_taken_for_silent_r149() {
    let stand = Stand::new();
    stand.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 10) g");
    // First pg_dump computes without a word to the server, then it waits for a lock.
    let script = crate::daemon::Script::pg_dump(
        r#": > "$D/begun"; i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done; exec "$REAL" "$@""#,
    );
    let process = script.on(stand.backup()).args(["run"]).env("DATABASE_SILENCE_TIMEOUT", "1").spawn();
    script.wait_for("begun");
    stand.sql("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT");
    let output = process.wait(crate::daemon::SOON);
    let log = said(&output.stderr);
    assert!(output.code == Some(0) && !log.contains("trying again"), "{log}");
}

/// A server that lets its sessions be guarded by a trigger, from 17 on.
fn server_with_login_triggers(test: &str) -> Option<Postgres> {
    let major = Postgres::shared().major();
    if major < 17 {
        e2e::skip::skip(&format!("database::on_the_way::{test}"), "login event triggers are of PostgreSQL 17");
        return None;
    }
    Some(Postgres::start(PostgresOptions::default()))
}

const LOGS: &str = "
    CREATE TABLE logins (tool bool); CREATE TABLE t AS SELECT 1 AS id;
    CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF session_user = 'refused' THEN RAISE EXCEPTION 'not now'; END IF;
        IF NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' THEN
            INSERT INTO public.logins VALUES (current_setting('application_name') = 'backup'); END IF;
        PERFORM set_config('statement_timeout', '1', false); END $$;
    CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION on_login();
    ALTER EVENT TRIGGER on_login ENABLE ALWAYS";

#[test]
fn login_event_triggers_are_off_for_the_dump_and_named_if_they_refuse_it() {
    let Some(server) =
        server_with_login_triggers("login_event_triggers_are_off_for_the_dump_and_named_if_they_refuse_it")
    else {
        return;
    };
    server.sql("postgres", "CREATE DATABASE app; CREATE ROLE refused LOGIN PASSWORD 'kqzw7vjx-refused'");
    server.sql("app", LOGS);
    let stand = Stand::new();
    let manifest = manifest_of(&stand, stand.backup().env("DATABASE_URL", server.url("app")));
    let tables = manifest["inventory"]["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2, "{tables:?}");
    // Those of the run and of its retention, each before it knows of the trigger; none of pg_dump and pg_dumpall.
    let logins: u32 =
        server.sql("app", "SET statement_timeout = 0; SELECT count(*) FROM logins WHERE tool").parse().unwrap();
    assert_eq!(logins, 4);
    let url = server.url_as("refused", "kqzw7vjx-refused", "app");
    let words = ["not now, in PL/pgSQL function public.on_login()", "a login event trigger of the database refuses"];
    assert_run_fails(&stand, stand.backup().env("DATABASE_URL", &url), &words);
    let (code, report) = check(stand.backup().env("DATABASE_URL", &url));
    assert!(code == Some(1) && report.contains(words[0]), "{report}");

    // A role that may not switch it off gets its timeouts nevertheless.
    server.sql(
        "app",
        "SET statement_timeout = 0; CREATE ROLE plain LOGIN PASSWORD 'kqzw7vjx-plain' IN ROLE pg_read_all_data",
    );
    manifest_of(&stand, stand.backup().env("DATABASE_URL", server.url_as("plain", "kqzw7vjx-plain", "app")));
}
