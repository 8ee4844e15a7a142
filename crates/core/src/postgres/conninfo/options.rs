//! Startup options, `PGOPTIONS`, and how their values are written.

/// Login event triggers run in every session of `pg_dump`, too: they can refuse it, write rows and change settings.
/// For superusers, and roles with `GRANT SET ON PARAMETER event_triggers`, from 17 on.
pub(in crate::postgres) const WITHOUT_EVENT_TRIGGERS: &str = "-c event_triggers=off";

/// `server_version_num` of the first version with event triggers on login.
pub(in crate::postgres) const FIRST_WITH_LOGIN_TRIGGERS: u32 = 170_000;

/// As the server reads `PGOPTIONS` (`pg_split_opts`).
pub(in crate::postgres) fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_whitespace() || character == '\\' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_value() {
        assert_eq!(escaped("ISO, MDY"), "ISO,\\ MDY");
        assert_eq!(escaped("a\\ -c role=x\n"), "a\\\\\\ -c\\ role=x\\\n");
    }
}
