//! What goes wrong: how it begins and ends, which alarms it may raise, and which it must.

use std::time::Duration;

use chrono::TimeDelta;
use e2e::proxy::{Fault as Wire, Operation, Rule};
use nix::sys::signal::Signal;

use super::lot::Lot;
use super::world::{Name, World};

use Name::{Backup, Verify};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The database's server crashes, and starts again at the end.
    DatabaseDown,
    /// The external server on which drills happen, likewise.
    DrillServerDown,
    /// The bucket refuses everything with 403.
    BucketRefuses,
    /// It answers 503 to everything.
    BucketBusy,
    /// It takes a second for each request.
    BucketSlow,
    /// It resets each connection.
    BucketResets,
    /// It takes each request and never answers.
    BucketSilent,
    /// The disk of drills is full.
    SpoolFull,
    /// A daemon is killed, and started again at the end.
    Killed(Name),
    /// It is asked to stop, and started again at the end.
    Stopped(Name),
    /// It sleeps.
    Asleep(Name),
    /// The clock of the machine is seven minutes ahead, which a store still accepts.
    ClockAhead,
    /// It is seven minutes behind.
    ClockBehind,
}

use Fault::{
    Asleep, BucketBusy, BucketRefuses, BucketResets, BucketSilent, BucketSlow, ClockAhead, ClockBehind, DatabaseDown,
    DrillServerDown, Killed, SpoolFull, Stopped,
};

const ALL: [Fault; 16] = [
    DatabaseDown,
    DrillServerDown,
    BucketRefuses,
    BucketBusy,
    BucketSlow,
    BucketResets,
    BucketSilent,
    SpoolFull,
    ClockAhead,
    ClockBehind,
    Asleep(Backup),
    Asleep(Verify),
    Stopped(Backup),
    Stopped(Verify),
    Killed(Backup),
    Killed(Verify),
];

const SKEW: TimeDelta = TimeDelta::minutes(7);

impl Fault {
    /// One that is possible in `world`.
    pub(super) fn draw(lot: &mut Lot, world: &World, kills: bool) -> Self {
        loop {
            let fault = ALL[lot.below(ALL.len())];
            let is_possible = match fault {
                DrillServerDown => world.drill_server.is_some(),
                SpoolFull => world.disk.is_some(),
                ClockAhead | ClockBehind => world.clock.is_some(),
                Killed(_) | Stopped(_) => kills,
                _ => true,
            };
            if is_possible {
                return fault;
            }
        }
    }

    /// How long it may last.
    pub(super) fn seconds(self, long: bool) -> (u64, u64) {
        match self {
            Killed(_) | Stopped(_) => (0, 4),
            Asleep(_) => (3, 40),
            BucketSlow => (20, 40),
            DatabaseDown if long => (3, 60),
            _ if long => (2, 50),
            _ => (2, 15),
        }
    }

    /// Whether a daemon is not there meanwhile.
    pub(super) fn silences(self) -> bool {
        matches!(self, Killed(_) | Stopped(_) | Asleep(_))
    }

    /// The alarms that it may raise, in whichever time.
    pub(super) fn may_raise(self, by: Name) -> &'static [&'static str] {
        match (self, by) {
            (DatabaseDown, Backup) => &["failing"],
            (BucketRefuses | BucketBusy | BucketResets | BucketSilent, Backup) => {
                &["bucket_unseen", "failing", "stale"]
            }
            (BucketRefuses | BucketBusy | BucketResets | BucketSilent, Verify) => &["bucket_unseen", "could_not_run"],
            (DrillServerDown, Verify) => &["could_not_run"],
            (SpoolFull, Verify) => &["spool_small", "could_not_run"],
            // By a clock that is wrong, backups are old.
            (ClockAhead, Backup) => &["clock_skew", "stale"],
            (ClockAhead, Verify) => &["backup_silent", "drill_failed", "stale"],
            // A drill that sleeps in the middle of a connection finds it too old.
            (Asleep(Verify), Verify) => &["could_not_run"],
            (ClockBehind, Backup) => &["clock_skew", "stale"],
            // What was done by a clock that was behind is old when it is right again.
            (ClockBehind, Verify) => &["stale"],
            _ => &[],
        }
    }

    /// After how many seconds which alarms must have been raised, one of them at least: what the documents say, the time
    /// that a run or a look takes, and what a busy machine needs.
    pub(super) fn must_raise(self, by: Name) -> Option<(u64, &'static [&'static str])> {
        match (self, by) {
            // Three runs, ten seconds apart.
            (DatabaseDown, Backup) => Some((50, &["failing"])),
            // Two looks, five seconds apart, each with two attempts.
            (BucketRefuses | BucketBusy | BucketResets, _) => Some((30, &["bucket_unseen"])),
            // Each attempt takes five seconds.
            (BucketSilent, _) => Some((48, &["bucket_unseen"])),
            // A drill, twelve seconds apart.
            (DrillServerDown, Verify) => Some((35, &["could_not_run"])),
            (SpoolFull, Verify) => Some((35, &["spool_small", "could_not_run"])),
            (ClockAhead | ClockBehind, Backup) => Some((25, &["clock_skew"])),
            _ => None,
        }
    }

    /// Whether a run or drill may fail meanwhile.
    pub(super) fn may_fail(self, of: Name) -> bool {
        match self {
            BucketSlow => false,
            // Of one that slept, requests and sessions may be gone.
            Killed(name) | Stopped(name) | Asleep(name) => name == of,
            DatabaseDown => of == Backup,
            DrillServerDown | SpoolFull => of == Verify,
            _ => true,
        }
    }

    pub(super) fn begin(self, world: &mut World) {
        let bucket = |world: &World, wire: Wire| world.proxy.rule(Rule::new(Operation::Any, wire));
        match self {
            DatabaseDown => world.source.crash(),
            DrillServerDown => world.drill_server.as_mut().unwrap().crash(),
            BucketRefuses => bucket(world, Wire::status(403, "AccessDenied")),
            BucketBusy => bucket(world, Wire::status(503, "SlowDown")),
            BucketSlow => bucket(world, Wire::Delay(Duration::from_secs(1))),
            BucketResets => bucket(world, Wire::CutBeforeReply),
            BucketSilent => bucket(world, Wire::BlackHole),
            SpoolFull => world.disk.as_ref().unwrap().fill(),
            Killed(name) => world.service(name).kill(),
            Stopped(name) => world.service(name).stop(),
            Asleep(name) => world.service(name).signal(Signal::SIGSTOP),
            ClockAhead => world.clock.as_ref().unwrap().step(SKEW),
            ClockBehind => world.clock.as_ref().unwrap().step(-SKEW),
        }
    }

    pub(super) fn end(self, world: &mut World) {
        match self {
            DatabaseDown => world.source.start_again(),
            DrillServerDown => world.drill_server.as_mut().unwrap().start_again(),
            BucketRefuses | BucketBusy | BucketSlow | BucketResets | BucketSilent => world.proxy.clear_rules(),
            SpoolFull => world.disk.as_ref().unwrap().free(),
            Killed(name) | Stopped(name) => world.service(name).start(),
            Asleep(name) => world.service(name).signal(Signal::SIGCONT),
            ClockAhead => world.clock.as_ref().unwrap().step(-SKEW),
            ClockBehind => world.clock.as_ref().unwrap().step(SKEW),
        }
    }
}
