//! Mutations: a database with an object of every kind is restored by a drill, and before the drill looks at it, one
//! thing is changed. The drill must see it with every login.

mod drill;

use std::collections::BTreeMap;

use super::choice::Choice;
use super::items::{self, Item};
use super::known::{self, Known};
use super::{jobs, source, table};

use drill::{Mode, Outcome, Zoo};

/// Pairs of a mutation and a mode in a sample.
const SAMPLE_PAIRS: usize = 60;

/// The least major version that has what the zoo is made of.
const ZOO_SINCE_MAJOR: u32 = 15;

/// The kind of an item that changes nothing: its drills must pass.
const CONTROL: &str = "control";

/// This test, for the list of what was skipped.
const TEST: &str = "suites::mutations::a_drill_sees_every_mutation_but_those_that_the_documents_name";

/// One drill to run.
#[derive(Clone, Copy)]
struct Pair<'items> {
    item: &'items Item,
    mode: Mode,
}

#[test]
fn a_drill_sees_every_mutation_but_those_that_the_documents_name() {
    let major = source::server().major();
    if major < ZOO_SINCE_MAJOR {
        let reason = format!("the zoo needs PostgreSQL {ZOO_SINCE_MAJOR}");
        return e2e::skip::skip(TEST, &reason);
    }
    let mut items = items::all("mutations");
    items.retain(|item| item.suits(major));
    let known = known::all("mutations.known");
    let choice = super::choice();
    let pairs = chosen(&choice, &items);
    let zoos: BTreeMap<Mode, Zoo> =
        Mode::ALL.into_iter().filter(|mode| pairs.iter().any(|pair| pair.mode == *mode)).map(Zoo::with_mode).collect();
    let outcomes = jobs::each(&pairs, |pair| {
        let outcome = zoos[&pair.mode].drill(&pair.item.sql);
        eprintln!("{} {}: {}", pair.item.id, pair.mode.name(), outcome.cell());
        outcome
    });
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|result| result.unwrap_or_else(Outcome::Broken)).collect();
    show(&pairs, &outcomes, &known);
    let wrong: Vec<String> =
        pairs.iter().zip(&outcomes).filter_map(|(pair, outcome)| what_is_wrong(*pair, outcome, &known)).collect();
    assert!(wrong.is_empty(), "{} of {} drills:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

/// The pairs that this run tries. The first control is in every sample: if it is not green, red means nothing.
fn chosen<'items>(choice: &Choice, items: &'items [Item]) -> Vec<Pair<'items>> {
    let all = items.iter().flat_map(|item| Mode::ALL.map(|mode| Pair { item, mode })).collect();
    let is_named = |pair: &Pair<'_>| choice.names(&pair.item.id, pair.mode.name());
    let control = items.iter().find(|item| item.kind == CONTROL).map(|item| &item.id);
    choice.of(all, SAMPLE_PAIRS, is_named, |pair| Some(&pair.item.id) == control)
}

/// Why an outcome fails the suite, if it does.
fn what_is_wrong(pair: Pair<'_>, outcome: &Outcome, known: &[Known]) -> Option<String> {
    let Pair { item, mode } = pair;
    let is_known = is_known(item, mode, known);
    let wrong = match outcome {
        Outcome::Passed if is_known || item.kind == CONTROL => return None,
        Outcome::Passed => "passed, and is not in mutations.known".to_owned(),
        // A plain role does not restore what only a superuser can make: there is nothing to change.
        Outcome::Absent(_) if is_known && mode == Mode::Role => return None,
        Outcome::Absent(words) | Outcome::Broken(words) => format!("the item is broken: {words}"),
        Outcome::Caught(findings) if item.kind == CONTROL => format!("a control failed: {}", findings.join("; ")),
        Outcome::Caught(_) if is_known => "is caught, and is still in mutations.known".to_owned(),
        Outcome::Caught(_) => return None,
    };
    Some(format!("{} {} ({}): {wrong}", item.id, mode.name(), item.what))
}

fn is_known(item: &Item, mode: Mode, known: &[Known]) -> bool {
    known.iter().any(|known| known.covers(&item.id, mode.name()))
}

fn show(pairs: &[Pair<'_>], outcomes: &[Outcome], known: &[Known]) {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for (Pair { item, mode }, outcome) in pairs.iter().zip(outcomes) {
        if rows.last().is_none_or(|row| row[0] != item.id) {
            let [id, kind, what] = [&item.id, &item.kind, &item.what].map(String::clone);
            rows.push([id, kind, what, "-".to_owned(), "-".to_owned()]);
        }
        let column = match mode {
            Mode::Role => 3,
            Mode::Superuser => 4,
        };
        let mark = if is_known(item, *mode, known) { " (known)" } else { "" };
        rows.last_mut().unwrap()[column] = outcome.cell() + mark;
    }
    table::show(["id", "kind", "what", "role", "superuser"], &rows);
}
