//! One object's stored bytes on their way into the bucket: what the codec makes, and what the store takes.

use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Sizes and SHA-256 digests of one object before and after the codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Bytes that the source wrote.
    pub plain_bytes: u64,
    /// SHA-256 of those, in lower-case hexadecimal.
    pub plain_sha256: String,
    /// Bytes that were stored.
    pub stored_bytes: u64,
    /// SHA-256 of those, in lower-case hexadecimal.
    pub stored_sha256: String,
    /// Their MAC, in lower-case hexadecimal, if the encryption does not authenticate by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_hmac_sha256: Option<String>,
}

/// A stream of stored parts that is being made while it is read.
///
/// The end of the parts is *not* success: [`Stored::finish`] tells whether the source ended cleanly.
/// Dropping it stops the source.
pub struct Stored {
    parts: mpsc::Receiver<Bytes>,
    broken: CancellationToken,
    end: Pin<Box<dyn Future<Output = anyhow::Result<Digests>> + Send>>,
    _dropped: DropGuard, // Ends the source.
}

impl Stored {
    /// Takes `parts` from a source that cancels `broken` when it fails, resolves `end` after its last part, and ends
    /// with `dropped`.
    pub(crate) fn new(
        parts: mpsc::Receiver<Bytes>,
        broken: CancellationToken,
        end: impl Future<Output = anyhow::Result<Digests>> + Send + 'static,
        dropped: DropGuard,
    ) -> Self {
        Self { parts, broken, end: Box::pin(end), _dropped: dropped }
    }

    /// The next part, or `None` when the source has ended, cleanly or not.
    pub async fn next_part(&mut self) -> Option<Bytes> {
        self.parts.recv().await
    }

    /// Resolves as soon as the source fails, even while no part is taken: an upload that hangs in
    /// the network learns of a stop that way.
    pub fn broken(&self) -> impl Future<Output = ()> + use<> {
        self.broken.clone().cancelled_owned()
    }

    /// What was encoded, or why the source failed. The source's own error wins over what it caused.
    ///
    /// # Errors
    /// The read error of the source, or a failure of the codec.
    pub async fn finish(mut self) -> anyhow::Result<Digests> {
        self.parts.close();
        self.end.await
    }
}
