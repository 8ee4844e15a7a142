use std::future::pending;
use std::time::Duration;

use axum::http::StatusCode;
use backup_core::live_secret::LiveSecret;
use backup_core::repository::{Catalog, Kind, Layout, Role};
use backup_core::secret::Secret;
use backup_core::stop::Stop;
use backup_core::storage::{ListedObject, Prefix, StoreCounters};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::page::View;
use super::*;
use crate::daemon::Daemon;
use crate::database_name::DatabaseName;
use crate::heartbeat::Heartbeat;
use crate::listing::Listing;
use crate::state::{Activity, DatabaseState};

const TOKEN: &str = "correct-horse-battery";

const SHOWN: Shown<()> = Shown {
    service: "backup",
    judge: |_, _| Vec::new(),
    status: |_, _| "{}".to_owned(),
    drills: |()| Vec::new(),
    report: |(), _| None,
    runs: Some(RunPath::Backups),
};

/// One database, `app`.
fn state() -> State<()> {
    let database = DatabaseState::new("daily".to_owned(), Duration::ZERO, Utc::now(), ());
    State::new([(DatabaseName::from("app"), database)])
}

/// The pages of `state`, with probes that do `probe`.
fn pages<P>(state: &State<()>, token: Option<&str>, probe: impl Fn() -> P + Send + Sync + 'static) -> Pages
where
    P: Future<Output = Vec<String>> + Send + 'static,
{
    let metrics = Metrics {
        service: Daemon::Backup,
        state: state.clone(),
        judge: |_, _| Vec::new(),
        backup_max_age_seconds: |state| state.max_age_seconds,
        store: StoreCounters::default(),
        deliveries: crate::deliveries::Deliveries::default(),
        own: Arc::new(|_, _, _| ()),
    };
    let token = token.map(|text| Secret::new(text.to_owned()));
    let token = token.map(LiveSecret::fixed);
    let access = HttpAccess { token, is_badge_public: false };
    let channels = async || Ok(vec![ChannelTest { channel: "x".to_owned(), delivered: true, detail: String::new() }]);
    Pages::new(state, SHOWN, metrics, &access, probe, channels).unwrap()
}

/// Serves `pages`; the port, until the task is aborted.
async fn served(pages: Pages) -> (u16, tokio::task::JoinHandle<()>) {
    let time_zone = page::Tz::UTC;
    let view = move || View { daemon: Daemon::Backup, instance: String::new(), time_zone, databases: Vec::new() };
    let view: ViewSource = Arc::new(view);
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(serve(listener, router(pages, view), Stop::default())))
}

/// A connection from another address of this machine, on which something was asked for.
async fn asking(from: [u8; 4], port: u16, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The head and the body of an answer.
async fn answer(port: u16, method: &str, path: &str, headers: &str) -> (String, Value) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{headers}\r\n");
    let mut text = String::new();
    let mut stream = asking([127, 0, 0, 1], port, &request).await;
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test(start_paused = true)]
async fn livez_is_red_once_a_loop_is_stuck_and_metrics_are_text() {
    let state = state();
    let pages = pages(&state, None, async || Vec::new());
    let page = super::metrics(Shared(pages.clone())).await;
    assert_eq!(page.headers()[header::CONTENT_TYPE], METRICS_TYPE);
    let live = async || probes::livez(Shared(pages.clone())).await.status();
    tokio::time::advance(Duration::from_secs(119)).await;
    assert_eq!(live().await, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(live().await, StatusCode::SERVICE_UNAVAILABLE);
    state.change(&DatabaseName::from("app"), |state| state.heartbeat = Heartbeat::now());
    assert_eq!(live().await, StatusCode::OK);
}

/// As many clients as there are connections, while what `/readyz` asks hangs.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn livez_answers_at_once_however_many_clients_wait_for_readyz() {
    let (port, server) = served(pages(&state(), None, pending)).await;
    let mut waiting = Vec::new();
    for number in 0..64 {
        waiting.push(asking([127, 0, 0, 2 + number % 4], port, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    let answer = async {
        let mut text = String::new();
        let mut stream = asking([127, 0, 0, 99], port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(waiting);
    server.abort();
}

#[tokio::test]
async fn every_answer_tells_a_browser_to_interpret_nothing_and_keep_nothing() {
    let (port, server) = served(pages(&state(), Some(TOKEN), async || Vec::new())).await;
    for (method, path, headers) in [
        ("GET", "/livez", String::new()),
        ("GET", "/status", String::new()),
        ("GET", "/metrics", bearer(TOKEN)),
        ("GET", "/nothing", bearer(TOKEN)),
        ("POST", "/api/v1/backups", bearer("wrong")),
    ] {
        let (head, _) = answer(port, method, path, &headers).await;
        for line in [
            "content-security-policy: default-src 'none';",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(line), "{method} {path}: no {line:?} in {head}");
        }
    }
    server.abort();
}

#[tokio::test]
async fn the_runbooks_are_served_to_those_who_know_the_token_and_to_head_without_a_body() {
    let (port, server) = served(pages(&state(), Some(TOKEN), async || Vec::new())).await;
    for path in ["/runbooks", "/runbooks/troubleshooting"] {
        for method in ["GET", "HEAD"] {
            let (head, _) = answer(port, method, path, "").await;
            assert!(head.starts_with("http/1.1 401"), "{method} {path}: {head}");
            let request = format!("{method} {path} HTTP/1.0\r\nHost: x\r\n{}\r\n", bearer(TOKEN));
            let mut text = String::new();
            asking([127, 0, 0, 1], port, &request).await.read_to_string(&mut text).await.unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.0 200") && head.contains("text/html"), "{method} {path}: {head}");
            assert_eq!(body.contains("</article>"), method == "GET", "{method} {path}");
        }
    }
    let (head, _) = answer(port, "GET", "/runbooks/none", &bearer(TOKEN)).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    server.abort();
}

#[tokio::test]
async fn a_run_is_asked_for_while_the_loop_waits_and_at_no_other_time() {
    let (state, app) = (state(), DatabaseName::from("app"));
    let (port, server) = served(pages(&state, Some(TOKEN), async || Vec::new())).await;
    let ask = async || answer(port, "POST", "/api/v1/backups", &bearer(TOKEN)).await;
    for activity in [Activity::Starting, Activity::Running, Activity::Watching, Activity::Stopping] {
        state.change(&app, |state| state.activity = activity);
        assert!(ask().await.0.starts_with("http/1.1 409"), "{activity:?}");
    }
    state.change(&app, |state| state.activity = Activity::Waiting);
    let (head, body) = ask().await;
    assert!(head.starts_with("http/1.1 409"), "no loop would take it: {head}");
    assert!(body["error"].as_str().unwrap().contains("there is no backup yet"), "{body}");
    state.change(&app, |state| state.run_request.open());
    let (head, body) = ask().await;
    assert!(head.starts_with("http/1.1 202") && head.contains("location: /status"), "{head}");
    assert_eq!((&body["schema"], &body["follow"]), (&1.into(), &"/status".into()));
    assert!(ask().await.0.starts_with("http/1.1 409"), "it was asked for already");
    state.change(&app, |state| {
        state.run_request.close();
        state.run_request.open();
    });
    let named = answer(port, "POST", "/api/v1/backups?database=app", &bearer(TOKEN)).await;
    assert!(named.0.starts_with("http/1.1 202"), "{}", named.0);
    for (path, status) in [("/api/v1/backups?database=crm", "404"), ("/api/v1/drills", "405")] {
        let (head, _) = answer(port, "POST", path, &bearer(TOKEN)).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
    }
    let (head, body) = answer(port, "POST", "/api/v1/notify", &bearer(TOKEN)).await;
    assert!(head.starts_with("http/1.1 200") && body["channels"][0]["delivered"] == true, "{head} {body}");
    server.abort();
}

#[tokio::test]
async fn with_a_token_a_probe_gives_its_reasons_to_those_who_know_it_alone() {
    let (state, reason) = (state(), "database: connect to db.internal");
    for (token, shows) in [(None, [true; 3]), (Some(TOKEN), [false, false, true])] {
        let (port, server) = served(pages(&state, token, async move || vec![reason.to_owned()])).await;
        for (headers, shown) in [String::new(), bearer("another"), bearer(TOKEN)].into_iter().zip(shows) {
            let (head, body) = answer(port, "GET", "/readyz", &headers).await;
            assert!(head.starts_with("http/1.1 503"), "{head}");
            let expected = match shown {
                true => serde_json::json!({ "status": "failing", "reasons": [reason] }),
                false => serde_json::json!({ "status": "failing" }),
            };
            assert_eq!(body, expected, "{token:?} {headers:?}");
        }
        let (head, body) = answer(port, "GET", "/health", "").await;
        assert!(head.starts_with("http/1.1 200") && body == serde_json::json!({ "status": "ok" }), "{head} {body}");
        server.abort();
    }
}

/// Two backups, the older one with a drill.
fn listing(now: DateTime<Utc>) -> Listing {
    let layout = Layout::new(Prefix::parse("p").unwrap(), "app");
    let id = |hours| backup_core::repository::BackupId::new(now - chrono::TimeDelta::hours(hours));
    let (old, new) = (id(30), id(6));
    let drill = Role::Drill { time: now - chrono::TimeDelta::hours(25), passed: true };
    let dump = Role::Dump { kind: Kind::Full, suffix: ".zst" };
    let keys = [(&old, Role::Manifest), (&old, dump.clone()), (&old, drill), (&new, Role::Manifest), (&new, dump)];
    let objects = keys.map(|(id, role)| ListedObject { key: layout.key(id, &role), bytes: 5, modified: None });
    Listing::of("app", &Catalog::from_listing(&layout, objects.to_vec(), now), now)
}

#[tokio::test]
async fn the_api_shows_what_the_last_listing_has() {
    let (state, now) = (state(), Utc::now());
    state.change(&DatabaseName::from("app"), |state| state.listing = Some(listing(now)));
    let (port, server) = served(pages(&state, None, async || Vec::new())).await;
    let get = async |path: &str| {
        let (head, body) = answer(port, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 200") && body["schema"] == 1, "{path}: {head} {body}");
        body
    };
    let backups = get("/api/v1/backups").await;
    let [new, old] = &backups["backups"].as_array().unwrap()[..] else { panic!("{backups}") };
    assert_eq!((&new["is_proven"], &old["is_proven"], &old["stored_bytes"]), (&false.into(), &true.into(), &15.into()));
    assert_eq!((&old["database"], &old["keys"]), (&"app".into(), &Value::Null));
    let limited = get("/api/v1/backups?limit=1&database=app").await;
    assert_eq!((limited["backups"].as_array().unwrap().len(), &limited["not_shown"]), (1, &1.into()));
    let id = old["id"].as_str().unwrap();
    assert_eq!(get(&format!("/api/v1/backups/{id}")).await["backup"]["keys"].as_array().unwrap().len(), 3);
    let drills = get("/api/v1/drills").await;
    let drill = &drills["drills"][0];
    assert_eq!(
        (&drill["backup_id"], &drill["verdict"], &drill["source"]),
        (&old["id"], &"passed".into(), &"record".into())
    );
    let drill = get(&format!("/api/v1/drills/{}", drill["id"].as_str().unwrap())).await;
    assert_eq!((&drill["drill"]["verdict"], &drill["report"]), (&"passed".into(), &Value::Null));
    assert_eq!(get("/api/v1/databases").await["databases"][0]["full_backups"], 2);
    assert_eq!(get("/api/v1/retention").await["databases"][0]["policy"], Value::Null);
    assert_eq!(get("/api/v1/events").await["events"], Value::Array(Vec::new()));
    for (path, status) in
        [("backups/x", "404"), ("drills/x", "404"), ("backups?database=crm", "404"), ("events?limit=0", "400")]
    {
        let (head, body) = answer(port, "GET", &format!("/api/v1/{path}"), "").await;
        assert!(head.starts_with(&format!("http/1.1 {status}")) && body["error"].is_string(), "{path}: {head} {body}");
    }
    server.abort();
}
