//! The way out: a bounded queue for each channel, in which a message is tried again until it is delivered or given up.

use std::sync::Arc;
use std::time::Duration;

use backup_core::repository::Word;
use rand::Rng;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::channel::{Channel, Filter};
use super::client::Refusal;
use super::courier::{Courier, message_id};
use super::message::Message;
use crate::deliveries::Deliveries;
use crate::journal::Note;

mod gather;
mod lost;

use gather::Gathering;
use lost::Lost;

/// Messages that wait for one channel. More than these are not delivered. One outage is a message for each database, of
/// which there are at most 1,000, and its end is another one.
const MAX_WAITING: usize = 4_096;

/// A message is tried at most this long, but for a pause that the receiver asks for.
const MAX_TRYING: Duration = Duration::from_secs(2 * 3600);

/// Between attempts, before jitter: 8 attempts within [`MAX_TRYING`].
const PAUSE_SECONDS: [u64; 7] = [5, 30, 120, 300, 900, 1_800, 3_600];

/// A pause is between so much of what it is and so much, so that services that fail together do not try together.
const JITTER: std::ops::RangeInclusive<f64> = 0.8..=1.05;

/// The queues of a process.
#[derive(Debug)]
pub(crate) struct Outbox {
    queues: Vec<(Channel, Sender<Queued>)>,
    workers: JoinSet<()>,
    filter: Filter,
    deliveries: Deliveries,
}

impl Outbox {
    /// Opens a queue for each of `channels`. `filter` is for those without one of their own.
    pub(super) fn open(channels: &[Channel], courier: &Courier, filter: Filter, deliveries: Deliveries) -> Self {
        let mut workers = JoinSet::new();
        let queues = channels.iter().map(|own| {
            let (sender, receiver) = channel(MAX_WAITING);
            let (courier, deliveries) = (courier.clone(), deliveries.clone());
            let worker = Worker { channel: own.clone(), courier, deliveries, lost: Lost::default() };
            workers.spawn(worker.work(receiver));
            (own.clone(), sender)
        });
        Self { queues: queues.collect(), workers, filter, deliveries }
    }

    /// Puts `message` into the queue of each channel that wants it. Never waits. `note` is kept for each of them once it has
    /// arrived there, so that the next process tells there what has not arrived when this one ends.
    ///
    /// False if it may have a place later: it is wanted, and every queue was full.
    pub(crate) fn send(&self, message: Message, note: Option<Note>) -> bool {
        let is_wanted = |(channel, _): &(Channel, Sender<Queued>)| channel.wants(&message, self.filter);
        if !self.queues.iter().any(is_wanted) {
            note.into_iter().for_each(Note::keep);
            return true;
        }
        self.send_to(message, note, |_| true)
    }

    /// The same for those channels alone that are `meant`.
    pub(crate) fn send_to(&self, message: Message, note: Option<Note>, meant: impl Fn(&Word) -> bool) -> bool {
        let letter = Arc::new(Letter { message, note });
        let (mut wanted, mut full) = (0, 0);
        let is_wanted = |channel: &Channel| channel.wants(&letter.message, self.filter) && meant(&channel.key_word());
        for (channel, queue) in self.queues.iter().filter(|(channel, _)| is_wanted(channel)) {
            wanted += 1;
            let queued = Queued { letter: Arc::clone(&letter), failed_before: self.deliveries.failed(&channel.name) };
            let reason = match queue.try_send(queued) {
                Ok(()) => continue,
                Err(TrySendError::Full(_)) => {
                    full += 1;
                    "too many messages wait"
                }
                Err(TrySendError::Closed(_)) => "the address is gone",
            };
            give_up(&self.deliveries, channel, &letter.message, reason);
        }
        wanted == 0 || full < wanted
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

/// A message in the queue of one channel.
struct Queued {
    letter: Arc<Letter>,
    /// Messages to this channel that had been given up before.
    failed_before: u64,
}

/// A message on its way, to one channel or to several.
struct Letter {
    message: Message,
    note: Option<Note>,
}

/// What delivers the messages of one channel, one after the other.
struct Worker {
    channel: Channel,
    courier: Courier,
    deliveries: Deliveries,
    lost: Lost,
}

impl Worker {
    async fn work(mut self, mut queue: Receiver<Queued>) {
        let mut gathering = Gathering::new(self.channel.is_for_people());
        while let Some(queued) = gathering.next(&mut queue).await {
            let failed_before = queued.iter().map(|queued| queued.failed_before).max().unwrap_or_default();
            let letters: Vec<Arc<Letter>> = queued.into_iter().map(|queued| queued.letter).collect();
            let Some(message) = joined(&letters) else { continue };
            match self.deliver(&message).await {
                Ok(()) => {
                    self.lost.arrived(&letters);
                    self.have_arrived(&letters);
                    self.make_up().await;
                    self.deliveries.delivered(&self.channel.name, failed_before, self.lost.is_empty());
                }
                Err(Refusal::Passing { reason, .. } | Refusal::Final { reason }) => {
                    give_up(&self.deliveries, &self.channel, &message, &reason);
                    self.lost.given_up(letters);
                }
                Err(Refusal::Gone) => {
                    let reason = "the receiver answered 410: nothing more is sent there";
                    give_up(&self.deliveries, &self.channel, &message, reason);
                    return;
                }
            }
        }
    }

    fn have_arrived(&self, letters: &[Arc<Letter>]) {
        for letter in letters {
            letter.note.clone().into_iter().for_each(|note| note.keep_of(self.channel.key_word()));
            let (channel, Message { event, database, .. }) = (&self.channel.name, &letter.message);
            tracing::info!(channel, event, database, "message delivered");
        }
    }

    /// Tries once more what was given up, now that something has arrived.
    async fn make_up(&mut self) {
        for bundle in self.lost.take() {
            let Some(message) = joined(&bundle.letters) else { continue };
            match self.courier.attempt(&self.channel, &message, &message_id()).await {
                Ok(()) => self.have_arrived(&bundle.letters),
                Err(_) if self.lost.put_back(bundle) => {}
                Err(_) => {
                    let (channel, Message { event, database, .. }) = (&self.channel.name, &message);
                    tracing::warn!(channel, event, database, "a message is not tried any more");
                }
            }
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), Refusal> {
        let (channel, id) = (&self.channel, message_id());
        until_delivered(&channel.name, || self.courier.attempt(channel, message, &id)).await
    }
}

/// One message for all of them.
fn joined(letters: &[Arc<Letter>]) -> Option<Message> {
    let messages: Vec<&Message> = letters.iter().map(|letter| &letter.message).collect();
    Message::joined(&messages)
}

/// Tries again and again what may succeed later.
///
/// # Errors
/// The last refusal.
async fn until_delivered<F: Future<Output = Result<(), Refusal>>>(
    channel: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<(), Refusal> {
    let mut pauses = Pauses::begin();
    loop {
        let outcome = attempt().await;
        let Err(Refusal::Passing { reason, retry_after }) = &outcome else { return outcome };
        let Some(pause) = pauses.next(*retry_after) else { return outcome };
        tracing::debug!(channel, reason, ?pause, "a message is tried again");
        tokio::time::sleep(pause).await;
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
        let is_in_time = self.began.elapsed() + own <= MAX_TRYING;
        is_in_time.then(|| own.max(asked.unwrap_or_default()))
    }
}

fn give_up(deliveries: &Deliveries, channel: &Channel, message: &Message, reason: &str) {
    deliveries.given_up(&channel.name, reason);
    let (channel, database) = (&channel.name, &message.database);
    tracing::warn!(channel, database, reason, "a message could not be delivered");
}

#[cfg(test)]
mod tests;
