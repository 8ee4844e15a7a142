//! A clock that a test sets, for the programs that it starts. libfaketime gives it to them; `tests/lib/faketime.sh` finds
//! it and names it by [`LIBFAKETIME`]. Programs that those start have the clock of the machine.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use e2e::process::Run;
use e2e::skip::skip;
use tempfile::TempDir;

/// The variable that names the library.
const LIBFAKETIME: &str = "LIBFAKETIME";

/// What follows when the clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steady {
    /// The monotonic clock does not move, as if a person or NTP had set the clock.
    Stays,
    /// It moves as well, as if so much time had passed.
    Moves,
}

/// A clock for several programs. At a speed other than 1, start them one right after the other: what is between two
/// starts is between their clocks, times the speed.
pub(crate) struct Clock {
    library: PathBuf,
    folder: TempDir,
    steady: Steady,
    speed: i32,
    began: Instant,
    /// What is added to the time of the machine at the beginning.
    shift: Mutex<TimeDelta>,
    began_at: DateTime<Utc>,
}

impl Clock {
    /// A clock that shows `at`; `None` if there is no library, which is noted as a skip of `test`.
    pub(crate) fn at(test: &str, at: DateTime<Utc>, steady: Steady, speed: i32) -> Option<Self> {
        let library = std::env::var_os(LIBFAKETIME).filter(|library| !library.is_empty());
        let Some(library) = library else {
            skip(test, &format!("no libfaketime; tests/run-tests.sh unpacks it and sets {LIBFAKETIME}"));
            return None;
        };
        let (folder, began_at) = (TempDir::with_prefix("e2e-clock-").unwrap(), Utc::now());
        let shift = Mutex::new(TimeDelta::zero());
        let clock = Self { library: library.into(), folder, steady, speed, began: Instant::now(), shift, began_at };
        clock.set(at);
        Some(clock)
    }

    /// `run` by this clock.
    pub(crate) fn on(&self, run: Run) -> Run {
        let run = run.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.file());
        // Files have the times of the machine, and the library must not change what they say.
        let run = run.envs([("FAKETIME_NO_CACHE", "1"), ("NO_FAKE_STAT", "1")]);
        match self.steady {
            Steady::Stays => run.env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            Steady::Moves => run,
        }
    }

    /// About what it shows.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.unshifted() + *self.shift.lock().unwrap()
    }

    /// Sets it.
    pub(crate) fn set(&self, to: DateTime<Utc>) {
        let mut shift = self.shift.lock().unwrap();
        *shift = to - self.unshifted();
        // All at once: a program may read it at any moment.
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{:+} x{}\n", shift.num_seconds(), self.speed)).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// Sets it forward, or back.
    pub(crate) fn step(&self, by: TimeDelta) {
        self.set(self.now() + by);
    }

    /// Waits until it shows `at`.
    pub(crate) fn wait_until(&self, at: DateTime<Utc>) {
        while self.now() < at {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn unshifted(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.began.elapsed()).unwrap();
        self.began_at + passed * self.speed
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
