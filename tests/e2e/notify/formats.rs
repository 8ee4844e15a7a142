//! What arrives at each service that takes messages, under its real name, and held against what its documents say.

use std::collections::{BTreeMap, BTreeSet};

use e2e::certificates::{Authority, Validity};
use e2e::http_proxy::HttpProxy;
use e2e::process::{Run, wait_until};
use e2e::receiver::{Answer, Received, Receiver, Reply, Responder};
use e2e::skip::skip;
use e2e::tls_front::TlsFront;
use serde_json::Value;

use super::daemon::TWO_RUNS;
use super::{CANARY, SECRET};
use crate::api::json_schema::violations_of_root;
use crate::daemon::{Running, Script};
use crate::stand::Stand;

/// A service: its host, what follows it in an address that a person pastes, the path that a message goes to, what the
/// service answers, and the schema of what it takes.
struct Service {
    host: &'static str,
    address: &'static str,
    path: &'static str,
    answer: (u16, &'static str),
    schema: &'static str,
}

const SERVICES: [Service; 9] = [
    Service {
        host: "hooks.slack.com",
        address: "https://hooks.slack.com/services/T0/B0/kqzvx7jwqcanary",
        path: "/services/T0/B0/kqzvx7jwqcanary",
        answer: (200, "ok"),
        schema: include_str!("schemas/slack.json"),
    },
    Service {
        host: "chat.example.com",
        address: "slack+https://chat.example.com/hooks/kqzvx7jwqcanary",
        path: "/hooks/kqzvx7jwqcanary",
        answer: (200, "ok"),
        schema: include_str!("schemas/mattermost.json"),
    },
    Service {
        host: "discord.com",
        address: "https://discord.com/api/webhooks/1/kqzvx7jwqcanary",
        path: "/api/webhooks/1/kqzvx7jwqcanary",
        answer: (204, ""),
        schema: include_str!("schemas/discord.json"),
    },
    Service {
        host: "prod-01.westeurope.logic.azure.com",
        address: "https://prod-01.westeurope.logic.azure.com/workflows/1/invoke?sig=kqzvx7jwqcanary",
        path: "/workflows/1/invoke?sig=kqzvx7jwqcanary",
        answer: (202, ""),
        schema: include_str!("schemas/teams.json"),
    },
    Service {
        host: "api.telegram.org",
        address: "https://api.telegram.org/bot1:kqzvx7jwqcanary/sendMessage?chat_id=-1001",
        path: "/bot1:kqzvx7jwqcanary/sendMessage?chat_id=-1001",
        answer: (200, r#"{"ok": true, "result": {}}"#),
        schema: include_str!("schemas/telegram.json"),
    },
    Service {
        host: "ntfy.sh",
        address: "https://ntfy.sh/kqzvx7jwqcanary",
        path: "/",
        answer: (200, r#"{"id": "x", "event": "message"}"#),
        schema: include_str!("schemas/ntfy.json"),
    },
    Service {
        host: "events.pagerduty.com",
        address: "pagerduty://kqzvx7jwqcanarykqzvx7jwqcanary01",
        path: "/v2/enqueue",
        answer: (202, r#"{"status": "success", "dedup_key": "x"}"#),
        schema: include_str!("schemas/pagerduty.json"),
    },
    Service {
        host: "chat.googleapis.com",
        address: "https://chat.googleapis.com/v1/spaces/A/messages?key=x&token=kqzvx7jwqcanary",
        path: "/v1/spaces/A/messages?key=x&token=kqzvx7jwqcanary",
        answer: (200, r#"{"name": "spaces/A/messages/x"}"#),
        schema: include_str!("schemas/google-chat.json"),
    },
    Service {
        host: "hooks.example.com",
        address: "https://hooks.example.com/kqzvx7jwqcanary",
        path: "/kqzvx7jwqcanary",
        answer: (200, ""),
        schema: include_str!("../../../docs/webhook.schema.json"),
    },
];

/// The one that takes Standard Webhooks.
const STANDARD: &str = "hooks.example.com";

/// What would be a mention, a link or markup in one of them, and what is no ASCII.
const HOSTILE: &str =
    "@everyone @here <!channel> <@U1> **b** _i_ `c` ```d``` [x](http://evil.test) {{DATE(2026)}} &lt; # 🔥 ü";

/// What is wrong with a request, by what the service that was meant says in its documents.
fn violations(received: &Received) -> Vec<String> {
    let host = received.headers.get("host").map_or("", String::as_str);
    let Some(service) = SERVICES.iter().find(|service| service.host == host) else {
        return vec![format!("there is no service {host}")];
    };
    let kind = received.headers.get("content-type").map_or("", String::as_str);
    if (received.method.as_str(), received.target.as_str(), kind) != ("POST", service.path, "application/json") {
        return vec![format!("{host} takes no {} of {kind} at {}", received.method, received.target)];
    }
    let Ok(body) = serde_json::from_str::<Value>(&received.body) else { return vec![format!("{host}: no JSON")] };
    let schema: Value = serde_json::from_str(service.schema).unwrap();
    violations_of_root(&schema, &body).into_iter().map(|line| format!("{host}: {line}")).collect()
}

/// All of them behind one proxy. Each takes what is as its documents say, and nothing else.
struct Services {
    authority: Authority,
    receiver: Receiver,
    proxy: HttpProxy,
    _front: TlsFront,
}

impl Services {
    fn start() -> Self {
        let (authority, receiver) = (Authority::create(), Receiver::start());
        receiver.answer(Answer::By(Responder::new(|received| {
            let wrong = violations(received);
            let service =
                SERVICES.iter().find(|service| received.headers.get("host").is_some_and(|host| host == service.host));
            let (status, body) = service.filter(|_| wrong.is_empty()).map_or((400, ""), |service| service.answer);
            Reply { status, head: "", body: body.to_owned() }
        })));
        let names: Vec<String> = SERVICES.iter().map(|service| format!("DNS:{}", service.host)).collect();
        let port = receiver.authority().rsplit_once(':').unwrap().1.parse().unwrap();
        let front = TlsFront::start(port, &authority.issue(&names.join(","), Validity::Now));
        let proxy = HttpProxy::start(front.port(), None);
        Self { authority, receiver, proxy, _front: front }
    }

    /// `run` with an address of each.
    fn on(&self, run: Run) -> Run {
        let addresses = SERVICES.map(|service| service.address).join("\n");
        run.env("WEBHOOK_URL", addresses)
            .env("WEBHOOK_SECRET", SECRET)
            .env("HTTPS_PROXY", self.proxy.url(""))
            .env("S3_CA_CERT", self.authority.certificate())
    }

    /// What came in until now, by host.
    fn received(&self) -> BTreeMap<String, Vec<Received>> {
        let mut all: BTreeMap<String, Vec<Received>> = BTreeMap::new();
        for received in self.receiver.received() {
            all.entry(received.headers["host"].clone()).or_default().push(received);
        }
        all
    }

    /// That everything that came in is as it should be.
    #[track_caller]
    fn assert_all_good(&self) {
        let wrong: BTreeSet<String> = self.receiver.received().iter().flat_map(violations).collect();
        assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    }
}

/// That the library of Standard Webhooks believes `messages`, and none that was changed. If it is not installed, that is
/// noted as a skip of `test`.
#[track_caller]
fn assert_signed(test: &str, messages: &[Received]) {
    const PROGRAM: &str = "STANDARDWEBHOOKS";
    const SCRIPT: &str = r#"
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
secret, messages = json.load(sys.stdin)
for body, headers in messages:
    Webhook(secret).verify(body, headers)
    try:
        Webhook(secret).verify(body + " ", headers)
        sys.exit("it believes a message that was changed")
    except WebhookVerificationError:
        pass
print(len(messages))
"#;
    let Some(python) = std::env::var_os(PROGRAM).filter(|python| !python.is_empty()) else {
        let reason = format!("no standardwebhooks; tests/run-tests.sh installs it and sets {PROGRAM}");
        skip(&format!("notify::formats::{test} (signatures)"), &reason);
        return;
    };
    let pairs: Vec<(&str, &BTreeMap<String, String>)> =
        messages.iter().map(|message| (message.body.as_str(), &message.headers)).collect();
    let input = serde_json::json!([SECRET, pairs]).to_string();
    let mut child = std::process::Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), messages.len().to_string(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_service_takes_a_test_of_either_daemon_with_any_instance_name() {
    let (stand, services) = (Stand::with_rows(10), Services::start());
    let verify = || Run::new("verify").envs(stand.s3.env_through(&stand.proxy.endpoint())).env("LOG_FORMAT", "json");
    let long = format!("{HOSTILE} {}", "ü@<*`_[".repeat(285));
    for name in ["shop, production", HOSTILE, &long, &"🔥".repeat(2_000), &"@".repeat(2_000), &"\\_".repeat(1_000)] {
        for run in [stand.backup(), verify()] {
            let run = services.on(run).env("INSTANCE_NAME", name).env("PUBLIC_URL", "https://backup.example.com/");
            let output = run.args(["notify"]).output();
            services.assert_all_good();
            assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
            assert!(!output.stdout.contains("failed") && output.stdout.lines().count() == 9, "{}", output.stdout);
        }
    }
    let received = services.received();
    assert!(received.len() == 9 && received.values().all(|all| all.len() == 12), "{received:#?}");
}

/// A database that is called like markup, whose dump fails with such words: all that a database can say.
#[test]
fn every_service_takes_what_a_daemon_tells_of_an_outage_with_any_words_of_a_database_r156() {
    let test = "every_service_takes_what_a_daemon_tells_of_an_outage_with_any_words_of_a_database_r156";
    let (stand, services) = (Stand::new(), Services::start());
    let name = "@everyone <!channel> **b** [x](http://e) `c` {{d}} 🔥";
    stand.postgres.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
    let words = format!("{HOSTILE} {}", "<@U1> *ü* ".repeat(200));
    let script = Script::pg_dump(&format!(
        "if [ -e \"$D/fails\" ]; then echo 'pg_dump: error: {words}' >&2; exit 1; fi; exec \"$REAL\" \"$@\""
    ));
    script.give("fails");
    let run = services.on(script.on(stand.backup())).env("DATABASE_URL", stand.postgres.url(name));
    let run = run.env("PUBLIC_URL", "https://backup.example.com/").env("BACKUP_INTERVAL", "10");
    let mut daemon = Running::start(run.env("RETRY_ATTEMPTS", "1").env("WEBHOOK_ON_SUCCESS", "true"));
    let has = |word: &str| {
        let received = services.received();
        received.len() == 9 && received.values().all(|all| all.iter().any(|one| one.body.contains(word)))
    };
    assert!(wait_until(TWO_RUNS, || has("CRITICAL")), "{:#?}", services.receiver.received());
    std::fs::remove_file(script.path().join("fails")).unwrap();
    assert!(wait_until(TWO_RUNS, || has("RESOLVED")), "{:#?}", services.receiver.received());
    services.assert_all_good();
    daemon.process.kill9();
    stand.postgres.sql("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));

    let standard = services.received()[STANDARD].clone();
    let data: Vec<Value> =
        standard.iter().map(|one| serde_json::from_str::<Value>(&one.body).unwrap()["data"].clone()).collect();
    assert_eq!((&data[0]["database"], &data[0]["status"]), (&name.into(), &"firing".into()), "{data:#?}");
    let reason = data[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("<!channel> <@U1> **b** _i_ `c`") && (270..=300).contains(&reason.chars().count()),
        "{reason}"
    );
    let log = daemon.process.stderr_so_far();
    assert!(!log.contains("kqzvx7jwqcanary") && !log.contains(CANARY), "{log}");
    assert_signed(test, &standard);
}
