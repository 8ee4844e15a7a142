//! The loop of a process that makes no runs: it looks at the bucket again and again.

use std::time::Duration;

use backup_core::stop::Stop;

use crate::heartbeat::HEARTBEAT_PAUSE;
use crate::state::State;
use crate::watchdog::Pulse;

/// Looks until the stop. `look` returns the time to wait until the next one.
pub async fn watch<D: Clone>(state: &State<D>, stop: &Stop, look: impl AsyncFn() -> Duration) {
    // What the watchdog has looked at since the start, also if its database has given way to others.
    let pulses = state.pulses();
    let looking = async {
        loop {
            let pause = look().await;
            tokio::time::sleep(pause).await;
        }
    };
    let beating = async {
        loop {
            state.beat();
            pulses.iter().for_each(Pulse::beat);
            tokio::time::sleep(HEARTBEAT_PAUSE).await;
        }
    };
    // In one task: if a look blocks it, the heartbeat stops, too. A look only reads, so that a stop may drop it.
    tokio::select! {
        _ = stop.stopped() => {}
        () = beating => {}
        () = Box::pin(looking) => {}
    }
    pulses.iter().for_each(Pulse::end);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use backup_core::stop::Stopped;
    use chrono::Utc;

    use super::*;
    use crate::database_name::DatabaseName;
    use crate::state::DatabaseState;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_process_without_runs_looks_until_the_stop_and_shows_that_it_lives() {
        let one = || DatabaseState::new("looks".to_owned(), HOUR, Utc::now(), ());
        let (state, stop) = (State::new([(DatabaseName::unknown(), one())]), Stop::default());
        let looks = Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            assert!(state.is_alive(), "however long a look takes");
            tokio::time::sleep(HOUR).await;
            match looks.get() {
                // A database that has appeared is one of those that live.
                1 => {
                    state.add(DatabaseName::from("app"), one());
                    state.remove(&DatabaseName::unknown());
                }
                3 => stop.trigger(Stopped::Signal),
                _ => {}
            }
            HOUR
        };
        watch(&state, &stop, look).await;
        assert_eq!(looks.get(), 3);
        tokio::time::advance(Duration::from_secs(121)).await;
        assert!(!state.is_alive());
    }
}
