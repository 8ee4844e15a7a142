//! What one channel gets at once. Of an outage that many databases share, a person needs one message and not one for each.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Queued;
use crate::notify::message::{Level, Message, Occasion, Status};

/// How long a first message waits for others: what happens at one moment is queued within it.
const BRIEF: Duration = Duration::from_secs(1);

/// How long after a message the next one is sent that says the same of other databases: after the first, the second, and all
/// further ones. An outage is noticed database by database, as their turns come.
const PAUSES: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];

/// After so long without a message, the next one of its kind is a first one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1_800);

/// Maximum number of messages that wait to be joined. The others stay in the queue.
const MAX_GATHERED: usize = 1_000;

/// What messages have in common that are told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    occasion: Occasion,
    event: &'static str,
    severity: Level,
    status: Status,
    class: Option<&'static str>,
    what_to_do: &'static str,
}

impl Kind {
    /// `None` of what is told one by one.
    fn of(message: &Message) -> Option<Self> {
        let is_change =
            matches!(message.occasion, Occasion::Onset | Occasion::Worse | Occasion::Reminder | Occasion::Resolved);
        let Message { occasion, event, severity, status, class, what_to_do, .. } = *message;
        (is_change && message.database.is_some()).then_some(Self {
            occasion,
            event,
            severity,
            status,
            class,
            what_to_do,
        })
    }
}

/// Messages that are sent as one.
struct Bundle {
    kind: Option<Kind>,
    letters: Vec<Queued>,
    due: Instant,
}

/// The last message of its kind.
struct Sent {
    kind: Kind,
    /// The database that it was about, if it was one alone.
    only: Option<String>,
    at: Instant,
    /// How many of its kind have followed each other before it.
    before: usize,
}

/// The messages of one channel on their way from its queue to its receiver.
pub(super) struct Gathering {
    /// Whether it joins any: a program that gets messages wants each.
    joins: bool,
    bundles: Vec<Bundle>,
    sent: Vec<Sent>,
    is_closed: bool,
}

impl Gathering {
    pub(super) fn new(joins: bool) -> Self {
        Self { joins, bundles: Vec::new(), sent: Vec::new(), is_closed: false }
    }

    /// What is to be sent next: one message, or several that are sent as one; `None` at the end of the queue. Of one incident,
    /// what came first is sent first.
    pub(super) async fn next(&mut self, queue: &mut Receiver<Queued>) -> Option<Vec<Queued>> {
        loop {
            while self.has_room()
                && let Ok(queued) = queue.try_recv()
            {
                self.add(queued, Instant::now());
            }
            let now = Instant::now();
            let first = self.bundles.iter().enumerate().min_by_key(|(_, bundle)| bundle.due);
            let first = first.map(|(place, bundle)| (place, bundle.due));
            match first {
                Some((place, due)) if due <= now || self.is_closed => return Some(self.take(place, now)),
                None if self.is_closed => return None,
                _ => {}
            }
            let until_due = async {
                match first {
                    Some((_, due)) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                queued = queue.recv(), if self.has_room() => match queued {
                    Some(queued) => self.add(queued, Instant::now()),
                    // There is no later.
                    None => self.is_closed = true,
                },
                () = until_due => {}
            }
        }
    }

    fn has_room(&self) -> bool {
        !self.is_closed && self.bundles.iter().map(|bundle| bundle.letters.len()).sum::<usize>() < MAX_GATHERED
    }

    fn add(&mut self, queued: Queued, now: Instant) {
        let message = &queued.letter.message;
        let is_of_same = |other: &Queued| other.letter.message.key == message.key;
        for bundle in self.bundles.iter_mut().filter(|bundle| bundle.letters.iter().any(is_of_same)) {
            bundle.due = bundle.due.min(now);
        }
        let kind = Kind::of(message).filter(|_| self.joins);
        let is_open = |bundle: &&mut Bundle| bundle.due > now && bundle.kind == kind;
        match self.bundles.iter_mut().find(is_open) {
            Some(bundle) => bundle.letters.push(queued),
            None => {
                let due = kind.as_ref().map_or(now, |kind| self.due(kind, message.database.as_deref(), now));
                self.bundles.push(Bundle { kind, letters: vec![queued], due });
            }
        }
    }

    /// When a message of this kind about `database` is sent. What is told of one database alone, again and again, does not wait.
    fn due(&self, kind: &Kind, database: Option<&str>, now: Instant) -> Instant {
        let last = self.sent.iter().find(|sent| sent.kind == *kind && now - sent.at < FORGOTTEN_AFTER);
        let waits = last.filter(|sent| sent.only.as_deref() != database);
        let until = waits.map_or(now, |sent| sent.at + PAUSES[sent.before.min(PAUSES.len() - 1)]);
        until.max(now + BRIEF)
    }

    fn take(&mut self, place: usize, now: Instant) -> Vec<Queued> {
        let Bundle { kind, letters, .. } = self.bundles.remove(place);
        if let Some(kind) = kind {
            let only = match letters.as_slice() {
                [one] => one.letter.message.database.clone(),
                _ => None,
            };
            let last = self.sent.iter().find(|sent| sent.kind == kind && now - sent.at < FORGOTTEN_AFTER);
            let follows = last.filter(|sent| only.is_none() || sent.only != only);
            let before = follows.map_or(0, |sent| sent.before + 1);
            self.sent.retain(|sent| sent.kind != kind && now - sent.at < FORGOTTEN_AFTER);
            self.sent.push(Sent { kind, only, at: now, before });
        }
        letters
    }
}

#[cfg(test)]
mod tests;
