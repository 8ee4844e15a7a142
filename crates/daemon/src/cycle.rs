//! The loop of one database: one run at a time, on schedule, with a missed one caught up after a start.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backup_core::repository::Kind;
use backup_core::stop::Stop;
use chrono::{DateTime, Utc};
use rand::Rng;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::database_name::DatabaseName;
use crate::events::{Event, Events};
use crate::heartbeat::{HEARTBEAT_PAUSE, Heartbeat};
use crate::patience::sleep;
use crate::schedule::{MakeUp, Occasion, Outlook, Rhythm, Schedule, Ticker};
use crate::state::{Activity, DatabaseState, State};
use crate::turns::{Turn, Turns};

/// How long a database may wait for its turn and still count as one that is just starting.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

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
    /// A run that makes up for one that had failed before the restart.
    Again,
    /// A run, and not before this time, unless another one that has begun makes a backup of this kind until then.
    PutOff(DateTime<Utc>, Kind),
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
    /// The time between two looks at the bucket.
    pub poll_interval: Duration,
    /// Asks for a run at once, unless one is going on: then after it.
    pub news: &'run Notify,
    /// How old the newest result may be now.
    pub max_age: &'run (dyn Fn(&D) -> Duration + Sync),
    /// What a run waits for if it is not the only database.
    pub turns: Option<&'run Turns<D>>,
    /// What ends it.
    pub stop: &'run Stop,
}

impl<D: Clone, R> Cycle<'_, D, R> {
    /// Runs `job` again and again until the stop. `prepare` looks at the bucket first and decides how to begin; `None`
    /// means that a stop came first. From then on `look` looks at it in each poll interval, during a run, too.
    pub async fn keep(
        &self,
        prepare: impl AsyncFnOnce() -> Option<Start>,
        look: impl AsyncFn(),
        job: impl AsyncFnMut(Occasion) -> (R, Ended),
    ) {
        // In the same task: if a run blocks it, the heartbeat stops, too.
        let keeping = async {
            tokio::select! {
                () = Box::pin(self.keep_running(prepare, &look, job)) => {}
                never = self.beat() => match never {},
                never = Box::pin(self.poll(&look)) => match never {},
            }
        };
        keeping.instrument(self.database.span()).await;
        self.change(|state| {
            state.run_request.close();
            state.pulse.end();
        });
    }

    async fn poll(&self, look: &impl AsyncFn()) -> Infallible {
        loop {
            tokio::time::sleep(self.poll_interval).await;
            if !self.state.is_starting(self.database) {
                look().await;
            }
        }
    }

    async fn keep_running(
        &self,
        prepare: impl AsyncFnOnce() -> Option<Start>,
        look: &impl AsyncFn(),
        mut job: impl AsyncFnMut(Occasion) -> (R, Ended),
    ) {
        let Some(start) = Box::pin(prepare()).await else { return };
        let request = self.state.run_request(self.database);
        // A run that begins now is the one that the schedule counts from.
        let last_run = if start.first == First::AtATick { start.last_run } else { Some(Utc::now()) };
        let mut put_off = if let First::PutOff(_, kind) = start.first { Some(kind) } else { None };
        let mut rhythm = Rhythm::new(Ticker::new(self.schedule.clone(), last_run), self.make_up.clone());
        match start.first {
            First::Now if self.jitter().await => self.run(&mut rhythm, Occasion::Tick(Utc::now()), &mut job).await,
            First::Again if self.jitter().await => self.run(&mut rhythm, Occasion::MakeUp, &mut job).await,
            First::PutOff(until, _) => rhythm.put_off_until(until),
            First::Now | First::Again | First::AtATick => {}
        }
        loop {
            self.change(|state| {
                state.activity = Activity::Waiting;
                (state.next_run_at, state.next_tick_at) = (rhythm.upcoming(), rhythm.next_tick());
                // Again, since daylight saving moves it.
                state.max_age_seconds = (self.max_age)(&state.own).as_secs();
                state.interval_seconds = self.schedule.longest_gap_seconds(Utc::now());
                state.run_request.open();
            });
            let occasion = tokio::select! {
                biased;
                occasion = rhythm.next(self.stop.token()) => occasion,
                () = self.news.notified() => Some(Occasion::News),
                () = request.made() => Some(Occasion::Tick(Utc::now())),
            };
            let Some(occasion) = occasion else { return };
            let waited_for = put_off.take().filter(|_| occasion == Occasion::MakeUp);
            if waited_for.is_some() {
                look().await;
            }
            if waited_for.is_some_and(|kind| self.newest(kind) > start.last_run) {
                tracing::info!("no run: the one that began before has made a backup");
                continue;
            }
            tracing::debug!(?occasion, "the next run is due");
            self.change(|state| state.skipped_overlapping_runs = rhythm.skipped_overlap());
            self.run(&mut rhythm, occasion, &mut job).await;
        }
    }

    fn newest(&self, kind: Kind) -> Option<DateTime<Utc>> {
        self.state.copy().remove(self.database)?.listing?.kept(kind).newest
    }

    /// Waits for the turn of this database, which may take hours: then it is no longer one that was not looked at yet.
    async fn turn(&self) -> Option<Option<Turn>> {
        let turn = Turns::wait(self.turns, (self.state, self.database), self.news, self.stop);
        let mut turn = std::pin::pin!(turn);
        match tokio::time::timeout(TURN_PATIENCE, &mut turn).await {
            Ok(turn) => turn,
            Err(_) => {
                self.state.leave_start(self.database);
                self.change(|state| state.awaits_turn = true);
                turn.await
            }
        }
    }

    async fn run(&self, rhythm: &mut Rhythm, occasion: Occasion, job: &mut impl AsyncFnMut(Occasion) -> (R, Ended)) {
        let Some(_turn) = self.turn().await else { return };
        let at = Utc::now();
        self.change(|state| {
            (state.activity, state.run_started_at) = (Activity::Running, Some(at));
            state.awaits_turn = false;
            state.run_request.close();
        });
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
            self.change(|state| {
                state.heartbeat = Heartbeat::now();
                state.pulse.beat();
            });
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
mod tests;
