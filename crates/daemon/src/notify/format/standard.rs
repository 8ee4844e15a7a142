//! Standard Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. The
//! schema of `data` is docs/webhook.schema.json.

use backup_core::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::hmac;
use serde_json::json;

use super::Post;
use crate::notify::message::{Message, Occasion};

/// What the specification asks of a secret.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What signs messages.
#[derive(Clone)]
pub(crate) struct SigningSecret(hmac::Key);

/// Why a secret is none.
#[derive(Debug, thiserror::Error)]
#[error("is not whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)")]
pub(crate) struct SigningSecretError;

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

impl SigningSecret {
    /// Of a text with or without its prefix `whsec_`.
    ///
    /// # Errors
    /// If it is too short, too long or not in base64. It is not quoted.
    pub(crate) fn parse(text: &str) -> Result<Self, SigningSecretError> {
        let text = text.trim();
        let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| SigningSecretError)?;
        let is_fine = KEY_BYTES.contains(&key.len());
        is_fine.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &key))).ok_or(SigningSecretError)
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

pub(super) fn post(message: &Message, secret: Option<&SigningSecret>, id: &str, now: DateTime<Utc>) -> Post {
    let event = match message.occasion {
        Occasion::Onset => "alarm.raised",
        Occasion::Worse => "alarm.worse",
        Occasion::Reminder => "alarm.reminder",
        Occasion::Resolved => "alarm.resolved",
        Occasion::Unstable { .. } => "alarm.unstable",
        Occasion::Digest { .. } => "alarm.digest",
        Occasion::Success => "run.succeeded",
        Occasion::Summary { .. } => "summary",
        Occasion::Test => "test",
    };
    let at = message.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut data = json!(message);
    (data["title"], data["text"]) = (json!(message.title()), json!(message.body()));
    data["runbook"] = json!(message.runbook_place());
    let body = json!({ "type": event, "timestamp": at, "data": data }).to_string();
    let timestamp = now.timestamp();
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp.to_string())];
    headers.extend(secret.map(|secret| ("webhook-signature", secret.sign(id, timestamp, &body))));
    Post { body, headers: headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_another_implementation_computes() {
        // printf '%s' 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -mac HMAC
        //   -macopt hexkey:$(echo MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d | xxd -p) -binary | base64
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_a_length_and_a_form() {
        let of = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        for (text, is_fine) in [
            (of(24), true),
            (format!("whsec_{}", of(64)), true),
            (of(23), false),
            (of(65), false),
            ("!".repeat(40), false),
        ] {
            assert_eq!(SigningSecret::parse(&text).is_ok(), is_fine, "{text}");
        }
    }
}
