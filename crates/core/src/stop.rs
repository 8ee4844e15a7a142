//! Stopping is a value, not an error of its own: it enters at the head of a pipeline as a read
//! error and runs down the same pipe as the data.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Why something was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// SIGTERM or SIGINT.
    #[error("stopped by a signal")]
    Signal,
    /// The bound of a run.
    #[error("the run took longer than its bound of {} s ({variable})", .bound.as_secs())]
    Deadline {
        /// The bound.
        bound: Duration,
        /// The variable that sets it.
        variable: &'static str,
    },
    /// A step beside this one failed; its error is the one to show.
    #[error("another step of the run failed")]
    Sibling,
}

/// A request to stop, seen by everyone who holds a clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<Stopped>>,
    parent: Option<Arc<Stop>>,
}

/// A [`Stop`] that also fires when a bound has passed; the bound ends with this value.
pub struct BoundedStop {
    /// The stop to hand on.
    pub stop: Stop,
    _timer: AbortOnDropHandle<()>,
}

impl Stop {
    /// Asks everyone to stop. The first reason stays.
    pub fn trigger(&self, reason: Stopped) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Why to stop, once somebody asked.
    pub fn reason(&self) -> Option<Stopped> {
        let own = self.reason.get().copied();
        own.or_else(|| self.parent.as_ref().and_then(|parent| parent.reason()))
    }

    /// Waits until somebody asks to stop.
    pub async fn stopped(&self) -> Stopped {
        self.token.cancelled().await;
        self.reason().unwrap_or(Stopped::Signal)
    }

    /// The token below, for those who wait for it in their own way.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// A stop that fires with this one, and can be triggered without it.
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), reason: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// A [`Stop::child`] that also fires on its own after `bound`, which `variable` sets.
    pub fn bounded(&self, bound: Duration, variable: &'static str) -> BoundedStop {
        let stop = self.child();
        let timed = stop.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(bound).await;
            timed.trigger(Stopped::Deadline { bound, variable });
        });
        BoundedStop { stop, _timer: AbortOnDropHandle::new(timer) }
    }

    /// Runs `work` unless a stop comes first. For steps that own no child and whose future may be
    /// dropped at any point: questions to the database or the bucket.
    ///
    /// # Errors
    /// [`Stopped`], or what `work` fails with.
    pub async fn or<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.or_after(Duration::ZERO, work).await
    }

    /// As [`Stop::or`], with some time to finish after the stop: for the last requests of a run,
    /// which are worth finishing where the store answers at once.
    ///
    /// # Errors
    /// [`Stopped`], or what `work` fails with.
    pub async fn or_after<T>(
        &self,
        grace: Duration,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let out_of_time = async {
            let reason = self.stopped().await;
            tokio::time::sleep(grace).await;
            reason
        };
        tokio::select! {
            biased;
            outcome = Box::pin(work) => outcome, // Whatever the work is, what waits for it stays small.
            reason = out_of_time => Err(reason.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_of_signal_and_deadline_is_the_reason() {
        let signal = Stop::default();
        let bounded = signal.bounded(Duration::from_secs(5), "BOUND");
        let deadline = Stopped::Deadline { bound: Duration::from_secs(5), variable: "BOUND" };
        assert_eq!(bounded.stop.stopped().await, deadline);
        assert_eq!(signal.reason(), None);

        let bounded = signal.bounded(Duration::from_secs(5), "BOUND");
        signal.trigger(Stopped::Signal);
        assert_eq!(bounded.stop.stopped().await, Stopped::Signal);
    }
}
