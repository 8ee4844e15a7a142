//! An S3 server on 127.0.0.1: signatures are checked, objects are plain files.
//!
//! The protocol and SigV4 come from the `s3s` crate. The store behind it is our own and not
//! `s3s-fs`, because that one differs from S3 where a backup tool has to be right: it publishes a
//! body before it has checked the digest, answers 403 for a multipart upload that is already
//! completed, loses the upload when a completion is refused, ignores part checksums, part `ETag`s
//! and `If-Match` on reads, lists no multipart uploads, and cannot store keys over about 120 bytes.
//!
//! It is a package of its own so that the demo and the benchmarks build it without the harness of the tests.

mod background;
mod keys;
mod listing;
mod operations;
mod receive;
mod server;
mod store;
mod uploads;

pub use background::{Background, ReceiveBuffer};
pub use server::{S3Options, S3Server, random_text};
