//! Messages to people: they arrive, once each, with what is safe, and without a secret.

mod commands;
mod daemon;
mod formats;
mod mail;
mod memory;
mod pings;
mod restart;

use e2e::receiver::{Received, Receiver};
use serde_json::Value;

/// A part of an address that must not be seen anywhere.
pub(crate) const CANARY: &str = "kqzvx7jwq-canary-of-an-address";

/// A secret of Standard Webhooks.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The address of a channel of one format at `receiver`.
pub(crate) fn address(format: &str, receiver: &Receiver) -> String {
    let query = if format == "pagerduty" { format!("?routing_key={CANARY}") } else { String::new() };
    format!("{format}+http://{}/hook/{CANARY}{query}", receiver.authority())
}

/// The bodies of the messages that came in until now.
pub(crate) fn bodies(receiver: &Receiver) -> Vec<Value> {
    let body = |received: Received| serde_json::from_str(&received.body).expect("a body of JSON");
    receiver.received().into_iter().map(body).collect()
}

/// The types of Standard Webhooks that came in until now.
pub(crate) fn types(receiver: &Receiver) -> Vec<String> {
    bodies(receiver).iter().map(|body| body["type"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
pub(crate) fn assert_no_canary(what: &str, shown: &str) {
    assert!(!shown.contains(CANARY) && !shown.contains("MfKQ9r8GKYq"), "{what} shows an address:\n{shown}");
}
