//! What became of messages and pings since the start of a process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backup_core::repository::Word;

use crate::alarm::{Condition, Severity};
use crate::alarm_code::AlarmCode;

/// How many were delivered and how many were given up. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Deliveries(Arc<Mutex<Known>>);

#[derive(Debug, Clone, Default)]
struct Known {
    channels: BTreeMap<String, ChannelDeliveries>,
    pings: PingDeliveries,
}

/// Messages to one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChannelDeliveries {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    /// Those of `failed` after which nothing was queued and delivered.
    pub(crate) undelivered: u64,
    /// Why the last of them was not.
    reason: String,
    /// Whether the process before this one could not deliver messages there.
    is_doubted: bool,
}

impl ChannelDeliveries {
    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<&str> {
        let is_untried = self.delivered + self.failed == 0;
        match self.undelivered {
            0 if self.is_doubted && is_untried => {
                Some("one was not before this process started, and none was since then")
            }
            0 => None,
            _ => Some(&self.reason),
        }
    }
}

/// Pings to the monitor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PingDeliveries {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
}

impl Deliveries {
    /// Of these channels, to which nothing was sent yet.
    pub(crate) fn to<'name>(channels: impl IntoIterator<Item = &'name str>) -> Self {
        let channels = channels.into_iter().map(|name| (name.to_owned(), ChannelDeliveries::default()));
        Self(Arc::new(Mutex::new(Known { channels: channels.collect(), ..Known::default() })))
    }

    /// What is wrong, if anything is.
    pub(crate) fn condition(&self) -> Option<Condition> {
        let channels = self.channels();
        let faults = channels.iter().filter_map(|(channel, deliveries)| Some((channel, deliveries.fault()?)));
        let each: Vec<String> = faults.map(|(channel, fault)| format!("{channel}: {fault}")).collect();
        (!each.is_empty()).then(|| {
            Condition::new(
                AlarmCode::Undelivered,
                Severity::Warning,
                format!("messages could not be delivered: {}", each.join("; ")),
            )
        })
    }

    /// Messages could not be delivered before this process started, in the channels that are `meant` by their names in keys:
    /// that holds until something was delivered or given up there.
    pub(crate) fn doubt(&self, meant: impl Fn(&Word) -> bool) {
        for (channel, deliveries) in &mut self.lock().channels {
            deliveries.is_doubted = meant(&Word::of(channel));
        }
    }

    /// Each channel by its name.
    pub(crate) fn channels(&self) -> BTreeMap<String, ChannelDeliveries> {
        self.lock().channels.clone()
    }

    /// Pings.
    pub(crate) fn pings(&self) -> PingDeliveries {
        self.lock().pings
    }

    /// How many messages to `channel` were given up until now.
    pub(crate) fn failed(&self, channel: &str) -> u64 {
        self.lock().channels.get(channel).map_or(0, |deliveries| deliveries.failed)
    }

    /// A message has arrived in `channel`, before whose queuing so many had been given up. `is_complete` is whether
    /// nothing that was given up is still to be tried there.
    ///
    /// It tells that messages arrive again only if none was given up since then: behind a full queue, those that have a
    /// place arrive one after the other, and the others are lost all the same.
    pub(crate) fn delivered(&self, channel: &str, failed_before: u64, is_complete: bool) {
        let mut known = self.lock();
        let deliveries = known.channels.entry(channel.to_owned()).or_default();
        deliveries.delivered += 1;
        if deliveries.failed == failed_before && is_complete {
            deliveries.undelivered = 0;
        }
    }

    /// A message to `channel` was given up because of `reason`.
    pub(crate) fn given_up(&self, channel: &str, reason: &str) {
        let mut known = self.lock();
        let deliveries = known.channels.entry(channel.to_owned()).or_default();
        deliveries.failed += 1;
        deliveries.undelivered += 1;
        reason.clone_into(&mut deliveries.reason);
    }

    /// A ping has arrived.
    pub(crate) fn ping_delivered(&self) {
        self.lock().pings.delivered += 1;
    }

    /// A ping was given up.
    pub(crate) fn ping_given_up(&self) {
        self.lock().pings.failed += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // These are plain values, so a panic elsewhere cannot have left them half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
