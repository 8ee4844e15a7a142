//! Libraries that extensions of the source need in their server from its start.

use super::super::timescaledb::{self, TIMESCALEDB};
use super::super::tools::ServerTools;
use crate::repository::Extension;

/// Extensions whose functions fail in a server that has not loaded a library of the same name at its start, so that a
/// materialized view over them cannot be filled. One that needs another stands behind it. None of them reaches outside
/// of its server.
const NEED_THEIR_LIBRARY: &[&str] = &[
    "pg_stat_statements",
    "pg_stat_kcache",
    "pg_qualstats",
    "pg_show_plans",
    "pg_stat_monitor",
    "pg_store_plans",
    "pg_wait_sampling",
    "pgaudit",
];

/// Nothing is gathered and nothing is kept.
const QUIET: [(&str, &str); 2] = [("pg_stat_statements.track", "none"), ("pg_stat_statements.save", "off")];

/// The settings for a server of `tools` that is to have `extensions`; of those that are not installed, none.
pub(super) fn settings(tools: &ServerTools, extensions: &[Extension]) -> Vec<(&'static str, String)> {
    let is_wanted = |name: &str| extensions.iter().any(|extension| extension.name == name) && tools.has_library(name);
    let mut libraries: Vec<&str> = NEED_THEIR_LIBRARY.iter().copied().filter(|name| is_wanted(name)).collect();
    let mut settings = Vec::new();
    if libraries.contains(&"pg_stat_statements") {
        settings.extend(QUIET.map(|(name, value)| (name, value.to_owned())));
    }
    if is_wanted(TIMESCALEDB) {
        libraries.insert(0, TIMESCALEDB);
        settings.extend(timescaledb::settings());
    }
    if !libraries.is_empty() {
        settings.push(("shared_preload_libraries", libraries.join(",")));
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn what_is_wanted_and_installed_is_loaded_in_one_setting_r131() {
        let folder = tempfile::tempdir().unwrap();
        let (programs, libraries) = (folder.path().join("bin"), folder.path().join("lib"));
        [&programs, &libraries].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        for name in ["pg_stat_statements", "pg_stat_kcache", "timescaledb", "pg_cron"] {
            File::create(libraries.join(format!("{name}.so"))).unwrap();
        }
        let tools = ServerTools { folder: programs, major: 15, version: String::new() };
        let check = |names: &[&str], expected: Option<&str>| {
            let extension = |name: &&str| Extension { name: (*name).to_owned(), version: "1".to_owned() };
            let settings = settings(&tools, &names.iter().map(extension).collect::<Vec<_>>());
            let loaded = settings.iter().find(|(name, _)| *name == "shared_preload_libraries");
            assert_eq!(loaded.map(|(_, value)| value.as_str()), expected, "{names:?}");
        };
        check(&["pg_stat_kcache", "hstore", "pg_stat_statements"], Some("pg_stat_statements,pg_stat_kcache"));
        check(&["timescaledb", "pg_stat_statements"], Some("timescaledb,pg_stat_statements"));
        check(&["pg_cron", "pgaudit", "hstore"], None);
    }
}
