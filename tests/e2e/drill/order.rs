//! What depends on the order of a restore, and on the settings that it happens under.

use e2e::process::Run;

use super::DrillStand;

/// Schemas whose grants were made through a grant option, and for each role a table's.
const GRANTS: &str = "
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'order_first') THEN
        CREATE ROLE order_first; CREATE ROLE order_second;
      END IF;
    END $$;
    SELECT format('CREATE SCHEMA s%s; GRANT USAGE ON SCHEMA s%1$s TO order_first WITH GRANT OPTION;
                   CREATE TABLE s%1$s.t (id int); GRANT SELECT ON s%1$s.t TO order_first WITH GRANT OPTION;
                   SET SESSION AUTHORIZATION order_first;
                   GRANT USAGE ON SCHEMA s%1$s TO order_second; GRANT SELECT ON s%1$s.t TO order_second;
                   RESET SESSION AUTHORIZATION', n) FROM generate_series(1, 12) n \\gexec";

/// CHECKs that read other tables, which come later in the archive; one of them needs the one before.
const CHECKS: &str = "
    CREATE TABLE z_kinds (id int PRIMARY KEY);
    INSERT INTO z_kinds SELECT generate_series(1, 2000);
    CREATE FUNCTION kind_is_there(n int) RETURNS bool LANGUAGE sql AS
      'SELECT EXISTS (SELECT FROM public.z_kinds WHERE id = $1)';
    CREATE TABLE b_uses (kind int CHECK (kind_is_there(kind)));
    INSERT INTO b_uses SELECT generate_series(1, 500);
    CREATE FUNCTION use_is_there(n int) RETURNS bool LANGUAGE sql AS
      'SELECT EXISTS (SELECT FROM public.b_uses WHERE kind = $1)';
    CREATE TABLE a_uses (kind int CHECK (use_is_there(kind)));
    INSERT INTO a_uses SELECT generate_series(1, 20)";

/// Four tables whose rows no restore can bring back.
const REFUSED: &str = "
    CREATE FUNCTION fits(n int) RETURNS bool LANGUAGE sql AS 'SELECT true';
    SELECT format('CREATE TABLE t%s (id int CHECK (fits(id))); INSERT INTO t%1$s VALUES (1)', n)
      FROM generate_series(1, 4) n \\gexec
    CREATE OR REPLACE FUNCTION fits(n int) RETURNS bool LANGUAGE sql AS 'SELECT false'";

/// A function that calls itself immutable, and depends on the time zone, the style of dates and a setting of the
/// application.
const SETTINGS: &str = "
    SELECT format('ALTER DATABASE %I SET timezone = ''Asia/Kathmandu''', current_database()),
           format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database()),
           format('ALTER DATABASE %I SET app.region = ''eu west''', current_database()) \\gexec
    SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET app.region = 'eu west';
    CREATE FUNCTION local_day(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
    CREATE FUNCTION written(date) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
    CREATE FUNCTION here() RETURNS text LANGUAGE sql AS 'SELECT current_setting(''app.region'')';
    CREATE TABLE visits (at timestamptz, day date CHECK (day = local_day(at)), region text CHECK (region = here()),
                         made date GENERATED ALWAYS AS (local_day(at)) STORED,
                         label text GENERATED ALWAYS AS (written(local_day(at))) STORED);
    INSERT INTO visits (at, day, region) VALUES ('2026-11-22 20:00:00+00', '2026-11-23', 'eu west');
    CREATE MATERIALIZED VIEW days AS SELECT at::date AS day FROM visits";

/// `verify restore` of the newest backup into an empty database of the source's server; its name.
fn restored(stand: &DrillStand, jobs: &str) -> (String, Run) {
    let target = stand.stand.postgres.create_database();
    let run = stand.verify().args(["restore", "latest", "--to", &target.url, "--jobs", jobs]);
    (target.name, run)
}

#[test]
fn a_grant_made_through_a_grant_option_comes_back_with_any_number_of_jobs() {
    let stand = DrillStand::of(GRANTS, &[]);
    let verify = stand.verify().envs([("VERIFY_RESTORE_AS", "superuser"), ("VERIFY_JOBS", "4")]);
    stand.drill_with(verify).assert_verdict("passed", 0);
    let (name, run) = restored(&stand, "4");
    let output = run.output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let may = "SELECT count(*) FROM generate_series(1, 12) n
                WHERE has_schema_privilege('order_second', 's' || n, 'USAGE')
                  AND has_table_privilege('order_second', 's' || n || '.t', 'SELECT')";
    assert_eq!(stand.stand.postgres.sql(&name, may), "12");
}

#[test]
fn rows_whose_check_reads_another_table_come_back_with_any_number_of_jobs() {
    let stand = DrillStand::of(CHECKS, &[]);
    for jobs in ["1", "4"] {
        let drill = stand.drill_with(stand.verify().env("VERIFY_JOBS", jobs));
        drill.assert_verdict("passed", 0);
        let notes = drill.report["notes"].to_string();
        // With several jobs, the order may happen to be a good one.
        let late = notes.contains("TABLE DATA public.a_uses came back once the rows of other tables were there");
        assert!(late || jobs != "1", "{notes}");
    }
    let (name, run) = restored(&stand, "4");
    let output = run.output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let rows = "SELECT (SELECT count(*) FROM a_uses), (SELECT count(*) FROM b_uses)";
    assert_eq!(stand.stand.postgres.sql(&name, rows), "20|500");
}

#[test]
fn each_complaint_of_several_jobs_names_what_it_is_about_r023() {
    let stand = DrillStand::of(REFUSED, &[]);
    let drill = stand.drill_with(stand.verify().env("VERIFY_JOBS", "4"));
    drill.assert_verdict("failed", 1);
    let findings = drill.findings();
    let mut of_restore: Vec<&str> = findings.iter().filter_map(|finding| finding.strip_prefix("restore: ")).collect();
    of_restore.sort_unstable();
    let expected = |n: u32| {
        format!(
            "TABLE DATA public.t{n}: COPY failed for table \"t{n}\": ERROR:  new row for relation \"t{n}\" violates check \
             constraint \"t{n}_id_check\" (data)"
        )
    };
    assert_eq!(of_restore, [expected(1), expected(2), expected(3), expected(4)]);
}

#[test]
fn a_restore_computes_with_the_settings_of_the_source() {
    let stand = DrillStand::of(SETTINGS, &[]);
    let known = |manifest: &serde_json::Value| manifest["database"]["session_settings"]["TimeZone"] == "Asia/Kathmandu";
    stand.edit_manifest(|manifest| assert!(known(manifest), "{manifest:#}"));
    stand.drill().assert_verdict("passed", 0);
    let (name, run) = restored(&stand, "2");
    let output = run.output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let computed = "SELECT made = day, label, (SELECT day = visits.day FROM days) FROM visits";
    assert_eq!(stand.stand.postgres.sql(&name, computed), "t|23/11/2026|t");
}

/// A locale that a server has and another one has not is no reason to fail, and is named.
#[test]
fn a_setting_that_the_server_of_a_drill_does_not_take_is_noted() {
    let stand = DrillStand::of("CREATE TABLE t AS SELECT 1 AS id", &[]);
    stand.edit_manifest(|manifest| {
        manifest["database"]["session_settings"]["lc_monetary"] = "xx_YY.utf8".into();
        manifest["database"]["session_settings"]["session_preload_libraries"] = "evil".into();
    });
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    let notes = drill.report["notes"].to_string();
    assert!(notes.contains("the source had lc_monetary") && !notes.contains("evil"), "{notes}");
}
