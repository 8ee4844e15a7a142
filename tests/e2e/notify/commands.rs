//! Single runs, and the test of the channels.

use e2e::process::Output;
use e2e::receiver::{Answer, Receiver};

use super::{CANARY, address, assert_no_canary, bodies, types};
use crate::daemon::recovery::Door;
use crate::drill::DrillStand;
use crate::stand::Stand;

#[track_caller]
fn assert_hides(output: &Output) {
    assert_no_canary("standard output", &output.stdout);
    assert_no_canary("the log", &output.stderr);
}

#[test]
fn a_test_goes_to_every_channel_and_each_has_its_line() {
    let (stand, receiver, refusing) = (Stand::new(), Receiver::start(), Receiver::start());
    let formats = ["slack", "discord", "teams", "telegram", "ntfy", "pagerduty", "google-chat", "json"];
    let good: Vec<String> = formats
        .iter()
        .map(|format| address(format, &receiver) + if *format == "telegram" { "/sendMessage?chat_id=1" } else { "" })
        .collect();
    let notify = |urls: &str| {
        let output = stand.backup().env("WEBHOOK_URL", urls).env("LOG_LEVEL", "trace").args(["notify"]).output();
        assert_hides(&output);
        (output.code, output.stdout)
    };
    let (code, lines) = notify(&good.join(","));
    let expected: String = formats
        .iter()
        .map(|format| match *format {
            "teams" => "teams: accepted; look whether it has arrived\n".to_owned(),
            format => format!("{format}: delivered\n"),
        })
        .collect();
    assert_eq!((code, lines.as_str()), (Some(0), expected.as_str()));
    let shown: Vec<String> = bodies(&receiver).iter().map(|body| body.to_string().replace('\\', "")).collect();
    assert!(shown.len() == 8 && shown.iter().all(|body| body.contains("TEST: backup of")), "{shown:#?}");

    let urls = format!("{}\n{}", address("json", &refusing), address("json", &receiver));
    for (answer, words) in [
        (Answer::Status(400, "", CANARY), "failed: the receiver answered 400"),
        (Answer::Status(410, "", ""), "failed: the receiver answered 410: the address is gone"),
        (Answer::Status(429, "Retry-After: 1\r\n", ""), "failed: the receiver answered 429"),
        (Answer::Status(500, "", CANARY), "failed: the receiver answered 500"),
        (
            Answer::Status(302, "Location: /elsewhere\r\n", ""),
            "failed: the receiver answered 302, and redirects are not followed",
        ),
        (Answer::Reset, "failed: the connection broke: connection reset"),
        (Answer::Endless(503), "failed: the receiver answered 503"),
    ] {
        refusing.answer(answer);
        assert_eq!(notify(&urls), (Some(1), format!("json: {words}\njson 2: delivered\n")));
    }
    assert!(refusing.received().iter().all(|received| !received.target.contains("elsewhere")));
    for status in [202, 204] {
        refusing.answer(Answer::Status(status, "", ""));
        assert_eq!(notify(&urls).0, Some(0), "{status}");
    }
    refusing.answer(Answer::Endless(200));
    assert_eq!(notify(&urls).0, Some(0), "the answer was enough, and its body is not read");
    let output = stand.backup().args(["notify"]).output();
    assert_eq!(output.stdout, "there is no channel: set WEBHOOK_URL or SMTP_URL\n");
}

#[test]
fn a_single_run_that_fails_sends_a_message_before_it_ends() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let (door, newest) = (Door::new(&stand), stand.seed(chrono::TimeDelta::hours(3)));
    let run = |url: &str| {
        let run = stand.backup().env("DATABASE_URL", url).env("RETRY_ATTEMPTS", "1");
        run.env("WEBHOOK_URL", address("json", &receiver)).args(["run"]).output()
    };
    let output = run(&door.url);
    assert_hides(&output);
    let messages = bodies(&receiver);
    assert_eq!((output.code, types(&receiver)), (Some(1), vec!["alarm.raised".to_owned()]));
    let data = &messages[0]["data"];
    assert_eq!((&data["event"], &data["severity"]), (&"failing".into(), &"critical".into()), "{data:#}");
    assert_eq!(
        (&data["class"], &data["database"]),
        (&"database_unreachable".into(), &stand.database.name.as_str().into())
    );
    assert_eq!(data["safe"]["newest_backup"]["id"], newest.as_str(), "{data:#}");
    assert_eq!(run(&stand.database.url).code, Some(0));
    assert_eq!(receiver.received().len(), 1, "a success is nothing to tell");
}

#[test]
fn a_single_drill_tells_how_it_ended() {
    let (stand, receiver) = (DrillStand::small("zstd"), Receiver::start());
    let run = |on: &str| {
        let url = format!("{}#on={on}", address("json", &receiver));
        let output = stand.verify().env("WEBHOOK_URL", url).env("INSTANCE_NAME", "a test").args(["run"]).output();
        assert_hides(&output);
        output.code
    };
    assert_eq!((run("success"), types(&receiver)), (Some(0), vec!["run.succeeded".to_owned()]));
    let data = bodies(&receiver)[0]["data"].clone();
    assert_eq!((&data["service"], &data["instance"]), (&"verify".into(), &"a test".into()));
    assert_eq!(data["safe"]["newest_proven"]["id"], stand.id.as_str(), "{data:#}");
    assert_eq!((run("failure"), receiver.received().len()), (Some(0), 1));
}
