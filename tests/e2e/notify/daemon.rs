//! Messages of a daemon.

use std::time::Duration;

use e2e::process::wait_until;
use e2e::receiver::{Answer, Received, Receiver};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{SECRET, address, assert_no_canary, bodies, types};
use crate::daemon::recovery::Door;
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// A run, a pause of ten seconds, another run, and what comes of it.
pub(super) const TWO_RUNS: Duration = Duration::from_secs(60);

/// The signature that openssl computes.
fn signature(received: &Received) -> String {
    let header = |name: &str| received.headers[name].as_str();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), received.body);
    let script = format!(
        "key=$(printf %s '{}' | base64 -d | od -An -v -tx1 | tr -d ' \\n') && \
         openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64",
        SECRET.trim_start_matches("whsec_")
    );
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), signed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    format!("v1,{}", String::from_utf8(output.stdout).unwrap().trim())
}

/// What was really down comes up again: one message for each, in each channel, and an address nowhere.
#[test]
fn an_outage_is_raised_and_resolved_in_every_channel_r153() {
    let (stand, json, slack) = (Stand::with_rows(10), Receiver::start(), Receiver::start());
    let door = Door::new(&stand);
    door.open();
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let urls = format!("{},{}", address("json", &json), address("slack", &slack));
    let run = run.env("WEBHOOK_URL", urls).env("WEBHOOK_SECRET", SECRET).env("LOG_LEVEL", "trace");
    let mut daemon = Running::start(run.env("PUBLIC_URL", "https://backup.example.com/"));
    let first = daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    assert_eq!((json.received().len(), slack.received().len()), (0, 0), "a first backup is nothing to tell");

    door.close();
    assert!(wait_until(TWO_RUNS, || !json.received().is_empty()), "{}", daemon.process.stderr_so_far());
    let newest = daemon.status()["newest_full_backup"]["id"].clone();
    door.open();
    let is_over = || types(&json).last().is_some_and(|last| last == "alarm.resolved");
    assert!(wait_until(TWO_RUNS, is_over), "{}", daemon.process.stderr_so_far());
    let all_told = || slack.received().len() == json.received().len();
    assert!(wait_until(SOON, all_told), "{}", daemon.process.stderr_so_far());
    // On a slow machine, several runs fail before it is over, which is worse.
    let mut told = types(&json);
    told.retain(|one| one != "alarm.worse");
    assert_eq!(told, ["alarm.raised", "alarm.resolved"]);
    let all: Vec<Value> = bodies(&json).iter().map(|body| body["data"].clone()).collect();
    let data = [all[0].clone(), all[all.len() - 1].clone()];
    assert_eq!((&data[0]["event"], &data[0]["severity"]), (&"failing".into(), &"warning".into()), "{:#}", data[0]);
    assert_eq!((&data[0]["class"], &data[0]["status"]), (&"database_unreachable".into(), &"firing".into()));
    assert!(data[0]["reason"].as_str().unwrap().contains("connect to"), "{:#}", data[0]);
    assert!(data[0]["next_attempt_at"].is_string() && data[0]["url"] == "https://backup.example.com/");
    assert_eq!(data[0]["runbook"], "https://backup.example.com/runbooks#backups-are-stale");
    assert!(first["newest_full_backup"]["id"].is_string());
    assert_eq!(data[0]["safe"]["newest_backup"]["id"], newest);
    assert_eq!((&data[1]["event"], &data[1]["status"]), (&"failing".into(), &"resolved".into()));
    assert_eq!(data[0]["key"], data[1]["key"]);
    assert_eq!(bodies(&slack)[0]["attachments"][0]["color"], "#f9a825");
    for received in json.received() {
        assert_eq!(received.headers["webhook-signature"], signature(&received));
    }
    for path in ["/status", "/health"] {
        assert_no_canary(path, &daemon.get(path).1.to_string());
    }
    for received in json.received().iter().chain(&slack.received()) {
        assert_no_canary("a message", &received.body);
    }
    daemon.process.signal(Signal::SIGTERM);
    assert_no_canary("the log", &daemon.process.wait(SOON).stderr);
}

#[test]
fn a_message_that_is_refused_is_an_alarm_until_one_arrives_r090() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    receiver.answer(Answer::Status(400, "", "kqzvx7jwq-canary-of-an-address"));
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("WEBHOOK_URL", address("json", &receiver));
    let mut daemon = Running::start(run.env("WEBHOOK_ON_SUCCESS", "true"));
    let line = daemon.process.wait_for_line("a message could not be delivered", SOON);
    assert!(line.contains(r#""channel":"json""#) && line.contains("the receiver answered 400"), "{line}");
    assert_no_canary("the log", &line);
    let codes = |status: &Value| {
        let alarms = status["alarms"].as_array().unwrap().iter();
        alarms.map(|alarm| alarm["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let status = daemon.wait_for(SOON, |status| codes(status) == ["undelivered"]);
    assert_no_canary("/status", &status.to_string());
    assert_eq!(daemon.get("/health").0, 503);
    receiver.answer(Answer::Status(204, "", ""));
    daemon.wait_for(TWO_RUNS, |status| codes(status).is_empty());
    assert_eq!(daemon.get("/health").0, 200);
}

/// Else an incident would stay open there, as in PagerDuty.
#[test]
fn an_end_that_was_refused_is_told_once_messages_arrive_again_r153() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    let door = Door::new(&stand);
    let run = stand.backup().env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let daemon = Running::start(run.env("WEBHOOK_URL", address("json", &receiver)));
    assert!(wait_until(SOON, || types(&receiver) == ["alarm.raised"]), "{}", daemon.process.stderr_so_far());
    receiver.answer(Answer::Status(400, "", ""));
    door.open();
    let told = || {
        let of =
            |body: &Value| format!("{} {}", body["type"].as_str().unwrap(), body["data"]["event"].as_str().unwrap());
        bodies(&receiver).iter().map(of).collect::<Vec<_>>()
    };
    assert!(wait_until(TWO_RUNS, || told().len() == 2), "{:?}", told());
    receiver.answer(Answer::Status(200, "", ""));
    let over = "alarm.resolved no_backup";
    let is_told = || told().last().is_some_and(|last| last == "alarm.resolved undelivered");
    assert!(wait_until(SOON, is_told), "{:?}\n{}", told(), daemon.process.stderr_so_far());
    let refused = told()[1].clone();
    let expected = ["alarm.raised no_backup", over, "alarm.raised undelivered", over, "alarm.resolved undelivered"];
    assert_eq!((refused.as_str(), told()), (over, expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_receiver_that_hangs_delays_no_run_and_gets_the_message_later_r155() {
    let (stand, receiver) = (Stand::with_rows(10), Receiver::start());
    receiver.answer(Answer::Hang);
    let run = stand.backup().env("BACKUP_INTERVAL", "10").env("WEBHOOK_URL", address("json", &receiver));
    let daemon = Running::start(run.env("WEBHOOK_ON_SUCCESS", "true"));
    assert!(wait_until(SOON, || receiver.received().len() == 1), "{}", daemon.process.stderr_so_far());
    let status = daemon.status();
    let next: chrono::DateTime<chrono::Utc> = status["next_run_at"].as_str().unwrap().parse().unwrap();
    daemon.wait_for(TWO_RUNS, |_| stand.manifests().len() == 2);
    assert!(chrono::Utc::now() - next < chrono::TimeDelta::seconds(8), "the second run was late: {next}");
    receiver.answer(Answer::Status(200, "", ""));
    let delivered = || daemon.process.stderr_so_far().contains("message delivered");
    assert!(wait_until(TWO_RUNS, delivered), "{}", daemon.process.stderr_so_far());
    let received = receiver.received();
    let ids: Vec<&String> = received.iter().map(|received| &received.headers["webhook-id"]).collect();
    assert_eq!(ids[0], ids[1], "a message that is sent again has the same id");
}
