//! Messages to people: what is wrong, what is still safe, and what to do.

mod address;
mod channel;
mod client;
mod config;
mod courier;
mod ending;
mod format;
mod incident;
mod joined;
mod links;
mod mail;
mod message;
mod ping;
mod queue;
mod summary;
mod tell;
mod when;

#[cfg(test)]
mod restart_tests;

use std::time::Duration;

use backup_core::scrub::Scrubber;
use backup_core::text::print_line;
use chrono::Utc;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::database_name::DatabaseName;
use crate::events::Events;
use crate::exit;
use crate::journal::Journal;
use crate::state::State;

use channel::Format;
use client::{Client, Refusal};
use courier::{Courier, message_id};
use ping::Pinger;
use queue::Outbox;
use summary::Summary;

pub use config::{MESSAGE_VARIABLES, NotifyConfig};
pub use ending::{Ending, RunOutcome, Teller};
pub use mail::MAIL_VARIABLES;
pub use message::{Dated, Safe};
pub use ping::SingleRun;

/// How long the end of a single run waits for its messages.
const SINGLE_RUN_BOUND: Duration = Duration::from_secs(30);

/// How long the end of a daemon does, which a signal has asked for.
const DAEMON_BOUND: Duration = Duration::from_secs(3);

/// What tells people in a process.
#[derive(Debug, Clone, Copy)]
pub struct Notifier<'config> {
    /// `backup` or `verify`.
    pub service: &'static str,
    /// Where messages go.
    pub config: &'config NotifyConfig,
    /// What nothing may show.
    pub scrubber: &'config Scrubber,
}

/// How the test message to one channel went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelTest {
    /// The channel, without its address.
    pub channel: String,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// What the receiver did, in words.
    pub detail: String,
}

/// Logs that a stop came before everything was told of a single run.
pub fn given_up(error: anyhow::Error) {
    tracing::debug!(reason = format!("{error:#}"), "a stop came before everything was told");
}

/// Messages and pings of a daemon while it runs.
pub(crate) struct Telling {
    messages: Option<JoinHandle<Outbox>>,
    pings: Option<JoinHandle<()>>,
}

impl Notifier<'_> {
    /// Sends messages and pings about `events` in the background. What cannot be delivered becomes part of `state`.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub(crate) fn start<D, R>(
        &self,
        state: &State<D>,
        events: &Events<R>,
        (teller, journal): (Teller<D, R>, &Journal),
    ) -> anyhow::Result<Telling>
    where
        D: Clone + Send + 'static,
        R: Send + Sync + 'static,
    {
        let pings = self.pinger()?.map(|pinger| tokio::spawn(pinger.follow(events.subscribe("pings"), teller)));
        if !self.config.is_used() {
            return Ok(Telling { messages: None, pings });
        }
        let events = events.subscribe("messages");
        let outbox = self.outbox()?;
        state.watch_deliveries(self.config.deliveries());
        let speaker = self.config.speaker(self.service, self.scrubber);
        let summary = self.config.summary.clone().map(|schedule| Summary::begin(schedule, Utc::now()));
        let channels = (speaker, outbox, journal.clone());
        let told = tell::tell((state.clone(), teller), events, channels, summary);
        Ok(Telling { messages: Some(tokio::spawn(told)), pings })
    }

    /// Begins the only run of a process: a monitor is told that it starts, in the background.
    pub fn begin_single(&self, database: &DatabaseName) -> Option<SingleRun> {
        match self.pinger() {
            Ok(pinger) => pinger.map(|pinger| SingleRun::begin(pinger, database.clone())),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "no ping can be sent");
                None
            }
        }
    }

    /// Tells the monitor how that run ended, within a bound.
    pub async fn end_single(&self, run: Option<SingleRun>, ending: &Ending) {
        if let Some(run) = run {
            run.end(ending, SINGLE_RUN_BOUND).await;
        }
    }

    /// Sends what a single run gives reason to, and waits until that is delivered, within a bound.
    pub async fn tell_single(&self, database: &DatabaseName, ending: &Ending, safe: Safe) {
        if !self.config.is_used() {
            return;
        }
        let speaker = self.config.speaker(self.service, self.scrubber);
        let outbox = match self.outbox() {
            Ok(outbox) => outbox,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "no message can be sent");
                return;
            }
        };
        match ending.outcome {
            RunOutcome::Succeeded => {
                outbox.send(tell::success(ending, &speaker, database, safe), None);
            }
            RunOutcome::Failed { .. } => {
                if let Some(message) = tell::single_failure(ending, &speaker, database, safe) {
                    outbox.send(message, None);
                }
            }
            RunOutcome::Untold => {}
        }
        outbox.finish(SINGLE_RUN_BOUND).await;
    }

    /// Sends a test to every channel, prints a line for each, and returns an exit code.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub async fn test(&self, database: &DatabaseName) -> anyhow::Result<u8> {
        if !self.config.is_used() {
            print_line("there is no channel: set WEBHOOK_URL or SMTP_URL");
            return Ok(exit::FAILED);
        }
        let tests = self.test_channels(database).await?;
        for ChannelTest { channel, detail, .. } in &tests {
            print_line(format_args!("{channel}: {detail}"));
        }
        Ok(if tests.iter().all(|test| test.delivered) { exit::OK } else { exit::FAILED })
    }

    /// Sends a test to every channel; how each of them went.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub async fn test_channels(&self, database: &DatabaseName) -> anyhow::Result<Vec<ChannelTest>> {
        let courier = Courier::new(self.config)?;
        let speaker = self.config.speaker(self.service, self.scrubber);
        let message = tell::test(&speaker, database, Utc::now());
        let mut tests = Vec::new();
        for channel in &self.config.channels {
            let outcome = courier.attempt(channel, &message, &message_id()).await;
            let delivered = outcome.is_ok();
            let detail = match outcome {
                Ok(()) if channel.takes_format(Format::Teams) => "accepted; look whether it has arrived".to_owned(),
                Ok(()) => "delivered".to_owned(),
                Err(Refusal::Passing { reason, .. } | Refusal::Final { reason }) => format!("failed: {reason}"),
                Err(Refusal::Gone) => "failed: the receiver answered 410: the address is gone".to_owned(),
            };
            tests.push(ChannelTest { channel: channel.name.clone(), delivered, detail });
        }
        Ok(tests)
    }

    fn pinger(&self) -> anyhow::Result<Option<Pinger>> {
        let Some(target) = self.config.ping.clone() else { return Ok(None) };
        Ok(Some(Pinger {
            client: Client::new(&self.config.authorities, &self.config.proxies)?,
            target,
            deliveries: self.config.deliveries(),
        }))
    }

    fn outbox(&self) -> anyhow::Result<Outbox> {
        Ok(Outbox::open(
            &self.config.channels,
            &Courier::new(self.config)?,
            self.config.filter,
            self.config.deliveries(),
        ))
    }
}

impl Telling {
    /// Waits for the last messages and pings, within a bound.
    pub(crate) async fn finish(self) {
        let messages = async {
            match self.messages {
                None => {}
                Some(telling) => match telling.await {
                    Ok(outbox) => outbox.finish(DAEMON_BOUND).await,
                    Err(error) => tracing::error!(%error, "the task that sends messages has ended"),
                },
            }
        };
        let pings = async {
            let Some(pings) = self.pings else { return };
            if tokio::time::timeout(DAEMON_BOUND, pings).await.is_err() {
                tracing::warn!("the process ends before all pings are delivered");
            }
        };
        tokio::join!(messages, pings);
    }
}
