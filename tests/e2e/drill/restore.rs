//! `pg_restore` that fails, dies, or says that all is well.

use e2e::tools::FakeTools;

use super::DrillStand;
use super::stand::{DRILL_LIMIT, restore_then};
use crate::daemon::Running;

/// What `pg_restore` says if it goes on after errors, one of each class that an operator has to look at, and one
/// that is harmless.
const COMPLAINTS: &str = r#"cat >&2 <<'WORDS'
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1259 16400 TABLE orders alice
pg_restore: error: could not execute query: ERROR:  role "alice" does not exist
Command was: ALTER TABLE public.orders OWNER TO alice;

pg_restore: from TOC entry 2; 3079 16401 EXTENSION postgis 
pg_restore: error: could not execute query: ERROR:  extension "postgis" is not available
Command was: CREATE EXTENSION postgis;

pg_restore: while INITIALIZING:
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"
Command was: SET transaction_timeout = 0;

pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 219; 1259 16403 VIEW v alice
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"
Command was: SET transaction_timeout = 0;

pg_restore: from TOC entry 3400; 0 16402 TABLE DATA t alice
pg_restore: error: COPY failed for table "t": ERROR:  invalid input syntax for type integer: "x"
pg_restore: warning: errors ignored on restore: 5
WORDS
exit 1"#;

/// Everything is there, and yet it is no pass.
#[test]
fn every_complaint_of_pg_restore_is_a_finding_with_its_class_r023() {
    let stand = DrillStand::small("zstd");
    let tools = restore_then(COMPLAINTS);
    let drill = stand.drill_with(stand.verify().env("PG_BIN_DIR", tools.path()));
    drill.assert_found_by("restore", "");
    assert_eq!(
        drill.findings(),
        [
            r#"restore: role "..." does not exist (role)"#,
            r#"restore: extension "..." is not available (extension)"#,
            concat!(
                r#"restore: COPY failed for table "t": ERROR:  "#,
                r#"invalid input syntax for type integer: "..." (data)"#
            ),
        ]
    );
    assert!(drill.output.stdout.contains("extension \"...\" is not available"), "{}", drill.output.stdout);
    // What is known to be harmless is in the report, too.
    let notes = drill.report["notes"].to_string();
    let harmless = r#"harmless: unrecognized configuration parameter \"transaction_timeout\" (benign)"#;
    assert_eq!(notes.matches(harmless).count(), 1, "{notes}");
}

#[test]
fn a_pg_restore_that_dies_or_fails_without_a_word_fails_a_drill_r024() {
    let stand = DrillStand::small("zstd");
    for (end, words) in [("kill -SEGV $$", "signal: 11"), ("exit 3", "exit status: 3")] {
        let tools = restore_then(end);
        let drill = stand.drill_with(stand.verify().env("PG_BIN_DIR", tools.path()));
        drill.assert_found_by("restore", &format!("pg_restore ended early ({words}"));
    }
}

#[test]
fn the_daemon_outlives_a_pg_restore_that_is_killed_r024() {
    let stand = DrillStand::small("zstd");
    let mut tools = FakeTools::new();
    tools.script("pg_restore", "kill -KILL $$");
    let run = stand.verify().env("PG_BIN_DIR", tools.path()).env("RUN_ON_STARTUP", "true");
    let daemon = Running::start(run);
    let status = daemon.wait_for(DRILL_LIMIT, |status| status["consecutive_failures"] == 1);
    assert_eq!(status["last_report"]["verdict"], "failed", "{status:#}");
    let findings = status["last_report"]["findings"].to_string();
    assert!(findings.contains("signal: 9"), "{findings}");
    assert_eq!(daemon.get("/livez").0, 200);
    let (code, health) = daemon.get("/health");
    assert_eq!(code, 503, "{health}");
    assert!(health.to_string().contains("the last drill failed"), "{health}");
    stand.assert_nothing_is_left();
}

/// Each by its name, so that no reader has to search.
#[test]
fn what_came_back_broken_or_not_at_all_is_named_r026() {
    let stand = DrillStand::new();
    let sql = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_v'::regclass;
        UPDATE pg_constraint SET convalidated = false WHERE conrelid = 'parts_low'::regclass;
        REFRESH MATERIALIZED VIEW totals WITH NO DATA;
        SELECT setval('numbers', 1, false);
        DROP FUNCTION twice;
        DROP TRIGGER kinds_keep ON kinds;";
    let tools = restore_then(&format!("exec \"$PSQL\" -X -q -v ON_ERROR_STOP=1 \"$DB\" -c \"{sql}\""));
    let verify = stand.verify().env("VERIFY_RESTORE_AS", "superuser").env("PG_BIN_DIR", tools.path());
    let drill = stand.drill_with(verify);
    drill.assert_verdict("failed", 1);
    let findings = drill.findings();
    for wanted in [
        "indexes: index public.t_v is not valid",
        "constraints: constraint public.parts_low parts_kind_fkey is not validated",
        "materialized_views: materialized view public.totals has no rows",
        "sequences: sequence public.numbers: 42 in the archive, another one now",
        "definitions: FUNCTION public.twice(integer) is missing",
        "definitions: TRIGGER public.kinds kinds_keep is missing",
        "inventory: 2 functions in the source, and 1 after the restore",
    ] {
        assert!(findings.iter().any(|finding| finding == wanted), "{wanted:?} is not in {findings:#?}");
    }
}
