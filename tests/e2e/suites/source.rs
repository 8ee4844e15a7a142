//! The server on which the suites make their databases, with the roles of `roles.sql`. Not the one that other tests
//! share: roles belong to a whole server.

use std::sync::LazyLock;

use e2e::postgres::{Database, Postgres, PostgresOptions, SUPERUSER};
use e2e::proxy::FaultProxy;
use e2e::s3::S3Server;

use crate::stand::Stand;

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
    Stand { postgres, database: Database { name: name.to_owned(), url: postgres.url(name) }, s3, proxy }
}
