//! Extensions that reach outside of the database: to other servers, to files, to programs, or to a
//! time at which no drill watches.

/// Never made for a drill that is no superuser's. Connections: dblink, the bridges of clouds, queues and
/// HTTP, and what asks models that others serve. Programs and files: languages that are not trusted,
/// `adminpack`. Later: schedulers and background workers, which would run the source's jobs.
///
/// `timescaledb` is not among them: a throwaway server gives it no workers, and on an external server its jobs run as
/// plain roles, in the scratch database alone, and end with it; they reach no further than any function of the
/// archive.
const OUTSIDE: &[&str] = &[
    "adminpack",
    "ai",
    "amqp",
    "aws_commons",
    "aws_lambda",
    "aws_ml",
    "aws_s3",
    "azure_ai",
    "azure_local_ai",
    "azure_storage",
    "bdr",
    "citus",
    "dblink",
    "dblink_plus",
    "duckdb",
    "google_ml_integration",
    "http",
    "lantern_extras",
    "multicorn",
    "pg_amqp",
    "pg_analytics",
    "pg_background",
    "pg_bulkload",
    "pg_cron",
    "pg_curl",
    "pg_duckdb",
    "pg_http",
    "pg_jobmon",
    "pg_kafka",
    "pg_lakehouse",
    "pg_later",
    "pg_mooncake",
    "pg_net",
    "pg_parquet",
    "pg_squeeze",
    "pg_task",
    "pg_vectorize",
    "pgactive",
    "pgagent",
    "pgai",
    "pglogical",
    "pgml",
    "pgpro_scheduler",
    "pgsql_http",
    "plcontainer",
    "pljava",
    "pljavau",
    "plluau",
    "plperlu",
    "plphpu",
    "plproxy",
    "plpython2u",
    "plpython3u",
    "plpythonu",
    "plr",
    "plrubyu",
    "plsh",
    "pltclu",
    "spock",
    "vectorize",
    "wrappers",
    "zombodb",
];

/// Parts of names that say what the extension is: a foreign-data wrapper, or what converts values for a
/// language that is not trusted (`hstore_plpython3u`).
const ENDINGS: &[&str] = &["_fdw", "_plperlu", "_plpythonu", "_plpython2u", "_plpython3u"];

/// Whether the extension called `name` reaches outside of the database.
pub fn reaches_outside(name: &str) -> bool {
    OUTSIDE.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
