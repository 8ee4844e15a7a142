//! One attempt to deliver one message, by whichever way its channel is reached.

use chrono::Utc;
use rand::Rng;
use rand::distr::Alphanumeric;

use super::channel::{Channel, Route};
use super::client::{Client, Refusal};
use super::config::NotifyConfig;
use super::format::{Credentials, post};
use super::mail::Mailer;
use super::message::Message;

/// What delivers the messages of a process. Clones share its connections.
#[derive(Clone)]
pub(super) struct Courier {
    client: Client,
    credentials: Credentials,
    mailer: Option<Mailer>,
}

impl Courier {
    /// The one that `config` asks for.
    ///
    /// # Errors
    /// If the TLS library refuses its own defaults.
    pub(super) fn new(config: &NotifyConfig) -> anyhow::Result<Self> {
        let mailer = config.mail.as_ref().map(|server| Mailer::new(server, &config.authorities)).transpose()?;
        let client = Client::new(&config.authorities, &config.proxies)?;
        Ok(Self { client, credentials: config.credentials.clone(), mailer })
    }

    /// Sends `message` once. `id` is the same for each attempt.
    ///
    /// # Errors
    /// Unless the receiver has taken it.
    pub(super) async fn attempt(&self, channel: &Channel, message: &Message, id: &str) -> Result<(), Refusal> {
        match (&channel.route, &self.mailer) {
            (Route::Webhook(webhook), _) => {
                self.client.post(&webhook.url, &post(webhook, message, &self.credentials, id, Utc::now())).await
            }
            (Route::Mail(to), Some(mailer)) => mailer.send(message, to, id).await,
            (Route::Mail(_), None) => {
                Err(Refusal::Final { reason: "there is no mail server; this is a bug".to_owned() })
            }
        }
    }
}

/// A receiver that gets a message twice can tell by it.
pub(super) fn message_id() -> String {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect();
    format!("msg_{random}")
}
