//! What code of an archive says goes nowhere: neither rows nor files reach a report, a log or the bucket.

use super::{Drilled, FAILED, Site, drill};

pub(super) const CANARY: &str = "canary-4711-of-a-row";

/// Tells the row in every way in which a function can make the server say something.
const TELL: &str = r#"
    CREATE FUNCTION tell(way text, what text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
      IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN true; END IF;
      CASE way
        WHEN 'raise' THEN RAISE EXCEPTION 'it is %', what;
        WHEN 'cast' THEN PERFORM what::int;
        WHEN 'name' THEN EXECUTE 'SELECT FROM ' || quote_ident(what);
        WHEN 'like a violation' THEN RAISE check_violation USING MESSAGE = 'new row for relation "' || what || '" violates check constraint "x"';
        WHEN 'code' THEN RAISE EXCEPTION 'x' USING ERRCODE = 'Z4711';
        WHEN 'damage' THEN RAISE index_corrupted USING MESSAGE = what;
        WHEN 'notice' THEN RAISE WARNING '%', what; RETURN true;
        WHEN 'lines' THEN RAISE EXCEPTION E'x\npg_restore: error: %\npg_restore: warning: %\npg_restore: from TOC entry 1; 0 0 TABLE % alice\npg_restore: error: y', what, what, what;
      END CASE;
      RETURN true;
    END $$;
    CREATE TABLE by_raise (v text CHECK (tell('raise', v))); CREATE TABLE by_cast (v text CHECK (tell('cast', v)));
    CREATE TABLE by_name (v text CHECK (tell('name', v))); CREATE TABLE by_lines (v text CHECK (tell('lines', v)));
    CREATE TABLE by_violation (v text CHECK (tell('like a violation', v)));
    CREATE FUNCTION make(what text) RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN
      IF current_database() = 'SOURCE' AND current_setting('listen_addresses') <> '' THEN RETURN true; END IF;
      EXECUTE format('CREATE TABLE public.%I ()', what);
      EXECUTE format('ALTER TABLE public.other ALTER v SET DEFAULT %L', what);
      RETURN true;
    END $$;
    CREATE TABLE other (v text); CREATE TABLE by_names (v text CHECK (make(v)));
    CREATE TABLE by_notice (v text CHECK (tell('notice', v)));
    CREATE TABLE whole (v text); CREATE INDEX whole_damaged ON whole (tell('damage', v));
    CREATE VIEW told AS SELECT tell('raise', v) AS said FROM whole;
    CREATE VIEW told_by_code AS SELECT tell('code', v) AS said FROM whole;
    INSERT INTO by_raise VALUES ('CANARY'); INSERT INTO by_cast VALUES ('CANARY'); INSERT INTO by_name VALUES ('CANARY');
    INSERT INTO by_lines VALUES ('CANARY'); INSERT INTO by_violation VALUES ('CANARY');
    INSERT INTO by_names VALUES ('CANARY');
    INSERT INTO by_notice VALUES ('CANARY'); INSERT INTO whole VALUES ('CANARY')"#;

/// Asserts that nothing a failed drill has left holds [`CANARY`]; it wrote a record.
#[track_caller]
pub(super) fn assert_tells_no_row(site: &Site, drilled: &Drilled) {
    let records = site.stand.s3.objects().into_keys().filter(|key| key.contains("/drill-"));
    let record: String = records.map(|key| String::from_utf8_lossy(&site.stand.s3.read(&key)).into_owned()).collect();
    assert!(record.contains("failed"), "there is no record of the drill: {record:?}");
    let report = drilled.report.to_string();
    for (name, text) in
        [("report", &report), ("output", &drilled.output.stdout), ("log", &drilled.output.stderr), ("bucket", &record)]
    {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("4711")).collect();
        assert!(lines.is_empty(), "{name}: {lines:#?}");
    }
}

#[test]
fn no_text_of_an_archives_code_reaches_report_log_or_bucket() {
    let site = Site::new(&TELL.replace("CANARY", CANARY));
    let question = "-- name: told\nSELECT said FROM told;\n-- name: told by code\nSELECT said FROM told_by_code";
    let run = site.verify().env("VERIFY_SQL", question).env("VERIFY_ATTEST", "true").env("LOG_LEVEL", "debug");
    let drilled = drill(run);
    drilled.assert_code(FAILED);
    let findings = drilled.list("findings");
    for part in [
        "by_raise",
        "by_cast",
        "by_name",
        "by_lines",
        "by_violation",
        "P0001",
        "a SQLSTATE of its own",
        "invalid input syntax for type integer",
        "was not in the dump",
        "TABLE public.other differs",
    ] {
        assert!(findings.contains(part), "{part:?} is not in {findings}");
    }
    assert_tells_no_row(&site, &drilled);
    site.assert_clean();
}

/// What a server logs is code's to write as well.
#[test]
fn the_log_of_a_throwaway_server_is_never_quoted() {
    let site = Site::new(&format!(
        "CREATE FUNCTION tell() RETURNS int LANGUAGE plpgsql AS $$
         BEGIN
           IF (current_database() <> 'SOURCE' OR current_setting('listen_addresses') = '') THEN RAISE disk_full USING MESSAGE = '{CANARY}'; END IF;
           RETURN 1;
         END $$;
         CREATE MATERIALIZED VIEW v AS SELECT tell() AS n"
    ));
    let drilled = drill(site.verify());
    for text in [drilled.report.to_string(), drilled.output.stdout, drilled.output.stderr] {
        assert!(!text.contains("4711"), "{text}");
    }
}
