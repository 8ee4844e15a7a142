use super::super::Schedule;
use super::super::tests::{at, cron_in, every};
use super::*;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// As `BACKUP_RETRY_AFTER` is if it is not set.
fn usual() -> MakeUp {
    MakeUp::parse("300,900,3600").unwrap()
}

/// A rhythm whose clock runs with tokio's paused one from `start`, and that clock.
fn rhythm(schedule: Schedule, start: &str) -> (Rhythm, impl Fn() -> DateTime<Utc> + Clone + Send + Sync + 'static) {
    let (booted, start) = (Instant::now(), at(start));
    let clock = move || start + chrono::TimeDelta::from_std(booted.elapsed()).unwrap();
    (Rhythm::new(Ticker::with_clock(schedule, Some(start), clock), usual()), clock)
}

#[test]
fn lists_of_pauses() {
    assert_eq!(MakeUp::parse(" 300, 900 ,3600 "), Ok(usual()));
    assert_eq!(MakeUp::parse("OFF"), Ok(MakeUp::default()));
    for wrong in ["", "0", "86401", "5m", "300,", ",", "-1", "1;2", &"1,".repeat(20), &["1"; 21].join(",")] {
        assert!(MakeUp::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn pauses_grow_to_an_hour_and_end_before_the_next_tick_r147() {
    let now = at("2026-11-22T03:10:00Z");
    let tick = Some(at("2026-11-23T03:00:00Z"));
    let none = Duration::ZERO;
    for (failures, due) in [(1, "03:15:00"), (2, "03:25:00"), (3, "04:10:00"), (4, "04:10:00"), (400, "04:10:00")] {
        assert_eq!(usual().next(failures, none, now, tick), Some(at(&format!("2026-11-22T{due}Z"))), "{failures}");
    }
    // A tick at the same moment, or before it, is enough.
    assert_eq!(usual().next(1, none, now, Some(at("2026-11-22T03:15:00Z"))), None);
    assert_eq!(usual().next(1, none, now, Some(at("2026-11-22T03:15:01Z"))), Some(at("2026-11-22T03:15:00Z")));
    assert_eq!(usual().next(1, none, now, None), Some(at("2026-11-22T03:15:00Z")));
    // What took long is not begun again at once.
    assert_eq!(usual().next(1, minutes(120), now, tick), Some(at("2026-11-22T05:10:00Z")));
    assert_eq!(MakeUp::default().next(1, none, now, tick), None);
}

/// Fails until `ends`, each run taking a minute; when each run began.
async fn outage(rhythm: &mut Rhythm, clock: impl Fn() -> DateTime<Utc>, ends: &str, runs: usize) -> Vec<String> {
    let stop = CancellationToken::new();
    let mut began = Vec::new();
    for _ in 0..runs {
        rhythm.next(&stop).await.unwrap();
        began.push(clock().format("%dT%H:%M").to_string());
        tokio::time::sleep(minutes(1)).await;
        match clock() < at(ends) {
            true => rhythm.failed(minutes(1), Outlook::MayDiffer),
            false => rhythm.succeeded(),
        }
    }
    began
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_two_minutes_costs_five_minutes_and_no_day_r147() {
    let (mut rhythm, clock) = rhythm(cron_in("UTC", "0 3 * * *"), "2026-11-21T12:00:00Z");
    let began = outage(&mut rhythm, clock, "2026-11-22T03:02:00Z", 3).await;
    assert_eq!(began, ["22T03:00", "22T03:06", "23T03:00"], "and one run a day from then on");
    assert_eq!(rhythm.skipped_overlap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_is_tried_hourly_and_every_tick_starts_anew_r147() {
    let (mut rhythm, clock) = rhythm(cron_in("UTC", "0 */4 * * *"), "2026-11-21T23:00:00Z");
    let began = outage(&mut rhythm, clock, "2026-11-22T05:00:00Z", 10).await;
    let expected = [
        "22T00:00", "22T00:06", "22T00:22", "22T01:23", "22T02:24", "22T03:25", "22T04:00", "22T04:06", "22T04:22",
        "22T05:23",
    ];
    assert_eq!(began, expected);
    assert_eq!(rhythm.upcoming(), Some(at("2026-11-22T08:00:00Z")));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_end_otherwise_waits_for_the_tick_r147() {
    let (mut rhythm, _) = rhythm(cron_in("UTC", "0 3 * * *"), "2026-11-21T12:00:00Z");
    let stop = CancellationToken::new();
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::Tick(at("2026-11-22T03:00:00Z"))));
    rhythm.failed(minutes(1), Outlook::MayDiffer);
    assert_eq!(rhythm.upcoming(), Some(at("2026-11-22T03:05:00Z")));
    rhythm.failed(minutes(1), Outlook::Same);
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::Tick(at("2026-11-23T03:00:00Z"))));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_denser_than_the_pauses_needs_no_making_up_r147() {
    let (mut rhythm, clock) = rhythm(every(180), "2026-11-22T03:00:00Z");
    let began = outage(&mut rhythm, clock, "2026-11-22T04:00:00Z", 4).await;
    assert_eq!(began, ["22T03:03", "22T03:06", "22T03:09", "22T03:12"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_is_put_off_unless_a_tick_comes_first_and_a_stop_ends_the_wait_r147() {
    let (mut rhythm, clock) = rhythm(cron_in("UTC", "@hourly"), "2026-11-22T03:50:00Z");
    let stop = CancellationToken::new();
    rhythm.put_off_until(at("2026-11-22T03:53:00Z"));
    assert_eq!(rhythm.upcoming(), Some(at("2026-11-22T03:53:00Z")));
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::MakeUp));
    assert_eq!(clock(), at("2026-11-22T03:53:00Z"));
    rhythm.put_off_until(at("2026-11-22T04:00:00Z"));
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::Tick(at("2026-11-22T04:00:00Z"))));
    rhythm.put_off_until(at("2026-11-22T03:00:00Z"));
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::MakeUp), "what is overdue is due");
    rhythm.failed(Duration::ZERO, Outlook::MayDiffer);
    stop.cancel();
    assert_eq!(rhythm.next(&stop).await, None);
}

/// R099: a run that makes up for another one and lasts over a tick does not leave that tick waiting.
#[tokio::test(start_paused = true)]
async fn a_tick_that_passes_while_a_run_makes_up_is_skipped_and_counted_r099() {
    let (mut rhythm, clock) = rhythm(cron_in("UTC", "@hourly"), "2026-11-22T03:30:00Z");
    let stop = CancellationToken::new();
    rhythm.next(&stop).await.unwrap();
    rhythm.failed(Duration::ZERO, Outlook::MayDiffer);
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::MakeUp));
    tokio::time::sleep(minutes(70)).await; // from 04:05 until 05:15
    rhythm.succeeded();
    assert_eq!(rhythm.next(&stop).await, Some(Occasion::Tick(at("2026-11-22T06:00:00Z"))));
    assert_eq!((rhythm.skipped_overlap(), clock()), (1, at("2026-11-22T06:00:00Z")));
}
