//! What a person should know of a role before it is made: anyone who can write to the bucket can have written it.

use std::collections::BTreeSet;

use backup_core::postgres::globals::{Attribute, Membership, Statement};

/// Predefined roles that reach beyond tables of their own, and what their members can do.
pub(super) const PREDEFINED: [(&str, &str); 9] = [
    ("pg_execute_server_program", "runs programs on the server's machine"),
    ("pg_write_server_files", "writes files on the server's machine"),
    ("pg_read_server_files", "reads files on the server's machine"),
    ("pg_read_all_data", "reads every table"),
    ("pg_write_all_data", "changes every table"),
    ("pg_maintain", "locks and rewrites every table"),
    ("pg_signal_backend", "ends sessions of others"),
    ("pg_monitor", "reads the statements of all sessions"),
    ("pg_create_subscription", "makes subscriptions, which write to tables"),
];

/// Attributes that do.
const ATTRIBUTES: [(&str, &str); 4] = [
    ("SUPERUSER", "does anything on the server and, through it, on its machine"),
    ("REPLICATION", "copies the whole server, with every database and password hash"),
    ("BYPASSRLS", "reads and changes rows past row security"),
    ("CREATEROLE", "makes roles and, before PostgreSQL 16, gives itself any but a superuser's rights"),
];

/// Parameters that run code, or switch off what protects rows.
const PARAMETERS: [(&str, &str); 25] = [
    ("session_preload_libraries", "loads a library into its sessions"),
    ("local_preload_libraries", "loads a library into its sessions"),
    ("dynamic_library_path", "decides which library a name loads"),
    ("extension_control_path", "decides from where extensions are taken"),
    ("log_statement", "can keep what it does out of the log"),
    ("log_min_messages", "can keep errors out of the log"),
    ("log_min_error_statement", "can keep what failed out of the log"),
    ("synchronous_commit", "can lose transactions that were committed"),
    ("role", "makes its sessions act as another role"),
    ("session_replication_role", "can switch triggers and foreign keys off"),
    ("event_triggers", "can switch event triggers off"),
    ("allow_system_table_mods", "lets system catalogs be changed"),
    ("lo_compat_privileges", "opens every large object"),
    ("zero_damaged_pages", "turns damaged pages into empty ones"),
    ("ignore_checksum_failure", "lets damage pass"),
    ("ignore_system_indexes", "lets damage pass"),
    ("shared_preload_libraries", "loads a library into the whole server"),
    ("archive_library", "loads a library into the server"),
    ("jit_provider", "loads a library into every session"),
    ("archive_command", RUNS_COMMANDS),
    ("restore_command", RUNS_COMMANDS),
    ("archive_cleanup_command", RUNS_COMMANDS),
    ("recovery_end_command", RUNS_COMMANDS),
    ("ssl_passphrase_command", RUNS_COMMANDS),
    ("krb_server_keyfile", "decides with which key logins are checked"),
];

/// What the server does with the text of some parameters.
const RUNS_COMMANDS: &str = "is a command that the server runs on its machine";

/// Rights on a parameter by which it can be changed for the whole server.
const OF_THE_SERVER: [&str; 2] = ["ALTER SYSTEM", "ALL"];

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

/// A sentence about rights on a parameter, if they have power. That to change one for the whole server always has.
pub(super) fn of_right(role: &str, rights: &[&str], parameter: &str) -> Option<String> {
    let (can, what) = match (rights.iter().any(|right| OF_THE_SERVER.contains(right)), power_of(parameter)) {
        (true, Some(what)) => ("may change", format!("{what}, and that for the whole server")),
        (true, None) => ("may change", "it does for the whole server".to_owned()),
        (false, Some(what)) => ("may set", what.to_owned()),
        (false, None) => return None,
    };
    Some(format!("{role} {can} {parameter}, which {what}; if it need not, REVOKE that afterwards"))
}

/// Names of parameters know no case. What extensions do with theirs is known to them alone: some run their text as code.
fn power_of(parameter: &str) -> Option<&'static str> {
    let known = PARAMETERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter)).map(|(_, what)| *what);
    known.or(parameter
        .contains('.')
        .then_some("belongs to an extension, which may run code by it or switch a check off"))
}

/// The roles by which a member gets power, directly or through other roles: those that are there, and those of
/// `statements`.
pub(super) fn powerful(statements: &[Statement], powerful_there: &BTreeSet<String>) -> BTreeSet<String> {
    let mut powerful: BTreeSet<String> = PREDEFINED.iter().map(|(name, _)| (*name).to_owned()).collect();
    powerful.extend(powerful_there.iter().cloned());
    powerful.extend(statements.iter().filter_map(attributed).map(str::to_owned));
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
    let what = what.unwrap_or("is a superuser, has such an attribute, or is a member of such a role");
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

/// The role to which a statement gives one of [`ATTRIBUTES`]. A member can act as it by `SET ROLE`, and so use it.
fn attributed(statement: &Statement) -> Option<&str> {
    let Statement::Alter { role, attributes } = statement else { return None };
    let has_power = |(name, _): &(&'static str, &str)| attributes.contains(&Attribute::Flag(name));
    ATTRIBUTES.iter().any(has_power).then_some(role.as_str())
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
            Statement::Alter { role: "copier".to_owned(), attributes: vec![Attribute::Flag("REPLICATION")] },
            Statement::Alter { role: "app".to_owned(), attributes: vec![Attribute::Flag("LOGIN")] },
            membership("copier", "g"),
            membership("app", "h"),
        ];
        let powerful = powerful(&statements, &there);
        for (role, expected) in [("b", true), ("c", true), ("d", true), ("e", true), ("f", false), ("harmless", false)]
            .into_iter()
            .chain([("g", true), ("h", false), ("app", false)])
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
            assert_eq!(of_right("r", &["SET"], parameter).is_some(), is_told, "{parameter}");
        }
        for (attribute, is_told) in [("BYPASSRLS", true), ("NOBYPASSRLS", false), ("LOGIN", false)] {
            assert_eq!(of_attribute("r", attribute).is_some(), is_told, "{attribute}");
        }
    }

    /// What is changed for the whole server is changed for everyone, and some of it is run.
    #[test]
    fn a_right_to_alter_the_system_is_always_told() {
        for (parameter, words) in [
            ("archive_command", "which is a command that the server runs on its machine, and that for the whole"),
            ("Shared_Preload_Libraries", "which loads a library into the whole server"),
            ("work_mem", "r may change work_mem, which it does for the whole server; if it need not"),
        ] {
            for rights in [&["ALTER SYSTEM"][..], &["SET", "ALTER SYSTEM"], &["ALL"]] {
                let told = of_right("r", rights, parameter).unwrap();
                assert!(told.contains(words), "{told}");
            }
        }
        for command in ["archive_library", "restore_command", "archive_cleanup_command", "recovery_end_command"] {
            assert!(of_right("r", &["SET"], command).is_some(), "{command}");
        }
    }

    #[test]
    fn settings_that_may_run_code_are_told_of_those_of_extensions_all() {
        let is_told = |parameter| of_setting("app", parameter).is_some();
        assert!(is_told("Session_Preload_Libraries") && is_told("plperl.on_plperlu_init") && is_told("pgaudit.log"));
        assert!(!is_told("search_path") && !is_told("work_mem"));
        assert!(
            of_right("app", &["SET"], "pltcl.start_proc").is_some() && of_right("app", &["SET"], "work_mem").is_none()
        );
    }
}
