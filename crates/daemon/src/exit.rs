//! Exit codes, as docs/configuration.md lists them.

/// Done; also a daemon that was asked to stop.
pub const OK: u8 = 0;
/// The run failed, or a check found what would make it fail.
pub const FAILED: u8 = 1;
/// Bad command line.
pub const USAGE: u8 = 2;
/// A signal ended a single run before it was done.
pub const STOPPED: u8 = 3;
/// Nothing is known about what was to be checked: the check itself did not work.
pub const COULD_NOT_RUN: u8 = 4;
/// Nothing was done, since another process was already doing it.
pub const SKIPPED: u8 = 5;
/// The scheduler of a daemon was stuck, and the watchdog has ended the process. `EX_SOFTWARE` of sysexits.h.
pub const STUCK: u8 = 70;
/// Bad environment.
pub const CONFIG: u8 = 78;
