//! Servers that lack something of the source: a version, an extension, a locale.

use e2e::postgres::{Database, SUPERUSER};
use serde_json::Value;

use super::{PASSED, Site, drill, leftovers, server};
use crate::stand::Stand;

#[test]
fn a_source_that_is_newer_than_the_target_is_refused_with_the_reason_r130() {
    let site = Site::new("CREATE TABLE t AS SELECT 1 AS id");
    site.edit_manifest(|manifest| manifest["database"]["server_version_num"] = 390_001.into());
    drill(site.verify()).assert_refused("postgresql-39");
    let server = server(&[]);
    let given = drill(site.verify_on(&server));
    given.assert_refused("the backup is of 39: an archive may hold what an older server does not know");
    assert!(!server.log_text().contains("CREATE DATABASE \"verify"), "refused, and yet a database was made");
    site.assert_clean();
}

#[test]
fn missing_extensions_are_listed_before_anything_is_restored_r131() {
    let site = Site::new("CREATE EXTENSION citext; CREATE EXTENSION cube; CREATE TABLE t (name citext, at cube)");
    // Names of the same length, which no server has.
    let renamed = |text: String| text.replace("citext", "vector").replace("cube", "cake");
    site.edit_dump(|dump| {
        // One char a byte, there and back.
        let text: String = dump.into_iter().map(char::from).collect();
        renamed(text).chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
    });
    site.edit_manifest(|manifest| *manifest = serde_json::from_str(&renamed(manifest.to_string())).unwrap());
    let server = server(&[]);
    for run in [site.verify(), site.verify_on(&server)] {
        let drilled = drill(run);
        drilled.assert_refused("lacks extensions of the source");
        let error = drilled.report["error"].as_str().unwrap();
        assert!(error.contains("vector 1.") && error.contains("cake 1."), "{error}");
        assert_eq!(drilled.report["durations"]["restore_data_seconds"], Value::Null, "something was restored");
    }
    assert_eq!(leftovers(&server), "");
    site.assert_clean();
}

/// A database of the shared server in `encoding`, with a text that needs it.
fn in_encoding(encoding: &str, text: &str) -> Site {
    let mut stand = Stand::new();
    let name = format!("{}_{}", stand.database.name, encoding.to_lowercase());
    let postgres = stand.postgres;
    postgres.sql(SUPERUSER, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'"));
    stand.database = Database { url: postgres.url(&name), name };
    stand.sql(&format!("CREATE TABLE t AS SELECT g AS id, {text} AS v FROM generate_series(1, 5) g"));
    Site::of(stand)
}

#[test]
fn other_encodings_and_locales_that_nobody_has_pass_with_a_note_r134() {
    let raw = in_encoding("SQL_ASCII", "convert_from('\\xff80'::bytea, 'SQL_ASCII')");
    drill(raw.verify()).assert_code(PASSED);
    let latin = in_encoding("LATIN1", "chr(233)");
    latin.edit_manifest(|manifest| {
        manifest["database"]["collate"] = "xx_YY.ISO-8859-1".into();
        manifest["database"]["ctype"] = "xx_YY.ISO-8859-1".into();
    });
    let server = server(&[]);
    for run in [latin.verify(), latin.verify_on(&server)] {
        drill(run).assert_code(PASSED).assert_lists("notes", &["xx_YY.ISO-8859-1"]);
    }
    assert!(server.log_text().contains("'LATIN1'"), "the encoding is another one");
}
