//! The tests of the whole: real PostgreSQL, a real S3 server over HTTP, the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod api;
mod archive;
mod clock;
mod containers;
mod daemon;
mod database;
mod deploy;
mod documents;
mod drill;
mod drill_safety;
mod drill_server;
mod encryption;
mod harness;
mod life;
mod locks;
mod metrics;
mod notify;
mod page;
mod read;
mod retention;
mod rights;
mod secrets;
mod several;
mod soak;
mod stand;
mod store;
mod stream;
mod suites;
