//! A long-running service: what surrounds its runs, and nothing about what a run does.

pub mod config;
pub mod exit;
pub mod schedule;

mod board;
mod hardening;
mod health;
mod http;
mod init;
mod logging;
mod pages;
mod panics;
mod patience;
mod progress;
mod shell;

pub use board::{Board, State};
pub use hardening::harden;
pub use health::{HealthQuestion, show_health};
pub use http::{bind, serve};
pub use init::stand_in_for_init;
pub use logging::{LogFormat, LogSettings};
pub use pages::{ProbeMemory, verdict};
pub use panics::silence_panics;
pub use patience::{insist, sleep};
pub use progress::{Position, Progress, ShownProgress, StepSeconds};
pub use shell::Shell;
