//! What commands print on standard output for a person.

use backup_core::text::{Lines, bytes};

use crate::prune::Prune;
use crate::retention::Verdict;
use crate::standing::{Doubt, Standing};

/// `backup prune --dry-run`: every backup with what would become of it, and why.
pub(crate) fn prune_plan(prune: &Prune) -> Lines {
    let mut lines = Lines::default();
    for line in &prune.plan.lines {
        let (word, reasons) = match &line.verdict {
            Verdict::Keep(reasons) => ("keep", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Verdict::Delete => ("delete", "no rule keeps it".to_owned()),
            Verdict::Deferred if prune.plan.refused.is_some() => ("later", "no rule keeps it".to_owned()),
            Verdict::Deferred => ("later", "over BACKUP_MAX_DELETES for one run".to_owned()),
        };
        let doubt = doubt(line.standing);
        lines.line(format_args!("{word:<6}  {}  {:>10}  {reasons}{doubt}", line.id, bytes(line.stored_bytes)));
    }
    for run in &prune.incomplete {
        lines.line(format_args!(
            "delete  {}  {:>10}  left by an incomplete run, no manifest",
            run.id,
            bytes(run.stored_bytes)
        ));
    }
    if let Some(refusal) = &prune.plan.refused {
        lines.error(format_args!("nothing will be deleted: {refusal}"));
    }
    lines
}

/// Why a backup takes no place from others.
fn doubt(standing: Standing) -> &'static str {
    match standing {
        Standing::Counts => "",
        Standing::Doubtful { doubt: Doubt::Burst { .. }, .. } => {
            "; counts as one with a larger or newer one of the same time"
        }
        Standing::Doubtful { doubt: Doubt::OtherTime { .. }, .. } => {
            "; does not count: it was written at another time than its id says, so it is a copy or forged"
        }
        Standing::Doubtful { doubt: Doubt::Small { .. }, .. } => "; does not count: it is far smaller than the others",
    }
}
