//! What the end-to-end tests stand on: a throwaway PostgreSQL, an S3 server, a proxy that breaks
//! requests on the wire, the real binaries as child processes, and client tools that misbehave.
//!
//! The harness knows nothing of the code under test. It touches the product only if an operator
//! does: environment variables, `PG_BIN_DIR`, an S3 endpoint, signals, HTTP, output and exit codes.
//!
//! Everything here panics with an explanation when the stand itself breaks, because a test has
//! nothing better to do than to stop and show it.

pub mod certificates;
pub mod containers;
pub mod http_proxy;
pub mod identity;
pub mod mail_server;
pub mod moto;
pub mod postgres;
pub mod postgres_proxy;
pub mod process;
pub mod prometheus;
pub mod promtool;
pub mod proxy;
pub mod receiver;
pub mod s3;
pub mod skip;
pub mod tls_front;
pub mod tools;
