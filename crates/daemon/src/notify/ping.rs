//! Dead-man pings: a monitor outside that notices if nothing comes any more. A ping that fails never fails a run.

mod target;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngCore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::client::{Client, Refusal};
use super::ending::{Ending, Teller};
use crate::database_name::DatabaseName;
use crate::deliveries::Deliveries;
use crate::events::{Event, Subscription};

use target::Signal;

pub(crate) use target::PingTarget;

/// Between the attempts of a ping, of which there is one more.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// Sends pings to one monitor.
#[derive(Debug, Clone)]
pub(super) struct Pinger {
    pub(super) client: Client,
    pub(super) target: PingTarget,
    pub(super) deliveries: Deliveries,
}

/// A run that goes on.
#[derive(Debug)]
struct Run {
    /// A UUID: all pings of a run have the same.
    id: String,
    began: Instant,
}

impl Run {
    fn begin() -> Self {
        Self { id: random_uuid(), began: Instant::now() }
    }
}

impl Pinger {
    /// Sends pings for `events`, until they end. Each has its time, and a later one waits.
    pub(super) async fn follow<D, R>(self, mut events: Subscription<R>, teller: Teller<D, R>) {
        let mut runs: BTreeMap<DatabaseName, Run> = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Event::RunStarted { database, .. } => {
                    let run = Run::begin();
                    self.send(&database, Signal::Started, &run).await;
                    runs.insert(database, run);
                }
                Event::RunEnded { database, report } => {
                    let run = runs.remove(&database).unwrap_or_else(Run::begin);
                    self.end(&database, &(teller.ending)(&report), &run).await;
                }
                // The process that has made a backup pings by itself.
                Event::Remembered { .. }
                | Event::Recovered { .. }
                | Event::Departed { .. }
                | Event::AlarmRaised(_)
                | Event::AlarmResolved { .. } => {}
            }
        }
    }

    async fn end(&self, database: &DatabaseName, ending: &Ending, run: &Run) {
        let took_seconds = run.began.elapsed().as_secs_f64();
        self.send(database, Signal::Ended { ending, took_seconds }, run).await;
    }

    async fn send(&self, database: &DatabaseName, signal: Signal<'_>, run: &Run) {
        let Some(ping) = self.target.ping(database, signal, &run.id) else { return };
        let mut pauses = PAUSES.iter();
        loop {
            let reason = match self.client.ping(ping.method.clone(), &ping.url, &ping.body).await {
                Ok(()) => return self.deliveries.ping_delivered(),
                Err(Refusal::Passing { reason, .. }) => match pauses.next() {
                    Some(pause) => {
                        tokio::time::sleep(*pause).await;
                        continue;
                    }
                    None => reason,
                },
                Err(Refusal::Final { reason }) => reason,
                Err(Refusal::Gone) => "the receiver answered 410".to_owned(),
            };
            self.deliveries.ping_given_up();
            let database = database.name();
            tracing::warn!(database, reason, "a ping could not be delivered");
            return;
        }
    }
}

/// The only run of a process. Its start is told in the background.
#[derive(Debug)]
pub struct SingleRun {
    pinger: Pinger,
    database: DatabaseName,
    started: JoinHandle<Run>,
}

impl SingleRun {
    pub(super) fn begin(pinger: Pinger, database: DatabaseName) -> Self {
        let (own, of) = (pinger.clone(), database.clone());
        let started = tokio::spawn(async move {
            let run = Run::begin();
            own.send(&of, Signal::Started, &run).await;
            run
        });
        Self { pinger, database, started }
    }

    /// Tells how it ended, within `bound`.
    pub(super) async fn end(self, ending: &Ending, bound: Duration) {
        let database = self.database.clone();
        let told = async {
            match self.started.await {
                Ok(run) => self.pinger.end(&self.database, ending, &run).await,
                Err(error) => tracing::error!(%error, "the task that sends a ping has ended"),
            }
        };
        if tokio::time::timeout(bound, told).await.is_err() {
            let (database, reason) = (database.name(), "the process ends");
            tracing::warn!(database, reason, "a ping could not be delivered");
        }
    }
}

/// Version 4 of RFC 9562.
fn random_uuid() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_random_uuid() {
        let (one, other) = (random_uuid(), random_uuid());
        assert!(one != other && one.len() == 36, "{one} {other}");
        assert_eq!((&one[14..15], one.matches('-').count()), ("4", 4));
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]), "{one}");
    }
}
