//! Settings of a session that decide what a restore computes: in a stored generated column, a materialized view, a
//! CHECK, or the key of a partition. A restore gives its sessions the values of the source.

use std::collections::BTreeMap;

use anyhow::Context;
use pgdump_archive::{DatabaseLevel, SettingKey};

use super::connect::{Session, describe};
use super::conninfo::escaped;

/// The settings that count, in small letters; a manifest names no others.
///
/// Each changes how a value becomes text or text a value, in an expression that says that it is immutable. Not among
/// them: `array_nulls`, since an array in an archive is written for `on`; `xmloption`, `check_function_bodies`,
/// `search_path` and what else `pg_restore` sets for itself; and everything that only a superuser may set.
const NAMES: [&str; 11] = [
    "bytea_output",
    "datestyle",
    "default_text_search_config",
    "extra_float_digits",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "timezone",
    "transform_null_equals",
    "xmlbinary",
];

/// Most bytes of all values together: a server takes a startup packet of at most 10,000.
const MAX_BYTES: usize = 4000;

/// How the rows of an archive have amounts of money in them: `pg_dump` leaves it to its session.
const OF_ROWS: &str = "lc_monetary";

const QUESTION: &str = "
    SELECT s.name::text, CASE s.name WHEN 'lc_monetary' THEN s.setting ELSE coalesce(own.value, s.reset_val) END
      FROM pg_settings s
      LEFT JOIN LATERAL (
           SELECT substr(setting, strpos(setting, '=') + 1) AS value
             FROM pg_db_role_setting r, unnest(r.setconfig) setting
            WHERE r.setrole = 0 AND lower(split_part(setting, '=', 1)) = lower(s.name)
              AND r.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) own ON true
     WHERE lower(s.name) = ANY($1)";

/// The settings of a session of this database that sets nothing itself. A setting of the database ranks above one of
/// the role here: the role of a backup need not be the one that filled the tables. Not so [`OF_ROWS`], which is that
/// of this session, as in one of `pg_dump`.
///
/// # Errors
/// What the server says.
pub(super) async fn session_settings(session: &Session) -> anyhow::Result<BTreeMap<String, String>> {
    let rows = session.client().query(QUESTION, &[&NAMES.as_slice()]).await.context("read settings")?;
    let mut settings = BTreeMap::new();
    for row in &rows {
        if let (name, Some(value)) = (row.try_get(0)?, row.try_get(1)?) {
            settings.insert(name, value);
        }
    }
    Ok(settings)
}

/// Settings for the sessions of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreSettings {
    options: String,
    monetary: Option<String>,
    /// What the target does not take, in sentences.
    pub notes: Vec<String>,
}

impl RestoreSettings {
    /// The settings of the source: those that its manifest names, and those of the database itself in the archive.
    /// What the server of `session` refuses, such as a locale that it does not have, is left out and noted.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn for_restore(
        session: &Session,
        manifest: &BTreeMap<String, String>,
        archive: &DatabaseLevel,
    ) -> anyhow::Result<Self> {
        let mut settings = Self::default();
        let mut bytes = 0;
        for (name, value) in wanted(manifest, archive) {
            bytes += name.len() + value.len();
            if bytes > MAX_BYTES {
                settings.notes.push("the settings of the source are too long to restore with all of them".to_owned());
                break;
            }
            match try_setting(session, &name, &value).await? {
                None => {
                    settings.options += &format!(" -c {name}={}", escaped(&value));
                    settings.monetary = settings.monetary.or((name == OF_ROWS).then_some(value));
                }
                Some(why) => settings.notes.push(format!(
                    "the source had {name} = {value:?}, which this server does not take ({why}): what is computed from \
                     it may differ"
                )),
            }
        }
        Ok(settings)
    }

    /// How the restore has read amounts of money (`lc_monetary`), and how they must be read back; `None` if as a session
    /// does that sets nothing itself.
    pub fn monetary(&self) -> Option<&str> {
        self.monetary.as_deref()
    }

    /// For `PGOPTIONS`.
    pub(super) fn options(&self) -> &str {
        &self.options
    }
}

/// The values by name. What the archive says of its database is part of the dump, and ranks above the manifest, but
/// not above what the session of the dump had for its rows.
fn wanted(manifest: &BTreeMap<String, String>, archive: &DatabaseLevel) -> BTreeMap<String, String> {
    let of_archive =
        archive.settings.iter().filter_map(|(SettingKey { role, name }, values)| match values.as_slice() {
            [value] if role.is_none() && (counts(name) || is_custom(name)) => Some((name, value)),
            _ => None,
        });
    let of_manifest = manifest.iter().filter(|(name, _)| counts(name));
    // Names are the same in any case.
    let of_rows = manifest.iter().filter(|(name, _)| name.eq_ignore_ascii_case(OF_ROWS));
    of_manifest
        .chain(of_archive)
        .chain(of_rows)
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

fn counts(name: &str) -> bool {
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// A setting of the application's own, which its functions may read: `app.region`.
fn is_custom(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.contains('.') && name.split('.').all(is_word)
}

/// Why the server refuses a value; `None` if it takes it. Nothing stays set.
async fn try_setting(session: &Session, name: &str, value: &str) -> anyhow::Result<Option<String>> {
    let client = session.client();
    client.batch_execute("BEGIN").await.context("try the settings of the source")?;
    let tried = client.execute("SELECT pg_catalog.set_config($1, $2, true)", &[&name, &value]).await;
    client.batch_execute("ROLLBACK").await.context("try the settings of the source")?;
    match tried {
        Ok(_) => Ok(None),
        Err(error) if error.as_db_error().is_some() => Ok(Some(describe(&error))),
        Err(error) => Err(error).context("try the settings of the source"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_manifest_sets_nothing_but_what_counts_and_the_database_ranks_above_it() {
        let manifest = map(&[
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, MDY"),
            ("session_preload_libraries", "evil"),
            ("role", "postgres"),
            ("app.x", "from the manifest"),
        ]);
        let mut archive = DatabaseLevel::default();
        let mut set = |role: Option<&str>, name: &str, values: &[&str]| {
            let key = SettingKey { role: role.map(str::to_owned), name: name.to_owned() };
            archive.settings.push((key, values.iter().map(|value| (*value).to_owned()).collect()));
        };
        set(None, "timezone", &["Asia/Kathmandu"]);
        set(None, "app.region", &["eu west"]);
        set(None, "app.x -c role=postgres", &["x"]);
        set(None, "work_mem", &["1GB"]);
        set(None, "search_path", &["a", "b"]);
        set(Some("clerk"), "lc_monetary", &["de_DE"]);
        set(None, "lc_monetary", &["fr_FR"]);
        set(None, "lc_time", &["fr_FR"]);
        let expected = map(&[
            ("timezone", "Asia/Kathmandu"),
            ("datestyle", "ISO, MDY"),
            ("app.region", "eu west"),
            ("lc_monetary", "fr_FR"),
            ("lc_time", "fr_FR"),
        ]);
        assert_eq!(wanted(&manifest, &archive), expected);
        // The rows are as the session of the dump wrote them.
        let manifest = map(&[("lc_monetary", "en_US"), ("lc_time", "en_US")]);
        let wanted = wanted(&manifest, &archive);
        assert_eq!((wanted["lc_monetary"].as_str(), wanted["lc_time"].as_str()), ("en_US", "fr_FR"));
    }
}
