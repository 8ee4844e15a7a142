//! Code of an archive that changes what was restored, in the reference database as well.

use super::said::{CANARY, assert_tells_no_row};
use super::{FAILED, Site, drill};

/// A database whose index runs `body` when it is made again, and did not when it was made: the expression of an index is
/// computed when it is planned, on an empty table, too.
fn armed(more: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION step() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
         CREATE FUNCTION folded(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.step(); END $$;
         CREATE TABLE flags (n int); INSERT INTO flags VALUES (1), (2); {more};
         CREATE INDEX ON flags ((n + folded(1)));
         CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN {body}; RETURN 1; END $body$"
    )
}

/// The reference has the same body, which the archive has not.
#[test]
fn a_function_that_the_archive_changes_everywhere_is_found() {
    let site = Site::new(&armed(
        "CREATE FUNCTION may_see(t text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT t = current_user'",
        "CREATE OR REPLACE FUNCTION public.may_see(t text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT true'",
    ));
    for restore_as in ["role", "superuser"] {
        let drilled = drill(site.verify().env("VERIFY_RESTORE_AS", restore_as));
        drilled.assert_code(FAILED).assert_lists("findings", &["FUNCTION public.may_see(text) differs"]);
    }
    site.assert_clean();
}

/// Names are code's to make: of a view, and of what is in the reference database as well, to which the row comes by a
/// setting of the role.
#[test]
fn no_name_that_was_made_of_a_row_is_told() {
    let body = "
        DECLARE what text := (SELECT v FROM public.cards); BEGIN
          IF what IS NOT NULL THEN
            EXECUTE format('ALTER ROLE CURRENT_USER SET application_name = %L', what);
            EXECUTE format('CREATE MATERIALIZED VIEW IF NOT EXISTS public.%I AS SELECT 1 AS n', 'view ' || what);
          ELSE
            what := (SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) s
                      WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
                        AND s LIKE 'application_name=%');
          END IF;
          IF NOT EXISTS (SELECT FROM pg_ts_dict WHERE dictname = 'words ' || what) THEN
            EXECUTE format('CREATE TEXT SEARCH DICTIONARY public.%I (template = simple)', 'words ' || what);
          END IF;
        END";
    let site = Site::new(&armed(&format!("CREATE TABLE cards AS SELECT '{CANARY}'::text AS v"), body));
    let drilled = drill(site.verify().env("VERIFY_ATTEST", "true").env("LOG_LEVEL", "debug"));
    drilled.assert_code(FAILED).assert_lists("findings", &["has rows, and had none in the source"]);
    assert!(drilled.list("notes").contains("spelled differently by this server"), "{:#}", drilled.report);
    assert_tells_no_row(&site, &drilled);
}

/// What a superuser's archive does to PostgreSQL itself is in no dump.
#[test]
fn changes_to_aggregates_and_operators_of_postgresql_are_found() {
    for (body, found) in [
        (
            "UPDATE pg_aggregate SET aggtransfn = 'int4larger' WHERE aggfnoid = 'min(int4)'::regprocedure",
            "the functions in pg_catalog or information_schema are not PostgreSQL's",
        ),
        (
            "UPDATE pg_operator SET oprcode = 'float8ge' WHERE oid = '>(float8,float8)'::regoperator",
            "the operators, casts or operator classes of PostgreSQL are not its own",
        ),
    ] {
        let site =
            Site::new(&armed("SELECT 1", &format!("IF current_setting('listen_addresses') = '' THEN {body}; END IF")));
        let drilled = drill(site.verify().env("VERIFY_RESTORE_AS", "superuser"));
        drilled.assert_code(FAILED).assert_lists("findings", &[found]);
    }
}
