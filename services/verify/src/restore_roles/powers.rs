//! What a person should know of a role before it is made: anyone who can write to the bucket can have written it.

use std::collections::BTreeSet;

use backup_core::postgres::globals::{Attribute, Membership, Statement};

/// Predefined roles that reach beyond tables of their own, and what their members can do.
pub(super) const PREDEFINED: [(&str, &str); 5] = [
    ("pg_execute_server_program", "runs programs on the server's machine"),
    ("pg_write_server_files", "writes files on the server's machine"),
    ("pg_read_server_files", "reads files on the server's machine"),
    ("pg_read_all_data", "reads every table"),
    ("pg_write_all_data", "changes every table"),
];

/// Attributes that do.
const ATTRIBUTES: [(&str, &str); 4] = [
    ("SUPERUSER", "does anything on the server and, through it, on its machine"),
    ("REPLICATION", "copies the whole server, with every database and password hash"),
    ("BYPASSRLS", "reads and changes rows past row security"),
    ("CREATEROLE", "makes roles and, before PostgreSQL 16, gives itself any but a superuser's rights"),
];

/// Parameters that run code in the sessions of a role, or switch off what protects rows.
const PARAMETERS: [(&str, &str); 11] = [
    ("session_preload_libraries", "loads a library into its sessions"),
    ("local_preload_libraries", "loads a library into its sessions"),
    ("dynamic_library_path", "decides which library a name loads"),
    ("role", "makes its sessions act as another role"),
    ("session_replication_role", "can switch triggers and foreign keys off"),
    ("event_triggers", "can switch event triggers off"),
    ("allow_system_table_mods", "lets system catalogs be changed"),
    ("lo_compat_privileges", "opens every large object"),
    ("zero_damaged_pages", "turns damaged pages into empty ones"),
    ("ignore_checksum_failure", "lets damage pass"),
    ("ignore_system_indexes", "lets damage pass"),
];

/// A sentence about an attribute, if it has power.
pub(super) fn of_attribute(role: &str, attribute: &str) -> Option<String> {
    let (_, what) = ATTRIBUTES.iter().find(|(name, _)| *name == attribute)?;
    let be = if attribute == "SUPERUSER" { "be a superuser".to_owned() } else { format!("have {attribute}") };
    Some(format!("{role} will {be}, which {what}; if it need not, ALTER ROLE ... NO{attribute} afterwards"))
}

/// A sentence about a setting, if it has power.
pub(super) fn of_setting(role: &str, parameter: &str) -> Option<String> {
    let what = power_of(parameter)?;
    Some(format!("{role} will have the setting {parameter}, which {what}; if it need not, ALTER ROLE ... RESET it"))
}

/// A sentence about the right to set a parameter, if that has power.
pub(super) fn of_right(role: &str, parameter: &str) -> Option<String> {
    let what = power_of(parameter)?;
    Some(format!("{role} may set {parameter}, which {what}; if it need not, REVOKE that afterwards"))
}

/// Names of parameters know no case.
fn power_of(parameter: &str) -> Option<&'static str> {
    PARAMETERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter)).map(|(_, what)| *what)
}

/// The roles by which a member gets power, directly or through other roles: those that are there, and those of
/// `statements`.
pub(super) fn powerful(statements: &[Statement], powerful_there: &BTreeSet<String>) -> BTreeSet<String> {
    let mut powerful: BTreeSet<String> = PREDEFINED.iter().map(|(name, _)| (*name).to_owned()).collect();
    powerful.extend(powerful_there.iter().cloned());
    powerful.extend(statements.iter().filter_map(superuser).map(str::to_owned));
    loop {
        let before = powerful.len();
        for statement in statements {
            if let Statement::Membership(Membership { role, member, .. }) = statement
                && powerful.contains(role)
            {
                powerful.insert(member.clone());
            }
        }
        if powerful.len() == before {
            return powerful;
        }
    }
}

/// A sentence about a membership in one of [`powerful`].
pub(super) fn of_membership(member: &str, role: &str) -> String {
    let what = PREDEFINED.iter().find(|(name, _)| *name == role).map(|(_, what)| *what);
    let what = what.unwrap_or("is a superuser, or has such a right itself");
    format!("{member} will be a member of {role}, which {what}; if it need not, REVOKE that afterwards")
}

/// The role that a statement makes a superuser.
pub(super) fn superuser(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Alter { role, attributes } => {
            attributes.contains(&Attribute::Flag("SUPERUSER")).then_some(role.as_str())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(role: &str, member: &str) -> Statement {
        let (role, member) = (role.to_owned(), member.to_owned());
        Statement::Membership(Membership { role, member, admin: false, inherit: None, set: None })
    }

    #[test]
    fn power_goes_on_from_role_to_role() {
        let there = ["boss".to_owned()].into();
        let statements = [
            membership("c", "d"),
            membership("b", "c"),
            membership("pg_execute_server_program", "b"),
            membership("boss", "e"),
            membership("harmless", "f"),
            membership("d", "b"),
        ];
        let powerful = powerful(&statements, &there);
        for (role, expected) in [("b", true), ("c", true), ("d", true), ("e", true), ("f", false), ("harmless", false)]
        {
            assert_eq!(powerful.contains(role), expected, "{role}");
        }
    }

    #[test]
    fn only_what_has_power_is_told() {
        for (parameter, is_told) in
            [("Session_Preload_Libraries", true), ("role", true), ("work_mem", false), ("search_path", false)]
        {
            assert_eq!(of_setting("r", parameter).is_some(), is_told, "{parameter}");
            assert_eq!(of_right("r", parameter).is_some(), is_told, "{parameter}");
        }
        for (attribute, is_told) in [("BYPASSRLS", true), ("NOBYPASSRLS", false), ("LOGIN", false)] {
            assert_eq!(of_attribute("r", attribute).is_some(), is_told, "{attribute}");
        }
    }
}
