//! What an archive's code sets for its database changes nothing of what a drill does there.

use super::{PASSED, Site, drill};

/// Settings of a database that its owner may make, and that would change as whom or how our sessions work.
const SETTINGS: [&str; 9] = [
    "role = ME",
    "exit_on_error = on",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "search_path = public, pg_catalog",
    "row_security = off",
    "standard_conforming_strings = off",
    "transform_null_equals = on",
    "client_min_messages = error",
];

#[test]
fn settings_that_an_archive_makes_for_its_database_do_not_disarm_a_check_r051() {
    let statements = SETTINGS.map(|setting| {
        format!(
            "EXECUTE format('ALTER DATABASE %I SET {}', current_database(), current_user);",
            setting.replace('\'', "''")
        )
    });
    let statements = statements.concat().replace("ME", "%I");
    let site = Site::new(&format!(
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g; CREATE INDEX t_id ON t (id);
         CREATE FUNCTION disarm() RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN IF (current_database() <> 'SOURCE' OR current_setting('listen_addresses') = '') THEN {statements} END IF; RETURN true; END $$;
         CREATE TABLE trap (id int CHECK (disarm())); INSERT INTO trap VALUES (1)"
    ));
    let question = "-- name: it was set\nSELECT count(*) = 9 FROM pg_db_role_setting s, unnest(s.setconfig) one
                     WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let drilled = drill(site.verify().env("VERIFY_SQL", question));
    drilled.assert_code(PASSED);
    let checks = drilled.report["checks"].as_array().unwrap();
    let amcheck = checks.iter().find(|check| check["name"] == "amcheck").unwrap();
    assert_eq!(amcheck["state"], "passed", "{amcheck}");
    site.assert_clean();
}
