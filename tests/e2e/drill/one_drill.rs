//! A backup that is whole: the report says what was proven, and the other commands what is there.

use e2e::process::Run;

use super::DrillStand;

/// Every check that there is, in the order in which they run.
const CHECKS: [&str; 20] = [
    "recovery_point",
    "roles",
    "digests",
    "archive",
    "coverage",
    "restore",
    "row_counts",
    "contents",
    "large_objects",
    "extensions",
    "inventory",
    "sequences",
    "definitions",
    "owners",
    "indexes",
    "constraints",
    "materialized_views",
    "table_count",
    "queries",
    "amcheck",
];

/// A drill that leaves anything fails in [`DrillStand::drill`].
#[test]
fn a_pristine_backup_passes_and_the_report_says_what_was_proven_r019() {
    let stand = DrillStand::new();
    let drill = stand.drill();
    drill.assert_verdict("passed", 0);
    let names: Vec<&str> =
        drill.report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, CHECKS);
    assert_eq!((drill.checks("failed").len(), drill.checks("skipped")), (0, vec!["queries".to_owned()]));
    for check in drill.report["checks"].as_array().unwrap() {
        assert!(!check["figures"].as_str().unwrap().is_empty(), "{check}");
    }
    let tables: Vec<String> = drill.report["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| {
            let number = |column: &str| table[column].as_u64().unwrap();
            assert_eq!(table["content_equal"], true, "{table}");
            let [source, archive, restored] = ["source_rows", "archive_rows", "restored_rows"].map(number);
            format!("{} {source} {archive} {restored}", table["name"].as_str().unwrap())
        })
        .collect();
    assert_eq!(tables, ["files 2 2 2", "kinds 2 2 2", "parts_high 51 51 51", "parts_low 99 99 99", "t 500 500 500"]);
    assert!(drill.report["recovery_time_seconds"].as_f64().unwrap() > 0.0);
    assert!((0..600).contains(&drill.report["recovery_point_seconds"].as_i64().unwrap()));
    assert_eq!(drill.report["backup"]["id"], stand.id.as_str());
    assert_eq!(drill.report["server"]["kind"], "throwaway");
    assert_eq!(drill.findings(), Vec::<String>::new());
    let log = &drill.output.stderr;
    assert!(log.contains("drill passed") && log.contains(&stand.id), "{log}");
    assert!(drill.output.stdout.contains("passed"), "{}", drill.output.stdout);
}

#[test]
fn list_and_show_tell_what_is_in_the_bucket() {
    let stand = DrillStand::new();
    let output = |run: Run| {
        let output = run.output();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stdout
    };
    let table = output(stand.verify().args(["list"]));
    assert!(table.contains(&stand.id) && table.contains(&stand.stand.database.name), "{table}");
    let json: serde_json::Value = serde_json::from_str(&output(stand.verify().args(["list", "--json"]))).unwrap();
    assert_eq!(json[0]["database"], stand.stand.database.name.as_str());
    assert!(json[0]["catalog"].to_string().contains(&stand.id), "{json}");
    for backup in ["latest", stand.id.as_str()] {
        let shown = output(stand.verify().args(["show", backup]));
        for wanted in [&stand.id, "500  public.t", "TABLE public.t", "FUNCTION public.twice(", "pgcrypto"] {
            assert!(shown.contains(wanted), "{wanted:?} is not in\n{shown}");
        }
    }
    stand.assert_nothing_is_left();
}

#[test]
fn the_self_test_catches_every_damage_and_writes_nothing_to_the_bucket() {
    let stand = DrillStand::new();
    let before = stand.stand.s3.objects();
    let output = stand.verify().args(["self-test"]).output();
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains(", 0 not as they must be"), "{}", output.stdout);
    let lines: Vec<&str> = output.stdout.lines().collect();
    let with = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    assert_eq!(with("passes, as it must"), 3, "{}", output.stdout);
    assert_eq!((with("caught by"), with("not applicable: ")), (lines.len() - 6, 1), "{}", output.stdout);
    for wanted in ["an older backup", "cut after byte", "flipped", "one row less", "one row more", "dropped table"] {
        assert!(output.stdout.contains(wanted), "{wanted:?} is not in\n{}", output.stdout);
    }
    assert_eq!(stand.stand.s3.objects(), before);
    stand.assert_nothing_is_left();
}
