//! What both services need, and nothing about when or why they do it.

mod blocking;
pub mod cause;
pub mod codec;
pub mod config;
pub mod database_list;
pub mod live_secret;
pub mod machine;
pub mod postgres;
pub mod private;
pub mod private_host;
pub mod progress;
pub mod proxies;
pub mod rate;
pub mod repository;
pub mod scrub;
pub mod secret;
pub mod spool;
pub mod stop;
pub mod storage;
pub mod stored;
pub mod task;
pub mod text;
pub mod values;
