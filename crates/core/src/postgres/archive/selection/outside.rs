//! Extensions that reach outside of the database: to other servers, to files, to programs, or to a
//! time at which nobody watches.

/// Never made for a drill that is no superuser's. Connections: dblink, the bridges of clouds, queues and
/// HTTP. Programs and files: languages that are not trusted, `adminpack`. Later: schedulers and
/// background workers, which would run the source's jobs.
const OUTSIDE: &[&str] = &[
    "adminpack",
    "amqp",
    "aws_commons",
    "aws_lambda",
    "aws_s3",
    "azure_storage",
    "citus",
    "dblink",
    "dblink_plus",
    "duckdb",
    "google_ml_integration",
    "http",
    "multicorn",
    "pg_background",
    "pg_cron",
    "pg_curl",
    "pg_duckdb",
    "pg_net",
    "pg_parquet",
    "pgagent",
    "pglogical",
    "pg_task",
    "plcontainer",
    "pljava",
    "plluau",
    "plperlu",
    "plproxy",
    "plpython2u",
    "plpython3u",
    "plpythonu",
    "plr",
    "plrubyu",
    "plsh",
    "pltclu",
    "wrappers",
];

/// Parts of names that say what the extension is: a foreign-data wrapper, or what converts values for a
/// language that is not trusted (`hstore_plpython3u`).
const ENDINGS: &[&str] = &["_fdw", "_plperlu", "_plpythonu", "_plpython2u", "_plpython3u"];

/// Whether the extension called `name` reaches outside of the database.
pub fn reaches_outside(name: &str) -> bool {
    OUTSIDE.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
