//! Runs of several databases: so many at once, and of those that wait, the most urgent first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backup_core::stop::Stop;
use futures_util::FutureExt;
use tokio::sync::{Notify, oneshot};

use crate::database_name::DatabaseName;
use crate::state::{DatabaseState, State};

/// Databases that become due at the same tick do not come at the same instant; this is how long a turn waits for a more
/// urgent one.
const GATHERING: Duration = Duration::from_millis(200);

/// How urgent a run of a database is; the highest goes first.
type Urgency<D> = fn(&DatabaseState<D>) -> f64;

/// The turns of all databases of a process.
pub struct Turns<D> {
    queue: Arc<Mutex<Queue>>,
    urgency: Urgency<D>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    urgency: f64,
    turn: oneshot::Sender<Turn>,
}

/// That a database may run now. The next one may when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Mutex<Queue>>);

impl<D: Clone> Turns<D> {
    /// So many `at_once`, at least one.
    pub fn new(at_once: usize, urgency: Urgency<D>) -> Self {
        Self { queue: Arc::new(Mutex::new(Queue { free: at_once.max(1), waiting: Vec::new() })), urgency }
    }

    /// Waits for the turn of a database, unless `turns` says that there is no other one; `None` if a stop came first. What
    /// `news` have asked for meanwhile, its run does.
    pub(crate) async fn wait(
        turns: Option<&Self>,
        (state, database): (&State<D>, &DatabaseName),
        news: &Notify,
        stop: &Stop,
    ) -> Option<Option<Turn>> {
        let Some(turns) = turns else { return Some(None) };
        let turn = tokio::select! {
            biased;
            _ = stop.stopped() => return None,
            turn = turns.take(state, database) => turn,
        };
        if news.notified().now_or_never().is_some() {
            tracing::debug!("a run was asked for while this one waited for its turn");
        }
        Some(Some(turn))
    }

    /// Waits until it is the turn of `database`. To be dropped if it no longer wants one.
    async fn take(&self, state: &State<D>, database: &DatabaseName) -> Turn {
        let urgency = state.see(database, self.urgency).unwrap_or_default();
        loop {
            let (turn, granted) = oneshot::channel();
            lock(&self.queue).waiting.push(Waiting { urgency, turn });
            tokio::time::sleep(GATHERING).await;
            grant(&self.queue);
            if let Ok(turn) = granted.await {
                return turn;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.0).free += 1;
        grant(&self.0);
    }
}

/// Gives free turns to the most urgent of those that wait.
fn grant(queue: &Arc<Mutex<Queue>>) {
    loop {
        let next = {
            let mut queue = lock(queue);
            queue.waiting.retain(|waiting| !waiting.turn.is_closed());
            let order = |one: &Waiting, other: &Waiting| one.urgency.total_cmp(&other.urgency);
            // Of equals the one that has come first.
            let positions = queue.waiting.iter().enumerate().rev();
            let next = positions.max_by(|(_, one), (_, other)| order(one, other)).map(|(position, _)| position);
            let Some(next) = next.filter(|_| queue.free > 0) else { return };
            queue.free -= 1;
            queue.waiting.remove(next)
        };
        // One that is not taken any more is dropped here, and so is free again.
        drop(next.turn.send(Turn(Arc::clone(queue))));
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // These are plain values, so a panic elsewhere cannot have left them half changed.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use chrono::Utc;
    use futures_util::future::join_all;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn state(names: &[(&str, f64)]) -> State<f64> {
        let of = |(name, urgency): &(&str, f64)| {
            (DatabaseName::from(*name), DatabaseState::new(String::new(), HOUR, Utc::now(), *urgency))
        };
        State::new(names.iter().map(of))
    }

    /// The order in which these run, all of which come at once, and the most that ran together.
    async fn order(at_once: usize, names: &[(&str, f64)]) -> (Vec<String>, usize) {
        let (state, turns) = (state(names), Turns::new(at_once, |state: &DatabaseState<f64>| state.own));
        let (order, running, most) = (RefCell::new(Vec::new()), Cell::new(0), Cell::new(0));
        let run = async |name: &str| {
            let _turn = turns.take(&state, &DatabaseName::from(name)).await;
            order.borrow_mut().push(name.to_owned());
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(HOUR).await;
            running.set(running.get() - 1);
        };
        join_all(names.iter().map(|(name, _)| run(name))).await;
        (order.into_inner(), most.get())
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_urgent_goes_first_and_so_many_at_once() {
        let names = [("a", 1.0), ("b", 3.0), ("c", 2.0), ("d", 2.0)];
        assert_eq!(order(1, &names).await, (["b", "c", "d", "a"].map(str::to_owned).to_vec(), 1));
        assert_eq!(order(3, &names).await, (["b", "c", "d", "a"].map(str::to_owned).to_vec(), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_while_a_run_waited_is_done_by_it() {
        let (state, database, news, stop) =
            (state(&[("a", 1.0)]), DatabaseName::from("a"), Notify::new(), Stop::default());
        let turns = Turns::new(1, |state: &DatabaseState<f64>| state.own);
        let held = turns.take(&state, &database).await;
        let waiting = Turns::wait(Some(&turns), (&state, &database), &news, &stop);
        let meanwhile = async {
            news.notify_one();
            tokio::time::sleep(HOUR).await;
            drop(held);
        };
        let (turn, ()) = tokio::join!(waiting, meanwhile);
        assert!(turn.is_some() && news.notified().now_or_never().is_none());
        stop.trigger(backup_core::stop::Stopped::Signal);
        assert!(Turns::wait(Some(&turns), (&state, &database), &news, &stop).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_no_longer_holds_no_other_up() {
        let state = state(&[("a", 1.0), ("b", 9.0)]);
        let turns = Turns::new(1, |state: &DatabaseState<f64>| state.own);
        let held = turns.take(&state, &DatabaseName::from("a")).await;
        let b = DatabaseName::from("b");
        assert!(tokio::time::timeout(HOUR, turns.take(&state, &b)).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(HOUR, turns.take(&state, &DatabaseName::from("a"))).await.is_ok());
    }
}
