//! Complaints of `pg_restore` that are known to be harmless.

use super::DrillStand;
use super::stand::restore_then;

/// R023: what is on the list of harmless complaints is in the report all the same; one beside it that is not
/// fails the drill.
#[test]
fn a_harmless_complaint_is_a_note_and_another_one_a_finding_r023() {
    let stand = DrillStand::small("zstd");
    let complaint = |entry: &str, words: &str| {
        format!(
            "pg_restore: from TOC entry 9; 0 0 {entry} \npg_restore: error: could not execute query: ERROR:  {words}\n"
        )
    };
    let harmless = complaint("COMMENT EXTENSION pgcrypto", "must be owner of extension pgcrypto");
    let other = complaint("COMMENT TABLE t", "must be owner of table t");
    let drill_with = |words: &str, count: usize| {
        let end = format!("pg_restore: warning: errors ignored on restore: {count}\n");
        let tools = restore_then(&format!("cat >&2 <<'END'\n{words}{end}END\nexit 1"));
        stand.drill_with(stand.verify().env("PG_BIN_DIR", tools.path()))
    };
    let drill = drill_with(&harmless, 1);
    drill.assert_verdict("passed", 0);
    let notes = drill.report["notes"].to_string();
    // The archive has neither the entry nor the extension, so neither name is told.
    let told = "harmless: must be owner of extension ... (benign)";
    assert!(notes.contains(told), "{notes}");
    assert!(drill.output.stdout.contains(told), "{}", drill.output.stdout);

    let drill = drill_with(&format!("{harmless}{other}"), 2);
    drill.assert_found_by("restore", "must be owner of table");
    assert!(drill.report["notes"].to_string().contains(told));
}
