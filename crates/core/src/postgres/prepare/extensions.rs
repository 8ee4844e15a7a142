//! Which extensions are made before a restore, and in which order. Never by `CASCADE`: that would make
//! everything that an extension requires, also what was left out because it leads out of the database.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use pgdump_archive::reaches_outside;
use postgres_protocol::escape::escape_identifier;

use super::super::connect::Session;
use super::super::timescaledb::TIMESCALEDB;
use super::{MissingExtensions, WantedExtension};
use crate::repository::Extension;

/// What a server could make: versions by extension.
pub(super) type Available = BTreeMap<String, Versions>;

/// The versions of one extension.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    /// What is made if no version is asked for.
    default: Option<String>,
    /// What each version requires.
    requires: BTreeMap<String, Vec<String>>,
}

/// An extension to make; everything that it requires is made before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedExtension {
    /// Its version is empty if the source did not name it.
    pub(super) extension: WantedExtension,
    /// Whether the server has the version of the source; else it makes its default one.
    pub(super) has_version: bool,
}

/// Asks the server.
///
/// # Errors
/// What it says.
pub(super) async fn available(session: &Session) -> anyhow::Result<Available> {
    let sql = "SELECT v.name::text, v.version, coalesce(v.requires::text[], '{}'), e.default_version
                 FROM pg_available_extension_versions v JOIN pg_available_extensions e USING (name)";
    let mut available = Available::new();
    for row in session.client().query(sql, &[]).await? {
        let versions = available.entry(row.try_get(0)?).or_default();
        versions.requires.insert(row.try_get(1)?, row.try_get(2)?);
        versions.default = row.try_get(3)?;
    }
    Ok(available)
}

/// The wanted extensions and what they require, each after its requirements.
///
/// # Errors
/// [`MissingExtensions`] with everything that is not installed, and everything that requires what is not, or
/// what leads out of the database.
pub(super) fn in_order(
    wanted: &[WantedExtension],
    available: &Available,
) -> Result<Vec<PlannedExtension>, MissingExtensions> {
    let mut order = Order { wanted, available, seen: BTreeSet::new(), planned: Vec::new(), missing: Vec::new() };
    wanted.iter().for_each(|extension| order.add(extension));
    match order.missing.is_empty() {
        true => Ok(order.planned),
        false => Err(MissingExtensions { extensions: order.missing }),
    }
}

struct Order<'run> {
    wanted: &'run [WantedExtension],
    available: &'run Available,
    seen: BTreeSet<String>,
    planned: Vec<PlannedExtension>,
    missing: Vec<String>,
}

impl Order<'_> {
    /// Each name is entered once, so that it ends also if files of a server require each other in a circle.
    fn add(&mut self, extension: &WantedExtension) {
        if !self.seen.insert(extension.name.clone()) {
            return;
        }
        let WantedExtension { name, version, schema, .. } = extension;
        let label = format!("{name} {version}");
        let label = label.trim_end();
        let Some(versions) = self.available.get(name) else {
            self.missing.push(format!("{label} is not installed there"));
            return;
        };
        let has_version = versions.requires.contains_key(version);
        if name == TIMESCALEDB && !has_version && !version.is_empty() {
            self.missing.push(format!("{label} is not installed there, and no other version takes its rows"));
            return;
        }
        if let Some(default) = versions.default.as_ref().filter(|default| !has_version && is_older(default, version)) {
            self.missing.push(format!("{label} is not installed there, only {default}"));
            return;
        }
        let made = if has_version { Some(version) } else { versions.default.as_ref() };
        for required in made.and_then(|made| versions.requires.get(made)).into_iter().flatten() {
            if let Some(also_wanted) = self.wanted.iter().find(|wanted| wanted.name == *required) {
                self.add(also_wanted);
            } else if reaches_outside(required) {
                self.missing.push(format!("{label} requires {required}, which reaches outside of the database"));
            } else {
                let schema = schema.clone();
                let name = required.clone();
                self.add(&WantedExtension { name, version: String::new(), schema, schema_owner: None });
            }
        }
        self.planned.push(PlannedExtension { extension: extension.clone(), has_version });
    }
}

/// Whether a version is older than another, by their numbers. What is not a number says nothing.
fn is_older(there: &str, wanted: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').map_while(|part| part.parse().ok()).collect() };
    numbers(there) < numbers(wanted)
}

/// If the server has a newer version than the wanted one, its default one: the report notes the difference.
pub(super) fn create_extension(planned: &PlannedExtension) -> String {
    let PlannedExtension { extension, has_version } = planned;
    let mut sql = format!("CREATE EXTENSION IF NOT EXISTS {}", escape_identifier(&extension.name));
    if let Some(schema) = &extension.schema {
        sql += &format!(" SCHEMA {}", escape_identifier(schema));
    }
    if *has_version {
        sql += &format!(" VERSION {}", escape_identifier(&extension.version));
    }
    sql
}

/// Whether the server of `session` has one of the source's extensions in the source's version, and makes another one
/// unless it is told which.
///
/// # Errors
/// What the server says.
pub async fn have_other_versions(session: &Session, extensions: &[Extension]) -> anyhow::Result<bool> {
    let available = available(session).await.context("look for available extensions")?;
    Ok(extensions.iter().any(|extension| {
        let is_other = |versions: &Versions| {
            versions.requires.contains_key(&extension.version) && versions.default.as_ref() != Some(&extension.version)
        };
        available.get(&extension.name).is_some_and(is_other)
    }))
}

/// Makes what must be in a person's database before its archive is restored, each in the version of the source if the
/// server has it. An extension that the server refuses is left to `pg_restore`, which says so.
///
/// # Errors
/// What else the server says.
pub async fn create_beforehand(session: &Session, wanted: &[WantedExtension]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let available = available(session).await.context("look for available extensions")?;
    for extension in wanted {
        let WantedExtension { name, version, schema, schema_owner } = extension;
        let owner = schema_owner.iter().map(|owner| format!(" AUTHORIZATION {}", escape_identifier(owner)));
        let owner: String = owner.collect();
        if let Some(schema) = schema {
            // Not IF NOT EXISTS, which PostgreSQL's own schemas do not let pass.
            let question = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1";
            let is_there = !session.client().query(question, &[&schema]).await.context("look for a schema")?.is_empty();
            let sql = format!("CREATE SCHEMA {}{owner}", escape_identifier(schema));
            if !is_there {
                session.client().batch_execute(&sql).await.with_context(|| format!("create schema {schema}"))?;
            }
        }
        let has_version = available.get(name).is_some_and(|versions| versions.requires.contains_key(version));
        // No other version of it takes the rows.
        let has_version = has_version || name == TIMESCALEDB && !version.is_empty();
        let planned = PlannedExtension { extension: extension.clone(), has_version };
        match session.client().batch_execute(&create_extension(&planned)).await {
            // Rows of hypertables cannot come back without it.
            Err(error) if name == TIMESCALEDB || error.as_db_error().is_none() => {
                return Err(anyhow::Error::from(error).context(format!("create extension {name}")));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(name: &str, version: &str, schema: Option<&str>) -> WantedExtension {
        let schema = schema.map(str::to_owned);
        WantedExtension { name: name.to_owned(), version: version.to_owned(), schema, schema_owner: None }
    }

    /// Extensions of version 1.0 and what each requires.
    fn server(extensions: &[(&str, &[&str])]) -> Available {
        let versions = |requires: &[&str]| Versions {
            default: Some("1.0".to_owned()),
            requires: [("1.0".to_owned(), requires.iter().map(|name| (*name).to_owned()).collect())].into(),
        };
        extensions.iter().map(|(name, requires)| ((*name).to_owned(), versions(requires))).collect()
    }

    /// The names in their order, or what is missing.
    fn order(wanted: &[WantedExtension], available: &Available) -> Result<Vec<String>, Vec<String>> {
        let planned = in_order(wanted, available).map_err(|missing| missing.extensions)?;
        Ok(planned.into_iter().map(|planned| planned.extension.name).collect())
    }

    #[test]
    fn statements_for_extensions_never_cascade_r050() {
        let create = |schema, has_version| {
            create_extension(&PlannedExtension { extension: extension("uuid-ossp", "1.1", schema), has_version })
        };
        assert_eq!(create(None, false), "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"");
        assert_eq!(
            create(Some("my \"own\""), true),
            "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" SCHEMA \"my \"\"own\"\"\" VERSION \"1.1\""
        );
    }

    #[test]
    fn what_an_extension_requires_is_made_first_r131() {
        let available = server(&[("cube", &[]), ("earth", &["cube"]), ("sky", &["earth", "air"]), ("air", &["sky"])]);
        let wanted = |names: &[&str]| names.iter().map(|name| extension(name, "1.0", None)).collect::<Vec<_>>();
        assert_eq!(order(&wanted(&["earth", "cube"]), &available).unwrap(), ["cube", "earth"]);
        // An extension that is not wanted is made if the server's files require it, as CASCADE would; circles end.
        assert_eq!(order(&wanted(&["sky"]), &available).unwrap(), ["cube", "earth", "air", "sky"]);
        let other = in_order(&[extension("earth", "0.9", None)], &available).unwrap();
        assert!(other.len() == 2 && !other[1].has_version, "{other:?}");
    }

    #[test]
    fn an_older_version_than_the_sources_will_not_do_r131() {
        let check = |there: &str, wanted: &str, expected: bool| assert_eq!(is_older(there, wanted), expected);
        check("1.9", "1.10", true);
        check("3.4.2", "3.4.2.1", true);
        check("2.0", "1.99", false);
        check("1.0", "unpackaged", false);
        let told = order(&[extension("cube", "1.1", None)], &server(&[("cube", &[])])).unwrap_err();
        assert_eq!(told, ["cube 1.1 is not installed there, only 1.0"]);
    }

    #[test]
    fn timescaledb_comes_in_the_version_of_the_source_or_not_at_all_r131() {
        let available = server(&[("timescaledb", &[])]);
        let told = order(&[extension("timescaledb", "0.9", None)], &available).unwrap_err();
        assert_eq!(told, ["timescaledb 0.9 is not installed there, and no other version takes its rows"]);
        assert_eq!(order(&[extension("timescaledb", "1.0", None)], &available).unwrap(), ["timescaledb"]);
    }

    #[test]
    fn nothing_that_reaches_outside_is_made_because_another_requires_it_r050() {
        let available = server(&[("dblink", &[]), ("ours", &["dblink"]), ("on_top", &["ours", "absent"])]);
        let told = order(&[extension("ours", "1.0", None)], &available).unwrap_err();
        assert_eq!(told, ["ours 1.0 requires dblink, which reaches outside of the database"]);
        let missing = order(&[extension("on_top", "1.0", None), extension("none", "2", None)], &available).unwrap_err();
        let expected = [
            "ours requires dblink, which reaches outside of the database",
            "absent is not installed there",
            "none 2 is not installed there",
        ];
        assert_eq!(missing, expected);
    }
}
