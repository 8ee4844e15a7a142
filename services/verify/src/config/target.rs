//! Where drills happen.

mod places;

use backup_core::config::Settings;
use backup_core::postgres::conninfo::{Conninfo, Naming, PasswordSource};
use backup_drill::Target;

use places::same_database;

/// What `pg_stat_activity` shows, if the URL does not say otherwise.
const APPLICATION_NAME: &str = "verify";

/// The target; `None` if something is wrong, which is noted then.
pub(super) fn target(settings: &mut Settings) -> Option<Target> {
    let drill = conninfo(settings, "VERIFY_DATABASE_URL");
    let other = conninfo(settings, "DATABASE_URL");
    let admin = conninfo(settings, "VERIFY_ADMIN_URL");
    if let (Ok(Some(drill)), Ok(Some(other))) = (&drill, &other)
        && same_database(drill, other)
    {
        settings.reject("VERIFY_DATABASE_URL", "must differ from the production DATABASE_URL");
        return None;
    }
    let (drill, other, admin) = (drill.ok()?, other.ok()?, admin.ok()?);
    match (drill.or(other), admin) {
        (Some(login), admin) => Some(Target::External { login: Box::new(login), admin: admin.map(Box::new) }),
        (None, None) => Some(Target::Ephemeral),
        (None, Some(_)) => {
            settings.reject("VERIFY_ADMIN_URL", "is set without VERIFY_DATABASE_URL, whose server it is for");
            None
        }
    }
}

/// The connection that `name` gives; `Err` if it is wrong, which is noted then.
///
/// No `PG*` variable fills in: there is more than one connection, and one password. That of a file is read again.
fn conninfo(settings: &mut Settings, name: &'static str) -> Result<Option<Conninfo>, ()> {
    let Some(url) = settings.secret(name) else { return Ok(None) };
    let parsed = Conninfo::parse(&url).map(|conninfo| conninfo.named(Naming::of(name)));
    let parsed = parsed.and_then(|conninfo| conninfo.endpoints().map(|_| conninfo));
    match parsed {
        Ok(conninfo) => {
            let conninfo = conninfo.with_default_application_name(APPLICATION_NAME);
            let has_password = conninfo.password().is_some() && settings.is_from_file(name);
            Ok(Some(match settings.live_secret(name).filter(|_| has_password) {
                Some(file) => conninfo.with_password_source(PasswordSource::Url(file)),
                None => conninfo,
            }))
        }
        Err(error) => {
            settings.reject(name, error.to_string());
            Err(())
        }
    }
}
