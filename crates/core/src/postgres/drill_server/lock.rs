//! Advisory locks that hold for a whole server, although PostgreSQL's are of one database.

use super::Session;

/// The first number of every lock of ours: `VDRL` in ASCII.
const CLASS: i32 = 0x5644_524C;

/// The second number of the lock under which drills happen.
pub(super) const SERVER_KEY: i32 = 0;

/// Takes a lock for the life of `session`, unless a session holds it in any database.
///
/// If two take it in two databases at the same instant, each sees the other and neither gets it.
///
/// # Errors
/// What the server says.
pub(in crate::postgres) async fn hold_lock(session: &Session, key: i32) -> anyhow::Result<bool> {
    let client = session.client();
    let row = client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&CLASS, &key]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    // The view shows the locks of all databases, and both numbers without a sign.
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_locks
                             WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND pid <> pg_backend_pid()
                               AND classid::int8 = $1 AND objid::int8 = $2)",
            &[&i64::from(CLASS.cast_unsigned()), &i64::from(key.cast_unsigned())],
        )
        .await?;
    let held_elsewhere = row.try_get::<_, bool>(0)?;
    if held_elsewhere {
        release_lock(session, key).await?;
    }
    Ok(!held_elsewhere)
}

/// Gives a lock free before the session ends.
///
/// # Errors
/// What the server says.
pub(super) async fn release_lock(session: &Session, key: i32) -> anyhow::Result<()> {
    session.client().query_one("SELECT pg_advisory_unlock($1, $2)", &[&CLASS, &key]).await?;
    Ok(())
}
