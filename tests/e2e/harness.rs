//! The harness itself: a test relies on tools that do what they say.

mod postgres;
mod process;
mod proxy;
pub(crate) mod s3;
mod tools;
