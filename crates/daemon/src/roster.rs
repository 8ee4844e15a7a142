//! The databases of a service that come and go, each with a loop of its own, all in one task.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;

use backup_core::stop::{Stop, Stopped};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::database_name::DatabaseName;
use crate::heartbeat::{HEARTBEAT_PAUSE, Heartbeat};
use crate::state::{DatabaseState, State};
use crate::watchdog::Pulse;

/// The databases that have a loop.
pub struct Roster<'run, D, T> {
    state: &'run State<D>,
    stop: &'run Stop,
    /// Ends the loop of each.
    members: BTreeMap<DatabaseName, Stop>,
    /// What is known as long as there is no database.
    nameless: DatabaseState<D>,
    came: mpsc::Sender<(T, Stop)>,
}

impl<D: Clone, T> Roster<'_, D, T> {
    /// Whether there is a loop for `database`.
    pub fn has(&self, database: &DatabaseName) -> bool {
        self.members.contains_key(database)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Begins the loop of a database that has come.
    pub async fn add(&mut self, database: DatabaseName, state: DatabaseState<D>, target: T) {
        let stop = self.stop.child();
        self.state.add(database.clone(), state);
        let unknown = DatabaseName::unknown();
        if self.members.is_empty() && database != unknown {
            self.state.remove(&unknown);
        }
        self.members.insert(database, stop.clone());
        if self.came.send((target, stop)).await.is_err() {
            tracing::debug!("the loops have come to their end");
        }
    }

    /// Ends the loops of databases that `keeps` does not want. If none is left, that is a state, too.
    pub fn retain(&mut self, keeps: impl Fn(&DatabaseName) -> bool) {
        let gone: Vec<DatabaseName> = self.members.keys().filter(|name| !keeps(name)).cloned().collect();
        if !gone.is_empty() && gone.len() == self.members.len() {
            let nameless = DatabaseState { heartbeat: Heartbeat::now(), ..self.nameless.clone() };
            self.state.add(DatabaseName::unknown(), nameless);
        }
        for name in gone {
            if let Some(stop) = self.members.remove(&name) {
                stop.trigger(Stopped::Sibling);
            }
            self.state.remove(&name);
        }
    }
}

impl<D, T> fmt::Debug for Roster<'_, D, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Roster").field("members", &self.members.keys()).finish_non_exhaustive()
    }
}

/// Keeps a loop for each database that `call` adds to the roster, until all of them have ended, and `call`, too.
///
/// As long as there is none, `state` has one database without a name, `nameless`, which this looks after.
pub async fn keep_all<D: Clone, T>(
    (state, nameless): (&State<D>, DatabaseState<D>),
    stop: &Stop,
    call: impl AsyncFnOnce(Roster<'_, D, T>),
    keep: impl AsyncFn(T, Stop),
) {
    let (came, mut coming) = mpsc::channel(1);
    let unknown = DatabaseName::unknown();
    // What the watchdog has looked at since the start.
    let pulse = state.get(&unknown).map(|state| state.pulse).unwrap_or_default();
    let roster = Roster { state, stop, members: BTreeMap::new(), nameless, came };
    let loops = async {
        let mut loops = FuturesUnordered::new();
        loop {
            tokio::select! {
                come = coming.recv() => match come {
                    Some((target, stop)) => loops.push(Box::pin(keep(target, stop))),
                    None => break,
                },
                Some(()) = loops.next() => {}
            }
        }
        while loops.next().await.is_some() {}
    };
    // All loops are in this task, so that one that blocks stops this heartbeat, too.
    tokio::select! {
        _ = async { tokio::join!(Box::pin(call(roster)), loops) } => {}
        never = beat(state, &unknown, &pulse) => match never {},
    }
    pulse.end();
}

async fn beat<D: Clone>(state: &State<D>, database: &DatabaseName, pulse: &Pulse) -> Infallible {
    loop {
        state.change(database, |state| state.heartbeat = Heartbeat::now());
        pulse.beat();
        tokio::time::sleep(HEARTBEAT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use chrono::Utc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn own() -> DatabaseState<()> {
        DatabaseState::new(String::new(), HOUR, Utc::now(), ())
    }

    #[tokio::test(start_paused = true)]
    async fn databases_come_and_go_each_with_a_loop_and_a_state() {
        let (state, stop) = (State::new([(DatabaseName::unknown(), own())]), Stop::default());
        let ended = RefCell::new(Vec::new());
        let names = || state.copy().into_keys().filter_map(|name| name.name().map(str::to_owned)).collect::<Vec<_>>();
        let call = async |mut roster: Roster<'_, (), &'static str>| {
            tokio::time::sleep(HOUR).await;
            assert!(state.is_alive(), "without any database");
            assert!(roster.is_empty() && state.copy().contains_key(&DatabaseName::unknown()));
            for name in ["app", "crm"] {
                roster.add(DatabaseName::from(name), own(), name).await;
            }
            assert!(!state.copy().contains_key(&DatabaseName::unknown()));
            assert_eq!(names(), ["app", "crm"]);
            roster.retain(|name| name.name() != Some("app"));
            tokio::time::sleep(HOUR).await;
            assert!(state.is_alive());
            assert_eq!((names(), ended.borrow().clone()), (vec!["crm".to_owned()], vec!["app"]));
            assert!(roster.has(&DatabaseName::from("crm")) && !roster.has(&DatabaseName::from("app")));
            roster.retain(|_| false);
            assert!(roster.is_empty() && state.copy().contains_key(&DatabaseName::unknown()));
            roster.add(DatabaseName::unknown(), own(), "nameless").await;
            assert!(state.copy().contains_key(&DatabaseName::unknown()));
            stop.trigger(Stopped::Signal);
        };
        let keep = async |name, stop: Stop| {
            let beat = async {
                loop {
                    state.change(&DatabaseName::from(name), |state| state.heartbeat = Heartbeat::now());
                    tokio::time::sleep(HEARTBEAT_PAUSE).await;
                }
            };
            tokio::select! { _ = stop.stopped() => {}, () = beat => {} }
            ended.borrow_mut().push(name);
        };
        keep_all((&state, own()), &stop, call, keep).await;
        assert_eq!(ended.into_inner(), ["app", "crm", "nameless"]);
    }
}
