//! The pages for people, in a real browser: every state as it is drawn, and both daemons as they serve them.

mod chromium;
mod daemons;
mod states;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backup_daemon::page::{Backup, Database, View, content_security_policy};
use chrono::TimeDelta;
use e2e::skip::skip;

use self::chromium::{Chromium, Scheme};
use self::states::{now, states};

/// A phone and a desk.
const SCREENS: [(u32, u32); 2] = [(360, 800), (1280, 900)];

/// The documents that are served: `/runbooks`, and those below it.
const DOCUMENTS: [&str; 4] = ["", "troubleshooting", "restore", "alerts"];

/// Maximum height of a screenshot, in pixels.
const MAX_HEIGHT: u32 = 2_600;

/// The variable that names a folder for screenshots, to be looked at.
const SCREENSHOTS: &str = "PAGE_SCREENSHOTS";

/// The browser; `test` says that it is skipped if there is none.
fn browser(test: &str) -> Option<Chromium> {
    let browser = Chromium::start();
    if browser.is_none() {
        skip(test, "chromium is not here (CHROMIUM); the pages were not looked at in a browser");
    }
    browser
}

/// Every page of every state: its path, and what stands there.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for (name, view) in states() {
        pages.insert(format!("/{name}"), view.home(now()));
        for drill in view.databases.iter().flat_map(|database| &database.drills).take(2) {
            let page = view.drill(&drill.id, now()).unwrap();
            pages.insert(format!("/{name}-{}", drill.id), page);
        }
    }
    let (_, any) = states().remove(0);
    for name in DOCUMENTS {
        pages.insert(format!("/document-{name}"), any.document(name, now()).unwrap());
    }
    pages.insert("/not-found".to_owned(), any.not_found(now()));
    pages
}

/// Serves pages until it is dropped, with the policy that daemons send.
struct Site {
    port: u16,
    ends: Arc<AtomicBool>,
}

impl Site {
    fn of(pages: BTreeMap<String, String>) -> Self {
        let (listener, ends) = (TcpListener::bind(("127.0.0.1", 0)).unwrap(), Arc::new(AtomicBool::new(false)));
        let (port, ended) = (listener.local_addr().unwrap().port(), Arc::clone(&ends));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                answer(stream, &pages);
            }
        });
        Self { port, ends }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        TcpStream::connect(("127.0.0.1", self.port)).map(drop).unwrap_or_default();
    }
}

/// A browser that breaks off is no failure of a test.
fn answer(mut stream: TcpStream, pages: &BTreeMap<String, String>) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut request = [0; 8 * 1024];
    let Ok(length) = stream.read(&mut request) else { return };
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match pages.get(path) {
        Some(page) => ("text/html; charset=utf-8", page.as_str()),
        None => ("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    };
    let (policy, length) = (content_security_policy(), body.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nContent-Security-Policy: {policy}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).unwrap_or_default();
}

/// The width and the height that a PNG says it has.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(&png[1..4], b"PNG");
    let number = |place: usize| u32::from_be_bytes(png[place..place + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn every_state_is_drawn_on_a_phone_and_a_desk_in_light_and_dark_without_a_complaint_or_a_scroll_bar_r158() {
    let Some(mut browser) = browser("page::every_state") else { return };
    let pages = pages();
    let site = Site::of(pages.clone());
    for (path, page) in &pages {
        for (width, height) in SCREENS {
            for scheme in [Scheme::Light, Scheme::Dark] {
                browser.open(&site.url(path), (width, height), scheme);
                let scroll_width = browser.evaluate("document.documentElement.scrollWidth").as_u64().unwrap();
                assert_eq!(scroll_width, u64::from(width), "{path} at {width}");
                let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor");
                let expected = if scheme == Scheme::Light { "rgb(246, 246, 244)" } else { "rgb(19, 21, 25)" };
                assert_eq!(ground, expected, "{path}: the style is taken, and follows the reader");
                let shot = browser.screenshot(width, MAX_HEIGHT);
                assert_eq!(size(&shot).0, width, "{path}");
                keep(&format!("{}-{width}-{}.png", &path[1..], scheme.name()), &shot);
            }
        }
        assert_eq!(browser.complaints(), [""; 0], "{path}");
        assert!(is_what_the_parser_made_of_it(&mut browser, page), "{path}: the parser had to repair the page");
    }
}

/// Leaves a screenshot for a person to look at, if `PAGE_SCREENSHOTS` names a folder.
fn keep(name: &str, shot: &[u8]) {
    if let Some(folder) = std::env::var_os(SCREENSHOTS) {
        std::fs::write(Path::new(&folder).join(name), shot).unwrap();
    }
}

/// Whether the tree that the browser has made, written down again, is the page: nothing was closed, moved or left out.
fn is_what_the_parser_made_of_it(browser: &mut Chromium, page: &str) -> bool {
    let tree = browser.evaluate("document.compatMode + document.documentElement.outerHTML");
    let page = page.replacen("<!DOCTYPE html>", "CSS1Compat", 1);
    // Which characters of a text are written as references is a matter of taste.
    let plain =
        |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    plain(tree.as_str().unwrap()) == plain(&page)
}

#[test]
fn the_keyboard_reaches_everything_in_the_order_of_the_page() {
    let Some(mut browser) = browser("page::keyboard") else { return };
    let (_, view) = states().into_iter().find(|(name, _)| *name == "verify-failed").unwrap();
    let site = Site::of(BTreeMap::from([("/".to_owned(), view.home(now()))]));
    browser.open(&site.url("/"), SCREENS[0], Scheme::Light);
    let reachable = "[...document.querySelectorAll('a[href],summary')].filter(one => one.checkVisibility())";
    let all = browser.evaluate(&format!("{reachable}.length")).as_u64().unwrap();
    assert!(all > 10, "{all}");
    for place in 0..all {
        browser.press_tab();
        let reached = browser.evaluate(&format!("{reachable}.indexOf(document.activeElement)"));
        assert_eq!(reached, place);
        let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid", "what has the focus is marked");
    }
}

/// The benchmark of the page: `tests/bench/page.sh` shows what it prints.
#[test]
fn a_page_of_a_thousand_backups_shows_ten_at_once_and_is_made_in_one_pass() {
    let (_, View { databases, .. }) = states().into_iter().find(|(name, _)| *name == "proven").unwrap();
    let like = databases[0].backups[0].clone();
    let backups = (0..1_000).map(|hours| Backup {
        id: format!("id-{hours}"),
        at: like.at - TimeDelta::hours(hours),
        ..like.clone()
    });
    let database = Database { backups: backups.collect(), ..databases[0].clone() };
    let view = View { databases: vec![database], ..states().remove(0).1 };
    let rounds = 20;
    let began = Instant::now();
    let pages: Vec<String> = (0..rounds).map(|_| view.home(now())).collect();
    let milliseconds = began.elapsed().as_secs_f64() * 1_000.0 / f64::from(rounds);
    println!("page of 1,000 backups: {milliseconds:.1} ms, {} kB", pages[0].len() / 1_000);
    assert!(pages[0].contains("990 older backups"));
    assert!(pages[0].len() < 1_500_000, "{}", pages[0].len());
}
