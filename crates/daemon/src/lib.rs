//! A long-running service: what surrounds its runs, and nothing about what a run does.

pub mod config;
pub mod exit;
pub mod notify;
pub mod schedule;

mod alarm;
mod alarm_code;
mod cycle;
mod daemon;
mod database_name;
mod deliveries;
mod documents;
mod events;
mod hardening;
mod health;
mod heartbeat;
mod init;
mod journal;
mod left_out;
mod listing;
mod log_format;
mod logging;
mod metrics;
mod our_crates;
mod panics;
mod patience;
mod remembered;
mod roster;
mod run_request;
mod service;
mod shell;
mod state;
mod turns;
mod view;
mod watch;
mod watchdog;
mod web;

pub use alarm::{Alarm, Condition, NoticedAlarms, Severity};
pub use alarm_code::AlarmCode;
pub use cycle::{Cycle, Ended, First, Start};
pub use daemon::Daemon;
pub use database_name::DatabaseName;
pub use deliveries::Deliveries;
pub use events::{Event, Events, Subscription};
pub use hardening::harden;
pub use health::{HealthQuestion, show_health};
pub use heartbeat::Heartbeat;
pub use init::stand_in_for_init;
pub use journal::{Journal, Line, PutLine, put_line, restore};
pub use left_out::{LeftOut, UNLISTED_FOR};
pub use listing::{Kept, Listing, Unlisted};
pub use logging::{LogFormat, LogSettings};
pub use metrics::{Databases, Families, Metrics, OwnMetrics, Sample, of_each, state_set, timestamp};
pub use panics::silence_panics;
pub use patience::{insist, sleep};
pub use remembered::{FailedBefore, Remembered, is_restart_loop};
pub use roster::{Roster, keep_all};
pub use service::Service;
pub use shell::Shell;
pub use state::{Activity, DatabaseState, Judge, State, StatusHead, status_json};
pub use turns::Turns;
pub use view::{
    BackupView, DrillView, EventView, Fate, IncompleteRunView, KeepPolicy, KeepRule, RepositoryView, RetentionView,
    drill_id,
};
pub use watch::watch;
pub use watchdog::Pulse;
pub use web::{DrillSummary, HttpAccess, Pages, RunPath, Shown, VerdictSource, page};
