//! A long-running service: what surrounds its runs, and nothing about what a run does.

pub mod config;
pub mod exit;
pub mod notify;
pub mod schedule;

mod alarm;
mod cycle;
mod database_name;
mod events;
mod hardening;
mod health;
mod heartbeat;
mod http;
mod init;
mod listing;
mod logging;
mod metrics;
mod our_crates;
mod pages;
mod panics;
mod patience;
mod progress;
mod service;
mod shell;
mod state;
mod undelivered;

pub use alarm::{Alarm, AlarmCode, Condition, NoticedAlarms, Severity};
pub use cycle::{Cycle, Ended, First, Start};
pub use database_name::DatabaseName;
pub use events::{Event, Events, Subscription};
pub use hardening::harden;
pub use health::{HealthQuestion, show_health};
pub use heartbeat::Heartbeat;
pub use init::stand_in_for_init;
pub use listing::{Kept, Listing};
pub use logging::{LogFormat, LogSettings};
pub use metrics::{Databases, Families, Metrics, MetricsOf, OwnMetrics, Sample, of_each, state_set, timestamp};
pub use pages::Pages;
pub use panics::silence_panics;
pub use patience::{insist, sleep};
pub use progress::{Position, Progress, ShownProgress, StepSeconds};
pub use service::Service;
pub use shell::Shell;
pub use state::{Activity, DatabaseState, Judge, State, StatusHead};
