//! What is done with a good database, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use e2e::postgres::{Database, SUPERUSER};
use e2e::process::Output;

use super::compare;
use crate::stand::Stand;
use crate::suites::items::Item;
use crate::suites::source::{self, server};

/// The password of the roles that an item may choose for its backup.
const PASSWORD: &str = "of-a-role-for-backups";

/// One of the things that must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Making the database; a fault of the item.
    Item,
    /// `backup run`.
    Backup,
    /// A drill by default, as a role that is no superuser.
    Plain,
    /// A drill with `VERIFY_RESTORE_AS=superuser`.
    Superuser,
    /// `verify restore --create`.
    Restore,
    /// What was restored is the source's, by the text of `pg_dump`.
    Equal,
}

impl Step {
    pub(super) const ALL: [Self; 6] =
        [Self::Item, Self::Backup, Self::Plain, Self::Superuser, Self::Restore, Self::Equal];

    /// Its word in good.known.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Backup => "backup",
            Self::Plain => "plain",
            Self::Superuser => "su",
            Self::Restore => "restore",
            Self::Equal => "equal",
        }
    }
}

/// What became of an item.
#[derive(Debug, Default)]
pub(super) struct Ended {
    faults: BTreeMap<Step, String>,
    done: BTreeSet<Step>,
}

impl Ended {
    /// An item that is at fault itself.
    pub(super) fn broken(words: String) -> Self {
        Self { faults: BTreeMap::from([(Step::Item, words)]), done: BTreeSet::new() }
    }

    /// Why a step failed.
    pub(super) fn fault(&self, step: Step) -> Option<&str> {
        self.faults.get(&step).map(String::as_str)
    }

    /// For a table.
    pub(super) fn cell(&self, step: Step) -> &'static str {
        match (self.faults.contains_key(&step), self.done.contains(&step)) {
            (true, _) => "FAILED",
            (false, true) => "ok",
            (false, false) => "-",
        }
    }

    /// In a line.
    pub(super) fn summary(&self) -> String {
        let failed: Vec<&str> = self.faults.keys().map(|step| step.name()).collect();
        if failed.is_empty() { "ok".to_owned() } else { format!("FAILED: {}", failed.join(", ")) }
    }

    /// Notes how a step ended; whether it succeeded.
    fn note(&mut self, step: Step, result: Result<(), String>) -> bool {
        self.done.insert(step);
        let fault = result.err();
        let succeeded = fault.is_none();
        self.faults.extend(fault.map(|words| (step, words)));
        succeeded
    }
}

/// Does everything with an item.
pub(super) fn run(item: &Item) -> Ended {
    let mut ended = Ended::default();
    let stand = create(item);
    let run = stand.backup().env("DATABASE_URL", url_for_backups(item, &stand.database)).args(["run"]).output();
    if !ended.note(Step::Backup, succeeded(&run)) {
        return ended;
    }
    for (word, step, mode) in [("plain", Step::Plain, "role"), ("su", Step::Superuser, "superuser")] {
        if item.kind.split(',').any(|asked| asked.trim() == word) {
            ended.note(step, drill(&stand, mode));
        }
    }
    let names = compare::Names::of(&stand.database.name);
    let restored = restore(&stand, &names.ours);
    ended.note(Step::Restore, restored);
    ended.note(Step::Equal, compare::compare(&names, &url_for_backups(item, &stand.database)));
    [&names.source, &names.ours, &names.stock].into_iter().for_each(|name| drop_database(name));
    ended
}

/// Removes a database that may be there. Subscriptions, which would keep it, go first.
fn drop_database(name: &str) {
    let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    if server().sql(SUPERUSER, &exists) == "0" {
        return;
    }
    let subscriptions = "SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname),
            format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname), format('DROP SUBSCRIPTION %I', subname)
        FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \\gexec";
    server().sql(name, subscriptions);
    server().sql(SUPERUSER, &format!("DROP DATABASE {name}"));
}

/// The item's database, filled.
fn create(item: &Item) -> Stand {
    let owner = item.option("owner").map(|owner| format!("OWNER {owner}")).unwrap_or_default();
    let options = format!("{} {owner}", item.option("db").unwrap_or_default());
    let stand = source::stand(&format!("good_{}", item.id.to_lowercase()), &options);
    let encoding = item.option("clientenc").unwrap_or("UTF8");
    stand.sql(&format!("\\encoding {encoding}\n{}", item.sql));
    stand
}

/// The superuser's, or that of the role which `-- url-user:` names. `backup` is the one of docs/database-role.sql.
fn url_for_backups(item: &Item, database: &Database) -> String {
    let Some(role) = item.option("url-user") else { return database.url.clone() };
    assert_eq!(role, "backup", "{}: only the role of docs/database-role.sql can be asked for", item.id);
    // The script changes a role that all databases share.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    server().sql(&database.name, include_str!("../../../../docs/database-role.sql"));
    server().sql(SUPERUSER, &format!("ALTER ROLE backup PASSWORD '{PASSWORD}'"));
    server().url_as(role, PASSWORD, &database.name)
}

fn drill(stand: &Stand, mode: &str) -> Result<(), String> {
    let folder = source::folder();
    let verify = verify(stand, folder.path()).env("VERIFY_RESTORE_AS", mode);
    succeeded(&verify.args(["run"]).output())
}

fn restore(stand: &Stand, name: &str) -> Result<(), String> {
    let folder = source::folder();
    let verify = verify(stand, folder.path()).env("RESTORE_URL", server().url(name));
    succeeded(&verify.args(["restore", "latest", "--create"]).output())
}

fn verify(stand: &Stand, folder: &Path) -> e2e::process::Run {
    source::verify(stand, folder).env("PG_BIN_DIR", server().bin_dir())
}

fn succeeded(output: &Output) -> Result<(), String> {
    match output.code {
        Some(0) => Ok(()),
        code => Err(format!("exit code {code:?}\n{}\n{}", output.stdout.trim(), output.stderr.trim())),
    }
}
