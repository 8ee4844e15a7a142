//! The server on which the suites make their databases, with the roles of `roles.sql`. Not the one that other tests
//! share: roles belong to a whole server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use e2e::postgres::{Database, Postgres, PostgresOptions, SUPERUSER};
use e2e::process::Run;
use e2e::proxy::FaultProxy;
use e2e::s3::S3Server;

use tempfile::TempDir;

use crate::stand::Stand;

/// A drill or a restore on a machine that is busy with other tests.
const VERIFY_LIMIT: Duration = Duration::from_secs(180);

/// The server, which lives until the process ends.
pub(super) fn server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        // Nothing may change a database between the dumps that are compared.
        let settings = vec!["autovacuum = off".to_owned()];
        let server = Postgres::start(PostgresOptions { settings, ..PostgresOptions::default() });
        server.sql(SUPERUSER, &super::read("roles.sql"));
        server
    });
    &SERVER
}

/// A new database `name` of that server, made with these options of `CREATE DATABASE`, and a bucket of its own.
#[track_caller]
pub(super) fn stand(name: &str, options: &str) -> Stand {
    let postgres = server();
    postgres.sql(SUPERUSER, &format!("CREATE DATABASE {name} TEMPLATE template0 {options}"));
    let s3 = S3Server::start();
    let proxy = FaultProxy::start(&s3);
    Stand { postgres, database: Database { name: name.to_owned(), url: postgres.url(name) }, s3: s3.into(), proxy }
}

/// `verify` with a complete environment but for `PG_BIN_DIR`. Its files go into `folder`.
pub(super) fn verify(stand: &Stand, folder: &Path) -> Run {
    let verify = Run::new("verify").envs(stand.s3.env()).env("TMPDIR", folder).deadline(VERIFY_LIMIT);
    verify.envs([("VERIFY_JOBS", "2"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "json")])
}

/// A folder for [`verify`].
pub(super) fn folder() -> TempDir {
    let folder = TempDir::with_prefix("suite-").unwrap();
    // The server of a drill runs as another user if we are root, and must get through.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}
