//! Stopping is a value, not an error of its own: it enters at the head of a pipeline as a read
//! error and runs down the same pipe as the data.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
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

/// The default of `SHUTDOWN_GRACE_SECONDS`. What ends by itself, at its bound or since a step beside it failed, has as
/// long to end, under every value of the variable: the process goes on.
const DEFAULT_GRACE: Duration = Duration::from_secs(8);

/// A request to stop, seen by everything that holds a clone, and the time by which all of it must have ended.
#[derive(Debug, Clone)]
pub struct Stop {
    token: CancellationToken,
    asked: Arc<OnceLock<Asked>>,
    grace: Duration,
    parent: Option<Arc<Stop>>,
}

/// That a stop was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    reason: Stopped,
    at: Instant,
    grace: Duration,
}

/// How far into the grace after a stop a step may go. These are points in time, not durations: however many steps come
/// one after the other, all of them together end before the grace does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Finishing what is nearly done: the rest of an upload, the commit. 3/8 of the grace.
    Finish,
    /// Taking back what must not stay. 7/8 of the grace, so that the process itself has the rest to end.
    CleanUp,
}

impl Share {
    fn of(self, grace: Duration) -> Duration {
        match self {
            Self::Finish => grace * 3 / 8,
            Self::CleanUp => grace * 7 / 8,
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::with_grace(DEFAULT_GRACE)
    }
}

/// A [`Stop`] that also fires when a bound has passed; the bound ends with this value.
pub struct BoundedStop {
    /// The stop to hand on.
    pub stop: Stop,
    _timer: AbortOnDropHandle<()>,
}

impl Stop {
    /// A stop after whose signal everything has `grace` to end.
    pub fn with_grace(grace: Duration) -> Self {
        Self { token: CancellationToken::new(), asked: Arc::default(), grace, parent: None }
    }

    /// Asks everything to stop. The first reason stays.
    pub fn trigger(&self, reason: Stopped) {
        let grace = match reason {
            Stopped::Signal => self.grace,
            Stopped::Deadline { .. } | Stopped::Sibling => DEFAULT_GRACE,
        };
        self.asked.get_or_init(|| Asked { reason, at: Instant::now(), grace });
        self.token.cancel();
    }

    /// Why to stop, once that was asked for: the first reason of this stop and of those above it. A step that ends
    /// because of a signal ends the steps beside it, which does not make it their reason.
    pub fn reason(&self) -> Option<Stopped> {
        self.asked().map(|asked| asked.reason)
    }

    fn asked(&self) -> Option<Asked> {
        let above = self.parent.as_ref().and_then(|parent| parent.asked());
        above.into_iter().chain(self.asked.get().copied()).min_by_key(|asked| asked.at)
    }

    /// What is left of a share of the grace; `None` while no stop was asked for.
    pub fn remaining(&self, share: Share) -> Option<Duration> {
        let own = self.asked.get().map(|asked| share.of(asked.grace).saturating_sub(asked.at.elapsed()));
        let inherited = self.parent.as_ref().and_then(|parent| parent.remaining(share));
        own.into_iter().chain(inherited).min()
    }

    /// How long a step may take now that takes `longest` at most: after a stop, no longer than a share of the grace.
    pub fn limit(&self, share: Share, longest: Duration) -> Duration {
        self.remaining(share).map_or(longest, |remaining| remaining.min(longest))
    }

    /// Waits until a stop is asked for.
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
        let (token, parent) = (self.token.child_token(), Some(Arc::new(self.clone())));
        Self { token, asked: Arc::default(), grace: self.grace, parent }
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
        tokio::select! {
            biased;
            outcome = Box::pin(work) => outcome, // However large the work is, what waits for it stays small.
            reason = self.stopped() => Err(reason.into()),
        }
    }

    /// As [`Stop::or`], with a share of the grace to finish after the stop: for the last requests of a run, which are
    /// worth finishing if the store answers at once.
    ///
    /// # Errors
    /// [`Stopped`], or what `work` fails with.
    pub async fn or_within<T>(&self, share: Share, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let out_of_time = async {
            let reason = self.stopped().await;
            tokio::time::sleep(self.remaining(share).unwrap_or_default()).await;
            reason
        };
        tokio::select! {
            biased;
            outcome = Box::pin(work) => outcome,
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

    #[tokio::test(start_paused = true)]
    async fn a_step_that_a_stop_has_ended_is_not_the_reason_of_those_beside_it() {
        let run = Stop::default();
        let steps = run.child();
        run.trigger(Stopped::Signal);
        steps.trigger(Stopped::Sibling);
        assert_eq!(steps.reason(), Some(Stopped::Signal));
        let run = Stop::default();
        let steps = run.child();
        steps.trigger(Stopped::Sibling);
        tokio::time::advance(Duration::from_millis(1)).await;
        run.trigger(Stopped::Signal);
        assert_eq!((steps.reason(), run.reason()), (Some(Stopped::Sibling), Some(Stopped::Signal)));
    }

    /// Every wait that a run can have after a stop, one after the other, none of which comes to its end by itself.
    async fn end_slowly(stop: &Stop) {
        for _ in 0..4 {
            let hangs = stop.or_within(Share::Finish, std::future::pending::<anyhow::Result<()>>()).await;
            assert!(hangs.is_err());
        }
        for longest in [2, 2, 3, 5] {
            tokio::time::sleep(stop.limit(Share::CleanUp, Duration::from_secs(longest))).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_after_a_stop_together_end_before_the_grace() {
        for grace in [0, 1, 8, 60] {
            let grace = Duration::from_secs(grace);
            let stop = Stop::with_grace(grace);
            let bounded = stop.bounded(Duration::from_secs(3600), "BOUND");
            let run = bounded.stop.child();
            assert_eq!(run.remaining(Share::Finish), None);
            assert_eq!(run.limit(Share::CleanUp, Duration::from_secs(2)), Duration::from_secs(2), "nothing was asked");
            let began = Instant::now();
            stop.trigger(Stopped::Signal);
            run.trigger(Stopped::Sibling); // Which gives no further time.
            end_slowly(&run).await;
            assert!(began.elapsed() <= grace, "{:?} of {grace:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_reaches_its_bound_has_time_to_clean_up_whatever_the_grace_is() {
        let stop = Stop::with_grace(Duration::ZERO);
        let bounded = stop.bounded(Duration::from_secs(5), "BOUND");
        bounded.stop.stopped().await;
        assert_eq!(bounded.stop.remaining(Share::CleanUp), Some(Duration::from_secs(7)));
        assert_eq!(stop.remaining(Share::CleanUp), None, "the process goes on");
        stop.trigger(Stopped::Signal);
        assert_eq!(bounded.stop.remaining(Share::CleanUp), Some(Duration::ZERO));
    }
}
