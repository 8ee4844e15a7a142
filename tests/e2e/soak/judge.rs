//! Holds what the daemons have said against what was really wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::fault::Fault;
use super::world::{BOTH, Mark, Name, World};

/// Lines of the log that say that a run or a drill has not ended well.
const FAILURES: [&str; 6] =
    ["backup failed", "run stopped", "drill failed", "drill could not run", "drill stopped", "drill skipped"];

/// Lines that say that one has.
const SUCCESSES: [&str; 2] = ["backup committed", "drill passed"];

/// A fault that is over.
struct Suffered {
    fault: Fault,
    duration: Duration,
    /// The alarms that each daemon has raised for it.
    raised: [Vec<String>; 2],
    /// How long all took to be well again.
    recovered_in: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Judge {
    complaints: Vec<String>,
    suffered: Vec<Suffered>,
    runs: BTreeMap<String, u64>,
    messages: BTreeMap<String, u64>,
}

fn said<'line>(lines: &'line [Value], message: &str) -> impl Iterator<Item = &'line Value> {
    lines.iter().filter(move |line| line["message"] == message)
}

fn failures(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| FAILURES.iter().any(|failure| line["message"] == *failure)).collect()
}

impl Judge {
    pub(super) fn complain(&mut self, what: String) {
        eprintln!("WRONG: {what}");
        self.complaints.push(what);
    }

    pub(super) fn faults(&self) -> usize {
        self.suffered.len()
    }

    /// Both are there, and their loops turn.
    pub(super) fn lives(&mut self, world: &mut World) {
        for name in BOTH {
            if !world.service(name).lives() {
                self.complain(format!("{name:?} does not live"));
            }
        }
    }

    /// Nothing was wrong since `mark`.
    pub(super) fn calm(&mut self, world: &World, mark: &Mark) {
        for name in BOTH {
            let lines = world.logged(name, mark);
            let wrong = said(&lines, "alarm raised").chain(failures(&lines));
            for line in wrong {
                self.complain(format!("{name:?} without a fault: {line}"));
            }
            for message in world.messages(name, mark) {
                self.complain(format!("{name:?} without a fault, a message: {message}"));
            }
        }
    }

    /// Since `mark`, `fault` lasted `duration`, and all was well again after `recovered_in`.
    pub(super) fn fault(
        &mut self,
        world: &World,
        mark: &Mark,
        fault: Fault,
        duration: Duration,
        recovered_in: Option<Duration>,
    ) {
        let raised = BOTH.map(|name| self.fault_of(world, mark, fault, duration, name));
        if recovered_in.is_none() {
            let alarms = BOTH.map(|name| world.log(name).lines().rev().take(5).collect::<Vec<_>>().join("\n"));
            self.complain(format!("after {fault:?} of {duration:?}, not all was well again:\n{}", alarms.join("\n\n")));
        }
        eprintln!("{fault:?} of {} s: {raised:?}, well after {recovered_in:?}", duration.as_secs());
        self.suffered.push(Suffered { fault, duration, raised, recovered_in });
    }

    fn fault_of(&mut self, world: &World, mark: &Mark, fault: Fault, duration: Duration, name: Name) -> Vec<String> {
        let lines = world.logged(name, mark);
        let mut raised: Vec<String> =
            said(&lines, "alarm raised").map(|line| line["code"].as_str().unwrap_or_default().to_owned()).collect();
        raised.sort();
        raised.dedup();
        let may = fault.may_raise(name);
        for line in said(&lines, "alarm raised").filter(|line| may.iter().all(|code| line["code"] != *code)) {
            self.complain(format!("{name:?}, a false alarm during {fault:?} of {duration:?}: {line}"));
        }
        if let Some((seconds, must)) = fault.must_raise(name)
            && duration >= Duration::from_secs(seconds)
            && must.iter().all(|code| !raised.iter().any(|raised| raised == code))
        {
            self.complain(format!("{name:?} has missed {fault:?} of {duration:?}: {raised:?}"));
        }
        if !fault.may_fail(name) {
            for line in failures(&lines) {
                self.complain(format!("{name:?} has failed although {fault:?} is no reason: {line}"));
            }
        }
        for line in lines.iter().filter(|line| line["message"].as_str().unwrap_or_default().contains("panicked")) {
            self.complain(format!("{name:?}: {line}"));
        }
        let messages = world.messages(name, mark);
        // The first incident is told from its onset to its end; of later ones, those beyond the third in a day are counted.
        if !raised.is_empty() && !self.has_told(name) {
            for kind in ["alarm.raised", "alarm.resolved"] {
                if !messages.iter().any(|message| message["type"] == kind) {
                    self.complain(format!("{name:?} has sent no {kind} for {fault:?}: {messages:?}"));
                }
            }
        }
        for message in messages {
            let (kind, event) = (&message["type"], &message["data"]["event"]);
            *self.messages.entry(format!("{name:?} {}", kind.as_str().unwrap_or_default())).or_default() += 1;
            let is_expected = may.iter().any(|code| event == code) || (fault.may_fail(name) && is_first_sign(event));
            if !is_expected {
                self.complain(format!("{name:?}, a message during {fault:?} of {duration:?}: {message}"));
            }
        }
        raised
    }

    fn has_told(&self, name: Name) -> bool {
        self.messages.keys().any(|key| key.starts_with(&format!("{name:?}")))
    }

    /// Counts how runs and drills have ended.
    pub(super) fn count_runs(&mut self, world: &World) {
        for line in BOTH.iter().flat_map(|name| world.log(*name).lines().map(str::to_owned).collect::<Vec<_>>()) {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let message = line["message"].as_str().unwrap_or_default();
            if SUCCESSES.iter().chain(&FAILURES).any(|end| message == *end) {
                *self.runs.entry(message.to_owned()).or_default() += 1;
            }
        }
    }

    pub(super) fn runs(&self) -> u64 {
        self.runs.values().sum()
    }

    /// Runs of `backup` that may have left something: those that failed, and those that were killed with it.
    pub(super) fn failed_runs(&self) -> usize {
        let failed = ["backup failed", "run stopped"].iter().filter_map(|end| self.runs.get(*end)).sum::<u64>();
        let killed = self.suffered.iter().filter(|suffered| suffered.fault == Fault::Killed(Name::Backup)).count();
        // Each has two attempts.
        usize::try_from(failed).unwrap() * 2 + killed
    }

    pub(super) fn summary(&self) -> String {
        let mut lines =
            vec![format!("{} runs: {:?}", self.runs(), self.runs), format!("messages: {:?}", self.messages)];
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Suffered { fault, duration, raised, recovered_in } in &self.suffered {
            let recovered_in = recovered_in.map_or("never".to_owned(), |took| format!("{} s", took.as_secs()));
            let raised = raised.concat().join("+");
            let words = format!("{} s ({raised}; well after {recovered_in})", duration.as_secs());
            kinds.entry(format!("{fault:?}")).or_default().push(words);
        }
        lines.push(format!("{} faults:", self.suffered.len()));
        lines.extend(
            kinds.into_iter().map(|(kind, words)| format!("  {kind}: {} times: {}", words.len(), words.join(", "))),
        );
        lines.push(format!("{} complaints", self.complaints.len()));
        lines.join("\n")
    }

    #[track_caller]
    pub(super) fn assert_none(&self, world: &World) {
        if !self.complaints.is_empty()
            && let Some(folder) = std::env::var_os("SOAK_LOGS")
        {
            std::fs::create_dir_all(&folder).unwrap();
            for name in BOTH {
                let file = format!("{name:?}-{}.log", std::process::id());
                std::fs::write(std::path::Path::new(&folder).join(file), world.log(name)).unwrap();
            }
        }
        assert!(self.complaints.is_empty(), "{} complaints:\n{}", self.complaints.len(), self.complaints.join("\n"));
    }
}

/// What a single run that failed is told as.
fn is_first_sign(event: &Value) -> bool {
    ["failing", "could_not_run", "drill_failed"].iter().any(|code| event == code)
}
