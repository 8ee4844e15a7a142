//! Schemas that hold extensions of a superuser stay the superuser's, and nothing good is missed by that.

use e2e::postgres::SUPERUSER;

use super::{PASSED, Site, drill, server};

/// In a drill, tries everything that the owner of a schema may, and notes what it could do.
const TRY: &str = "
    CREATE SCHEMA app;
    CREATE FUNCTION app.try() RETURNS bool LANGUAGE plpgsql AS $$
    DECLARE statement text;
    BEGIN
      IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN true; END IF;
      FOREACH statement IN ARRAY ARRAY[
        'DROP SCHEMA public CASCADE', 'DROP SCHEMA ext CASCADE', 'ALTER SCHEMA ext RENAME TO other',
        'CREATE FUNCTION ext.planted() RETURNS int LANGUAGE sql AS ''SELECT 1''',
        'ALTER SCHEMA public OWNER TO CURRENT_USER', 'DROP EXTENSION hstore CASCADE']
      LOOP
        BEGIN
          EXECUTE statement;
          CREATE TABLE IF NOT EXISTS app.done (what text);
          INSERT INTO app.done VALUES (statement);
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
      END LOOP;
      RETURN true;
    END $$;
    CREATE TABLE app.t (id int CHECK (app.try())); INSERT INTO app.t VALUES (1)";

const EXTENSIONS: &str = "
    CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION pgcrypto SCHEMA public;";

#[test]
fn a_role_cannot_drop_or_fill_the_schema_of_a_superusers_extension_r051() {
    let site = Site::new(&format!("{EXTENSIONS} {TRY}"));
    let server = server(&[]);
    let nothing = "-- name: nothing was possible\nSELECT to_regclass('app.done') IS NULL";
    for run in [site.verify(), site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER))] {
        let drilled = drill(run.env("VERIFY_SQL", nothing).env("VERIFY_JOBS", "1"));
        drilled.assert_code(PASSED);
    }
    site.assert_clean();
}

#[test]
fn grants_and_comments_on_such_schemas_come_back() {
    let site = Site::new(&format!(
        "{EXTENSIONS}
         CREATE ROLE \"reader SOURCE\"; CREATE ROLE \"writer SOURCE\";
         COMMENT ON SCHEMA ext IS 'for extensions'; COMMENT ON SCHEMA public IS 'for all else';
         GRANT USAGE ON SCHEMA ext TO \"reader SOURCE\"; GRANT ALL ON SCHEMA ext TO \"writer SOURCE\" WITH GRANT OPTION;
         REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO \"reader SOURCE\";
         CREATE SCHEMA \"Odd one\"; CREATE EXTENSION citext SCHEMA \"Odd one\";
         COMMENT ON SCHEMA \"Odd one\" IS 'odd'; GRANT USAGE ON SCHEMA \"Odd one\" TO PUBLIC;
         CREATE TABLE public.t (h ext.hstore, c \"Odd one\".citext); INSERT INTO public.t VALUES ('a=>1', 'X');
         CREATE FUNCTION ext.own() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE TABLE ext.mine AS SELECT ext.own() AS n"
    ));
    let server = server(&[]);
    let plain = drill(site.verify());
    plain.assert_code(PASSED);
    assert_eq!(plain.list("not_exercised"), "[]", "{:#}", plain.report);
    drill(site.verify_on(&server).env("VERIFY_ADMIN_URL", server.url(SUPERUSER))).assert_code(PASSED);
    site.assert_clean();
}
