//! A long run of both daemons under one fault after the other. What is on, and from when to when, only the soak knows, and
//! it holds what the daemons say against it: no alarm is missed, none is false, none stays, and nothing grows.
//!
//! `cargo test` runs it for about a minute; `tests/soak.sh` for as long as it is told. A seed decides which faults come, and
//! is printed.

mod fault;
mod figures;
mod judge;
mod lot;
mod service;
mod world;

use std::time::{Duration, Instant};

use e2e::process::wait_until;

use fault::Fault;
use judge::Judge;
use lot::Lot;
use world::World;

/// How long it lasts, and how many runs there must be by then.
const SECONDS: &str = "SOAK_SECONDS";
const MIN_RUNS: &str = "SOAK_MIN_RUNS";

/// Which faults come.
const SEED: &str = "SOAK_SEED";

/// The figures are appended to this file, if it is set.
const FIGURES: &str = "SOAK_FIGURES";

const SHORT: Duration = Duration::from_secs(60);

/// When a fault is over, all must be well again within this time: two ticks, two looks, and a busy machine.
const RECOVERY: Duration = Duration::from_secs(120);

/// What is wrong is told after three seconds, and delivered at once.
const UNTIL_TOLD: Duration = Duration::from_secs(5);

/// Seconds without any fault, in which nothing may go wrong.
const CALM_SECONDS: (u64, u64) = (4, 10);

#[test]
fn under_one_fault_after_the_other_no_alarm_is_missed_none_is_false_and_nothing_is_left() {
    soak("with a throwaway server", World::with_throwaway_server);
}

#[test]
fn beside_an_external_drill_server_no_alarm_is_missed_none_is_false_and_nothing_is_left() {
    soak("with an external server", World::with_external_server);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

fn soak(name: &str, world: impl FnOnce() -> World) {
    let seed =
        number(SEED).unwrap_or_else(|| u64::from(std::process::id()) ^ chrono::Utc::now().timestamp().cast_unsigned());
    let length = number(SECONDS).map_or(SHORT, Duration::from_secs);
    eprintln!("soak {name}: {SEED}={seed} {SECONDS}={}", length.as_secs());
    let (mut lot, mut world, mut judge) = (Lot::new(seed + name.len() as u64), world(), Judge::default());
    world.start();
    let began = Instant::now();
    while began.elapsed() < length || judge.faults() < 2 {
        stay_calm(&mut world, &mut judge, &mut lot);
        // One long life of both, in which growth would show, follows after kills.
        let fault = Fault::draw(&mut lot, &world, began.elapsed() < length / 2);
        suffer(&mut world, &mut judge, fault, lot.seconds(fault.seconds(length > SHORT)));
    }
    stay_calm(&mut world, &mut judge, &mut lot);
    let figures = world.end(&mut judge);
    let summary =
        format!("soak {name}: {SEED}={seed}, {} s\n{}\n{figures}", began.elapsed().as_secs(), judge.summary());
    eprintln!("{summary}");
    if let Some(file) = std::env::var_os(FIGURES) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        std::io::Write::write_all(&mut file.unwrap(), format!("{summary}\n").as_bytes()).unwrap();
    }
    judge.assert_none(&world);
    if let Some(runs) = number(MIN_RUNS) {
        assert!(judge.runs() >= runs, "only {} runs", judge.runs());
    }
}

/// A time without a fault.
fn stay_calm(world: &mut World, judge: &mut Judge, lot: &mut Lot) {
    let mark = world.mark();
    let end = Instant::now() + lot.seconds(CALM_SECONDS);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(1));
        world.sample();
        judge.lives(world);
    }
    judge.calm(world, &mark);
}

/// A fault, and the time until all is well again.
fn suffer(world: &mut World, judge: &mut Judge, fault: Fault, duration: Duration) {
    let mark = world.mark();
    fault.begin(world);
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        if !fault.silences() {
            judge.lives(world);
        }
    }
    fault.end(world);
    let over = Instant::now();
    let end = world.mark();
    let recovered = wait_until(RECOVERY, || {
        std::thread::sleep(Duration::from_millis(300));
        world.is_well(&end)
    });
    let took = over.elapsed();
    std::thread::sleep(UNTIL_TOLD);
    judge.fault(world, &mark, fault, duration, recovered.then_some(took));
}
