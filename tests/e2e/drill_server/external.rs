//! External servers: which will do, and one drill at a time.

use backup_core::postgres::{DrillPolicy, DrillServer, RestoreAs, SourceCluster};
use backup_core::repository::DatabaseFacts;
use e2e::postgres::{Postgres, SUPERUSER};

use super::{PLAIN, conninfo, lock, login, major, server, source, wait_for_locks, with_admin, without_admin};

/// Whether a server will do, or its words.
type Outcome = Result<(), String>;

#[track_caller]
fn assert_refused(outcome: Outcome, part: &str) {
    let words = outcome.expect_err("the server should be refused");
    assert!(words.contains(part), "{words}");
}

async fn inspect(drill: &DrillServer, source: &DatabaseFacts, policy: DrillPolicy) -> Outcome {
    drill.inspect(source, policy).await.map(|_| ()).map_err(|error| format!("{error:#}"))
}

fn identifier(server: &Postgres) -> Option<String> {
    Some(server.sql(SUPERUSER, "SELECT system_identifier FROM pg_control_system()"))
}

#[tokio::test]
async fn the_cluster_that_was_backed_up_is_refused_r046() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let mut source = source("UTF8", "C");
    source.system_identifier = identifier(&server);
    assert_refused(inspect(&drill, &source, PLAIN).await, "the cluster that was backed up");
    let allowed = DrillPolicy { source_cluster: SourceCluster::Allowed, ..PLAIN };
    let notes = drill.inspect(&source, allowed).await.unwrap().notes().join("\n");
    assert!(notes.contains("on the cluster that was backed up, as the operator allowed"), "{notes}");
}

#[tokio::test]
async fn a_server_whose_identity_cannot_be_read_is_refused_r046() {
    let server = server(&[]);
    let drill = without_admin(&server);
    let known = source("UTF8", "C");
    let unknown = DatabaseFacts { system_identifier: None, ..source("UTF8", "C") };
    assert_refused(inspect(&drill, &unknown, PLAIN).await, "the manifest holds no system identifier");
    assert_eq!(inspect(&drill, &known, PLAIN).await, Ok(()));
    server.sql(SUPERUSER, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    assert_refused(inspect(&drill, &known, PLAIN).await, "GRANT EXECUTE ON FUNCTION pg_control_system()");
    let with_admin = DrillServer::external(
        conninfo(&server.url_as("drill_login", "of drill_login", SUPERUSER)),
        Some(conninfo(&server.url(SUPERUSER))),
    );
    assert_refused(inspect(&with_admin, &known, PLAIN).await, "lead to the same cluster cannot be told");
    let allowed = DrillPolicy { source_cluster: SourceCluster::Allowed, ..PLAIN };
    for drill in [&drill, &with_admin] {
        drill.inspect(&known, allowed).await.unwrap();
    }
    let notes = drill.inspect(&known, allowed).await.unwrap().notes().join("\n");
    assert!(notes.contains("could not be told"), "{notes}");
}

#[tokio::test]
async fn a_server_older_than_the_source_is_refused_r130() {
    let server = server(&[]);
    let mut newer = source("UTF8", "C");
    newer.server_version_num += 10_000;
    let wanted = format!("is PostgreSQL {}, and the backup is of {}", major(), major() + 1);
    assert_refused(inspect(&without_admin(&server), &newer, PLAIN).await, &wanted);
}

#[tokio::test]
async fn a_login_that_could_harm_the_host_is_refused_r051() {
    let server = server(&[]);
    let source = source("UTF8", "C");
    let superuser = DrillPolicy { restore_as: RestoreAs::Superuser, ..PLAIN };
    let given = |login| DrillServer::external(login, None);
    let mighty = given(conninfo(&server.url(SUPERUSER)));
    assert_refused(inspect(&mighty, &source, PLAIN).await, "VERIFY_RESTORE_AS=superuser");
    assert_eq!(inspect(&mighty, &source, superuser).await, Ok(()));
    for (role, member_of) in [("becomes", "postgres"), ("runs", "pg_execute_server_program")] {
        let login = login(&server, role, &format!("CREATEDB IN ROLE {member_of}"));
        assert_refused(
            inspect(&given(login.clone()), &source, PLAIN).await,
            &format!("is a member of role {member_of}"),
        );
        let admin = DrillServer::external(login, Some(conninfo(&server.url(SUPERUSER))));
        assert_refused(inspect(&admin, &source, PLAIN).await, "use a plain role");
    }
    let plain = given(login(&server, "plain", "CREATEDB"));
    assert_eq!(inspect(&plain, &source, PLAIN).await, Ok(()));
    assert_refused(inspect(&plain, &source, superuser).await, "is not a superuser");
}

/// Without an admin, code of the archive runs as the login that was given.
#[tokio::test]
async fn a_login_that_reaches_beyond_its_drill_is_refused_unless_drills_have_roles_of_their_own_r152() {
    let server = server(&[]);
    let source = source("UTF8", "C");
    server.sql(SUPERUSER, "CREATE ROLE app_owner");
    for (role, attributes, reach) in [
        ("makes_roles", "CREATEDB CREATEROLE", "may create and change roles (CREATEROLE)"),
        ("replicates", "CREATEDB REPLICATION", "may replicate (REPLICATION)"),
        ("is_member", "CREATEDB IN ROLE app_owner", "is a member of role app_owner"),
        ("signals", "CREATEDB IN ROLE pg_signal_backend", "is a member of role pg_signal_backend"),
        ("owns", "CREATEDB", "owns database app_of_owns"),
    ] {
        let login = login(&server, role, attributes);
        if role == "owns" {
            server.sql(SUPERUSER, "CREATE DATABASE app_of_owns OWNER owns");
            server.sql(SUPERUSER, "CREATE DATABASE verify_drill_left_by_a_dead_drill OWNER owns");
        }
        let refused = inspect(&DrillServer::external(login.clone(), None), &source, PLAIN).await;
        assert_refused(refused.clone(), &format!("the login of the drill server {reach}, and code of the archive"));
        assert_refused(refused, "give VERIFY_ADMIN_URL");
        let admin = DrillServer::external(login, Some(conninfo(&server.url(SUPERUSER))));
        assert_eq!(inspect(&admin, &source, PLAIN).await, Ok(()), "{role}");
    }
    let plain = DrillServer::external(login(&server, "creates", "CREATEDB"), None);
    let suitable = plain.inspect(&source, PLAIN).await.unwrap();
    assert!(suitable.notes().concat().contains("can change its own password"), "{:?}", suitable.notes());
}

/// An operator who has to ask for another login should have to ask once.
#[tokio::test]
async fn everything_that_a_login_may_do_beyond_creating_databases_is_named_at_once() {
    let server = server(&["allow_in_place_tablespaces=on"]);
    let source = source("UTF8", "C");
    let drill = DrillServer::external(login(&server, "much", "CREATEDB BYPASSRLS REPLICATION"), None);
    server.sql(SUPERUSER, "CREATE ROLE middle IN ROLE pg_monitor");
    server.sql(SUPERUSER, "GRANT middle TO much");
    server.sql(SUPERUSER, "CREATE DATABASE shop");
    server.sql(SUPERUSER, "GRANT CREATE ON DATABASE shop TO much");
    server.sql(SUPERUSER, "CREATE TABLESPACE fast LOCATION ''");
    server.sql(SUPERUSER, "GRANT CREATE ON TABLESPACE fast TO PUBLIC");
    let mut parts = vec![
        "may replicate (REPLICATION)",
        "may read past row security (BYPASSRLS)",
        "is a member of role middle, pg_monitor, pg_read_all_settings, pg_read_all_stats, pg_stat_scan_tables",
        "may create schemas in database shop",
        "may use tablespace fast",
    ];
    if major() >= 15 {
        server.sql(SUPERUSER, "GRANT SET ON PARAMETER log_statement TO much");
        server.sql(SUPERUSER, "GRANT ALTER SYSTEM ON PARAMETER archive_command TO PUBLIC");
        parts.extend(["may SET log_statement", "may ALTER SYSTEM SET archive_command"]);
    }
    let refused = inspect(&drill, &source, PLAIN).await;
    parts.into_iter().for_each(|part| assert_refused(refused.clone(), part));

    let login = conninfo(&server.url_as("much", "of much", SUPERUSER));
    let admin = DrillServer::external(login, Some(conninfo(&server.url(SUPERUSER))));
    assert_eq!(inspect(&admin, &source, PLAIN).await, Ok(()), "with an admin no code runs as the login");
}

#[tokio::test]
async fn logins_that_may_do_too_little_are_told_what_is_missing() {
    let server = server(&[]);
    let other = super::server(&[]);
    let source = source("UTF8", "C");
    let poor = DrillServer::external(login(&server, "poor", ""), None);
    assert_refused(inspect(&poor, &source, PLAIN).await, "ALTER ROLE ... CREATEDB");
    let login_of_ours = || conninfo(&server.url_as("poor", "of poor", SUPERUSER));
    let admin = login(&server, "half_admin", "CREATEDB");
    assert_refused(inspect(&DrillServer::external(login_of_ours(), Some(admin)), &source, PLAIN).await, "CREATEROLE");
    let elsewhere = DrillServer::external(login_of_ours(), Some(conninfo(&other.url(SUPERUSER))));
    assert_refused(inspect(&elsewhere, &source, PLAIN).await, "different clusters");
}

#[tokio::test]
async fn one_drill_at_a_time_whatever_the_database_and_the_death_of_its_holder_frees_it_r064() {
    let server = server(&[]);
    let source = source("UTF8", "C");
    let drill = with_admin(&server);
    let elsewhere = conninfo(&server.url(&server.create_database().name));
    let other =
        DrillServer::external(conninfo(&server.url_as("drill_login", "of drill_login", SUPERUSER)), Some(elsewhere));
    let locked = lock(&drill, &source).await;
    for drill in [&drill, &other] {
        assert!(drill.inspect(&source, PLAIN).await.unwrap().lock().await.unwrap().is_none(), "two drills at once");
    }
    drop(locked);
    wait_for_locks(&server, 0).await;
    let locked = lock(&other, &source).await;
    assert!(drill.inspect(&source, PLAIN).await.unwrap().lock().await.unwrap().is_none(), "two drills at once");
    drop(locked);
}
