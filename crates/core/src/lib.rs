//! What both services need, and nothing about when or why they do it.

pub mod catalog;
pub mod cause;
pub mod codec;
pub mod config;
pub mod machine;
mod our_crates;
pub mod postgres;
pub mod private;
pub mod private_host;
pub mod schedule;
pub mod scrub;
pub mod secret;
pub mod service;
pub mod spool;
pub mod stop;
pub mod storage;
pub mod stored;
pub mod text;
pub mod values;

pub use our_crates::OUR_CRATES;
