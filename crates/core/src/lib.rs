//! What both services need, and nothing about when or why they do it.

pub mod cause;
pub mod codec;
pub mod config;
pub mod machine;
pub mod postgres;
pub mod private;
pub mod private_host;
pub mod repository;
pub mod scrub;
pub mod secret;
pub mod spool;
pub mod stop;
pub mod storage;
pub mod stored;
pub mod text;
pub mod values;
