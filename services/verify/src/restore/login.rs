//! What of an archive cannot be restored by this login into this target: the archive is there by then, and nothing is
//! written yet.

use std::collections::BTreeSet;

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{Grants, TIMESCALEDB};
use backup_drill::Evidence;
use pgdump_archive::{Archive, DatabaseLevel, NeededRoles, Owners, Selection};

use super::RestoreOptions;
use super::obstacles::{TargetServer, quoted, taken};

/// Since then only its owner may create in the schema `public` of a new database.
const PUBLIC_IS_OWNED_SINCE: u32 = 150_000;

/// Kinds of entries that make a relation, and what a person calls them.
const RELATIONS: [(&str, &str); 5] = [
    ("TABLE", "table"),
    ("FOREIGN TABLE", "foreign table"),
    ("VIEW", "view"),
    ("MATERIALIZED VIEW", "materialized view"),
    ("SEQUENCE", "sequence"),
];

/// What keeps the archive from coming back as `options` want it, in sentences. `session` is one to the target, or to
/// another database of its server if the restore makes the target.
///
/// # Errors
/// What the server says.
pub(super) async fn obstacles(
    server: &TargetServer,
    session: &Session,
    archive: &Archive,
    options: &RestoreOptions,
) -> anyhow::Result<Vec<String>> {
    let needed = archive.needed_roles();
    let mut found = absent_roles(server, &needed, options);
    if options.owners == Owners::Archive && !server.is_superuser {
        let level = DatabaseLevel::of(archive);
        found.extend(strangers(server, &needed, Some(&level.owner).filter(|_| options.create)));
        found.extend(may_not_create(session, archive, &needed, options).await.context("look at rights on schemas")?);
    }
    found.extend(elsewhere(server, archive));
    found.extend(rows_of_extensions(server, session, archive).await.context("look into tables of extensions")?);
    Ok(found)
}

fn absent_roles(server: &TargetServer, needed: &NeededRoles, options: &RestoreOptions) -> Vec<String> {
    let mut found = Vec::new();
    let owners = server.absent(needed.owners.keys());
    if options.owners == Owners::Archive && !owners.is_empty() {
        found.push(format!(
            "the target lacks roles that own something: {}; create them, or give --no-owner",
            owners.join(", ")
        ));
    }
    let granted = server.absent(&needed.granted);
    if options.grants == Grants::Archive && !granted.is_empty() {
        found.push(format!(
            "the target lacks roles that grants name: {}; create them, or give --no-privileges",
            granted.join(", ")
        ));
    }
    let named = server.absent(&needed.named);
    if !named.is_empty() {
        let names = named.join(", ");
        found.push(format!("the target lacks roles that policies or user mappings name: {names}; create them"));
    }
    found
}

/// Owners as which the login may not act, so that it cannot make them owners.
fn strangers(server: &TargetServer, needed: &NeededRoles, of_database: Option<&String>) -> Option<String> {
    let with_defaults = needed.with_default_privileges.iter();
    let all: BTreeSet<&String> = needed.owners.keys().chain(with_defaults).chain(of_database).collect();
    let may_not = |role: &&str| !role.is_empty() && !role.starts_with("pg_") && !server.may_act_as(role);
    let strangers: Vec<&str> = all.into_iter().map(String::as_str).filter(may_not).collect();
    (!strangers.is_empty()).then(|| {
        format!(
            "the login {} may not act as roles that own something: {}; {}",
            server.login,
            strangers.join(", "),
            server.remedy(&strangers)
        )
    })
}

/// Owners that may not create in a schema in which something is theirs: only a superuser can give it to them. Grants come back
/// later.
async fn may_not_create(
    session: &Session,
    archive: &Archive,
    needed: &NeededRoles,
    options: &RestoreOptions,
) -> anyhow::Result<Vec<String>> {
    let owners_of_schemas = archive.schema_owners();
    let (mut roles, mut schemas, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for (role, schema) in needed.owners.iter().flat_map(|(role, all)| all.iter().map(move |schema| (role, schema))) {
        roles.push(role.as_str());
        schemas.push(schema.as_str());
        owners.push(owners_of_schemas.get(schema.as_str()).copied());
    }
    // Of a database that is not there yet, `public` belongs to the login that makes it.
    let is_open = !options.create || session.server_version_num() < PUBLIC_IS_OWNED_SINCE;
    let sql = "SELECT w.role, w.schema
                 FROM unnest($1::text[], $2::text[], $3::text[]) AS w(role, schema, owner)
                 JOIN pg_roles r ON r.rolname = w.role LEFT JOIN pg_roles o ON o.rolname = w.owner
                 LEFT JOIN pg_namespace n ON n.nspname = w.schema
                WHERE NOT CASE WHEN w.schema <> 'public' AND o.oid IS NULL THEN true
                               WHEN o.oid IS NOT NULL AND pg_has_role(r.oid, o.oid, 'USAGE') THEN true
                               WHEN w.schema = 'public' AND $4 THEN has_schema_privilege(r.oid, n.oid, 'CREATE')
                               WHEN w.schema = 'public' THEN pg_has_role(r.oid, current_user, 'USAGE')
                               ELSE false END
                ORDER BY 2, 1";
    let rows = session.client().query(sql, &[&roles, &schemas, &owners, &is_open]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let (role, schema): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (who, place) = (quoted(&[role]), quoted(&[schema]));
        let what_to_do = match (schema, options.create) {
            ("public", false) => format!("GRANT CREATE ON SCHEMA public TO {who} first"),
            ("public", true) => format!(
                "create the database by hand, GRANT CREATE ON SCHEMA public TO {who} in it, and restore without --create"
            ),
            _ => format!("GRANT the role that owns {place} TO {who} first"),
        };
        found.push(format!(
            "role {role} owns something in schema {schema}, and may not create there: {what_to_do}, restore as a \
             superuser, or give --no-owner"
        ));
    }
    Ok(found)
}

/// What is there already, in another place or as a part of something else.
fn elsewhere(server: &TargetServer, archive: &Archive) -> Vec<String> {
    let mut found = Vec::new();
    for extension in archive.extensions() {
        let Some(there) = server.installed.get(&extension.name) else { continue };
        if !extension.schema.is_empty() && there.schema != extension.schema {
            found.push(format!(
                "extension {} lies in schema {} of the target, and in {} of the source: drop it first, or move it (ALTER \
                 EXTENSION {} SET SCHEMA {})",
                extension.name,
                there.schema,
                extension.schema,
                quoted(&[&extension.name]),
                quoted(&[&extension.schema])
            ));
        }
    }
    for entry in &archive.entries {
        if let Some((_, kind)) = RELATIONS.iter().find(|(desc, _)| *desc == entry.desc)
            && let Some(extension) = server.member_of(&entry.namespace, &entry.tag)
        {
            found.push(taken(kind, &entry.namespace, &entry.tag, extension));
        }
    }
    found
}

/// Tables of extensions that hold rows of users already, to which the archive's would be added.
async fn rows_of_extensions(
    server: &TargetServer,
    session: &Session,
    archive: &Archive,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in archive.entries.iter().filter(|entry| entry.desc == "TABLE DATA") {
        let Some(extension) = server.member_of(&entry.namespace, &entry.tag) else { continue };
        // It has rows of its own there in every new database, and is told of the restore.
        if extension == TIMESCALEDB {
            continue;
        }
        let sql = "SELECT format('%I.%I', n.nspname, c.relname), e.extcondition[i]
                     FROM pg_extension e CROSS JOIN generate_subscripts(e.extconfig, 1) i
                     JOIN pg_class c ON c.oid = e.extconfig[i] JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = $1 AND c.relname = $2 AND has_table_privilege(c.oid, 'SELECT')";
        let marked = session.client().query_opt(sql, &[&entry.namespace, &entry.tag]).await?;
        let Some(row) = marked else { continue };
        let (table, condition): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let rows = format!("SELECT EXISTS (SELECT FROM {table} {condition})");
        if session.client().query_one(&rows, &[]).await?.try_get(0)? {
            found.push(format!(
                "table {}.{} of extension {extension} has rows in the target, to which those of the backup would be \
                 added: delete them, or name another database",
                entry.namespace, entry.tag
            ));
        }
    }
    Ok(found)
}

/// What a restore that is not of everything leaves out, and what that means.
pub(super) fn leave_out(
    server: &TargetServer,
    archive: &Archive,
    options: &RestoreOptions,
    selection: &mut Selection,
    evidence: &mut Evidence,
) {
    if options.grants == Grants::None {
        let grants = selection.leave_out_grants(archive);
        evidence.note(format!("no grants and default privileges were restored (--no-privileges): {grants} entries"));
    }
    if options.owners == Owners::Restorer {
        selection.leave_out_what_is_of_others(archive, |role| server.may_act_as(role));
        let owners = archive.needed_roles().owners.into_keys().filter(|owner| *owner != server.login);
        let owners: Vec<String> = owners.collect();
        if !owners.is_empty() {
            evidence.note(format!(
                "everything belongs to {} (--no-owner), which may do all with it; in the source it belonged to: {}",
                server.login,
                owners.join(", ")
            ));
        }
    }
}

/// The properties of a database that the restore makes, as far as they were asked for.
pub(super) fn level(archive: &Archive, server: &TargetServer, options: &RestoreOptions) -> DatabaseLevel {
    let mut level = DatabaseLevel::of(archive);
    // One that was there is left as it is.
    if !options.create {
        return level;
    }
    if options.owners == Owners::Restorer {
        let owner = std::mem::replace(&mut level.owner, server.login.clone());
        level.grants.retain(|grant| grant.by.is_none() && grant.role.as_ref() != Some(&owner));
    }
    if options.grants == Grants::None {
        level.grants.clear();
    }
    level
}
