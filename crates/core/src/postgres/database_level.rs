//! The properties of a database itself, given to a database that was made for a restore and compared with it. Its name
//! may be another one than the source's, so `pg_restore --create` cannot do it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use pgdump_archive::{DatabaseGrant, DatabaseLevel, DatabaseRight, DatabaseRights, SettingKey};
use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::connect::{Session, describe};

/// Lets only the owner and superusers connect to the database `name`, until it has the rights of its source.
///
/// # Errors
/// What the server says.
pub async fn close_database(session: &Session, name: &str) -> anyhow::Result<()> {
    let sql = format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", escape_identifier(name));
    session.client().batch_execute(&sql).await.context("close the database to others")
}

/// Gives the database `name`, which is closed, what `level` holds: comment, settings, owner, rights, and its limit.
/// Returns what the server refused, in sentences: each such statement is left out, and the others are executed.
///
/// `session` is one to another database: settings count from the next session on, and a limit may shut out our own.
///
/// # Errors
/// If the connection breaks.
pub async fn set_database_level(session: &Session, name: &str, level: &DatabaseLevel) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for statement in statements(name, level) {
        match session.client().batch_execute(&statement.sql).await {
            Ok(()) => {}
            Err(error) if error.as_db_error().is_some() => {
                let why = describe(&error);
                refused.push(format!("{} of the database could not be set: {why}", statement.what));
            }
            Err(error) => return Err(error).with_context(|| format!("set {} of the database", statement.what)),
        }
    }
    Ok(refused)
}

/// What of the database `name` is not as `level` says, in sentences.
///
/// # Errors
/// What the server says.
pub async fn database_differences(session: &Session, name: &str, level: &DatabaseLevel) -> anyhow::Result<Vec<String>> {
    let found = read(session, name).await.context("read the properties of the database")?;
    let mut differences = Vec::new();
    if !level.owner.is_empty() && level.owner != found.owner {
        differences.push(format!("the database belonged to {}, and belongs to {} now", level.owner, found.owner));
    }
    if level.comment != found.comment {
        differences.push("the comment on the database is not the archive's".to_owned());
    }
    let limit = level.connection_limit.unwrap_or(NO_LIMIT);
    if limit != found.connection_limit {
        let now = found.connection_limit;
        differences.push(format!("the connection limit of the database was {limit}, and is {now} now"));
    }
    if level.is_template != found.is_template {
        let word = |is_template| if is_template { "a template" } else { "no template" };
        let (was, is) = (word(level.is_template), word(found.is_template));
        differences.push(format!("the database was {was}, and is {is} now"));
    }
    let of_archive: BTreeMap<_, _> = level.settings.iter().map(|(key, values)| (key, values)).collect();
    let of_database: BTreeMap<_, _> = found.settings.iter().map(|(key, values)| (key, values)).collect();
    let keys: BTreeSet<&SettingKey> = of_archive.keys().chain(of_database.keys()).copied().collect();
    for key in keys {
        if of_archive.get(key) != of_database.get(key) {
            differences.push(format!("{} in the database is not the archive's", setting_in_words(key)));
        }
    }
    let rights = level.rights();
    for (right, verb) in [(rights.difference(&found.rights), "lacks"), (found.rights.difference(&rights), "has")] {
        differences.extend(right.map(|(role, right, is_grantable)| {
            let role = role.as_deref().unwrap_or("PUBLIC");
            let option = if *is_grantable { " with grant option" } else { "" };
            format!("{role} {verb} {}{option} on the database, unlike in the archive", right.name())
        }));
    }
    Ok(differences)
}

/// What `pg_database.datconnlimit` says if there is no limit.
const NO_LIMIT: i32 = -1;

struct Statement {
    /// For a person: which property it sets.
    what: String,
    sql: String,
}

/// In the order in which they are executed: the rights after the owner, whose rights they start from, and the limit
/// last.
fn statements(name: &str, level: &DatabaseLevel) -> Vec<Statement> {
    let database = escape_identifier(name);
    let mut all = Vec::new();
    let mut add = |what: String, sql: String| all.push(Statement { what, sql });
    if let Some(comment) = &level.comment {
        let comment = escape_literal(comment);
        add("the comment".to_owned(), format!("COMMENT ON DATABASE {database} IS {comment}"));
    }
    for (key, values) in &level.settings {
        let values: Vec<String> = values.iter().map(|value| escape_literal(value)).collect();
        let whose = match &key.role {
            None => format!("DATABASE {database}"),
            Some(role) => format!("ROLE {} IN DATABASE {database}", escape_identifier(role)),
        };
        let setting = escape_identifier(&key.name);
        add(setting_in_words(key), format!("ALTER {whose} SET {setting} TO {}", values.join(", ")));
    }
    if !level.owner.is_empty() {
        let sql = format!("ALTER DATABASE {database} OWNER TO {}", escape_identifier(&level.owner));
        add(format!("the owner {}", level.owner), sql);
    }
    // What every new database has, and what the grants of the archive start from.
    add("the right of PUBLIC".to_owned(), format!("GRANT CONNECT ON DATABASE {database} TO PUBLIC"));
    for grant in &level.grants {
        add(grant_in_words(grant), grant_sql(&database, grant));
    }
    if level.is_template {
        add("the mark of a template".to_owned(), format!("ALTER DATABASE {database} IS_TEMPLATE true"));
    }
    if let Some(limit) = level.connection_limit {
        let sql = format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}");
        add(format!("the connection limit {limit}"), sql);
    }
    all
}

fn setting_in_words(key: &SettingKey) -> String {
    match &key.role {
        None => format!("the setting {}", key.name),
        Some(role) => format!("the setting {} of role {role}", key.name),
    }
}

fn grant_in_words(grant: &DatabaseGrant) -> String {
    let rights: Vec<&str> = grant.rights.iter().map(|right| right.name()).collect();
    let (verb, to) = if grant.revokes { ("the revocation of", "from") } else { ("the grant of", "to") };
    format!("{verb} {} {to} {}", rights.join(", "), grant.role.as_deref().unwrap_or("PUBLIC"))
}

/// As the role that granted it, as in the archive.
fn grant_sql(database: &str, grant: &DatabaseGrant) -> String {
    let rights: Vec<&str> = grant.rights.iter().map(|right| right.name()).collect();
    let rights = rights.join(", ");
    let role = grant.role.as_deref().map_or("PUBLIC".to_owned(), escape_identifier);
    let sql = match (grant.revokes, grant.with_grant_option) {
        (true, _) => format!("REVOKE {rights} ON DATABASE {database} FROM {role}"),
        (false, false) => format!("GRANT {rights} ON DATABASE {database} TO {role}"),
        (false, true) => format!("GRANT {rights} ON DATABASE {database} TO {role} WITH GRANT OPTION"),
    };
    match &grant.by {
        None => sql,
        Some(by) => {
            format!("SET SESSION AUTHORIZATION {}; {sql}; RESET SESSION AUTHORIZATION", escape_identifier(by))
        }
    }
}

/// A database as its server describes it.
struct Found {
    owner: String,
    comment: Option<String>,
    connection_limit: i32,
    is_template: bool,
    settings: Vec<(SettingKey, Vec<String>)>,
    rights: DatabaseRights,
}

async fn read(session: &Session, name: &str) -> anyhow::Result<Found> {
    let client = session.client();
    let sql = "SELECT pg_get_userbyid(datdba)::text, shobj_description(oid, 'pg_database'), datconnlimit, datistemplate
                 FROM pg_database WHERE datname = $1";
    let row = client.query_one(sql, &[&name]).await?;
    let mut found = Found {
        owner: row.try_get(0)?,
        comment: row.try_get(1)?,
        connection_limit: row.try_get(2)?,
        is_template: row.try_get(3)?,
        settings: Vec::new(),
        rights: DatabaseRights::new(),
    };
    let sql = "SELECT r.rolname::text, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
                 FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                 LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) setting
                WHERE d.datname = $1";
    for row in client.query(sql, &[&name]).await? {
        let (role, name): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
        let values = DatabaseLevel::stored_values(&name, row.try_get(2)?);
        found.settings.push((SettingKey { role, name }, values));
    }
    let sql = "SELECT r.rolname::text, a.privilege_type, a.is_grantable
                 FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                 LEFT JOIN pg_roles r ON r.oid = a.grantee
                WHERE d.datname = $1";
    for row in client.query(sql, &[&name]).await? {
        let privilege: &str = row.try_get(1)?;
        let right = DatabaseRight::ALL.into_iter().find(|right| right.name() == privilege);
        let right = right.with_context(|| format!("the database has a right {privilege} that is not known here"))?;
        found.rights.insert((row.try_get(0)?, right, row.try_get(2)?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_stay_names_and_values() {
        let key = |role: Option<&str>, name: &str| SettingKey { role: role.map(str::to_owned), name: name.to_owned() };
        let grant = DatabaseGrant {
            by: Some("o\"wner".to_owned()),
            revokes: false,
            rights: vec![DatabaseRight::Connect, DatabaseRight::Temporary],
            role: Some("PUBLIC".to_owned()),
            with_grant_option: true,
        };
        let revocation = DatabaseGrant { by: None, revokes: true, role: None, ..grant.clone() };
        let level = DatabaseLevel {
            owner: "Own er".to_owned(),
            comment: Some("it's; DROP".to_owned()),
            connection_limit: Some(7),
            is_template: true,
            settings: vec![
                (key(None, "search_path"), vec!["a b".to_owned(), String::new()]),
                (key(Some("c;d"), "app.x"), vec!["1".to_owned()]),
            ],
            grants: vec![revocation, grant],
            ..DatabaseLevel::default()
        };
        let sql: Vec<String> = statements("d\"b", &level).into_iter().map(|statement| statement.sql).collect();
        let expected = [
            "COMMENT ON DATABASE \"d\"\"b\" IS 'it''s; DROP'",
            "ALTER DATABASE \"d\"\"b\" SET \"search_path\" TO 'a b', ''",
            "ALTER ROLE \"c;d\" IN DATABASE \"d\"\"b\" SET \"app.x\" TO '1'",
            "ALTER DATABASE \"d\"\"b\" OWNER TO \"Own er\"",
            "GRANT CONNECT ON DATABASE \"d\"\"b\" TO PUBLIC",
            "REVOKE CONNECT, TEMPORARY ON DATABASE \"d\"\"b\" FROM PUBLIC",
            "SET SESSION AUTHORIZATION \"o\"\"wner\"; GRANT CONNECT, TEMPORARY ON DATABASE \"d\"\"b\" TO \"PUBLIC\" \
             WITH GRANT OPTION; RESET SESSION AUTHORIZATION",
            "ALTER DATABASE \"d\"\"b\" IS_TEMPLATE true",
            "ALTER DATABASE \"d\"\"b\" CONNECTION LIMIT 7",
        ];
        assert_eq!(sql, expected);
    }
}
