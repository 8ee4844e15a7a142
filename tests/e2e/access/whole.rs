//! Both services as a company runs them: one process of each for all databases of a server, whose keys of the bucket a
//! role lends, behind a proxy that wants a login.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use backup_core::repository::DatabaseDir;
use e2e::certificates::{Authority, Validity};
use e2e::http_proxy::HttpProxy;
use e2e::identity::Lender;
use e2e::postgres::SUPERUSER;
use e2e::process::Run;
use e2e::proxy::{NOT_FOR_BACKUP, NOT_FOR_VERIFY};
use e2e::tls_front::TlsFront;
use serde_json::Value;

use crate::daemon::Running;
use crate::several;
use crate::stand::Stand;

/// User and password of the proxy, as a URL has them, and as the proxy hears them.
const WRITTEN: &str = "someone:qz%40proxy%2Fcanary8";
const LOGIN: &str = "someone:qz@proxy/canary8";

/// Runs of all databases, one after the other, on a machine that does other things.
const ALL: Duration = Duration::from_secs(240);

/// Long enough for a run, and short enough that the keys are renewed between several.
const KEYS_LIVE: Duration = Duration::from_secs(20);

/// What leads to the bucket: a name that only the proxy knows, keys from a role, and no key in the environment.
struct Way {
    lender: Lender,
    proxy: HttpProxy,
    authority: Authority,
    _fronts: [TlsFront; 2],
}

impl Way {
    fn to(stand: &Stand) -> Self {
        let (lender, authority) = (Lender::start(&stand.s3, KEYS_LIVE), Authority::create());
        let issue = |name: &str| authority.issue(&format!("DNS:{name}"), Validity::Now);
        let store = TlsFront::start(stand.proxy.port(), &issue("store.invalid"));
        let sts = TlsFront::start(lender.port(), &issue("sts.invalid"));
        let proxy = HttpProxy::start(store.port(), Some(LOGIN));
        proxy.lead("sts.invalid", sts.port());
        Self { lender, proxy, authority, _fronts: [store, sts] }
    }

    /// `run` on this way.
    fn on(&self, run: Run) -> Run {
        let run = run.env_remove("S3_ACCESS_KEY_ID").env_remove("S3_SECRET_ACCESS_KEY");
        let run = run.env("S3_ENDPOINT", "https://store.invalid").env("S3_CA_CERT", self.authority.certificate());
        let run = run.envs(self.lender.web_identity()).env("AWS_ENDPOINT_URL_STS", "https://sts.invalid");
        run.env("HTTPS_PROXY", self.proxy.url(WRITTEN))
    }
}

/// What is said of each database, by its name.
fn databases(status: &Value) -> Vec<(String, Value)> {
    let all = status["databases"].as_array().cloned().unwrap_or_default();
    all.into_iter().map(|one| (one["database"].as_str().unwrap_or_default().to_owned(), one)).collect()
}

/// Everything at once: both services, all databases, a role for the keys with the documented rights, and a proxy.
#[test]
fn every_database_of_a_server_is_backed_up_and_drilled_with_keys_of_a_role_through_a_proxy() {
    let stand = several::site(&["app", "crm", "new one"]);
    let way = Way::to(&stand);
    let wanted = stand.postgres.sql(SUPERUSER, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1");
    let wanted: BTreeSet<String> = wanted.lines().map(str::to_owned).collect();
    assert_eq!(wanted.len(), 4, "{wanted:?}");

    stand.proxy.deny(NOT_FOR_BACKUP);
    let run = several::backup(&stand, "*").env("BACKUP_INTERVAL", "86400").env("RUN_ON_STARTUP", "true");
    let backup = Running::start(way.on(run));
    let has_run = |one: &Value| one["last_run"]["succeeded"] == true;
    backup.wait_for(ALL, |status| {
        let all = databases(status);
        all.len() == wanted.len() && all.iter().all(|(_, one)| has_run(one))
    });
    let stored = stand.manifests().into_keys().map(|key| DatabaseDir::decode(key.split('/').nth(1).unwrap()).unwrap());
    assert_eq!(stored.collect::<Vec<_>>(), wanted.iter().cloned().collect::<Vec<_>>());
    let (code, health) = backup.get("/health");
    assert_eq!(code, 200, "{health:#}");
    drop(backup);

    stand.proxy.allow_everything();
    stand.proxy.deny(NOT_FOR_VERIFY);
    let folder = tempfile::tempdir().unwrap();
    // The server of a drill runs as another user if we are root, and must get through.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let run = Run::new("verify").envs(stand.s3.env()).env("PG_BIN_DIR", stand.postgres.bin_dir());
    let run = run.envs([("VERIFY_JOBS", "2"), ("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0")]);
    let run = run.envs([("VERIFY_INTERVAL", "86400"), ("RUN_ON_STARTUP", "true")]).env("TMPDIR", folder.path());
    let before = way.lender.lent();
    let verify = Running::start(way.on(run));
    let status = verify.wait_for(ALL, |status| {
        let all = databases(status);
        all.len() == wanted.len() && all.iter().all(|(_, one)| one["last_report"].is_object())
    });
    let drilled: BTreeSet<String> = databases(&status).into_iter().map(|(name, _)| name).collect();
    assert_eq!(drilled, wanted);
    for (name, one) in databases(&status) {
        assert_eq!(one["last_report"]["verdict"], "passed", "{name}: {}", verify.process.stderr_so_far());
    }
    assert_eq!(verify.get("/health").0, 200, "{:#}", verify.get("/health").1);

    let asked: BTreeSet<String> = way.proxy.asked().into_iter().collect();
    assert_eq!(asked.iter().collect::<Vec<_>>(), ["CONNECT store.invalid:443", "CONNECT sts.invalid:443"]);
    assert!(before >= 1 && way.lender.lent() > before, "{before} and {} keys were lent", way.lender.lent());
    assert_eq!(stand.s3.requests_by_key()[stand.s3.access_key()], 0, "the key of the bucket's owner was used");
    let log = verify.process.stderr_so_far();
    assert!(log.contains("\"source\":\"web identity") && !log.contains("canary"), "{log}");
}
