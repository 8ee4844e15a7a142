//! Which databases besides that of `DATABASE_URL`, and how many at once.

use backup_core::config::Settings;
use backup_core::database_list::DatabaseList;

/// Several databases of one server.
#[derive(Debug)]
pub(crate) struct Several {
    /// Which ones.
    pub(crate) list: DatabaseList,
    /// How many are backed up at once.
    pub(crate) at_once: usize,
}

impl Several {
    /// `None` if `DATABASES` is not set: then the only one is that of `DATABASE_URL`.
    pub(crate) fn read(settings: &mut Settings) -> Option<Self> {
        let jobs = settings.number("DATABASES_JOBS");
        if !settings.is_set("DATABASES") {
            for name in ["DATABASES_EXCLUDE", "DATABASES_JOBS"] {
                if settings.is_set(name) {
                    settings.reject(name, "is set, and DATABASES is not");
                }
            }
            return None;
        }
        let list = settings.parsed("DATABASES", DatabaseList::parse)?;
        let list = match settings.is_set("DATABASES_EXCLUDE") {
            true => settings.parsed("DATABASES_EXCLUDE", |text| list.without(text))?,
            false => list,
        };
        let ping = settings.secret("HEALTHCHECK_PING_URL");
        if ping.is_some_and(|url| !url.expose().contains("{database}")) {
            settings.warn(
                "HEALTHCHECK_PING_URL has no {database}: all databases share one check, which is green as soon as one of \
                 them was backed up",
            );
        }
        Some(Self { list, at_once: usize::try_from(jobs).unwrap_or(1) })
    }
}
