//! The grants of an object, as far as they can be equal where its owner is not.

use std::collections::BTreeSet;

use crate::postgres::archive::sql::{Statement, Token, statements};

/// The grants to, and the revocations from, everybody but `owners`, in a fixed order.
///
/// `pg_dump` writes an owner's own rights only where they are not the usual ones, and names the owner
/// there; after a restore without owners those statements are about another role.
pub(super) fn to_others(definition: &str, owners: &BTreeSet<&str>) -> String {
    let statements = statements(definition);
    let of_others =
        statements.iter().filter(|statement| !grantee(statement).is_some_and(|name| owners.contains(&*name)));
    let lines: BTreeSet<&str> = of_others.map(|statement| statement.text).collect();
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
    }
}
