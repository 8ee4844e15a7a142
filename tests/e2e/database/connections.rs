//! Every way to write down where a database is.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::postgres::{Postgres, PostgresOptions, Tls};
use e2e::process::{Run, free_port};
use e2e::skip::skip;

use super::{assert_run_fails, manifest_of, new_role};
use crate::stand::Stand;

/// Every special character that a URL or a key=value pair could stumble over.
const PASSWORD: &str = r#"p@ss:w/ö?r#d [%41] & = , + '"\ $(x)"#;

/// A backup over this connection string, which must be whole.
#[track_caller]
fn assert_connects(stand: &Stand, run: Run) {
    let manifest = manifest_of(stand, run);
    assert_eq!(manifest["inventory"]["tables"][0]["rows"], 10);
}

/// `value` for a key=value connection string.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[test]
fn urls_pairs_variables_and_sockets_connect_r137() {
    let stand = Stand::with_rows(10);
    let (role, _) = new_role(&stand, "SUPERUSER");
    stand.sql(&format!("ALTER ROLE {role} PASSWORD $p${PASSWORD}$p$"));
    let (database, port) = (&stand.database.name, stand.postgres.port());
    let folder = stand.postgres.socket_dir().to_str().unwrap();
    let with = |url: &str| stand.backup().env("DATABASE_URL", url);

    let url = stand.postgres.url_as(&role, PASSWORD, database);
    let pairs = format!("host=127.0.0.1 port={port} user={role} password={} dbname={database}", quoted(PASSWORD));
    assert_connects(&stand, with(&url));
    assert_connects(&stand, with(&url.replace("postgresql://", "postgres://")));
    assert_connects(&stand, with(&pairs));
    assert_connects(
        &stand,
        with(&format!("postgresql://{role}@127.0.0.1:{port}/{database}")).env("PGPASSWORD", PASSWORD),
    );
    assert_connects(&stand, with(&stand.postgres.socket_url(database)));
    assert_connects(
        &stand,
        with(&format!("postgresql://{}:{port}/{database}?user={role}", folder.replace('/', "%2F"))),
    );
    assert_connects(&stand, with(&format!("host={folder} port={port} user={role} dbname={database}")));

    let variables =
        [("PGHOST", "127.0.0.1"), ("PGPORT", &port.to_string()), ("PGUSER", &role), ("PGDATABASE", database)];
    let run = stand.backup().env_remove("DATABASE_URL").envs(variables).env("PGPASSWORD", PASSWORD);
    assert_connects(&stand, run);
}

#[test]
fn a_dead_host_is_passed_over_and_the_tools_go_to_the_living_one_r137() {
    let stand = Stand::with_rows(10);
    let (dead, port, database) = (free_port(), stand.postgres.port(), &stand.database.name);
    let hosts = format!("127.0.0.1:{dead},127.0.0.1:{port}");
    let url = |attributes: &str| {
        let login = format!("postgres:{}", stand.postgres.password());
        format!(
            "postgresql://{login}@{hosts}/{database}?target_session_attrs={attributes}&application_name=two%20hosts"
        )
    };
    for attributes in ["any", "read-write", "primary", "prefer-standby"] {
        assert_connects(&stand, stand.backup().env("DATABASE_URL", url(attributes)));
    }
    let backup = stand.backup().env("DATABASE_URL", url("standby"));
    let dead = format!("127.0.0.1:{dead}");
    assert_run_fails(&stand, backup, &["none of 2 attempts", &dead, "the server is not standby"]);
    let dumped = format!("@{database}/two hosts LOG:  statement: COPY public.t ");
    assert!(stand.postgres.log_text().contains(&dumped), "pg_dump did not come under the given application_name");
}

#[test]
fn server_options_of_the_connection_string_are_in_force_r137() {
    let stand = Stand::with_rows(10);
    let url = |rest: &str| format!("{}?options=-c%20default_transaction_read_only%3Don{rest}", stand.database.url);
    assert_connects(&stand, stand.backup().env("DATABASE_URL", url("&target_session_attrs=read-only")));
    let refused = stand.backup().env("DATABASE_URL", url("&target_session_attrs=read-write"));
    assert_run_fails(&stand, refused, &["target_session_attrs"]);
    let wrong = format!("{}?options=-c%20no_such_setting%3Don", stand.database.url);
    assert_run_fails(&stand, stand.backup().env("DATABASE_URL", wrong), &["no_such_setting"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name_r137() {
    let stand = Stand::with_rows(1);
    for (rest, named) in [
        ("?service=production", "service"),
        ("?passfile=%2Ftmp%2Fx", "passfile"),
        ("?sslcert=%2Ftmp%2Fx", "sslcert"),
        ("?requirepeer=postgres", "requirepeer"),
        ("?sslmode=verify-full&sslrootcert=%2Fnonexistent%2Fca.pem", "sslrootcert"),
        ("?sslmode=allways", "sslmode"),
        ("?target_session_attrs=any-of-them", "target_session_attrs"),
    ] {
        let output = stand.backup().env("DATABASE_URL", format!("{}{rest}", stand.database.url)).args(["run"]).output();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        let line = output.stderr.lines().find(|line| line.contains("DATABASE_URL: ")).unwrap_or_default();
        assert!(line.contains(named), "{named} is not named in {}", output.stderr);
    }
    let service = stand.backup().env("DATABASE_URL", "service=production").args(["run"]).output();
    assert_eq!(service.code, Some(78));
    assert!(service.stderr.contains("service files are not read"), "{}", service.stderr);
}

#[test]
fn a_server_that_says_no_is_quoted_with_a_hint_r137() {
    let stand = Stand::with_rows(1);
    let url = &stand.database.url;
    for (url, parts) in [
        (format!("{url}?sslmode=require"), ["does not offer TLS", "weaker sslmode"]),
        (format!("{url}?sslmode=disable&channel_binding=require"), ["channel", "channel_binding=require needs TLS"]),
        (format!("{url}_x"), ["3D000", "check the database name"]),
        (url.replace("postgres:", "nobody:"), ["28P01", "check the user name"]),
        (url.replace("127.0.0.1", "host.invalid"), ["look up the host", "check the host name"]),
        (url.replace(stand.postgres.password(), ""), ["asks for a password", "set PGPASSWORD"]),
    ] {
        assert_run_fails(&stand, stand.backup().env("DATABASE_URL", url), &parts);
    }
}

/// A server that lets role `guarded` in over TLS only, and `trusted` without a password.
struct TlsServer {
    postgres: Postgres,
    stand: Stand,
    other_ca: PathBuf,
    _scratch: tempfile::TempDir,
}

impl TlsServer {
    fn start() -> Self {
        let access = ["hostnossl all guarded all reject", "host all trusted 127.0.0.1/32 trust"];
        let options =
            PostgresOptions { tls: Tls::Offered, access: access.map(str::to_owned).to_vec(), ..Default::default() };
        let postgres = Postgres::start(options);
        postgres.sql(
            "postgres",
            "CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'let-them-in'; CREATE ROLE trusted SUPERUSER LOGIN;
             CREATE TABLE t AS SELECT generate_series(1, 10) AS id",
        );
        let scratch = tempfile::tempdir().unwrap();
        let other_ca = other_authority(scratch.path());
        Self { postgres, stand: Stand::new(), other_ca, _scratch: scratch }
    }

    fn backup(&self, host: &str, parameters: &str) -> Run {
        let port = self.postgres.port();
        self.stand
            .backup()
            .env("DATABASE_URL", format!("postgresql://guarded:let-them-in@{host}:{port}/postgres?{parameters}"))
    }

    #[track_caller]
    fn accepts(&self, host: &str, parameters: &str) {
        assert_connects(&self.stand, self.backup(host, parameters));
    }

    #[track_caller]
    fn refuses(&self, host: &str, parameters: &str, parts: &[&str]) {
        assert_run_fails(&self.stand, self.backup(host, parameters), parts);
    }
}

/// Whether this machine cannot make certificates; then `test` is put on the list of skipped ones.
fn lacks_openssl(test: &str) -> bool {
    let lacks = Command::new("openssl").arg("version").output().is_err();
    if lacks {
        skip(&format!("database::connections::{test}"), "openssl is not installed");
    }
    lacks
}

/// The certificate of an authority that has issued nothing.
fn other_authority(folder: &Path) -> PathBuf {
    let mut args = vec!["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let (key, certificate) = (folder.join("other.key"), folder.join("other.crt"));
    args.extend([
        "-subj",
        "/CN=another authority",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        certificate.to_str().unwrap(),
    ]);
    let output = Run::program("openssl").args(args).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    certificate
}

#[test]
fn each_sslmode_encrypts_and_verifies_what_it_promises_r137() {
    if lacks_openssl("each_sslmode_encrypts_and_verifies_what_it_promises_r137") {
        return;
    }
    let server = TlsServer::start();
    let (ca, other) = (server.postgres.ca(), server.other_ca.clone());
    let (ca, other) = (format!("sslrootcert={}", ca.display()), format!("sslrootcert={}", other.display()));
    server.accepts("127.0.0.1", "sslmode=prefer");
    server.accepts("127.0.0.1", "sslmode=require&channel_binding=require");
    server.accepts("127.0.0.1", &format!("sslmode=require&{ca}"));
    server.accepts("localhost", &format!("sslmode=verify-ca&{ca}"));
    server.accepts("localhost", &format!("sslmode=verify-full&{ca}"));
    server.refuses("127.0.0.1", "sslmode=disable", &["pg_hba.conf", "sslmode=require"]);
    server.refuses(
        "localhost",
        &format!("sslmode=verify-ca&{other}"),
        &["TLS failed", "UnknownIssuer", "hint: give the authority"],
    );
    server.refuses("localhost", &format!("sslmode=verify-full&{other}"), &["TLS failed", "UnknownIssuer"]);

    // The right server under a name that its certificate does not list.
    let hidden = format!("hostaddr=127.0.0.1&{ca}");
    server.accepts("db.invalid", &format!("sslmode=verify-ca&{hidden}"));
    let words = ["TLS failed", "not valid for", "hint: connect by a name that the certificate lists"];
    server.refuses("db.invalid", &format!("sslmode=verify-full&{hidden}"), &words);
    let variables = server
        .backup("localhost", "connect_timeout=5")
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &server.other_ca);
    assert_run_fails(&server.stand, variables, &["UnknownIssuer"]);
}

/// `openssl x509 -req` without extensions makes certificates of version 1, which libpq takes from `sslrootcert`.
#[test]
fn a_certificate_of_version_1_that_is_named_itself_is_believed_as_by_libpq_r137() {
    if lacks_openssl("a_certificate_of_version_1_that_is_named_itself_is_believed_as_by_libpq_r137") {
        return;
    }
    let server = TlsServer::start();
    let ca = server.postgres.ca();
    let folder = ca.parent().unwrap();
    let make = "openssl req -new -nodes -newkey rsa:2048 -subj /CN=localhost -keyout v1.key -out v1.csr 2>/dev/null
        openssl x509 -req -in v1.csr -signkey v1.key -days 30 -out v1.crt 2>/dev/null
        openssl x509 -in v1.crt -noout -text | grep Version; cat v1.crt > server.crt; cat v1.key > server.key; chmod a+r v1.crt";
    let made = Command::new("/bin/sh").args(["-ec", make]).current_dir(folder).output().unwrap();
    if !String::from_utf8_lossy(&made.stdout).contains("Version: 1 ") {
        let test = "a_certificate_of_version_1_that_is_named_itself_is_believed_as_by_libpq_r137";
        return skip(&format!("database::connections::{test}"), "this openssl makes none of version 1");
    }
    assert_eq!(server.postgres.sql("postgres", "SELECT pg_reload_conf()"), "t");
    let named = format!("sslrootcert={}", folder.join("v1.crt").display());
    server.accepts("localhost", &format!("sslmode=verify-ca&{named}"));
    server.accepts("localhost", &format!("sslmode=verify-full&{named}"));
    server.accepts("localhost", &format!("sslmode=verify-full&channel_binding=require&{named}"));
    let hidden = format!("hostaddr=127.0.0.1&{named}");
    server.refuses("db.invalid", &format!("sslmode=verify-full&{hidden}"), &["TLS failed", "not valid for"]);
    server.refuses("localhost", &format!("sslmode=verify-ca&sslrootcert={}", ca.display()), &["TLS failed"]);
}

#[test]
fn an_empty_password_is_none_and_will_do_where_none_is_asked_for_r137() {
    if lacks_openssl("an_empty_password_is_none_and_will_do_where_none_is_asked_for_r137") {
        return;
    }
    let server = TlsServer::start();
    let port = server.postgres.port();
    let with = |url: String| server.stand.backup().env("DATABASE_URL", url);
    assert_connects(&server.stand, with(format!("postgresql://trusted:@127.0.0.1:{port}/postgres")));
    assert_connects(
        &server.stand,
        with(format!("host=127.0.0.1 port={port} user=trusted password='' dbname=postgres")),
    );
    let refused = with(format!("postgresql://guarded:@127.0.0.1:{port}/postgres?sslmode=require"));
    assert_run_fails(&server.stand, refused, &["asks for a password", "set PGPASSWORD"]);
}

#[test]
fn a_public_host_without_sslmode_warns_where_the_connection_is_not_encrypted_r083() {
    let stand = Stand::with_rows(10);
    let warns = |rest: &str| {
        let login = format!("postgres:{}", stand.postgres.password());
        let (port, database) = (stand.postgres.port(), &stand.database.name);
        let url = format!("postgresql://{login}@{rest}");
        let url = url.replace("PORT", &port.to_string()).replace("DATABASE", database);
        let output = stand.backup().env("DATABASE_URL", url).args(["run"]).output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stderr.contains("crosses a public network unencrypted")
    };
    assert!(warns("db.example.com:PORT/DATABASE?hostaddr=127.0.0.1"));
    assert!(!warns("db.example.com:PORT/DATABASE?hostaddr=127.0.0.1&sslmode=disable"), "that was asked for");
    assert!(!warns("db.railway.internal:PORT/DATABASE?hostaddr=127.0.0.1"));
    assert!(!warns("127.0.0.1:PORT/DATABASE"));
}
