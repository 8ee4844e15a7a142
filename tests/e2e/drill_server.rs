//! Where a drill happens: throwaway servers, given ones, scratch databases and what is made ready in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use backup_core::postgres::conninfo::Conninfo;
use backup_core::postgres::{DrillPolicy, DrillServer, LockedServer, RestoreAs, ServerTools, SourceCluster, Throwaway};
use backup_core::repository::DatabaseFacts;
use backup_core::secret::Secret;
use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};

mod external;
mod prepare;
mod scratch;
mod sweep;
mod throwaway;

/// The bound for what the server does a moment after its cause.
const SOON: Duration = Duration::from_secs(10);

const PLAIN: DrillPolicy = DrillPolicy { restore_as: RestoreAs::PlainRole, source_cluster: SourceCluster::Refused };

fn major() -> u32 {
    Postgres::shared().major()
}

/// What a manifest says of a source of the installed version, with this encoding and locale.
fn source(encoding: &str, locale: &str) -> DatabaseFacts {
    DatabaseFacts {
        name: "app".to_owned(),
        server_version: major().to_string(),
        server_version_num: major() * 10_000,
        system_identifier: Some("1".to_owned()),
        size_bytes: 1,
        encoding: encoding.to_owned(),
        collate: locale.to_owned(),
        ctype: locale.to_owned(),
        locale_provider: "libc".to_owned(),
        locale: None,
        icu_rules: None,
        session_settings: BTreeMap::new(),
        settings: Vec::new(),
    }
}

async fn installed() -> ServerTools {
    ServerTools::find(Some(e2e::postgres::bin_dir().as_os_str()), major()).await.unwrap()
}

async fn throwaway(source: &DatabaseFacts, parent: &Path) -> Throwaway {
    Throwaway::start(&installed().await, source, &[], &[], parent, 2).await.unwrap()
}

fn conninfo(url: &str) -> Conninfo {
    Conninfo::parse(&Secret::new(url.to_owned())).unwrap()
}

/// A value that a login sees.
async fn value(login: &Conninfo, sql: &str) -> String {
    let session = login.connect().await.unwrap();
    let row = session.client().query_one(&format!("SELECT ({sql})::text"), &[]).await.unwrap();
    row.try_get::<_, Option<String>>(0).unwrap().unwrap_or_default()
}

/// Runs statements; the server's message if one fails.
async fn run(login: &Conninfo, sql: &str) -> Result<(), String> {
    let session = login.connect().await.unwrap();
    let outcome = session.client().batch_execute(sql).await;
    session.close().await;
    outcome.map_err(|error| error.as_db_error().unwrap().message().to_owned())
}

/// A server of its own, since drills lock a whole server.
fn server(settings: &[&str]) -> Postgres {
    let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() })
}

/// The login of a role of `server` with these attributes.
fn login(server: &Postgres, role: &str, attributes: &str) -> Conninfo {
    server.sql(SUPERUSER, &format!("CREATE ROLE {role} LOGIN PASSWORD 'of {role}' {attributes}"));
    conninfo(&server.url_as(role, &format!("of {role}"), SUPERUSER))
}

/// The drill server with a plain login, and the harness's superuser as the admin.
fn with_admin(server: &Postgres) -> DrillServer {
    DrillServer::external(login(server, "drill_login", ""), Some(conninfo(&server.url(SUPERUSER))))
}

/// The drill server with a login that may create databases, and no admin.
fn without_admin(server: &Postgres) -> DrillServer {
    DrillServer::external(login(server, "drill_login", "CREATEDB"), None)
}

async fn lock<'server>(drill: &'server DrillServer, source: &DatabaseFacts) -> LockedServer<'server> {
    drill.inspect(source, PLAIN).await.unwrap().lock().await.unwrap().expect("no other drill here")
}

/// The names of databases and roles that begin as those of drills do.
fn leftovers(server: &Postgres) -> String {
    server.sql(
        SUPERUSER,
        "SELECT datname FROM pg_database WHERE datname LIKE 'verify%'
          UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'verify%' ORDER BY 1",
    )
}

/// Waits until so many advisory locks are left. It gives way to the tasks of sessions that were
/// dropped, which only then close their sockets.
async fn wait_for_locks(server: &Postgres, left: usize) {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    let deadline = Instant::now() + SOON;
    while server.sql(SUPERUSER, sql) != left.to_string() {
        assert!(Instant::now() < deadline, "a lock outlives its session");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
