//! Which roles a drill makes, and to which of them the restoring role belongs.

use std::collections::BTreeSet;

use backup_core::repository::can_be_role;
use pgdump_archive::{Archive, NeededRoles};

/// Maximum number of roles that are made without being needed.
const MAX_BYSTANDERS: usize = 20_000;

/// Roles of a source by what a drill needs them for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// The archive's statements name them, so the restoring role becomes a member of each. PostgreSQL looks through all
    /// memberships of a role for each of its sessions, and takes a time for it that grows with their square.
    pub(crate) needed: BTreeSet<String>,
    /// Others: rows may name them.
    pub(crate) bystanders: BTreeSet<String>,
}

/// Sorts the roles that `archive` needs, and those that are `known` besides. What cannot be a role is found by the checks
/// of the archive.
pub(crate) fn sort<'all>(archive: &Archive, known: impl Iterator<Item = &'all String>) -> Sorted {
    let NeededRoles { owners, with_default_privileges, granted, named } = archive.needed_roles();
    let is_possible = |role: &String| can_be_role(role) && !role.starts_with("pg_");
    let of_entries = archive.entries.iter().map(|entry| entry.owner.clone());
    let of_statements = owners.into_keys().chain(with_default_privileges).chain(granted).chain(named);
    let needed: BTreeSet<String> = of_entries.chain(of_statements).filter(is_possible).collect();
    let others = known.filter(|role| is_possible(role) && !needed.contains(*role));
    let bystanders = others.take(MAX_BYSTANDERS).cloned().collect();
    Sorted { needed, bystanders }
}
