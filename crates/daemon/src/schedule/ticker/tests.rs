use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;

use super::super::tests::{at, cron_in, every};
use super::*;

/// A clock that runs with tokio's paused one and can be set.
#[derive(Clone)]
struct Clock {
    start: DateTime<Utc>,
    booted: tokio::time::Instant,
    set_seconds: Arc<AtomicI64>,
}

impl Clock {
    fn starting(start: &str) -> Self {
        let booted = tokio::time::Instant::now();
        Self { start: at(start), booted, set_seconds: Arc::default() }
    }

    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.booted.elapsed()).expect("a short test");
        self.start + elapsed + TimeDelta::seconds(self.set_seconds.load(Ordering::Relaxed))
    }

    /// Sets the clock forward, or back, after `delay` of real time.
    fn step(&self, delay: Duration, by: TimeDelta) {
        let seconds = Arc::clone(&self.set_seconds);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
        });
    }

    fn ticker(&self, schedule: Schedule, last_tick: Option<&str>) -> Ticker {
        let clock = self.clone();
        Ticker::with_clock(schedule, last_tick.map(at), move || clock.now())
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[track_caller]
fn assert_tick(tick: Option<DateTime<Utc>>, expected: &str) {
    assert_eq!(tick, Some(at(expected)));
}

#[tokio::test(start_paused = true)]
async fn three_nights_in_no_time_r097() {
    let clock = Clock::starting("2026-08-22T12:00:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(cron_in("UTC", "0 3 * * *"), Some("2026-08-01T03:00:00Z"));
    for night in ["2026-08-23T03:00:00Z", "2026-08-24T03:00:00Z", "2026-08-25T03:00:00Z"] {
        assert_tick(ticker.next(&stop).await, night);
        assert_eq!(clock.now(), at(night));
    }
    assert_eq!(ticker.skipped_overlap(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_process_runs_once_a_day_through_both_changes_r095() {
    let stop = CancellationToken::new();
    for (zone, start, nights) in [
        ("Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("America/New_York", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
        ("America/New_York", "2026-10-31T12:00:00Z", ["2026-11-01T07:30:00Z", "2026-11-02T07:30:00Z"]),
    ] {
        let clock = Clock::starting(start);
        let mut ticker = clock.ticker(cron_in(zone, "30 2 * * *"), None);
        for night in nights {
            assert_tick(ticker.next(&stop).await, night);
            assert_eq!(clock.now(), at(night));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_an_hour_repeats_nothing_r097() {
    let clock = Clock::starting("2026-08-22T12:40:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(cron_in("UTC", "@hourly"), None);
    assert_tick(ticker.next(&stop).await, "2026-08-22T13:00:00Z");
    clock.step(minutes(10), -TimeDelta::hours(1)); // 13:10 becomes 12:10
    assert_tick(ticker.next(&stop).await, "2026-08-22T14:00:00Z");
    assert_eq!((clock.booted.elapsed(), ticker.skipped_overlap()), (minutes(140), 0));
    // The same while the job runs: 14:10 becomes 13:10.
    clock.step(Duration::ZERO, -TimeDelta::hours(1));
    tokio::time::sleep(minutes(10)).await;
    assert_tick(ticker.next(&stop).await, "2026-08-22T15:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_by_days_does_not_silence_the_schedule_r097() {
    let clock = Clock::starting("2027-08-22T12:40:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(cron_in("UTC", "@hourly"), None);
    assert_tick(ticker.next(&stop).await, "2027-08-22T13:00:00Z");
    clock.step(minutes(10), -TimeDelta::days(365));
    assert_tick(ticker.next(&stop).await, "2026-08-22T14:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_two_days_runs_once_r097() {
    let clock = Clock::starting("2026-08-22T12:40:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(cron_in("UTC", "@hourly"), None);
    clock.step(minutes(10), TimeDelta::days(2)); // 22nd 12:50 becomes 24th 12:50
    assert_tick(ticker.next(&stop).await, "2026-08-24T12:00:00Z");
    assert!(clock.booted.elapsed() <= minutes(10) + SLICE);
    assert_tick(ticker.next(&stop).await, "2026-08-24T13:00:00Z");
    assert_eq!((clock.booted.elapsed(), ticker.skipped_overlap()), (minutes(20), 0));
}

#[tokio::test(start_paused = true)]
async fn an_interval_counts_from_the_last_run_and_from_a_set_back_clock_r097() {
    let clock = Clock::starting("2026-08-22T12:00:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(every(3_600), Some("2026-08-22T11:20:00Z"));
    assert_tick(ticker.next(&stop).await, "2026-08-22T12:20:00Z");
    clock.step(Duration::ZERO, -TimeDelta::days(30));
    let tick = ticker.next(&stop).await.expect("a tick");
    assert!(tick - at("2026-07-23T13:20:00Z") <= TimeDelta::seconds(30), "{tick}");
    clock.step(Duration::ZERO, TimeDelta::minutes(200));
    let jumped = ticker.next(&stop).await.expect("a tick");
    assert_eq!(jumped - tick, TimeDelta::hours(3));
}

#[tokio::test(start_paused = true)]
async fn ticks_during_a_long_run_are_skipped_and_counted_r099() {
    let stop = CancellationToken::new();
    let schedules = [cron_in("UTC", "*/10 * * * *"), every(600)];
    for schedule in schedules {
        let clock = Clock::starting("2026-08-22T12:00:00Z");
        let mut ticker = clock.ticker(schedule, Some("2026-08-20T12:00:00Z"));
        assert_tick(ticker.next(&stop).await, "2026-08-22T12:10:00Z");
        tokio::time::sleep(minutes(35)).await; // until 12:45: 12:20, 12:30, 12:40 pass
        assert_tick(ticker.next(&stop).await, "2026-08-22T12:50:00Z");
        assert_eq!(ticker.skipped_overlap(), 3);
        tokio::time::sleep(minutes(10)).await; // a tick at the very moment the job ends has passed
        assert_tick(ticker.next(&stop).await, "2026-08-22T13:10:00Z");
        assert_eq!(ticker.skipped_overlap(), 4);
        tokio::time::sleep(minutes(9)).await;
        assert_tick(ticker.next(&stop).await, "2026-08-22T13:20:00Z");
        assert_eq!(ticker.skipped_overlap(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_wait_and_comes_before_a_tick() {
    let clock = Clock::starting("2026-08-22T12:00:00Z");
    let stop = CancellationToken::new();
    let mut ticker = clock.ticker(cron_in("UTC", "@hourly"), None);
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(605)).await;
        cancel.cancel();
    });
    assert_eq!(ticker.next(&stop).await, None);
    assert_eq!(clock.booted.elapsed(), Duration::from_secs(605));
    tokio::time::sleep(minutes(60)).await;
    assert_eq!(ticker.next(&stop).await, None);
    // If the calendar ends there is nothing but stop to wait for.
    let clock = Clock::starting("2100-06-01T00:00:00Z");
    assert_eq!(clock.ticker(cron_in("UTC", "@hourly"), None).next(&stop).await, None);
}
