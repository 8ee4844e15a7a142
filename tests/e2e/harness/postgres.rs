//! The throwaway PostgreSQL.

use std::{fs, process::Command, time::Duration};

use e2e::{
    postgres::{Postgres, PostgresOptions, SUPERUSER, Tls},
    process::{Run, is_alive, wait_until},
    skip::skip,
};

/// More than the harness itself takes to clean up.
const SOON: Duration = Duration::from_secs(10);

fn psql(server: &Postgres, url: &str) -> Run {
    Run::program(server.bin_dir().join("psql")).args(["-XAtq", "-c", "SELECT current_user", url])
}

#[test]
fn a_server_answers_and_is_gone_afterwards() {
    let settings = vec!["work_mem = '7MB'".to_owned()];
    let server = Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() });
    assert_eq!(server.sql(SUPERUSER, "SELECT 6*7, 'ü'; SELECT 2"), "42|ü\n2");
    assert_eq!(server.sql(SUPERUSER, "SHOW max_connections; SHOW work_mem"), "50\n7MB");
    assert!(server.sql_fails(SUPERUSER, "SELECT 1/0").contains("division by zero"));
    for url in [server.url(SUPERUSER), server.socket_url(SUPERUSER)] {
        assert_eq!(psql(&server, &url).output().stdout, "postgres\n", "{url}");
    }
    let wrong = server.url_as(SUPERUSER, "wrong", SUPERUSER);
    assert!(psql(&server, &wrong).output().stderr.contains("password authentication failed"));
    let log = server.log_text();
    assert!(log.contains("statement: SELECT 1/0") && log.contains("connection authorized: user=postgres"), "{log}");

    let (pid, folder) = (server.pid(), server.socket_dir().to_owned());
    assert!(is_alive(pid) && folder.exists());
    drop(server);
    assert!(!is_alive(pid) && !folder.exists());
}

#[test]
fn databases_of_the_shared_server_are_separate() {
    let server = Postgres::shared();
    let (one, other) = (server.create_database(), server.create_database());
    server.sql(&one.name, "CREATE TABLE t AS SELECT 1 AS id");
    assert!(server.sql_fails(&other.name, "SELECT * FROM t").contains("does not exist"));
    assert_eq!(psql(server, &one.url).output().code, Some(0));
    // A name that psql would take for connection parameters if it came as an argument.
    server.sql(SUPERUSER, r#"CREATE DATABASE "host=evil dbname=x""#);
    assert_eq!(server.sql("host=evil dbname=x", "SELECT current_database()"), "host=evil dbname=x");
    assert_eq!(psql(server, &server.url("host=evil dbname=x")).output().code, Some(0));
}

#[test]
fn tls_is_offered_with_a_certificate_of_its_own_authority() {
    let server = Postgres::start(PostgresOptions { tls: Tls::Offered, ..PostgresOptions::default() });
    if server.major() < 15 {
        let test = "harness::postgres::tls_is_offered_with_a_certificate_of_its_own_authority";
        return skip(test, "psql looks for an address in certificates from 15 on");
    }
    let ca = server.ca();
    let connect = |ca: &std::path::Path| {
        let url = format!("{}?sslmode=verify-full", server.url(SUPERUSER));
        psql(&server, &url).env("PGSSLROOTCERT", ca).output()
    };
    let connected = connect(&ca);
    assert_eq!(connected.stdout, "postgres\n", "{}", connected.stderr);
    let stranger = Postgres::start(PostgresOptions { tls: Tls::Offered, ..PostgresOptions::default() });
    assert!(connect(&stranger.ca()).stderr.contains("certificate verify failed"));
}

/// Not a test: what [`a_killed_process_leaves_no_server`] kills.
#[test]
#[ignore = "runs for ever; started by another test"]
fn a_process_with_a_server() {
    let server = Postgres::shared();
    println!("server {} in {}", server.pid(), server.socket_dir().display());
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_killed_process_leaves_no_server() {
    let test = std::env::current_exe().unwrap();
    let args = ["--ignored", "--exact", "--nocapture", "harness::postgres::a_process_with_a_server"];
    // Its temporary folder must not be that of the run, which is removed by the run itself.
    let run = Run::program(test).args(args).env("TMPDIR", std::env::temp_dir());
    let mut victim = run.spawn();
    let line = victim.wait_for_line("server ", Duration::from_secs(60));
    let words: Vec<&str> = line.rsplit(' ').collect();
    let (folder, pid) = (words[0], words[2].parse().unwrap());
    assert!(is_alive(pid) && fs::exists(folder).unwrap());
    victim.kill9();
    assert!(wait_until(SOON, || !is_alive(pid)), "the server outlives the tests");
    assert!(wait_until(SOON, || !fs::exists(folder).unwrap()), "the folder outlives the tests");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let settings = vec!["no_such_setting = 1".to_owned()];
    let options = PostgresOptions { settings, ..PostgresOptions::default() };
    let panic = std::panic::catch_unwind(|| Postgres::start(options)).unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert!(words.contains("no_such_setting"), "{words}");
}

#[test]
fn the_tools_are_not_the_wrappers_of_debian() {
    let output = Command::new(e2e::postgres::bin_dir().join("pg_dump")).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("pg_dump (PostgreSQL) "));
    assert!(fs::read(e2e::postgres::bin_dir().join("pg_dump")).unwrap().starts_with(b"\x7fELF"));
}
