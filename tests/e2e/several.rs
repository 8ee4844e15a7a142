//! Several databases of one server: which are backed up, one after the other, and what becomes of those that come and go.

mod daemon;
mod roles;
mod run;
mod verify;

use std::collections::BTreeMap;

use backup_core::repository::DatabaseDir;
use e2e::postgres::{Postgres, PostgresOptions, SUPERUSER};
use e2e::process::Run;

use crate::stand::Stand;

/// A server of its own, since every test of several databases sees all that a server has.
pub(crate) fn site(databases: &[&str]) -> Stand {
    // It ends with this process.
    let postgres: &'static Postgres = Box::leak(Box::new(Postgres::start(PostgresOptions::default())));
    let stand = Stand::on(postgres);
    postgres.sql(SUPERUSER, &format!("DROP DATABASE {}", stand.database.name));
    databases.iter().for_each(|name| create(&stand, name));
    stand
}

/// A database with a table of ten rows.
pub(crate) fn create(stand: &Stand, name: &str) {
    let quoted = name.replace('"', "\"\"");
    stand.postgres.sql(SUPERUSER, &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0"));
    stand.postgres.sql(name, "CREATE TABLE t AS SELECT generate_series(1, 10) AS id");
}

/// `backup` for these databases, connected to the one that every server has.
pub(crate) fn backup(stand: &Stand, databases: &str) -> Run {
    stand.backup().env("DATABASE_URL", stand.postgres.url(SUPERUSER)).env("DATABASES", databases)
}

/// Number of backups of each database in the bucket.
pub(crate) fn backups(stand: &Stand) -> BTreeMap<String, usize> {
    let mut backups = BTreeMap::new();
    for key in stand.manifests().into_keys() {
        let name = DatabaseDir::decode(key.split('/').nth(1).unwrap()).unwrap();
        *backups.entry(name).or_default() += 1;
    }
    backups
}

/// The databases in the bucket.
pub(crate) fn names(stand: &Stand) -> Vec<String> {
    backups(stand).into_keys().collect()
}
