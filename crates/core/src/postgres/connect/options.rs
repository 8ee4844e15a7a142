//! Session settings that no role's or database's own settings can undo.

/// `ALTER ROLE backup SET statement_timeout = '1min'` is good advice for applications and the end
/// of every large dump. What the client asks for at startup ranks above it.
const ALWAYS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/// How values and names look as text, if `pg_dump` leaves it to the session: a drill compares the rows and definitions
/// of an archive with those of a restored database as text, and a role or database may have other settings here than
/// there.
const AS_TEXT: &str = "-c TimeZone=UTC -c bytea_output=hex -c xmlbinary=base64 -c quote_all_identifiers=off";

/// A setting that no server, database or role has by itself: if it is missing, the startup options got lost.
const ARRIVED: &str = "-c backup.options_arrived=on";

/// Unknown to older servers, which would refuse the connection. The check interval, in
/// milliseconds, lets a server notice within two seconds that we are gone.
const SINCE_14: &str = "-c idle_session_timeout=0 -c client_connection_check_interval=2000";

/// As above, for 17.
const SINCE_17: &str = "-c transaction_timeout=0";

/// The startup options (`PGOPTIONS`) for a server of this version: the user's own, then ours, which
/// win because the last one of a kind does.
///
/// `server_version_num` is PostgreSQL's number, such as 150018; with 0 the options are those that
/// every supported server takes.
pub fn safe_options(server_version_num: u32, user_options: &str) -> String {
    join(server_version_num, &[user_options.trim(), ALWAYS, AS_TEXT])
}

/// As [`safe_options`], but for values as text: a restore computes with the settings of its source. Our own sessions
/// begin with these, too, so that what the server and the database have set stays to be seen there as
/// `pg_settings.reset_val`.
pub(super) fn restoring_options(server_version_num: u32, user_options: &str) -> String {
    join(server_version_num, &[user_options.trim(), ALWAYS])
}

fn join(server_version_num: u32, common: &[&str]) -> String {
    let mut options = [common, &[ARRIVED]].concat();
    if server_version_num >= 140_000 {
        options.push(SINCE_14);
    }
    if server_version_num >= 170_000 {
        options.push(SINCE_17);
    }
    options.retain(|option| !option.is_empty());
    options.join(" ")
}

/// `options` for our own statements, which find nothing by accident: their names are qualified. And they
/// run in one process: a count takes no second core of a production server, and a parallel worker would
/// begin with the `transaction_timeout` of its role (17, 18), which ends it.
///
/// The path is not for `pg_dump`: it empties the path itself, and goes back to the session's own one to look up
/// the patterns of `--table` and its kind. With an empty one there, `--exclude-table=audit_log` would
/// exclude nothing, without a word.
pub(super) fn for_own_statements(options: &str) -> String {
    format!("{options} -c search_path= -c max_parallel_workers_per_gather=0")
}

/// The statement that makes the settings of `options` after the login: those that `options` names as `-c name=value`.
///
/// It is for a pooler that drops startup options, and for a login event trigger that has changed some.
pub(super) fn as_statements(options: &str) -> String {
    let settings = options.split("-c ").filter_map(|setting| setting.trim().split_once('='));
    let statements = settings.map(|(name, value)| match value {
        "" => format!("SET {name} = ''"),
        value => format!("SET {name} = '{}'", value.replace('\'', "''")),
    });
    statements.collect::<Vec<_>>().join("; ")
}

/// Turns `server_version`, such as `15.18 (Debian 15.18-0+deb12u1)` or `17beta1`, into the number
/// that `server_version_num` would show; `None` if it does not begin with a version.
pub(super) fn version_number(server_version: &str) -> Option<u32> {
    let number = |text: &str| -> Option<u32> {
        let digits = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok().filter(|number| *number < 1000)
    };
    let mut parts = server_version.trim().split('.');
    let major = number(parts.next()?)?;
    let second = parts.next().and_then(number).unwrap_or(0);
    if major >= 10 {
        return Some(major * 10_000 + second);
    }
    // Before 10, the first two numbers were the major version.
    let third = parts.next().and_then(number).unwrap_or(0);
    Some(major * 10_000 + second * 100 + third)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server_version: &str, expected: Option<u32>) {
        assert_eq!(version_number(server_version), expected, "{server_version}");
    }

    #[test]
    fn server_versions() {
        check("15.18 (Debian 15.18-0+deb12u1)", Some(150_018));
        check("18.1", Some(180_001));
        check("17beta1", Some(170_000));
        check("16devel", Some(160_000));
        check("9.6.24", Some(90_624));
        check("", None);
        check("unknown", None);
        check("99999999999.1", None);
    }

    #[test]
    fn options_as_statements() {
        let options = for_own_statements("-c statement_timeout=0 -c TimeZone=UTC");
        let expected = "SET statement_timeout = '0'; SET TimeZone = 'UTC'; SET search_path = ''; \
            SET max_parallel_workers_per_gather = '0'";
        assert_eq!(as_statements(&options), expected);
    }

    #[test]
    fn explicit_settings_come_last_and_suit_the_version() {
        let for_version = |version| safe_options(version, " -c work_mem=64MB -c lock_timeout=1 ");
        let common = "-c work_mem=64MB -c lock_timeout=1 -c statement_timeout=0 -c lock_timeout=0 \
            -c idle_in_transaction_session_timeout=0 -c TimeZone=UTC -c bytea_output=hex -c xmlbinary=base64 -c quote_all_identifiers=off \
            -c backup.options_arrived=on";
        let since_14 = "-c idle_session_timeout=0 -c client_connection_check_interval=2000";
        assert_eq!(for_version(0), common);
        assert_eq!(for_version(130_020), common);
        assert_eq!(for_version(140_000), format!("{common} {since_14}"));
        assert_eq!(for_version(170_000), format!("{common} {since_14} -c transaction_timeout=0"));
        assert!(safe_options(0, "").starts_with("-c statement_timeout=0"));
    }
}
