//! Owners whom only an object of a rare kind has.

use e2e::postgres::SUPERUSER;
use serde_json::Value;

use super::DrillStand;

/// For each kind, its own owner, who owns nothing else: every one of them must be in the manifest.
#[test]
fn owners_of_every_kind_of_object_are_in_the_manifest_r132() {
    let kinds = [
        ("publication", "CREATE PUBLICATION SUFFIX", "PUBLICATION SUFFIX"),
        (
            "event_trigger",
            "CREATE FUNCTION f_SUFFIX() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE EVENT TRIGGER SUFFIX ON ddl_command_end EXECUTE FUNCTION f_SUFFIX()",
            "EVENT TRIGGER SUFFIX",
        ),
        (
            "server",
            "CREATE FOREIGN DATA WRAPPER w_SUFFIX; CREATE SERVER SUFFIX FOREIGN DATA WRAPPER w_SUFFIX",
            "SERVER SUFFIX",
        ),
        (
            "operator",
            "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
            "OPERATOR === (int, int)",
        ),
        ("collation", "CREATE COLLATION SUFFIX FROM \"C\"", "COLLATION SUFFIX"),
        ("text_search", "CREATE TEXT SEARCH CONFIGURATION SUFFIX (COPY = simple)", "TEXT SEARCH CONFIGURATION SUFFIX"),
        (
            "statistics",
            "CREATE TABLE t_SUFFIX (a int, b int); CREATE STATISTICS SUFFIX ON a, b FROM t_SUFFIX",
            "STATISTICS SUFFIX",
        ),
    ];
    let mut sql = String::new();
    for (kind, create, object) in kinds {
        // An owner of an event trigger must be a superuser; of the rest, anybody may be.
        let role = format!("owner of {kind}");
        let statement = format!(
            "DO $$ BEGIN CREATE ROLE \"{role}\" SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             {create}; ALTER {object} OWNER TO \"{role}\";"
        );
        sql += &statement.replace("SUFFIX", &format!("rare_{kind}"));
    }
    let stand = DrillStand::of(&sql, &[]);
    let manifest: Value = serde_json::from_slice(stand.pristine(&stand.key("manifest.json"))).unwrap();
    let roles = manifest["inventory"]["roles"].to_string();
    for (kind, ..) in kinds {
        assert!(roles.contains(&format!("\"owner of {kind}\"")), "the owner of the {kind} is not in {roles}");
    }
    let drill = stand.drill();
    assert!(drill.checks("passed").contains(&"owners".to_owned()), "{:#?}", drill.findings());
    assert_eq!(
        stand.stand.postgres.sql(SUPERUSER, "SELECT count(*) >= 7 FROM pg_roles WHERE rolname LIKE 'owner of %'"),
        "t"
    );
}
