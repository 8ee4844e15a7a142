//! The way out: a bounded queue for each channel, in which a message is tried again until it is delivered or given up.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use rand::Rng;
use rand::distr::Alphanumeric;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::channel::{Channel, Filter};
use super::client::{Client, Refusal};
use super::format::{Credentials, post};
use super::message::Message;
use crate::undelivered::Undelivered;

/// Messages that wait for one channel. More than these are not delivered.
const MAX_WAITING: usize = 32;

/// A message is tried at most this long.
const MAX_TRYING: Duration = Duration::from_secs(2 * 3600);

/// Between attempts, before jitter: 8 attempts within [`MAX_TRYING`].
const PAUSE_SECONDS: [u64; 7] = [5, 30, 120, 300, 900, 1_800, 3_600];

/// A pause is between so much of what it is and so much, so that services that fail together do not try together.
const JITTER: std::ops::RangeInclusive<f64> = 0.8..=1.05;

/// The queues of a process.
#[derive(Debug)]
pub(crate) struct Outbox {
    queues: Vec<(Channel, Sender<Arc<Message>>)>,
    workers: JoinSet<()>,
    filter: Filter,
    undelivered: Undelivered,
}

impl Outbox {
    /// Opens a queue for each of `channels`. `filter` is for those without one of their own.
    pub(crate) fn open(channels: &[Channel], client: &Client, credentials: &Credentials, filter: Filter) -> Self {
        let (undelivered, mut workers) = (Undelivered::default(), JoinSet::new());
        let queues = channels.iter().map(|own| {
            let (sender, receiver) = channel(MAX_WAITING);
            let worker = Worker {
                channel: own.clone(),
                client: client.clone(),
                credentials: credentials.clone(),
                undelivered: undelivered.clone(),
            };
            workers.spawn(worker.work(receiver));
            (own.clone(), sender)
        });
        Self { queues: queues.collect(), workers, filter, undelivered }
    }

    /// What could not be delivered.
    pub(crate) fn undelivered(&self) -> Undelivered {
        self.undelivered.clone()
    }

    /// Puts `message` into the queue of each channel that wants it. Never waits.
    pub(crate) fn send(&self, message: Message) {
        let message = Arc::new(message);
        for (channel, queue) in self.queues.iter().filter(|(channel, _)| channel.wants(&message, self.filter)) {
            if let Err(error) = queue.try_send(Arc::clone(&message)) {
                let reason = match error {
                    TrySendError::Full(_) => "too many messages wait",
                    TrySendError::Closed(_) => "the address is gone",
                };
                give_up(&self.undelivered, channel, reason);
            }
        }
    }

    /// Waits until everything is delivered or given up, at most for `bound`.
    pub(crate) async fn finish(mut self, bound: Duration) {
        let unfinished: Vec<String> = self.queues.iter().map(|(channel, _)| channel.name.clone()).collect();
        self.queues.clear();
        let all = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(bound, all).await.is_err() {
            tracing::warn!(channels = unfinished.join(", "), "the process ends before all messages are delivered");
        }
    }
}

/// What delivers the messages of one channel, one after the other.
struct Worker {
    channel: Channel,
    client: Client,
    credentials: Credentials,
    undelivered: Undelivered,
}

impl Worker {
    async fn work(self, mut queue: Receiver<Arc<Message>>) {
        while let Some(message) = queue.recv().await {
            match self.deliver(&message).await {
                Ok(()) => {
                    self.undelivered.remove(&self.channel.name);
                    tracing::info!(channel = self.channel.name, event = message.event, "message delivered");
                }
                Err(Refusal::Passing { reason, .. } | Refusal::Final { reason }) => {
                    give_up(&self.undelivered, &self.channel, &reason);
                }
                Err(Refusal::Gone) => {
                    give_up(&self.undelivered, &self.channel, "the receiver answered 410: nothing more is sent there");
                    return;
                }
            }
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), Refusal> {
        let (mut pauses, id) = (Pauses::begin(), message_id());
        loop {
            let outcome = attempt(&self.channel, message, &self.client, &self.credentials, &id).await;
            let Err(Refusal::Passing { reason, retry_after }) = &outcome else { return outcome };
            let Some(pause) = pauses.next(*retry_after) else { return outcome };
            tracing::debug!(channel = self.channel.name, reason, ?pause, "a message is tried again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// The pauses between the attempts of one message.
struct Pauses {
    began: Instant,
    left: std::slice::Iter<'static, u64>,
}

impl Pauses {
    fn begin() -> Self {
        Self { began: Instant::now(), left: PAUSE_SECONDS.iter() }
    }

    /// The next one, at least as long as the receiver asks for; `None` if there is no further attempt.
    fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let own = Duration::from_secs(*self.left.next()?).mul_f64(rand::rng().random_range(JITTER));
        let pause = own.max(asked.unwrap_or_default());
        (self.began.elapsed() + pause <= MAX_TRYING).then_some(pause)
    }
}

/// Sends `message` once.
///
/// # Errors
/// Unless the receiver has taken it.
pub(super) async fn attempt(
    channel: &Channel,
    message: &Message,
    client: &Client,
    credentials: &Credentials,
    id: &str,
) -> Result<(), Refusal> {
    client.post(&channel.url, &post(channel, message, credentials, id, Utc::now())).await
}

/// A receiver that gets a message twice can tell by it.
pub(super) fn message_id() -> String {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect();
    format!("msg_{random}")
}

fn give_up(undelivered: &Undelivered, channel: &Channel, reason: &str) {
    undelivered.add(&channel.name, reason);
    tracing::warn!(channel = channel.name, reason, "a message could not be delivered");
}

#[cfg(test)]
mod tests;
