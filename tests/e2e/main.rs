//! The tests of the whole: real PostgreSQL, a real S3 server over HTTP, the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod archive;
mod containers;
mod daemon;
mod database;
mod documents;
mod drill;
mod drill_safety;
mod drill_server;
mod encryption;
mod harness;
mod locks;
mod metrics;
mod notify;
mod read;
mod retention;
mod rights;
mod secrets;
mod stand;
mod store;
mod stream;
mod suites;
