//! The harness itself: whoever tests with a tool must know that it does what it says.

mod postgres;
mod process;
mod proxy;
pub(crate) mod s3;
mod tools;
