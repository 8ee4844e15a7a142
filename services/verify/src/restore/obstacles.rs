//! What stands in the way of a restore, as far as the manifest tells: it is known before anything is downloaded.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use backup_core::postgres::Grants;
use backup_core::postgres::connect::Session;
use backup_core::repository::{Extension, Inventory, Manifest};
use pgdump_archive::Owners;

use super::RestoreOptions;

/// An extension in the target.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) version: String,
    pub(super) schema: String,
}

/// The target's server, and the target itself if it is there.
#[derive(Debug)]
pub(super) struct TargetServer {
    pub(super) login: String,
    pub(super) is_superuser: bool,
    /// Every role but PostgreSQL's own.
    roles: BTreeSet<String>,
    /// Roles as which the login may act.
    acts_as: BTreeSet<String>,
    /// Roles that are superusers: a login should not be made a member of one.
    superusers: BTreeSet<String>,
    is_standby: bool,
    is_read_only: bool,
    /// `None` of a database that the restore makes.
    encoding: Option<String>,
    /// The default version of each extension that could be made, and all its versions.
    available: BTreeMap<String, (String, BTreeSet<String>)>,
    pub(super) installed: BTreeMap<String, Installed>,
    /// Relations in the target that belong to extensions: schema, name, extension.
    members: Vec<(String, String, String)>,
}

/// What keeps a restore from being begun, and what a person should know of it.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    pub(super) blockers: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl TargetServer {
    /// Asks in the target, or with `is_created` in another database of its server.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn inspect(session: &Session, is_created: bool) -> anyhow::Result<Self> {
        let client = session.client();
        let sql = "SELECT r.rolname::text, r.rolsuper, pg_is_in_recovery(), current_setting('server_encoding'),
                          current_setting('default_transaction_read_only') = 'on',
                          ARRAY(SELECT rolname::text FROM pg_roles),
                          ARRAY(SELECT o.rolname::text FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, $1)),
                          ARRAY(SELECT o.rolname::text FROM pg_roles o WHERE o.rolsuper)
                     FROM pg_roles r WHERE r.rolname = current_user";
        // Since 16 a member may have no right to become the role.
        let right = if session.server_version_num() >= 160_000 { "SET" } else { "MEMBER" };
        let row = client.query_one(sql, &[&right]).await.context("inspect the target's login")?;
        let names = |place: usize| -> anyhow::Result<BTreeSet<String>> {
            Ok(row.try_get::<_, Vec<String>>(place)?.into_iter().collect())
        };
        let encoding: String = row.try_get(3)?;
        let mut server = Self {
            login: row.try_get(0)?,
            is_superuser: row.try_get(1)?,
            roles: names(5)?,
            acts_as: names(6)?,
            superusers: names(7)?,
            is_standby: row.try_get(2)?,
            is_read_only: row.try_get(4)?,
            encoding: Some(encoding).filter(|_| !is_created),
            available: available(session).await.context("list the extensions of the target's server")?,
            installed: BTreeMap::new(),
            members: Vec::new(),
        };
        if !is_created {
            server.installed = installed(session).await.context("list the extensions of the target")?;
            server.members = members(session).await.context("list what belongs to extensions of the target")?;
        }
        Ok(server)
    }

    /// Whether the login may do something in the name of `role`.
    pub(super) fn may_act_as(&self, role: &str) -> bool {
        self.is_superuser || self.acts_as.contains(role)
    }

    /// What makes the login able to act as `strangers`, for a person.
    pub(super) fn remedy(&self, strangers: &[&str]) -> String {
        let members: Vec<&str> = strangers.iter().copied().filter(|role| !self.superusers.contains(*role)).collect();
        let grant = match members.as_slice() {
            [] => String::new(),
            members => format!("GRANT {} TO {} first, ", quoted(members), quoted(&[&self.login])),
        };
        format!("{grant}restore as a superuser, or give --no-owner: everything then belongs to the login")
    }

    /// Those of `roles` that the server does not have.
    pub(super) fn absent<'role>(&self, roles: impl IntoIterator<Item = &'role String>) -> Vec<&'role str> {
        roles.into_iter().filter(|role| !self.roles.contains(*role)).map(String::as_str).collect()
    }

    /// The extension of the target to which a relation of this name belongs.
    pub(super) fn member_of(&self, schema: &str, name: &str) -> Option<&str> {
        let found = self.members.iter().find(|member| (member.0.as_str(), member.1.as_str()) == (schema, name));
        found.map(|(.., extension)| extension.as_str())
    }

    /// Everything that `manifest` says against a restore as `options` want it.
    pub(super) fn obstacles(&self, manifest: &Manifest, options: &RestoreOptions) -> Obstacles {
        let mut obstacles = Obstacles::default();
        self.add_state(&manifest.database.encoding, &mut obstacles);
        self.add_roles(&manifest.inventory, options, &mut obstacles);
        manifest.inventory.extensions.iter().for_each(|extension| self.add_extension(extension, &mut obstacles));
        for table in &manifest.inventory.tables {
            if let Some(extension) = self.member_of(&table.schema, &table.name) {
                obstacles.blockers.push(taken("table", &table.schema, &table.name, extension));
            }
        }
        obstacles
    }

    fn add_state(&self, source: &str, obstacles: &mut Obstacles) {
        let Obstacles { blockers, warnings } = obstacles;
        if self.is_standby {
            blockers.push("the target's server is a standby, which takes no changes; name its primary".to_owned());
        } else if self.is_read_only {
            blockers.push(
                "sessions of the login are read-only there (default_transaction_read_only): some services set that when \
                 a disk is full, others keep a database from being changed by it; if neither is so, set it off for the \
                 database or the role first"
                    .to_owned(),
            );
        }
        match self.encoding.as_deref() {
            Some(target) if target == source => {}
            None | Some("UTF8") if source != "SQL_ASCII" => {}
            None => {}
            Some(target @ ("UTF8" | "SQL_ASCII")) => warnings.push(format!(
                "the source is in {source} and the target in {target}: bytes that the one takes may be none that the \
                 other does"
            )),
            Some(target) if source == "SQL_ASCII" => warnings.push(format!(
                "the source is in SQL_ASCII, which says nothing about its characters, and the target in {target}"
            )),
            Some(target) => blockers.push(format!(
                "the target is in {target}, which lacks characters that the source's {source} may hold; create a \
                 database with ENCODING '{source}', or let --create make one"
            )),
        }
    }

    /// The manifest does not tell owners from those who may only use something; the archive does, later.
    fn add_roles(&self, inventory: &Inventory, options: &RestoreOptions, obstacles: &mut Obstacles) {
        let Obstacles { blockers, warnings } = obstacles;
        let absent = self.absent(&inventory.roles).join(", ");
        match (options.owners, options.grants) {
            _ if absent.is_empty() => {}
            (Owners::Archive, Grants::Archive) => blockers.push(format!(
                "the target lacks roles that own or may use something: {absent}; make them with `verify roles` first, or \
                 create them, or leave them out with --no-owner and --no-privileges"
            )),
            _ => warnings.push(format!(
                "the target lacks roles of the source: {absent}; what of it is needed nevertheless is told after the \
                 download, before anything is changed"
            )),
        }
        if self.is_superuser {
            return;
        }
        warnings.push(
            "the login is no superuser: what only a superuser may make (some extensions, event triggers, functions in \
             C, casts) becomes a finding"
                .to_owned(),
        );
        let strangers = inventory.roles.iter().filter(|role| self.roles.contains(*role) && !self.may_act_as(role));
        let strangers: Vec<&str> = strangers.map(String::as_str).collect();
        if options.owners == Owners::Archive && !strangers.is_empty() {
            warnings.push(format!(
                "the login {} may not act as these roles of the source: {}; if one of them owns something, the restore \
                 is refused after the download: {}",
                self.login,
                strangers.join(", "),
                self.remedy(&strangers),
            ));
        }
    }

    fn add_extension(&self, extension: &Extension, obstacles: &mut Obstacles) {
        let Extension { name, version } = extension;
        if let Some(there) = self.installed.get(name) {
            if there.version != *version {
                obstacles.warnings.push(format!(
                    "extension {name} is there already, in version {} instead of {version}: drop it first, or what \
                     depends on it may not come back",
                    there.version
                ));
            }
            return;
        }
        match self.available.get(name) {
            None => obstacles.blockers.push(format!(
                "the target's server lacks extension {name} {version}: install its package on that machine, or restore \
                 into a server that has it"
            )),
            Some((_, versions)) if versions.contains(version) => {}
            Some((default, _)) => obstacles.warnings.push(format!(
                "the target's server has extension {name} in version {default} and not in {version}: what depends on \
                 the difference may not come back"
            )),
        }
    }
}

/// A relation of the archive that cannot be made.
pub(super) fn taken(kind: &str, schema: &str, name: &str, extension: &str) -> String {
    format!(
        "{kind} {schema}.{name} of the backup is there already, as a part of extension {extension}: drop that extension, \
         or name another database"
    )
}

/// Names for a statement that a person copies.
pub(super) fn quoted(names: &[&str]) -> String {
    let is_plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    let quote = |name: &&str| match is_plain(name) {
        true => (*name).to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    names.iter().map(quote).collect::<Vec<_>>().join(", ")
}

async fn available(session: &Session) -> anyhow::Result<BTreeMap<String, (String, BTreeSet<String>)>> {
    let sql = "SELECT e.name::text, e.default_version,
                      ARRAY(SELECT v.version FROM pg_available_extension_versions v WHERE v.name = e.name)
                 FROM pg_available_extensions e";
    let mut available = BTreeMap::new();
    for row in session.client().query(sql, &[]).await? {
        let versions: Vec<String> = row.try_get(2)?;
        let default: Option<String> = row.try_get(1)?;
        available.insert(row.try_get(0)?, (default.unwrap_or_default(), versions.into_iter().collect()));
    }
    Ok(available)
}

async fn installed(session: &Session) -> anyhow::Result<BTreeMap<String, Installed>> {
    let sql = "SELECT e.extname::text, e.extversion, n.nspname::text
                 FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace";
    let rows = session.client().query(sql, &[]).await?;
    let one = |row: &tokio_postgres::Row| {
        Ok((row.try_get(0)?, Installed { version: row.try_get(1)?, schema: row.try_get(2)? }))
    };
    rows.iter().map(one).collect()
}

async fn members(session: &Session) -> anyhow::Result<Vec<(String, String, String)>> {
    let sql = "SELECT n.nspname::text, c.relname::text, e.extname::text
                 FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'";
    let rows = session.client().query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}
