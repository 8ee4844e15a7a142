//! Both daemons as they serve their pages, with a real database, a real bucket and a real drill behind them.

use std::io::{Read, Write};
use std::net::TcpStream;

use e2e::process::{http_get, wait_until};

use super::chromium::{Chromium, Scheme};
use super::{MAX_HEIGHT, SCREENS, browser, keep, size};
use crate::daemon::{Running, SOON};
use crate::drill::{DRILL_LIMIT, DrillStand};

/// The head of the answer to a request.
fn head(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split("\r\n\r\n").next().unwrap().to_lowercase()
}

/// The page once it says `words`.
#[track_caller]
fn wait_for(daemon: &Running, words: &str) -> String {
    let mut page = String::new();
    let said = wait_until(DRILL_LIMIT, || {
        page = daemon.get_text("/").1;
        page.contains(words)
    });
    assert!(said, "no {words:?} in {page}");
    page
}

/// Looks at a page as a reader does, on each screen and in both schemes.
fn look(browser: &mut Option<Chromium>, port: u16, name: &str) {
    let Some(browser) = browser else { return };
    for (width, height) in SCREENS {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.open(&format!("http://127.0.0.1:{port}/"), (width, height), scheme);
            assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), width, "{name}");
            let shot = browser.screenshot(width, MAX_HEIGHT);
            assert_eq!(size(&shot).0, width);
            keep(&format!("real-{name}-{width}-{}.png", scheme.name()), &shot);
        }
    }
    assert_eq!(browser.complaints(), [""; 0], "{name}");
}

#[test]
fn both_daemons_show_a_backup_and_its_proof_and_a_browser_has_nothing_to_complain_about() {
    let stand = DrillStand::small("zstd");
    let mut browser = browser("page::daemons");
    let name = stand.stand.database.name.clone();
    let verify = stand.verify().env("VERIFY_ATTEST", "true").env("TZ", "Europe/Berlin");
    let verify = Running::start(verify);
    let page = wait_for(&verify, "Proven restorable");
    assert!(page.contains("1 table, 100 rows") && page.contains(&name) && page.contains(" to recover."), "{page}");
    assert!(page.contains("CET") || page.contains("CEST"), "{page}");
    look(&mut browser, verify.port(), "verify-proven");

    let drill = page.split("/drills/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let (status, page) = verify.get_text(&format!("/drills/{drill}"));
    assert_eq!(status, 200, "{page}");
    for expected in ["row_counts", "contents", "public.t", "1 table, 0 differ", "throwaway", "SHA-256"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(verify.get_text("/drills/none").0, 404);
    assert_eq!(verify.get_text("/databases/none").0, 404);

    let watch = Running::start(stand.verify().args(["watch"]));
    let page = wait_for(&watch, "By the record of another verify");
    assert!(page.contains("1 table, 100 rows") && page.contains(&name), "{page}");
    look(&mut browser, watch.port(), "watch-proven");

    let backup = Running::start(stand.stand.backup());
    let page = wait_for(&backup, "Proven restorable");
    assert!(page.contains("verify has recorded that the backup") && page.contains("newest 3"), "{page}");
    look(&mut browser, backup.port(), "backup-proven");
    for (daemon, path) in [&backup, &verify, &watch].into_iter().flat_map(|one| [(one, "/"), (one, "/runbooks")]) {
        let head = head(daemon.port(), path);
        for expected in [
            "200 ok",
            "text/html; charset=utf-8",
            "content-security-policy: default-src 'none'; style-src 'sha256-",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(expected), "{expected}: {head}");
        }
        assert!(daemon.get_text("/runbooks/alerts").1.contains("id=\"delivery\""));
        assert_eq!(daemon.get_text("/runbooks/none").0, 404);
    }
    for daemon in [&backup, &verify] {
        let (status, badge) = http_get(daemon.port(), "/badge.svg").unwrap();
        assert!(status == 200 && badge.starts_with("<svg") && badge.contains("restore: proven"), "{badge}");
        assert!(self::head(daemon.port(), "/badge.svg").contains("cache-control: max-age=300"));
    }
}

#[test]
fn a_drill_that_fails_makes_the_page_say_which_check_has_found_what() {
    let stand = DrillStand::small("none");
    let mut browser = browser("page::daemons");
    let mut damaged = stand.pristine(&stand.dump_key()).to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    stand.stand.s3.write(&stand.dump_key(), damaged);
    let verify = Running::start(stand.verify());
    let page = wait_for(&verify, "does not come back as it was: the check digests failed");
    assert!(page.contains("Nothing is known to be safe.") && page.contains("\"/runbooks#a-drill-failed\""), "{page}");
    assert!(verify.get_text("/badge.svg").1.contains("drill failed"));
    look(&mut browser, verify.port(), "verify-failed");
}

#[test]
fn a_bucket_that_is_away_makes_the_page_say_that_nothing_is_known() {
    let stand = crate::stand::Stand::with_rows(1);
    let backup = stand.backup().env("S3_ENDPOINT", "http://127.0.0.1:9").env("RETRY_ATTEMPTS", "1");
    let backup = Running::start(backup);
    let (status, page) = backup.get_text("/");
    assert!(status == 200 && page.contains("The bucket is being looked at for the first time."), "{page}");
}
