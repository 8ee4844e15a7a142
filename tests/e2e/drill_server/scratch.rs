//! Scratch databases: made, marked, and dropped against resistance.

use std::time::Duration;

use backup_core::postgres::{DrillPolicy, DrillServer, Prerequisites, RestoreAs};
use e2e::postgres::SUPERUSER;
use e2e::process::{Run, wait_until};

use super::{PLAIN, SOON, conninfo, leftovers, lock, run, server, source, value, wait_for_locks};
use super::{with_admin, without_admin};

#[tokio::test]
async fn with_an_admin_a_scratch_database_belongs_to_a_plain_role_of_its_own() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let source = source("UTF8", "C");
    let locked = lock(&drill, &source).await;
    let scratch = locked.create_scratch().await.unwrap();
    let (owner, name) = (scratch.owner(), scratch.name());
    assert!(name.starts_with("verify_drill_20") && name.len() == 46, "{name}");
    let attributes =
        "SELECT concat_ws(' ', rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit)
                        FROM pg_roles WHERE rolname = current_user";
    assert_eq!(value(owner, attributes).await, "f f f f t -1");
    assert_eq!(value(owner, "current_database()").await, name);
    run(owner, "CREATE SCHEMA s; CREATE TABLE s.t ()").await.unwrap();
    assert!(run(owner, "CREATE ROLE x").await.unwrap_err().contains("permission denied"));
    assert!(run(owner, "COPY (SELECT 1) TO PROGRAM 'true'").await.unwrap_err().contains("external program"));
    assert_eq!(
        value(scratch.admin().unwrap(), "concat_ws(' ', current_user, current_database())").await,
        format!("postgres {name}")
    );

    let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";
    let comment = value(owner, comment).await;
    assert!(comment.contains(name.strip_prefix("verify_drill_").unwrap()), "{comment}");
    // No other role gets in, and the server's log never saw the password.
    let stranger = drill_login(&server).with_dbname(name);
    assert!(stranger.connect().await.err().unwrap().to_string().contains("permission denied for database"));
    let log = server.log_text();
    assert!(log.contains("PASSWORD 'SCRAM-SHA-256$") && !log.contains(owner.password().unwrap().expose()));

    assert_eq!(leftovers(&server).lines().count(), 2);
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
}

fn drill_login(server: &e2e::postgres::Postgres) -> backup_core::postgres::conninfo::Conninfo {
    conninfo(&server.url_as("drill_login", "of drill_login", SUPERUSER))
}

#[tokio::test]
async fn an_admin_that_is_no_superuser_will_do() {
    let server = server(&[]);
    let admin = super::login(&server, "half_admin", "CREATEDB CREATEROLE");
    let drill = DrillServer::external(super::login(&server, "drill_login", ""), Some(admin));
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let scratch = locked.create_scratch().await.unwrap();
    assert_eq!(value(scratch.owner(), "SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user").await, "false");
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
}

#[tokio::test]
async fn without_an_admin_the_login_owns_the_scratch_database() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let locked = lock(&drill, &source("LATIN1", "xx_YY.ISO-8859-1")).await;
    let scratch = locked.create_scratch().await.unwrap();
    assert_eq!((scratch.owner().user(), scratch.admin().is_none()), ("drill_login", true));
    assert_eq!(value(scratch.owner(), "current_setting('server_encoding')").await, "LATIN1");
    assert!(scratch.notes().concat().contains("xx_YY.ISO-8859-1"), "{:?}", scratch.notes());
    assert_eq!(leftovers(&server), scratch.name());
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
}

#[tokio::test]
async fn open_sessions_prepared_transactions_and_subscriptions_do_not_keep_a_scratch_database_r060_r049() {
    let server = server(&["max_prepared_transactions = 5", "wal_level = logical"]);
    let drill = DrillServer::external(conninfo(&server.url(SUPERUSER)), None);
    let policy = DrillPolicy { restore_as: RestoreAs::Superuser, ..PLAIN };
    let suitable = drill.inspect(&source("UTF8", "C"), policy).await.unwrap();
    let locked = suitable.lock().await.unwrap().unwrap();
    let scratch = locked.create_scratch().await.unwrap();
    let owner = scratch.owner();
    run(owner, "CREATE TABLE public.t ()").await.unwrap();
    run(owner, "BEGIN; INSERT INTO public.t DEFAULT VALUES; PREPARE TRANSACTION 'it''s'").await.unwrap();
    run(
        owner,
        "CREATE SUBSCRIPTION s CONNECTION 'host=192.0.2.1' PUBLICATION p WITH (connect = false, slot_name = 'held')",
    )
    .await
    .unwrap();
    let open = owner.connect().await.unwrap();
    open.client().batch_execute("BEGIN; SELECT FROM public.t").await.unwrap();
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
    assert!(open.client().batch_execute("SELECT 1").await.is_err());
}

#[tokio::test]
async fn a_cleanup_that_fails_names_the_database_and_the_next_sweep_succeeds_r060() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let scratch = locked.create_scratch().await.unwrap();
    let name = scratch.name().to_owned();
    // A session of a superuser, which a plain role may not end.
    let psql = Run::program(server.bin_dir().join("psql")).args(["-c", "SELECT pg_sleep(600)", &server.url(&name)]);
    let mut blocker = psql.spawn();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'postgres'");
    assert!(wait_until(SOON, || server.sql(SUPERUSER, &sessions) == "1"));
    let failure = scratch.drop().await.unwrap_err();
    assert_eq!(failure.database, name);
    assert!(failure.to_string().contains(&name));

    blocker.kill9();
    assert!(wait_until(Duration::from_secs(30), || {
        server
            .sql(SUPERUSER, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'");
        server.sql(SUPERUSER, &sessions) == "0"
    }));
    drop(locked);
    wait_for_locks(&server, 0).await;
    assert_eq!(drill.sweep().await.unwrap().databases, [name]);
    assert_eq!(leftovers(&server), "");
}

#[tokio::test]
async fn a_connection_that_is_lost_does_not_keep_a_scratch_database_r060() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let scratch = locked.create_scratch().await.unwrap();
    server.sql(
        SUPERUSER,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
    );
    scratch.drop().await.unwrap();
    assert_eq!(leftovers(&server), "");
}

/// A person may find a use for a role while the drill that made it goes on.
#[tokio::test]
async fn a_role_that_somebody_uses_by_now_is_not_dropped_r047() {
    let server = server(&[]);
    let drill = with_admin(&server);
    let locked = lock(&drill, &source("UTF8", "C")).await;
    let mut scratch = locked.create_scratch().await.unwrap();
    let names = ["logs_in", "monitors", "has_members", "unmarked", "unused"];
    let roles = names.map(str::to_owned).to_vec();
    scratch.prepare(&Prerequisites { roles, ..Prerequisites::default() }).await.unwrap();
    server.sql(
        SUPERUSER,
        "ALTER ROLE logs_in LOGIN; GRANT pg_monitor TO monitors; GRANT has_members TO drill_login;
         COMMENT ON ROLE unmarked IS 'of the shop'",
    );
    scratch.drop().await.unwrap();
    let left = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'";
    let expected = "drill_login has_members logs_in monitors postgres unmarked";
    assert_eq!(server.sql(SUPERUSER, left), expected);
    // The next start leaves them alone, too, and does not speak of them each time.
    drop(locked);
    wait_for_locks(&server, 0).await;
    assert_eq!(drill.sweep().await.unwrap().databases, [] as [&str; 0]);
    assert_eq!(server.sql(SUPERUSER, left), expected);
}
