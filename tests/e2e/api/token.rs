//! What needs the token, and what becomes of a wrong one.

use super::{TOKEN, ask, both};
use crate::stand::Stand;

/// What everyone may ask.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/health"];

/// Some of the others.
const CLOSED: [&str; 7] = ["/", "/runbooks", "/status", "/metrics", "/api/v1/backups", "/api/v1/drills/x", "/nothing"];

#[test]
fn all_but_the_probes_of_both_daemons_need_the_token() {
    let stand = Stand::with_rows(10);
    for daemon in both(&stand) {
        let port = daemon.port();
        for path in PROBES {
            let answer = ask(port, "GET", path, &[]);
            let word = if answer.status == 200 { "ok" } else { "failing" };
            assert!([200, 503].contains(&answer.status), "{path}");
            assert_eq!(answer.body, serde_json::json!({ "status": word }), "{path}");
        }
        for path in CLOSED {
            let refused = ask(port, "GET", path, &[]);
            assert_eq!(refused.status, 401, "{path}");
            assert!(refused.head.contains("www-authenticate: basic realm="), "{}", refused.head);
            assert_eq!(ask(port, "POST", path, &[]).status, 401, "{path}");
            assert_ne!(ask(port, "GET", path, &[&super::bearer()]).status, 401, "{path}");
        }
        // "me:" and the token.
        let basic = "Authorization: Basic bWU6Y2FuYXJ5LXRva2VuLTVmMWM4ZTdkMmI=";
        assert_eq!(ask(port, "GET", "/status", &[basic]).status, 200);
        assert_eq!(ask(port, "POST", "/api/v1/notify", &[basic, "Sec-Fetch-Site: cross-site"]).status, 403);
        assert_eq!(ask(port, "POST", "/api/v1/notify", &[basic, "Sec-Fetch-Site: same-origin"]).status, 409);
        assert!(!daemon.process.stderr_so_far().contains(TOKEN));
    }
}

#[test]
fn guesses_are_limited_and_leave_no_trace_of_the_token() {
    let stand = Stand::with_rows(10);
    let run = stand.backup().env("HTTP_TOKEN", TOKEN).env("LOG_LEVEL", "trace");
    let daemon = crate::daemon::Running::start(run);
    let guess = |number: u32| {
        let line = format!("Authorization: Bearer guess-{number}-of-a-token");
        ask(daemon.port(), "GET", "/status", &[&line]).status
    };
    let statuses: Vec<u16> = (0..40).map(guess).collect();
    let wrong = statuses.iter().filter(|status| **status == 401).count();
    // A busy machine may take longer than the time that ten of them are for.
    assert!((10..40).contains(&wrong) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(ask(daemon.port(), "GET", "/livez", &[]).status, 200, "the probes go on");
    let log = daemon.process.stderr_so_far();
    assert!(!log.contains(TOKEN) && !log.contains("guess-"), "{log}");
}

#[test]
fn without_a_token_nothing_can_be_asked_for() {
    let stand = Stand::with_rows(10);
    let daemon = crate::daemon::Running::start(stand.backup());
    daemon.wait_until_waiting();
    for path in ["/api/v1/backups", "/api/v1/notify", "/status"] {
        let refused = ask(daemon.port(), "POST", path, &["Sec-Fetch-Site: same-origin"]);
        assert_eq!((refused.status, &refused.body["schema"]), (403, &1.into()), "{path}");
    }
    assert_eq!(stand.manifests().len(), 1);
}

#[test]
fn a_token_that_is_too_short_ends_the_start() {
    let stand = Stand::new();
    for (token, complaint) in
        [("canary-short", "HTTP_TOKEN: is shorter than 16"), ("canary of 16 words", "HTTP_TOKEN: may hold only")]
    {
        let output = stand.backup().env("HTTP_TOKEN", token).output();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(output.stderr.contains(complaint) && !output.stderr.contains("canary"), "{}", output.stderr);
    }
}
