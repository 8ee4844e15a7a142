//! The loop of one database: one run at a time, on schedule, with a missed one caught up after a start.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backup_core::stop::Stop;
use chrono::{DateTime, Utc};
use rand::Rng;

use crate::database_name::DatabaseName;
use crate::events::{Event, Events};
use crate::heartbeat::{HEARTBEAT_PAUSE, Heartbeat};
use crate::patience::sleep;
use crate::schedule::{MakeUp, Occasion, Outlook, Rhythm, Schedule, Ticker};
use crate::state::{Activity, DatabaseState, State};

/// How the loop of a database begins, decided from what the bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The last run that the schedule counts from; `None`: there was none.
    pub last_run: Option<DateTime<Utc>>,
    /// What happens before the first tick.
    pub first: First,
}

/// What happens before the first tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// A run.
    Now,
    /// A run, and not before this time.
    PutOff(DateTime<Utc>),
    /// Nothing.
    AtATick,
}

/// How a run ended, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing to make up for.
    Done,
    /// It may be tried again before the next tick.
    Failed {
        /// How long it took, so that the pause is at least as long.
        took: Duration,
        /// Whether another try may help.
        outlook: Outlook,
    },
    /// A stop was asked for.
    Stopped,
}

/// What the loop of a database goes by.
pub struct Cycle<'run, D, R> {
    /// Whose loop it is.
    pub database: &'run DatabaseName,
    /// What it keeps up to date.
    pub state: &'run State<D>,
    /// What it tells.
    pub events: &'run Events<R>,
    /// When it runs.
    pub schedule: &'run Schedule,
    /// When it makes up for a run that failed.
    pub make_up: &'run MakeUp,
    /// The first run waits at most so long, so that services that were started together do not all run at once.
    pub max_jitter: Duration,
    /// How old the newest result may be now.
    pub max_age: &'run (dyn Fn(&D) -> Duration + Sync),
    /// What ends it.
    pub stop: &'run Stop,
}

impl<D: Clone, R> Cycle<'_, D, R> {
    /// Runs `job` again and again until the stop. `prepare` looks at the bucket first and decides how to begin; `None`
    /// means that a stop came first.
    pub async fn keep(
        &self,
        prepare: impl AsyncFnOnce() -> Option<Start>,
        job: impl AsyncFnMut(Occasion) -> (R, Ended),
    ) {
        // In the same task: if a run blocks it, the heartbeat stops, too.
        tokio::select! {
            () = Box::pin(self.keep_running(prepare, job)) => {}
            never = self.beat() => match never {},
        }
    }

    async fn keep_running(
        &self,
        prepare: impl AsyncFnOnce() -> Option<Start>,
        mut job: impl AsyncFnMut(Occasion) -> (R, Ended),
    ) {
        let Some(start) = Box::pin(prepare()).await else { return };
        // A run that begins now is the one that the schedule counts from.
        let last_run = if start.first == First::AtATick { start.last_run } else { Some(Utc::now()) };
        let mut rhythm = Rhythm::new(Ticker::new(self.schedule.clone(), last_run), self.make_up.clone());
        match start.first {
            First::Now if self.jitter().await => self.run(&mut rhythm, Occasion::Tick(Utc::now()), &mut job).await,
            First::PutOff(until) => rhythm.put_off_until(until),
            First::Now | First::AtATick => {}
        }
        loop {
            self.change(|state| {
                state.activity = Activity::Waiting;
                state.next_run_at = rhythm.upcoming();
                // Again, since daylight saving moves it.
                state.max_age_seconds = (self.max_age)(&state.own).as_secs();
                state.interval_seconds = self.schedule.longest_gap_seconds(Utc::now());
            });
            let Some(occasion) = rhythm.next(self.stop.token()).await else { return };
            tracing::debug!(?occasion, "the next run is due");
            self.change(|state| state.skipped_overlapping_runs = rhythm.skipped_overlap());
            self.run(&mut rhythm, occasion, &mut job).await;
        }
    }

    async fn run(&self, rhythm: &mut Rhythm, occasion: Occasion, job: &mut impl AsyncFnMut(Occasion) -> (R, Ended)) {
        let at = Utc::now();
        self.change(|state| (state.activity, state.run_started_at) = (Activity::Running, Some(at)));
        self.events.send(Event::RunStarted { database: self.database.clone(), at });
        let (report, ended) = Box::pin(job(occasion)).await;
        match ended {
            Ended::Done => rhythm.succeeded(),
            Ended::Stopped => {}
            Ended::Failed { took, outlook } => {
                rhythm.failed(took, outlook);
                let next_run_at = rhythm.upcoming().map(|at| at.to_rfc3339());
                match outlook {
                    Outlook::MayDiffer => tracing::info!(next_run_at, "the next run follows"),
                    Outlook::Same => tracing::info!(
                        next_run_at,
                        "this is not tried again before the next tick: it would fail in the same way"
                    ),
                }
            }
        }
        self.events.send(Event::RunEnded { database: self.database.clone(), report: Arc::new(report) });
    }

    /// Shows again and again that this loop lives.
    async fn beat(&self) -> Infallible {
        loop {
            self.change(|state| state.heartbeat = Heartbeat::now());
            tokio::time::sleep(HEARTBEAT_PAUSE).await;
        }
    }

    /// False if a stop came first.
    async fn jitter(&self) -> bool {
        sleep(self.stop, self.max_jitter.mul_f64(rand::rng().random_range(0.0..=1.0))).await
    }

    fn change(&self, change: impl FnOnce(&mut DatabaseState<D>)) {
        self.state.change(self.database, change);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use backup_core::stop::Stopped;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Keeps a loop of one run an hour that begins as `first` says, whose runs end as `ends` say, and stops after
    /// them; on what occasions it ran, and the events.
    async fn kept(first: First, make_up: &str, ends: &[Ended]) -> (Vec<&'static str>, Vec<&'static str>) {
        let database = DatabaseName::from("app");
        let own = DatabaseState::new("hourly".to_owned(), HOUR, Utc::now(), ());
        let (state, events, stop) = (State::new([(database.clone(), own)]), Events::default(), Stop::default());
        let mut subscription = events.subscribe("test");
        let schedule = Schedule::interval(HOUR.as_secs()).unwrap();
        let make_up = MakeUp::parse(make_up).unwrap();
        let cycle = Cycle {
            database: &database,
            state: &state,
            events: &events,
            schedule: &schedule,
            make_up: &make_up,
            max_jitter: Duration::ZERO,
            max_age: &|()| 2 * HOUR,
            stop: &stop,
        };
        let (ends, occasions) = (RefCell::new(ends.iter()), RefCell::new(Vec::new()));
        let prepare = async || Some(Start { last_run: None, first });
        let job = async |occasion| {
            assert_eq!(state.copy()[&database].activity, Activity::Running);
            occasions.borrow_mut().push(match occasion {
                Occasion::Tick(_) => "tick",
                Occasion::MakeUp => "make up",
            });
            let ended = ends.borrow_mut().next().copied().unwrap_or(Ended::Stopped);
            if ends.borrow().len() == 0 {
                stop.trigger(Stopped::Signal);
            }
            ((), ended)
        };
        cycle.keep(prepare, job).await;
        assert_eq!(state.copy()[&database].max_age_seconds, 7200);
        drop(events);
        let mut told = Vec::new();
        while let Some(event) = subscription.next().await {
            told.push(match event {
                Event::RunStarted { .. } => "started",
                Event::RunEnded { .. } => "ended",
                Event::AlarmRaised(_) | Event::AlarmResolved { .. } => "alarm",
            });
        }
        (occasions.into_inner(), told)
    }

    /// A run that is put off or made up for waits by the monotonic clock, which only a test can set.
    #[tokio::test(start_paused = true)]
    async fn the_first_run_is_where_it_was_put_and_failed_ones_are_made_up_for() {
        let failed = Ended::Failed { took: Duration::ZERO, outlook: Outlook::MayDiffer };
        let (occasions, told) = kept(First::Now, "1", &[failed, failed, Ended::Done]).await;
        assert_eq!(occasions, ["tick", "make up", "make up"]);
        assert_eq!(told, ["started", "ended"].repeat(3));
        let later = Utc::now() + chrono::TimeDelta::seconds(20);
        assert_eq!(kept(First::PutOff(later), "off", &[Ended::Done]).await.0, ["make up"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_shows_that_it_lives_however_long_its_runs_take() {
        let database = DatabaseName::from("app");
        let own = DatabaseState::new("hourly".to_owned(), HOUR, Utc::now(), ());
        let (state, events, stop) = (State::new([(database.clone(), own)]), Events::<()>::default(), Stop::default());
        let schedule = Schedule::interval(HOUR.as_secs()).unwrap();
        let cycle = Cycle {
            database: &database,
            state: &state,
            events: &events,
            schedule: &schedule,
            make_up: &MakeUp::default(),
            max_jitter: Duration::ZERO,
            max_age: &|()| HOUR,
            stop: &stop,
        };
        let prepare = async || {
            tokio::time::sleep(HOUR).await;
            assert!(state.is_alive(), "while the bucket does not answer");
            Some(Start { last_run: None, first: First::Now })
        };
        let job = async |_| {
            let started_at = state.copy()[&database].run_started_at;
            assert!(started_at.is_some_and(|at| at <= Utc::now()));
            tokio::time::sleep(HOUR).await;
            assert!(state.is_alive());
            stop.trigger(Stopped::Signal);
            ((), Ended::Stopped)
        };
        cycle.keep(prepare, job).await;
        assert_eq!(state.copy()[&database].interval_seconds, HOUR.as_secs());
        tokio::time::advance(Duration::from_secs(121)).await;
        assert!(!state.is_alive(), "a loop that has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_before_the_first_look_ends_the_loop() {
        let database = DatabaseName::from("app");
        let own = DatabaseState::new("hourly".to_owned(), HOUR, Utc::now(), ());
        let (state, events, stop) = (State::new([(database.clone(), own)]), Events::<()>::default(), Stop::default());
        let schedule = Schedule::interval(HOUR.as_secs()).unwrap();
        let cycle = Cycle {
            database: &database,
            state: &state,
            events: &events,
            schedule: &schedule,
            make_up: &MakeUp::default(),
            max_jitter: Duration::ZERO,
            max_age: &|()| HOUR,
            stop: &stop,
        };
        cycle.keep(async || None, async |_| unreachable!("nothing runs")).await;
        assert_eq!(state.copy()[&database].activity, Activity::Starting);
    }
}
