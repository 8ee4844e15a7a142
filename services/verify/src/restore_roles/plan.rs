//! What `verify roles` will do, before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use backup_core::postgres::connect::Session;
use backup_core::postgres::globals::{Attribute, Membership, Statement};
use backup_core::postgres::{escape_identifier, escape_literal};
use backup_core::text::Lines;

use super::powers;

/// Since then a membership says whether it is inherited, and what may be set.
const MEMBERSHIP_OPTIONS_SINCE: u32 = 160_000;

/// Since then rights on parameters can be granted.
const PARAMETERS_SINCE: u32 = 150_000;

/// Attributes that only a superuser may give, or say that a role does not have.
const OF_SUPERUSERS: [&str; 6] =
    ["SUPERUSER", "NOSUPERUSER", "REPLICATION", "NOREPLICATION", "BYPASSRLS", "NOBYPASSRLS"];

/// The server that lacks roles.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) login: String,
    pub(super) version_num: u32,
    pub(super) is_superuser: bool,
    pub(super) may_create_roles: bool,
    pub(super) is_standby: bool,
    pub(super) roles: BTreeSet<String>,
    /// Roles with `SUPERUSER`, `CREATEROLE`, `REPLICATION` or `BYPASSRLS`, and members of these or of the roles of
    /// [`powers::PREDEFINED`].
    pub(super) powerful: BTreeSet<String>,
}

impl Target {
    /// # Errors
    /// What the server says.
    pub(super) async fn inspect(session: &Session) -> anyhow::Result<Self> {
        let sql = "SELECT r.rolname::text, r.rolsuper, r.rolcreaterole, pg_catalog.pg_is_in_recovery(),
                          ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles o),
                          ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles o
                                 WHERE EXISTS (SELECT FROM pg_catalog.pg_roles p
                                                WHERE (p.rolname::text = ANY ($1) OR p.rolsuper OR p.rolcreaterole
                                                       OR p.rolreplication OR p.rolbypassrls)
                                                  AND pg_catalog.pg_has_role(o.oid, p.oid, 'MEMBER')))
                     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
        let predefined = powers::PREDEFINED.map(|(name, _)| name);
        let row = session.client().query_one(sql, &[&predefined.as_slice()]).await.context("inspect the target")?;
        Ok(Self {
            login: row.try_get(0)?,
            version_num: session.server_version_num(),
            is_superuser: row.try_get(1)?,
            may_create_roles: row.try_get(2)?,
            is_standby: row.try_get(3)?,
            roles: row.try_get::<_, Vec<String>>(4)?.into_iter().collect(),
            powerful: row.try_get::<_, Vec<String>>(5)?.into_iter().collect(),
        })
    }
}

/// A statement that will be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// For a person.
    pub(super) what: String,
    pub(super) sql: String,
}

/// What happens to a role of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is made, with these attributes and settings in words.
    Created(Vec<String>),
    /// It is there, and stays as it is.
    There,
    /// It is not made, for this reason.
    LeftOut(&'static str),
}

/// See [`Plan::new`].
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    roles: BTreeMap<String, Fate>,
    warnings: Vec<String>,
    notes: Vec<String>,
    /// Roles by which a member gets power.
    powerful: BTreeSet<String>,
    /// What is left to a person.
    pub(super) by_hand: Vec<String>,
}

impl Plan {
    /// Holds what the backup has against what the target has. Only what is about a role that is made is done: another
    /// one stays as it is, with its attributes, settings and memberships.
    pub(super) fn new(statements: &[Statement], target: &Target) -> Self {
        let mut plan = Self {
            steps: Vec::new(),
            roles: BTreeMap::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            powerful: powers::powerful(statements, &target.powerful),
            by_hand: Vec::new(),
        };
        let superusers: BTreeSet<&str> = statements.iter().filter_map(powers::superuser).collect();
        for statement in statements {
            if let Statement::Create { role } = statement {
                plan.decide(role, target, &superusers);
            }
        }
        let mut tablespaces = 0_u64;
        for statement in statements {
            match statement {
                Statement::Tablespace => tablespaces += 1,
                statement => plan.add(statement, target),
            }
        }
        if tablespaces > 0 {
            plan.by_hand.push(format!(
                "tablespaces are not made ({tablespaces} statements in globals.sql): choose their folders and create them"
            ));
        }
        if plan.created() > 0 {
            plan.by_hand.push("passwords are in no backup: set one for each role that logs in".to_owned());
        }
        plan
    }

    fn decide(&mut self, role: &str, target: &Target, superusers: &BTreeSet<&str>) {
        let fate = if target.roles.contains(role) {
            Fate::There
        } else if superusers.contains(role) && !target.is_superuser {
            Fate::LeftOut("it is a superuser, and the login is none")
        } else if role.starts_with("pg_") {
            Fate::LeftOut("the name belongs to PostgreSQL")
        } else {
            self.step(format!("role {role}"), format!("CREATE ROLE {}", escape_identifier(role)));
            Fate::Created(Vec::new())
        };
        self.roles.insert(role.to_owned(), fate);
    }

    fn add(&mut self, statement: &Statement, target: &Target) {
        match statement {
            Statement::Alter { role, attributes } if self.is_created(role) => self.alter(role, attributes, target),
            Statement::Set { role, database, name, values } if self.is_created(role) => {
                if database.is_some() {
                    self.by_hand.push(format!(
                        "{role} has the setting {name} in a database; `verify restore --create` sets those of its own"
                    ));
                    return;
                }
                let values: Vec<String> = values.iter().map(|value| escape_literal(value)).collect();
                let values = values.join(", ");
                let setting: Vec<String> = name.split('.').map(escape_identifier).collect();
                let sql = format!("ALTER ROLE {} SET {} TO {values}", escape_identifier(role), setting.join("."));
                self.warnings.extend(powers::of_setting(role, name));
                if name.eq_ignore_ascii_case("search_path") {
                    self.notes.push(format!(
                        "{role} looks for tables and functions in {values}: those who may create objects there decide what \
                         its statements call"
                    ));
                }
                self.say(role, format!("{name} = {values}"));
                self.step(format!("setting {name} of role {role}"), sql);
            }
            Statement::Comment { role, text } if self.is_created(role) => {
                let sql = format!("COMMENT ON ROLE {} IS {}", escape_identifier(role), escape_literal(text));
                self.step(format!("comment on role {role}"), sql);
            }
            Statement::Label { provider, role, text } if self.is_created(role) => {
                let (provider, name) = (escape_identifier(provider), escape_identifier(role));
                let sql = format!("SECURITY LABEL FOR {provider} ON ROLE {name} IS {}", escape_literal(text));
                self.step(format!("security label of role {role}"), sql);
            }
            Statement::Membership(membership) if self.is_created(&membership.member) => {
                self.grant(membership, target);
            }
            Statement::Parameter { rights, name, role, is_grantable } if self.is_created(role) => {
                if target.version_num < PARAMETERS_SINCE {
                    self.by_hand.push(format!("{role} has rights on the parameter {name}, which this version lacks"));
                    return;
                }
                let parameter: Vec<String> = name.split('.').map(escape_identifier).collect();
                let option = if *is_grantable { " WITH GRANT OPTION" } else { "" };
                self.warnings.extend(powers::of_right(role, rights, name));
                let (rights, parameter) = (rights.join(", "), parameter.join("."));
                let sql = format!("GRANT {rights} ON PARAMETER {parameter} TO {}{option}", escape_identifier(role));
                self.say(role, format!("{rights} on parameter {name}"));
                self.step(format!("rights of role {role} on parameter {name}"), sql);
            }
            Statement::Session
            | Statement::Create { .. }
            | Statement::Alter { .. }
            | Statement::Set { .. }
            | Statement::Comment { .. }
            | Statement::Label { .. }
            | Statement::Membership(_)
            | Statement::Parameter { .. }
            | Statement::Tablespace => {}
        }
    }

    fn alter(&mut self, role: &str, attributes: &[Attribute], target: &Target) {
        let mut words = Vec::new();
        for attribute in attributes {
            match attribute {
                // A new role has none of these, and only a superuser may say so.
                Attribute::Flag(flag) if !target.is_superuser && OF_SUPERUSERS.contains(flag) => {
                    if !flag.starts_with("NO") {
                        self.warnings.push(format!("{role} will lack {flag}, which only a superuser can give it"));
                    }
                }
                Attribute::Flag(flag) => words.push((*flag).to_owned()),
                Attribute::ConnectionLimit(limit) => words.push(format!("CONNECTION LIMIT {limit}")),
                Attribute::ValidUntil(time) => words.push(format!("VALID UNTIL {}", escape_literal(time))),
            }
        }
        let is_said = |word: &&String| !word.starts_with("NO") && *word != "INHERIT";
        words.iter().filter(is_said).for_each(|word| self.say(role, word.clone()));
        self.warnings.extend(words.iter().filter_map(|word| powers::of_attribute(role, word)));
        if !words.is_empty() {
            let sql = format!("ALTER ROLE {} WITH {}", escape_identifier(role), words.join(" "));
            self.step(format!("attributes of role {role}"), sql);
        }
    }

    fn grant(&mut self, membership: &Membership, target: &Target) {
        let Membership { role, member, admin, inherit, set } = membership;
        if !target.roles.contains(role) && !self.is_created(role) {
            self.by_hand.push(format!("{member} was a member of {role}, which the target does not have"));
            return;
        }
        if self.powerful.contains(role) {
            self.warnings.push(powers::of_membership(member, role));
        }
        let mut options = Vec::new();
        if target.version_num >= MEMBERSHIP_OPTIONS_SINCE {
            let word = |value: bool| if value { "TRUE" } else { "FALSE" };
            let all = [("ADMIN", Some(*admin).filter(|admin| *admin)), ("INHERIT", *inherit), ("SET", *set)];
            options.extend(all.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", word(value?)))));
        } else {
            if *inherit == Some(false) || *set == Some(false) {
                self.warnings.push(format!("{member} will be a member of {role} in full: this version knows no less"));
            }
            options.extend(admin.then(|| "ADMIN OPTION".to_owned()));
        }
        let with = if options.is_empty() { String::new() } else { format!(" WITH {}", options.join(", ")) };
        self.say(member, format!("member of {role}{with}"));
        let sql = format!("GRANT {} TO {}{with}", escape_identifier(role), escape_identifier(member));
        self.step(format!("membership of {member} in {role}"), sql);
    }

    fn step(&mut self, what: String, sql: String) {
        self.steps.push(Step { what, sql });
    }

    fn say(&mut self, role: &str, words: String) {
        if let Some(Fate::Created(said)) = self.roles.get_mut(role) {
            said.push(words);
        }
    }

    fn is_created(&self, role: &str) -> bool {
        matches!(self.roles.get(role), Some(Fate::Created(_)))
    }

    /// Number of roles that are made.
    pub(super) fn created(&self) -> usize {
        self.roles.values().filter(|fate| matches!(fate, Fate::Created(_))).count()
    }

    /// For a person.
    pub(super) fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        for (role, fate) in &self.roles {
            match fate {
                Fate::Created(words) if words.is_empty() => lines.line(format_args!("create    {role}")),
                Fate::Created(words) => lines.line(format_args!("create    {role}: {}", words.join(", "))),
                Fate::There => lines.line(format_args!("skip      {role}: it is there, and stays as it is")),
                Fate::LeftOut(why) => lines.line(format_args!("skip      {role}: {why}")),
            }
        }
        self.warnings.iter().for_each(|warning| lines.line(format_args!("warning   {warning}")));
        self.notes.iter().for_each(|note| lines.line(format_args!("note      {note}")));
        self.by_hand.iter().for_each(|sentence| lines.line(format_args!("by hand   {sentence}")));
        lines
    }

    /// # Errors
    /// What keeps `target` from being changed, if anything would be.
    pub(super) fn refuse_what_blocks(&self, target: &Target) -> anyhow::Result<()> {
        if self.steps.is_empty() {
            return Ok(());
        }
        if target.is_standby {
            bail!("nothing was changed: the target's server is a standby, which takes no changes; name its primary");
        }
        if !target.may_create_roles && !target.is_superuser {
            bail!(
                "nothing was changed: the login {} may not create roles; name one that may (CREATEROLE)",
                target.login
            );
        }
        Ok(())
    }
}
