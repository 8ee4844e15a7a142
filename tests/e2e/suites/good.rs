//! Unusual but good databases: each is backed up, its drills pass, and it comes back as it was, its settings, owner and
//! rights as a database included.

mod compare;
mod steps;

use std::process::Command;

use super::items::{self, Item};
use super::known::{self, Known};
use super::{jobs, source, table};

use steps::{Ended, Step};

/// Databases in a sample.
const SAMPLE_DATABASES: usize = 12;

/// This test, for the list of what was skipped.
const TEST: &str = "suites::good::every_good_database_is_backed_up_drilled_and_restored_as_it_was";

#[test]
fn every_good_database_is_backed_up_drilled_and_restored_as_it_was() {
    let major = source::server().major();
    let choice = super::choice();
    let all = items::all("good").into_iter().filter(|item| item.suits(major)).collect();
    // What is new in this version has no other run.
    let is_new = |item: &Item| item.option("needs").is_some_and(|needs| needs == major.to_string());
    let items = choice.of(all, SAMPLE_DATABASES, |item| choice.names(&item.id, "good"), is_new);
    let (items, lacking): (Vec<Item>, Vec<Item>) = items.into_iter().partition(has_its_locale);
    for item in lacking {
        let reason = format!("{} needs the locale {}", item.id, item.option("locale").unwrap_or_default());
        e2e::skip::skip(TEST, &reason);
    }
    let known = known::all("good.known");
    let ended = jobs::each(&items, |item| {
        let ended = steps::run(item);
        eprintln!("{}: {}", item.id, ended.summary());
        ended
    });
    let ended: Vec<Ended> = ended.into_iter().map(|result| result.unwrap_or_else(Ended::broken)).collect();
    let rows = items.iter().zip(&ended).map(|(item, ended)| row(item, ended, &known));
    let head = ["id", "what", "backup", "plain", "su", "restore", "equal"];
    table::show(head, &rows.collect::<Vec<_>>());
    let wrong: Vec<String> =
        items.iter().zip(&ended).flat_map(|(item, ended)| what_is_wrong(item, ended, &known)).collect();
    assert!(wrong.is_empty(), "{} faults of {} databases:\n{}", wrong.len(), items.len(), wrong.join("\n"));
}

/// Whether this machine has the locale without which the item is not what it says.
fn has_its_locale(item: &Item) -> bool {
    let Some(wanted) = item.option("locale") else { return true };
    let plain = |name: &str| name.to_lowercase().replace("utf-8", "utf8");
    let output = Command::new("locale").arg("-a").output();
    let names = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    names.lines().any(|name| plain(name) == plain(wanted))
}

/// What fails the suite: a step that failed and is not in the list, and one that is there and did not fail.
fn what_is_wrong(item: &Item, ended: &Ended, known: &[Known]) -> Vec<String> {
    let of_step = |step: &Step| match (ended.fault(*step), is_known(item, *step, known)) {
        (Some(words), false) => Some(format!("{} ({}): {}: {words}", item.id, item.what, step.name())),
        (None, true) => Some(format!("{}: {} is as it should be, and still in good.known", item.id, step.name())),
        _ => None,
    };
    Step::ALL.iter().filter_map(of_step).collect()
}

fn is_known(item: &Item, step: Step, known: &[Known]) -> bool {
    known.iter().any(|known| known.covers(&item.id, step.name()))
}

fn row(item: &Item, ended: &Ended, known: &[Known]) -> [String; 7] {
    let cell = |step: Step| match ended.cell(step) {
        "FAILED" if is_known(item, step, known) => "known".to_owned(),
        cell => cell.to_owned(),
    };
    let [backup, plain, su, restore, equal] =
        [Step::Backup, Step::Plain, Step::Superuser, Step::Restore, Step::Equal].map(cell);
    [item.id.clone(), item.what.clone(), backup, plain, su, restore, equal]
}
