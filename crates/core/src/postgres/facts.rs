//! What a server and a database say of themselves.

use anyhow::Context;

use super::connect::Session;
use super::settings::session_settings;
use crate::repository::DatabaseFacts;

/// The oldest server whose catalogs the inventory understands.
pub const OLDEST_SERVER_MAJOR: u32 = 13;

const FACTS: &str = "
    SELECT current_setting('server_version'), d.datname::text, pg_encoding_to_char(d.encoding)::text,
           d.datcollate::text, d.datctype::text, pg_database_size(d.oid),
           (SELECT coalesce(array_agg(split_part(setting, '=', 1) ORDER BY split_part(setting, '=', 1)), '{}')
              FROM pg_db_role_setting s, unnest(s.setconfig) setting
             WHERE s.setdatabase = d.oid AND s.setrole = 0)
      FROM pg_database d WHERE d.datname = current_database()";

/// Reads the facts of the session's database.
///
/// # Errors
/// What the server says, or that it is too old.
pub async fn database_facts(session: &Session) -> anyhow::Result<DatabaseFacts> {
    let version = session.server_version_num();
    anyhow::ensure!(
        version / 10_000 >= OLDEST_SERVER_MAJOR,
        "the server is PostgreSQL {}; {OLDEST_SERVER_MAJOR} is the oldest that is supported",
        version / 10_000
    );
    let client = session.client();
    let row = client.query_one(FACTS, &[]).await.context("read facts of the database")?;
    let (locale_provider, locale, icu_rules) = locale(session).await?;
    Ok(DatabaseFacts {
        name: row.try_get(1)?,
        server_version: row.try_get(0)?,
        server_version_num: version,
        system_identifier: system_identifier(session).await,
        size_bytes: u64::try_from(row.try_get::<_, i64>(5)?).unwrap_or(0),
        encoding: row.try_get(2)?,
        collate: row.try_get(3)?,
        ctype: row.try_get(4)?,
        locale_provider,
        locale,
        icu_rules,
        session_settings: session_settings(session).await?,
        settings: row.try_get(6)?,
    })
}

/// The columns moved: providers came with 15, rules of ICU with 16, `daticulocale` became `datlocale` in 17.
async fn locale(session: &Session) -> anyhow::Result<(String, Option<String>, Option<String>)> {
    let (provider, locale, rules) = match session.server_version_num() {
        170_000.. => ("datlocprovider", "datlocale", "daticurules"),
        160_000.. => ("datlocprovider", "daticulocale", "daticurules"),
        150_000.. => ("datlocprovider", "daticulocale", "NULL"),
        _ => ("'c'", "NULL", "NULL"),
    };
    let sql = format!(
        "SELECT {provider}::text, {locale}::text, {rules}::text FROM pg_database WHERE datname = current_database()"
    );
    let row = session.client().query_one(&sql, &[]).await.context("read the locale provider")?;
    let provider = match row.try_get::<_, &str>(0)? {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    };
    Ok((provider.to_owned(), row.try_get(1)?, row.try_get(2)?))
}

/// `None` if the role may not ask; a few managed services forbid it.
pub(super) async fn system_identifier(session: &Session) -> Option<String> {
    let sql = "SELECT system_identifier::text FROM pg_control_system()";
    match session.client().query_one(sql, &[]).await {
        Ok(row) => row.try_get(0).ok(),
        Err(error) => {
            tracing::debug!(%error, "the role may not read the system identifier");
            None
        }
    }
}
