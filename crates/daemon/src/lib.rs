//! A long-running service: what surrounds its runs, and nothing about what a run does.

pub mod config;
pub mod exit;
pub mod notify;
pub mod schedule;

mod alarm;
mod cycle;
mod events;
mod hardening;
mod health;
mod http;
mod init;
mod logging;
mod our_crates;
mod pages;
mod panics;
mod patience;
mod progress;
mod service;
mod shell;
mod state;

pub use alarm::{Alarm, AlarmCode, Condition, NoticedAlarms, Severity};
pub use cycle::{Cycle, Ended, First, Start};
pub use events::{Event, Events, Subscription};
pub use hardening::harden;
pub use health::{HealthQuestion, show_health};
pub use init::stand_in_for_init;
pub use logging::{LogFormat, LogSettings};
pub use pages::Pages;
pub use panics::silence_panics;
pub use patience::{insist, sleep};
pub use progress::{Position, Progress, ShownProgress, StepSeconds};
pub use service::Service;
pub use shell::Shell;
pub use state::{Activity, DatabaseName, DatabaseState, Judge, State, StatusHead};
