//! The dump of roles that the databases of one server share: made once in a run of all, and again if roles have changed.

use std::fmt;
use std::sync::Arc;

use backup_core::postgres::connect::Session;
use backup_core::postgres::roles_digest;
use tokio::sync::{Mutex, MutexGuard};

/// The last dump of roles. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct SharedRoles(Arc<Mutex<Option<Dumped>>>);

struct Dumped {
    /// What the roles looked like before the dump.
    digest: String,
    /// Of the text.
    encoding: String,
    text: Vec<u8>,
}

/// A look at the shared dump, during which no other database makes one.
pub(crate) struct Look<'roles> {
    dumped: MutexGuard<'roles, Option<Dumped>>,
    digest: String,
    encoding: String,
}

impl SharedRoles {
    /// Asks the server of `session` what its roles look like now.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn look(&self, session: &Session, encoding: &str) -> anyhow::Result<Look<'_>> {
        let dumped = self.0.lock().await;
        let digest = roles_digest(session).await?;
        Ok(Look { dumped, digest, encoding: encoding.to_owned() })
    }

    /// The next run makes a dump of its own.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Look<'_> {
    /// The text of the shared dump, if it still shows the roles as they are.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        let dumped = self.dumped.as_ref()?;
        (dumped.digest == self.digest && dumped.encoding == self.encoding).then(|| dumped.text.clone())
    }

    /// Shares `text`, which was dumped since the look began.
    pub(crate) fn share(mut self, text: &[u8]) {
        let Self { digest, encoding, .. } = &self;
        let dumped = Dumped { digest: digest.clone(), encoding: encoding.clone(), text: text.to_vec() };
        *self.dumped = Some(dumped);
    }
}

impl fmt::Debug for SharedRoles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SharedRoles")
    }
}
