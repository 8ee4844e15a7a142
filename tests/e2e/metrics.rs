//! `/metrics` of both services, the file of single runs, and what is built on them: documents, rules, the dashboard.

mod alert;
mod backup;
mod dashboard;
mod documents;
mod file;
mod rules;
mod scrape;
mod verify;

use e2e::process::Run;

use self::scrape::Scrape;
use crate::daemon::{Running, SOON};
use crate::stand::Stand;

/// Both services, each scraped before it has done anything: every name and every label is there by then.
fn both() -> [Scrape; 2] {
    let stand = Stand::with_rows(1);
    // A channel to which nothing is sent, so that it has its series.
    let backup = Running::start(stand.backup().env("WEBHOOK_URL", "json+http://127.0.0.1:1/x"));
    let scraped = Scrape::of(&backup);
    backup.wait_until_waiting();
    let verify = Running::start(waiting_verify(&stand).env("WEBHOOK_URL", "json+http://127.0.0.1:1/x"));
    verify.wait_for(SOON, |status| status["state"] == "waiting");
    [scraped, Scrape::of(&verify)]
}

/// A `verify` of an empty prefix, which waits.
fn waiting_verify(stand: &Stand) -> Run {
    Run::new("verify")
        .envs(stand.s3.env())
        .env("PG_BIN_DIR", stand.postgres.bin_dir())
        .env("BACKUP_PREFIX", "empty")
        .env("VERIFY_SOURCE_DATABASE", &stand.database.name)
        .envs([("RETRY_DELAY", "0"), ("LOG_FORMAT", "json"), ("PORT", "0")])
}
