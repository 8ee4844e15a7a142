//! What others have written, and what stands in few words.

use serde_json::json;

use super::*;

#[test]
fn names_from_elsewhere_are_text_and_never_markup() {
    let text = "<script>x</script>\"'><img src=x>\u{202e}\n</style>";
    let mut database = with_alarm(AlarmCode::Failing, Severity::Critical, text, proven(0));
    database.name = text.to_owned();
    database.schedule = text.to_owned();
    database.gaps = Some(vec![text.to_owned()]);
    database.events = vec![Event { at: hours_ago(1), tone: Tone::Bad, text: text.to_owned() }];
    let report = DrillReport::read(json!({
        "error": text, "notes": [text], "checks": [{ "name": text, "figures": text }], "findings": [{ "check": text, "message": text }],
        "tables": [{ "schema": text, "name": text }], "not_exercised": [{ "object": text, "reason": text }],
        "backup": { "tool": text, "server_version": text, "manifest_sha256": text }, "server": { "version": text },
    }));
    database.drills = vec![Arc::new(Drill { backup_id: Some(text.to_owned()), report, ..drill(2, Verdict::Failed) })];
    let view = View { instance: text.to_owned(), ..view(Daemon::Verify, database) };
    let pages = [view.home(now()), view.drill("drill-2", now()).unwrap(), view.badge(now()), view.icon(now())];
    for page in pages {
        for forbidden in ["<script", "<img", "\u{202e}", "style=", "</style></title", " on", "javascript:"] {
            let found = page.matches(forbidden).count();
            let allowed =
                if forbidden == " on" { page.matches(" on ").count() + page.matches(" one").count() } else { 0 };
            assert_eq!(found, allowed, "{forbidden} in {page}");
        }
        assert!(page.matches("</style>").count() <= 1, "{page}");
    }
}

#[test]
fn a_report_keeps_the_tables_that_differ_and_the_totals_of_all() {
    let equal = json!({ "name": "a", "source_rows": 2, "restored_rows": 2 });
    let differs = json!({ "name": "b", "source_rows": 2, "restored_rows": 1 });
    let mut tables = vec![equal; 5_000];
    tables.push(differs);
    let mut report = DrillReport::read(json!({ "tables": tables })).unwrap();
    assert_eq!((report.totals.tables, report.totals.differing, report.rows()), (5_001, 1, 10_001));
    assert_eq!((report.kept_tables(), report.tables[0].name.as_str()), (1_000, "b"));
    report.forget_tables();
    assert_eq!((report.kept_tables(), report.totals.tables), (0, 5_001));
    assert_eq!(DrillReport::read(json!("text")), None);
}

#[test]
fn a_badge_says_in_a_few_words_how_things_stand() {
    let words = |database: Database| {
        let badge = view(Daemon::Backup, database).badge(now());
        badge.split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!(words(proven(0)), "restore: proven 2 hours ago");
    assert_eq!(words(backed_up([backup(3, Proof::None)])), "restore: not proven, backed up 3 hours ago");
    assert_eq!(words(waiting()), "restore: waiting");
    let failed =
        with_alarm(AlarmCode::DrillFailed, Severity::Critical, "x", backed_up([backup(3, Proof::Failed(now()))]));
    assert_eq!(words(failed), "restore: drill failed");
    assert_eq!(
        View { databases: Vec::new(), ..view(Daemon::Backup, waiting()) }.badge(now()).matches("unknown").count(),
        3
    );
}
