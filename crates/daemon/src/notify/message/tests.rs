use backup_core::secret::Secret;

use super::*;

/// A time of tests.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn speaker() -> Speaker {
    Speaker {
        service: "backup",
        instance: "shop, production".to_owned(),
        public_url: Some("https://backup.example.com/".to_owned()),
        scrubber: Scrubber::new([&Secret::new("canary-secret".to_owned())]),
    }
}

/// A message of a database that is called `database`, whose run failed because of `reason`.
pub(crate) fn message(database: &str, reason: &str) -> Message {
    let speaker = speaker();
    let now = at("2026-11-29T09:00:00Z");
    let message = Message::new(&speaker, Occasion::Onset, Some(database), now).with_reason(reason, &speaker);
    let dated = |id: &str, time| Dated { id: id.to_owned(), at: at(time) };
    Message {
        event: "failing",
        severity: Level::Critical,
        status: Status::Firing,
        since: at("2026-11-29T03:00:00Z"),
        occurrences: 3,
        class: Some("auth"),
        safe: Safe {
            newest_backup: Some(dated("20261128T030000Z-calpt5zmzst5hrp2", "2026-11-28T03:00:00Z")),
            newest_proven: Some(dated("20261127T030000Z-7mzst5hrp2calpt5", "2026-11-27T03:00:00Z")),
            suspicious: None,
        },
        next_attempt_at: Some(at("2026-11-29T10:00:00Z")),
        what_to_do: "Check the user and the password.",
        headline: "runs fail",
        key: format!("{}/main", message.key),
        ..message
    }
}

#[test]
fn a_message_says_what_is_wrong_what_is_safe_and_what_to_do() {
    let message = message("app", "password canary-secret is wrong\nfor app");
    assert_eq!(message.title(), "CRITICAL: backup of app: runs fail (shop, production)");
    let expected = "Reason: password *** is wrong; for app\n\
        Still safe: newest backup 20261128T030000Z-calpt5zmzst5hrp2 (30 h old); \
        newest proven backup 20261127T030000Z-7mzst5hrp2calpt5 (2 d old)\n\
        Next attempt: 2026-11-29T10:00:00Z\n\
        What to do: Check the user and the password.\n\
         Runbook: https://backup.example.com/runbooks/troubleshooting\n\
        Since: 2026-11-29T03:00:00Z (6 h)\nFailed runs: 3\nEvent: failing\nStatus: firing, critical\nClass: auth\n\
        Page: https://backup.example.com/\nInstance: shop, production\nVersion: ";
    assert_eq!(message.body(), format!("{expected}{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_backup_that_is_much_smaller_than_usual_stands_beside_what_is_safe_and_no_id_is_cut() {
    let small = "20261129T030000Z-hrp2calpt57mzst5";
    let reason = format!("{} run `backup accept-size {small}` now", "x ".repeat(135));
    let mut message = message("app", &reason);
    message.safe.suspicious = Some(Dated { id: small.to_owned(), at: at("2026-11-29T03:00:00Z") });
    let body = message.body();
    let expected = format!("hrp2calpt5 (2 d old); not counted: {small} (6 h old), which is much smaller than usual\n");
    assert!(body.contains(&expected.replace("hrp2calpt5 ", "7mzst5hrp2calpt5 ")), "{body}");
    assert_eq!(message.reason.clone().unwrap().split(' ').next_back(), Some("accept-size…"), "{body}");
    message.safe = Safe { newest_backup: None, newest_proven: None, ..message.safe };
    let body = Message { reason: None, ..message }.body();
    assert!(
        body.starts_with(&format!("Still safe: no backup that is known; not counted: {small} (6 h old)")),
        "{body}"
    );
}

#[test]
fn failed_runs_are_told_only_if_there_are_some_and_are_called_drills_if_they_are() {
    let lines = |service, occurrences| {
        let body = Message { service, occurrences, ..message("app", "why") }.body();
        body.lines().filter(|line| line.starts_with("Failed")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("backup", 0), [""; 0]);
    assert_eq!(lines("backup", 2), ["Failed runs: 2"]);
    assert_eq!(lines("verify", 1), ["Failed drills: 1"]);
}

#[test]
fn titles_tell_each_occasion() {
    let title = |occasion| Message { occasion, ..message("app", "why") }.title();
    for (occasion, start) in [
        (Occasion::Onset, "CRITICAL: backup of app: runs fail"),
        (Occasion::Reminder, "STILL CRITICAL after 6 h: backup of app"),
        (Occasion::Resolved, "RESOLVED after 6 h: backup of app"),
        (Occasion::Unstable { changes: 4 }, "UNSTABLE, CRITICAL: "),
        (Occasion::Digest { changes: 7 }, "UNSTABLE, 7 changes, CRITICAL: "),
        (Occasion::Success, "OK: backup of app"),
        (Occasion::Summary { succeeded: 1, failed: 0 }, "SUMMARY, CRITICAL: backup of app"),
        (Occasion::Test, "TEST: backup of app"),
    ] {
        assert!(title(occasion).starts_with(start), "{}", title(occasion));
    }
}

#[test]
fn a_title_about_changes_says_if_it_is_in_order_now() {
    let title = |occasion| Message { occasion, status: Status::Resolved, ..message("app", "why") }.title();
    for (occasion, start) in [
        (Occasion::Unstable { changes: 4 }, "UNSTABLE, RESOLVED: backup of app: runs fail"),
        (Occasion::Digest { changes: 7 }, "UNSTABLE, 7 changes, RESOLVED: backup of app"),
    ] {
        assert!(title(occasion).starts_with(start), "{}", title(occasion));
    }
}

#[test]
fn no_text_is_longer_than_its_limit() {
    let message = message(&"ü".repeat(5_000), &"日本".repeat(5_000));
    assert!((MAX_TITLE_CHARS - 5..=MAX_TITLE_CHARS).contains(&message.title().chars().count()));
    assert_eq!(message.reason.as_ref().unwrap().chars().count(), MAX_REASON_CHARS);
    assert!(message.body().chars().count() <= MAX_BODY_CHARS);
}
