//! The grants of an object, as far as they can be equal if its owner is not.

use std::collections::BTreeSet;

use crate::sql::{Statement, Token, statements};

/// The grants to, and the revocations from, all roles but `ignored`, in a fixed order, each with the role in whose name
/// it is made, if that is not the owner.
///
/// `pg_dump` writes an owner's own rights only if they are not the usual ones, and names the owner
/// there; after a restore without owners those statements are about another role.
pub(super) fn to_others(definition: &str, ignored: &BTreeSet<&str>) -> String {
    let mut grantor = None;
    let mut lines = BTreeSet::new();
    for statement in statements(definition) {
        if statement.begins("SET SESSION AUTHORIZATION") {
            grantor = statement.after("AUTHORIZATION").and_then(|token| token.name());
        } else if statement.begins("RESET SESSION AUTHORIZATION") {
            grantor = None;
        } else if !grantee(&statement).is_some_and(|name| ignored.contains(&*name)) {
            let by = grantor.as_ref().map(|grantor| format!(" GRANTED BY {grantor}")).unwrap_or_default();
            lines.insert(format!("{}{by}", statement.text));
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// `GRANT .. TO name [WITH GRANT OPTION]`, `REVOKE .. FROM name`: what follows the last of the keyword.
fn grantee(statement: &Statement<'_>) -> Option<String> {
    let keyword = if statement.begins("GRANT") { "TO" } else { "FROM" };
    let tokens: &[Token<'_>] = &statement.tokens;
    let place = tokens.iter().rposition(|token| token.is(keyword))?;
    tokens.get(place + 1)?.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(definition: &str, expected: &str) {
        assert_eq!(to_others(definition, &BTreeSet::from(["app", "Big \"o\""])), expected);
    }

    #[test]
    fn what_owners_may_is_left_aside() {
        check("GRANT SELECT ON TABLE s.t TO app;\n", "");
        check("REVOKE ALL ON TABLE s.t FROM \"Big \"\"o\"\"\";\nGRANT SELECT ON TABLE s.t TO \"Big \"\"o\"\"\";", "");
        check("GRANT SELECT ON TABLE s.t TO \"App\";", "GRANT SELECT ON TABLE s.t TO \"App\"");
        check("GRANT SELECT ON TABLE \"to\".t TO app WITH GRANT OPTION;", "");
    }

    #[test]
    fn what_others_may_counts_in_whatever_order() {
        let [public, clerk] = ["REVOKE ALL ON FUNCTION f() FROM PUBLIC", "GRANT ALL ON FUNCTION f() TO clerk"];
        let expected = format!("{clerk}\n{public}");
        check(&format!("{public};\n{clerk};\n"), &expected);
        check(&format!("{clerk};\nGRANT ALL ON FUNCTION f() TO app;\n{public};\n"), &expected);
        let by_report = format!("SET SESSION AUTHORIZATION report;\n{clerk};\nRESET SESSION AUTHORIZATION;\n{public};");
        check(&by_report, &format!("{clerk} GRANTED BY report\n{public}"));
    }
}
