//! A real browser without a window, asked through its debugging protocol: messages of JSON, each ended by a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use e2e::process::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The variable that names the program; without it, `chromium` is looked for in `PATH`.
const PROGRAM: &str = "CHROMIUM";

/// Bound of each answer, and of the load of a page. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Light or dark, as a reader has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The browser, until it is dropped.
pub(super) struct Chromium {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What it has complained about since it was last asked.
    complaints: Vec<String>,
    _folder: TempDir,
}

impl Chromium {
    /// Starts it; `None` if it is not on this machine.
    pub(super) fn start() -> Option<Self> {
        let program = find()?;
        let folder = TempDir::new().unwrap();
        // It reads from its descriptor 3 and writes to 4. There are no strangers in what it loads, so it needs no sandbox,
        // which it could not have as root.
        let script = r#"exec "$0" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
            --no-first-run --remote-debugging-pipe --user-data-dir="$1" about:blank 3<&0 4>&1 1>&2 2>/dev/null"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program).arg(folder.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap_or_default();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let (session, complaints) = (None, Vec::new());
        let mut started = Self { process, input, messages, session, last_id: 0, complaints, _folder: folder };
        started.attach();
        Some(started)
    }

    fn attach(&mut self) {
        let mut target = Value::Null;
        assert!(wait_until(PATIENCE, || {
            let targets = self.call("Target.getTargets", json!({}));
            let pages = targets["targetInfos"].as_array().unwrap().iter();
            target =
                pages.filter(|one| one["type"] == "page").map(|one| one["targetId"].clone()).next().unwrap_or_default();
            target.is_string()
        }));
        let attached = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        self.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page.enable", "Log.enable", "Runtime.enable", "Network.enable"] {
            self.call(domain, json!({}));
        }
    }

    /// One question and its answer. What it says unasked is noted if it is a complaint.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            match answer["method"].as_str() {
                Some("Log.entryAdded") => self.complaints.push(answer["params"]["entry"].to_string()),
                Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown") => {
                    self.complaints.push(answer.to_string())
                }
                _ => {}
            }
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Loads a page on a screen of this size, and returns its status once it is complete.
    pub(super) fn open(&mut self, url: &str, (width, height): (u32, u32), scheme: Scheme) {
        let is_phone = width < 600;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.name() });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        let is_complete = format!("document.readyState === 'complete' && location.href === {}", json!(url));
        assert!(wait_until(PATIENCE, || self.evaluate(&is_complete) == true), "{url} does not load");
    }

    /// The value of an expression of JavaScript. What a page forbids to itself does not bind it.
    pub(super) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", asked)["result"]["value"].clone()
    }

    /// Presses the key that goes on to the next link.
    pub(super) fn press_tab(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.call("Input.dispatchKeyEvent", key);
        }
    }

    /// The whole page as a PNG, of at most this height.
    pub(super) fn screenshot(&mut self, width: u32, max_height: u32) -> Vec<u8> {
        let height = self.evaluate("document.documentElement.scrollHeight").as_u64().unwrap().min(max_height.into());
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("Page.captureScreenshot", asked);
        base64_simd::STANDARD.decode_to_vec(shot["data"].as_str().unwrap()).unwrap()
    }

    /// What it has complained about since the last call.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        self.evaluate("1"); // What was said until now arrives before this answer.
        std::mem::take(&mut self.complaints)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends itself with the pipe; this is for one that hangs.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

fn find() -> Option<PathBuf> {
    match std::env::var_os(PROGRAM) {
        Some(program) => Some(PathBuf::from(program)).filter(|program| !program.as_os_str().is_empty()),
        None => std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join("chromium"))
            .find(|one| one.is_file()),
    }
}
