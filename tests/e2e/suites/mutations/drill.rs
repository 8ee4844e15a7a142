//! One drill with one mutation between its restore and its checks.

use std::fs;
use std::path::Path;

use e2e::tools::FakeTools;
use serde_json::Value;

use crate::drill::restore_then;
use crate::stand::Stand;
use crate::suites::{read, source};

/// What a drill says of a backup that does not come back as it was, and of nothing else.
const FAILED: i32 = 1;

/// Applies `item.sql` as the throwaway server's own superuser and leaves a note of how that went. The settings of the
/// restore are not for it. `:"owner"` is the role to which the zoo belongs, which is another one if a plain role restores.
const APPLY: &str = r#"
    unset PGOPTIONS
    export PGCLIENTENCODING=UTF8
    ROLES=$("$PSQL" -X -A -t "$DB" -c "SELECT rolname FROM pg_roles WHERE oid = 10
        UNION ALL SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sales'") || exit 0
    "$PSQL" -X -q -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -v owner="${ROLES#*
}" -U "${ROLES%%
*}" "$DB" -f "$HERE/item.sql" >"$HERE/words" 2>&1
    echo $? >"$HERE/status"
    exit 0"#;

/// States of an error that say that there is nothing to change: a name leads to nothing (column, object, table,
/// function, schema), or a role has no rights that it could take back.
const ABSENT: [&str; 6] = ["42703", "42704", "42P01", "42883", "3F000", "42501"];

/// Who restores in a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// A role that is no superuser, by default.
    Role,
    /// `VERIFY_RESTORE_AS=superuser`.
    Superuser,
}

impl Mode {
    pub(super) const ALL: [Self; 2] = [Self::Role, Self::Superuser];

    /// The value of `VERIFY_RESTORE_AS`, and the word for the mode in lists and tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Superuser => "superuser",
        }
    }
}

/// What became of a mutation.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The drill failed with these findings, each with its check.
    Caught(Vec<String>),
    /// The drill passed.
    Passed,
    /// What the mutation changes does not exist; the words of `psql`.
    Absent(String),
    /// The mutation could not be made, or the drill could not run.
    Broken(String),
}

impl Outcome {
    /// For a table: of what was caught, the checks that did.
    pub(super) fn cell(&self) -> String {
        match self {
            Self::Caught(findings) => {
                let checks = findings.iter().filter_map(|finding| finding.split(": ").next());
                let mut checks: Vec<&str> = checks.collect();
                checks.dedup();
                format!("caught: {}", checks.join(", "))
            }
            Self::Passed => "passed".to_owned(),
            Self::Absent(_) => "not restored".to_owned(),
            Self::Broken(_) => "BROKEN".to_owned(),
        }
    }
}

/// A backup of the zoo.
pub(super) struct Zoo {
    mode: Mode,
    stand: Stand,
}

impl Zoo {
    /// Makes the zoo and backs it up. Rows that a plain role cannot restore would fail each of its drills, so they are
    /// in the zoo of the superuser alone.
    #[track_caller]
    pub(super) fn with_mode(mode: Mode) -> (Mode, Self) {
        let stand = source::stand(&format!("zoo_{}", mode.name()), "OWNER app");
        stand.sql(&read("zoo.sql"));
        if mode == Mode::Superuser {
            stand.sql(&read("zoo-superuser.sql"));
        }
        stand.run_ok();
        (mode, Self { mode, stand })
    }

    /// Drills the backup, with `sql` applied to what was restored.
    pub(super) fn drill(&self, sql: &str) -> Outcome {
        let (folder, tools) = (source::folder(), tools(sql));
        let report = tools.path().join("report.json");
        let verify = source::verify(&self.stand, folder.path()).env("PG_BIN_DIR", tools.path());
        let verify = verify.env("VERIFY_RESTORE_AS", self.mode.name()).args(["run", "--report"]).args([&report]);
        let output = verify.output();
        if let Some(outcome) = not_applied(tools.path()) {
            return match outcome {
                Outcome::Broken(words) => Outcome::Broken(format!("{words}\n{}", output.stderr)),
                outcome => outcome,
            };
        }
        match output.code {
            Some(0) => Outcome::Passed,
            Some(FAILED) => Outcome::Caught(findings(&report)),
            _ => Outcome::Broken(format!("the drill could not run ({:?}): {}", output.code, output.stderr)),
        }
    }
}

/// Tools of a drill whose server asks for no password, and whose last pass applies `sql`.
fn tools(sql: &str) -> FakeTools {
    let mut tools = restore_then(APPLY);
    fs::write(tools.path().join("item.sql"), sql).unwrap();
    tools.script("initdb", r#"exec "$REAL" "$@" --auth=trust"#);
    tools
}

/// Why the mutation was not made, if so.
fn not_applied(tools: &Path) -> Option<Outcome> {
    let read = |name: &str| fs::read_to_string(tools.join(name)).unwrap_or_default();
    let words = read("words").trim().to_owned();
    match read("status").trim() {
        "0" => None,
        "" => Some(Outcome::Broken("the drill never came to it".to_owned())),
        _ if ABSENT.iter().any(|state| words.contains(&format!("ERROR:  {state}: "))) => Some(Outcome::Absent(words)),
        _ => Some(Outcome::Broken(words)),
    }
}

/// Every finding of a report as `check: message`.
fn findings(report: &Path) -> Vec<String> {
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| format!("{}: {}", text(&finding["check"]), text(&finding["message"]))).collect()
}
