//! Which entries a role can restore that is no superuser. Restoring a foreign archive as a superuser
//! would run its code as the server's operating-system user.
//!
//! What is left out is named with its reason, and with it everything that depends on it: a report that
//! says what was proven must say what was not.

mod guarded;
mod kinds;
mod outside;
mod reason;
mod restricted;
mod rules;
mod settings;

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::{self, Write};

pub use guarded::Guarded;
pub use outside::reaches_outside;
pub use reason::Reason;

use super::sql::{self, Statement};
use super::toc::{DumpId, Entry, Section};
use super::{Archive, roles};

/// Maximum characters of a name in a [`Reason`].
const MAX_NAME_CHARACTERS: usize = 200;

/// The extension that is made before a restore by a superuser, too, since it must be told that one begins.
const TIMESCALEDB: &str = "timescaledb";

/// Who restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// A plain role that owns the database.
    Owner,
    /// A superuser, by the operator's explicit choice. Extensions that reach outside are made, and so
    /// are subscriptions, which `pg_dump` writes so that they do not connect (`connect = false`);
    /// dropping them later must not connect either. Only foreign statements are left out.
    Superuser,
}

/// What to restore, and what not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// For `pg_restore --use-list`, in the archive's order.
    pub list_file: String,
    /// The entries that are not in the list, in the archive's order.
    pub left_out: Vec<LeftOut>,
    /// The extensions that must be there before the restore. If a superuser restores, it makes all others on
    /// the way.
    pub extensions: Vec<Extension>,
}

/// An extension of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// The schema that it was in. It must be made before the extension, and be owned by the restoring role,
    /// which fills it.
    pub schema: String,
}

/// An entry that is not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its number.
    pub dump_id: DumpId,
    /// Its kind, such as `EVENT TRIGGER`.
    pub desc: String,
    /// Its schema; empty if it has none.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: Reason,
    /// Whether it holds rows. A drill that leaves rows out has not proven them.
    pub holds_rows: bool,
}

impl Selection {
    /// The entries with rows that are not restored. If there are any, a verdict is no plain pass.
    pub fn rows_left_out(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|left_out| left_out.holds_rows)
    }

    /// Leaves out what roles that are not on the server would be given: all grants, and the policies that name one of
    /// `missing_roles`, with what depends on those.
    pub fn leave_out_for_lack_of(&mut self, archive: &Archive, missing_roles: &[String]) {
        let missing_roles: BTreeSet<&String> = missing_roles.iter().collect();
        let mut gone: BTreeSet<DumpId> = self.left_out.iter().map(|left_out| left_out.dump_id).collect();
        let mut policies: HashMap<DumpId, &Entry> = HashMap::new();
        for entry in &archive.entries {
            let policy = entry.dependencies.iter().find_map(|id| policies.get(id));
            let because = match entry.desc.as_str() {
                "ACL" | "DEFAULT ACL" => "roles that are not on this server".to_owned(),
                "POLICY" if roles::policy_roles(&entry.defn).iter().any(|role| missing_roles.contains(role)) => {
                    policies.insert(entry.dump_id, entry);
                    "a role that is not on this server".to_owned()
                }
                _ => match policy {
                    Some(policy) => in_brief(policy),
                    None => continue,
                },
            };
            if gone.insert(entry.dump_id) {
                self.left_out.push(LeftOut::new(entry, Reason::DependsOn(because)));
            }
        }
        self.list_file = self.list_without(&gone);
    }

    /// Leaves out what the login of a restore without owners cannot bring back: default privileges of roles as which it
    /// may not act, and grants in the name of others, which are for superusers.
    pub fn leave_out_what_is_of_others(&mut self, archive: &Archive, may_act_as: impl Fn(&str) -> bool) {
        self.leave_out(archive, |entry| match entry.desc.as_str() {
            "DEFAULT ACL" if !may_act_as(&entry.owner) => {
                Some(Reason::DependsOn(format!("role {}, as which the login may not act", entry.owner)))
            }
            "ACL" if roles::is_granted_by_others(entry) => {
                Some(Reason::SuperuserOnly("only a superuser makes grants in the name of another role"))
            }
            _ => None,
        });
    }

    /// Leaves out all grants and default privileges. How many there were.
    pub fn leave_out_grants(&mut self, archive: &Archive) -> usize {
        let is_grant = |entry: &Entry| matches!(entry.desc.as_str(), "ACL" | "DEFAULT ACL");
        self.leave_out(archive, |entry| is_grant(entry).then_some(Reason::NotWanted))
    }

    /// Has all extensions made before the restore, with their schemas, so that each can be made in a version of choice.
    pub fn make_extensions_beforehand(&mut self, archive: &Archive) {
        let of_archive: Vec<Extension> = archive.extensions();
        let schemas: BTreeSet<&str> = of_archive.iter().map(|extension| extension.schema.as_str()).collect();
        let gone: BTreeSet<DumpId> = self.left_out.iter().map(|left_out| left_out.dump_id).collect();
        let is_schema_of_one = |entry: &Entry| {
            entry.desc == "SCHEMA" && !sql::statements(&entry.defn).is_empty() && schemas.contains(entry.tag.as_str())
        };
        self.leave_out(archive, |entry| is_schema_of_one(entry).then_some(Reason::MadeBeforehand));
        let is_left_out = |entry: &&Entry| entry.desc == "EXTENSION" && gone.contains(&entry.dump_id);
        let never: BTreeSet<&str> =
            archive.entries.iter().filter(is_left_out).map(|entry| entry.tag.as_str()).collect();
        let made: BTreeSet<String> = self.extensions.iter().map(|extension| extension.name.clone()).collect();
        let is_new = |extension: &Extension| !made.contains(&extension.name) && !never.contains(&*extension.name);
        self.extensions.extend(of_archive.into_iter().filter(is_new));
    }

    /// Leaves out every entry for which there is a reason. How many there were.
    fn leave_out(&mut self, archive: &Archive, reason: impl Fn(&Entry) -> Option<Reason>) -> usize {
        let mut gone: BTreeSet<DumpId> = self.left_out.iter().map(|left_out| left_out.dump_id).collect();
        let before = gone.len();
        for entry in &archive.entries {
            if let Some(reason) = reason(entry)
                && gone.insert(entry.dump_id)
            {
                self.left_out.push(LeftOut::new(entry, reason));
            }
        }
        self.list_file = self.list_without(&gone);
        gone.len() - before
    }

    /// The list of what to restore without rows, large objects and values of sequences: what is left makes the same
    /// definitions in an empty database.
    pub fn definitions_only(&self, archive: &Archive) -> String {
        let is_data = |entry: &&Entry| {
            let is_about = matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
            matches!(entry.desc.as_str(), "BLOB" | "BLOB METADATA" | "MATERIALIZED VIEW DATA")
                || entry.section == Section::Data
                || is_about && entry.tag.starts_with("LARGE OBJECT")
        };
        self.list_without(&archive.entries.iter().filter(is_data).map(|entry| entry.dump_id).collect())
    }

    fn list_without(&self, gone: &BTreeSet<DumpId>) -> String {
        let stays = |line: &&str| {
            let id = line.split(';').next().and_then(|id| id.parse().ok());
            id.is_none_or(|id: DumpId| !gone.contains(&id))
        };
        self.list_file.split_inclusive('\n').filter(stays).collect()
    }
}

/// The roles of `archive` that must be superusers to own what they own.
pub fn superusers(archive: &Archive) -> BTreeSet<String> {
    let owned = archive.entries.iter().filter(|entry| rules::has_superuser_for_owner(entry));
    owned.map(|entry| entry.owner.clone()).filter(|owner| !owner.is_empty()).collect()
}

/// Decides what a role with these rights restores of `archive`.
pub fn select(archive: &Archive, rights: Rights) -> Selection {
    let schemas = match rights {
        Rights::Owner => schemas_of_extensions(archive, |name| !reaches_outside(name)),
        Rights::Superuser => schemas_of_extensions(archive, |name| name == TIMESCALEDB),
    };
    let unfillable = match rights {
        Rights::Owner => restricted::unfillable(archive),
        Rights::Superuser => HashSet::new(),
    };
    let mut reasons = HashMap::new();
    for entry in &archive.entries {
        let unfillable = unfillable.contains(&entry.dump_id).then_some(Reason::SuperuserOnly(restricted::WHY));
        if let Some(reason) = reason(entry, archive, rights, &schemas).or(unfillable) {
            reasons.insert(entry.dump_id, reason);
        }
    }
    add_dependents(archive, &mut reasons);
    restore_schemas_without_extension(archive, &mut reasons);
    let is_made_beforehand = |entry: &&Entry| reasons.get(&entry.dump_id) == Some(&Reason::MadeBeforehand);
    let made_beforehand = || archive.entries.iter().filter(is_made_beforehand);
    let left_out = archive
        .entries
        .iter()
        .filter_map(|entry| reasons.get(&entry.dump_id).map(|reason| LeftOut::new(entry, reason.clone())));
    Selection {
        list_file: list_file(archive, &reasons),
        left_out: left_out.collect(),
        extensions: made_beforehand().filter(|entry| entry.desc == "EXTENSION").map(Extension::of).collect(),
    }
}

impl Archive {
    /// Its extensions, in its order.
    pub fn extensions(&self) -> Vec<Extension> {
        self.entries.iter().filter(|entry| entry.desc == "EXTENSION").map(Extension::of).collect()
    }
}

impl LeftOut {
    fn new(entry: &Entry, reason: Reason) -> Self {
        Self {
            dump_id: entry.dump_id,
            desc: entry.desc.clone(),
            schema: entry.namespace.clone(),
            name: entry.tag.clone(),
            reason,
            holds_rows: entry.has_data,
        }
    }
}

impl fmt::Display for LeftOut {
    /// As [`Entry`].
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.schema.is_empty() { "" } else { "." };
        write!(formatter, "{} {}{dot}{}", self.desc, self.schema, self.name)
    }
}

impl Extension {
    /// `CREATE EXTENSION IF NOT EXISTS name WITH SCHEMA schema`.
    fn of(entry: &Entry) -> Self {
        let statements = sql::statements(&entry.defn);
        let schema = statements.first().and_then(|first| first.after("SCHEMA")).and_then(|token| token.name());
        Self { name: entry.tag.clone(), schema: schema.unwrap_or_default() }
    }
}

/// Extensions are made before the restore, so the schemas that they lie in must be, too.
fn schemas_of_extensions(archive: &Archive, are_made: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let extensions = archive.entries.iter().filter(|entry| entry.desc == "EXTENSION" && are_made(&entry.tag));
    extensions.map(|entry| Extension::of(entry).schema).collect()
}

/// A schema is made beforehand only if one of its extensions is.
fn restore_schemas_without_extension(archive: &Archive, reasons: &mut HashMap<DumpId, Reason>) {
    let is_made = |entry: &&Entry| reasons.get(&entry.dump_id) == Some(&Reason::MadeBeforehand);
    let of_kind = |desc: &'static str| archive.entries.iter().filter(move |entry| entry.desc == desc);
    let needed: BTreeSet<String> =
        of_kind("EXTENSION").filter(is_made).map(|entry| Extension::of(entry).schema).collect();
    let unneeded: Vec<DumpId> = of_kind("SCHEMA")
        .filter(is_made)
        .filter(|entry| !needed.contains(&entry.tag))
        .map(|entry| entry.dump_id)
        .collect();
    unneeded.iter().for_each(|id| {
        reasons.remove(id);
    });
}

/// Why `entry` by itself is left out.
fn reason(entry: &Entry, archive: &Archive, rights: Rights, schemas: &BTreeSet<String>) -> Option<Reason> {
    let statements: Vec<Statement<'_>> = sql::statements(&entry.defn);
    if let Some(what) = kinds::foreign_statement(entry, &statements) {
        return Some(Reason::Foreign(what));
    }
    let is_about =
        |kind: &str| matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL") && entry.tag.starts_with(kind);
    if matches!(entry.desc.as_str(), "DATABASE" | "DATABASE PROPERTIES") || is_about("DATABASE ") {
        return Some(Reason::OfTheDatabase);
    }
    // The entry of `public` may have no statement, because the schema is there in every new database.
    let is_schema_of_one = entry.desc == "SCHEMA" && !statements.is_empty() && schemas.contains(&entry.tag);
    if rights == Rights::Superuser {
        if is_schema_of_one || (entry.desc == "EXTENSION" && entry.tag == TIMESCALEDB) {
            return Some(Reason::MadeBeforehand);
        }
        let connects = entry.desc == "SUBSCRIPTION" && !never_connects(&entry.defn);
        return connects.then(|| Reason::Foreign("a subscription that would connect".to_owned()));
    }
    let extension = if entry.desc == "EXTENSION" { Some(entry.tag.as_str()) } else { None };
    let extension = extension.or_else(|| entry.tag.strip_prefix("EXTENSION ").filter(|_| is_about("EXTENSION ")));
    match extension {
        Some(name) if reaches_outside(name.trim_matches('"')) => Some(Reason::ReachesOutside),
        Some(_) => Some(Reason::MadeBeforehand),
        None if is_schema_of_one => Some(Reason::MadeBeforehand),
        None => rules::superuser_only(entry, &statements, archive).map(Reason::SuperuserOnly),
    }
}

/// Whether a `CREATE SUBSCRIPTION` is one that makes no connection: `WITH (connect = false, ..)`.
fn never_connects(definition: &str) -> bool {
    sql::has_in_a_row(definition, ["connect", "=", "false"])
}

/// Adds everything that depends, directly or not, on something that will not be there. What would be made
/// beforehand is no exception: an extension that needs one that is left out could only be made with it.
fn add_dependents(archive: &Archive, reasons: &mut HashMap<DumpId, Reason>) {
    let mut dependents: HashMap<DumpId, Vec<&Entry>> = HashMap::new();
    for entry in &archive.entries {
        for needed in &entry.dependencies {
            dependents.entry(*needed).or_default().push(entry);
        }
    }
    let missing = |entry: &&Entry| reasons.get(&entry.dump_id).is_some_and(Reason::is_unproven);
    let mut missing: VecDeque<&Entry> = archive.entries.iter().filter(missing).collect();
    while let Some(gone) = missing.pop_front() {
        for &dependent in dependents.get(&gone.dump_id).into_iter().flatten() {
            let because = || Reason::DependsOn(in_brief(gone));
            match reasons.entry(dependent.dump_id) {
                Place::Vacant(place) => {
                    place.insert(because());
                }
                Place::Occupied(mut place) if *place.get() == Reason::MadeBeforehand => {
                    place.insert(because());
                }
                Place::Occupied(_) => continue,
            }
            missing.push_back(dependent);
        }
    }
}

/// As a person would name `entry`, as far as that is short: every entry that depends on it repeats this, and an archive
/// chooses how long a name is.
fn in_brief(entry: &Entry) -> String {
    let name = entry.to_string();
    match name.char_indices().nth(MAX_NAME_CHARACTERS) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name,
    }
}

/// One line for each entry to restore. `pg_restore` reads the number; the rest is for people, and a
/// name with a line break in it must not become a line of its own.
fn list_file(archive: &Archive, reasons: &HashMap<DumpId, Reason>) -> String {
    let mut list = String::new();
    for entry in archive.entries.iter().filter(|entry| !reasons.contains_key(&entry.dump_id)) {
        let schema = if entry.namespace.is_empty() { "-" } else { &entry.namespace };
        let Entry { dump_id, catalog_oid, oid, desc, tag, owner, .. } = entry;
        let line = format!("{dump_id}; {catalog_oid} {oid} {desc} {schema} {tag} {owner}");
        let line = line.replace(char::is_control, " ");
        writeln!(list, "{line}").expect("a String takes all that is written to it");
    }
    list
}

#[cfg(test)]
mod tests;
