//! A connection that can be read on its way, although the operator has not asked for that.

use super::connect::Session;
use super::conninfo::{Place, SslMode};
use crate::private_host::is_private;

/// What to say if `session` crosses a public network unencrypted and `sslmode` neither forbids nor
/// asks for that; `disable` is the operator's word. The text does not name the host.
///
/// # Errors
/// If the server does not answer.
pub async fn in_the_clear(session: &Session) -> Result<Option<&'static str>, tokio_postgres::Error> {
    let endpoint = session.endpoint();
    let is_public = match endpoint.host().place() {
        Place::Tcp(name) => !is_private(name),
        Place::Unix(_) => false,
    };
    if !is_public || !matches!(endpoint.sslmode(), SslMode::Allow | SslMode::Prefer) {
        return Ok(None);
    }
    let sql = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
    let encrypted: bool = session.client().query_one(sql, &[]).await?.try_get(0)?;
    Ok((!encrypted).then_some(
        "the connection to the database crosses a public network unencrypted; \
         set sslmode=verify-full, or sslmode=disable if that is meant",
    ))
}
