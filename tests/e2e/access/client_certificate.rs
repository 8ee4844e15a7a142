//! Roles that log in to PostgreSQL by a certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use e2e::certificates::{Authority, CertificateVersion, Issued};
use e2e::postgres::{Postgres, PostgresOptions, Tls};
use e2e::process::Run;
use tempfile::TempDir;

use crate::stand::Stand;

/// For the one test that uses it: a server that lets `certified` in by a certificate alone, and `paired` by a certificate and a password.
struct Server {
    stand: Stand,
    authority: Authority,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        static POSTGRES: OnceLock<Postgres> = OnceLock::new();
        let authority = Authority::create();
        // The server may be another user, and must see whom it trusts.
        let folder = TempDir::with_prefix("e2e-clients-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let trusted = folder.path().join("clients.crt");
        fs::copy(authority.certificate(), &trusted).unwrap();
        fs::set_permissions(&trusted, fs::Permissions::from_mode(0o644)).unwrap();
        let access = [
            "hostssl all certified 127.0.0.1/32 cert",
            "hostssl all paired 127.0.0.1/32 scram-sha-256 clientcert=verify-full",
            "host all certified,paired all reject",
        ];
        let options = PostgresOptions {
            tls: Tls::Offered,
            access: access.map(str::to_owned).to_vec(),
            settings: vec![format!("ssl_ca_file = '{}'", trusted.display())],
            ..PostgresOptions::default()
        };
        let postgres = POSTGRES.get_or_init(|| Postgres::start(options));
        for sql in
            ["CREATE ROLE certified LOGIN SUPERUSER", "CREATE ROLE paired LOGIN SUPERUSER PASSWORD 'qzboth5canary'"]
        {
            postgres.sql("postgres", sql);
        }
        let stand = Stand::on(postgres);
        stand.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 10) g");
        Self { stand, authority, _folder: folder }
    }

    fn backup(&self, login: &str, parameters: &str) -> Run {
        backup(&self.stand, login, parameters)
    }

    #[track_caller]
    fn accepts(&self, run: Run) {
        let before = self.stand.manifests().len();
        let output = run.output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(self.stand.manifests().len(), before + 1);
    }
}

fn backup(stand: &Stand, login: &str, parameters: &str) -> Run {
    let (port, database) = (stand.postgres.port(), &stand.database.name);
    let url = format!("postgresql://{login}@127.0.0.1:{port}/{database}?sslmode=require{parameters}");
    stand.backup().env("DATABASE_URL", url).args(["run"])
}

#[track_caller]
fn refuses(run: Run, code: i32, words: &[&str]) {
    let output = run.output();
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is missing in {}", output.stderr);
    }
}

fn parameters(issued: &Issued) -> String {
    format!("&sslcert={}&sslkey={}", issued.certificate.display(), issued.key.display())
}

/// The same certificate logs our session in, `pg_dump` and `pg_dumpall`; so does a drill on an external server.
#[test]
fn a_role_logs_in_by_a_certificate_for_our_session_and_for_the_tools_r137() {
    let server = Server::start();
    let issue = |name, version| server.authority.issue_client(name, version);
    let (certified, paired) = (issue("certified", CertificateVersion::V3), issue("paired", CertificateVersion::V1));
    let globals = |run: Run| run.env("BACKUP_GLOBALS", "true");
    server.accepts(globals(server.backup("certified", &parameters(&certified))));
    server.accepts(globals(server.backup("paired:qzboth5canary", &parameters(&paired))));
    let variables = server.backup("certified", "").env("PGSSLCERT", &certified.certificate);
    server.accepts(globals(variables.env("PGSSLKEY", &certified.key)));

    let words = ["hint: the server wants a client certificate; give it by sslcert and sslkey"];
    refuses(server.backup("certified", ""), 1, &words);
    refuses(server.backup("certified", &parameters(&paired)), 1, &["certificate authentication failed"]);
    let strangers = Authority::create();
    let stranger = strangers.issue_client("certified", CertificateVersion::V3);
    refuses(server.backup("certified", &parameters(&stranger)), 1, &["UnknownCA"]);

    let port = server.stand.postgres.port();
    let url = format!("postgresql://certified@127.0.0.1:{port}/postgres?sslmode=require{}", parameters(&certified));
    let drill = Run::new("verify").envs(server.stand.s3.env()).env("VERIFY_DATABASE_URL", &url);
    let drill = drill
        .env("PG_BIN_DIR", server.stand.postgres.bin_dir())
        .env("VERIFY_ALLOW_SOURCE_CLUSTER", "true")
        .env("VERIFY_RESTORE_AS", "superuser");
    let output = drill.args(["run"]).output();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn files_of_a_certificate_that_cannot_be_used_stop_the_start_with_the_reason_r137() {
    let (stand, authority) = (Stand::new(), Authority::create());
    let issued = authority.issue_client("certified", CertificateVersion::V3);
    let encrypted = issued.key.with_extension("encrypted");
    let args = ["pkey", "-aes256", "-passout", "pass:qzcanary7key"];
    let made = Command::new("openssl").args(args).arg("-in").arg(&issued.key).arg("-out").arg(&encrypted).output();
    assert!(made.unwrap().status.success());
    fs::set_permissions(&encrypted, fs::Permissions::from_mode(0o600)).unwrap();
    let open = issued.key.with_extension("open");
    fs::copy(&issued.key, &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let backup = |parameters: &str| backup(&stand, "certified", parameters);
    let with = |certificate: &Path, key: &Path| {
        let files = Issued { certificate: certificate.to_owned(), key: key.to_owned() };
        backup(&parameters(&files))
    };
    refuses(with(&issued.certificate, &encrypted), 78, &["DATABASE_URL: has an sslkey file", "it is encrypted"]);
    refuses(with(&issued.certificate, &open), 78, &["its group or others can read it"]);
    refuses(with(&issued.key, &issued.key), 78, &["has an sslcert file", "no certificate in PEM form"]);
    refuses(with(&issued.certificate, "/nowhere".as_ref()), 78, &["has an sslkey file", "not found"]);
    let half = format!("&sslcert={}", issued.certificate.display());
    refuses(backup(&half), 78, &["PGSSLCERT: names one file", "sslkey (or PGSSLKEY)"]);
    let other = authority.issue_client("other", CertificateVersion::V3);
    refuses(with(&issued.certificate, &other.key), 1, &["set up TLS", "KeyMismatch"]);
}
