//! What commands print on standard output for a person.

use backup_core::text::bytes;

use crate::prune::Prune;
use crate::retention::Verdict;
use crate::standing::{Doubt, Standing};

/// `backup prune --dry-run`: every backup with what would become of it, and why.
pub(crate) fn prune_plan(prune: &Prune) -> String {
    let mut text = String::new();
    for line in &prune.plan.lines {
        let (word, reasons) = match &line.verdict {
            Verdict::Keep(reasons) => ("keep", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Verdict::Delete => ("delete", "no rule keeps it".to_owned()),
            Verdict::Deferred if prune.plan.refused.is_some() => ("later", "no rule keeps it".to_owned()),
            Verdict::Deferred => ("later", "over BACKUP_MAX_DELETES for one run".to_owned()),
        };
        let doubt = doubt(line.standing);
        text.push_str(&format!("{word:<6}  {}  {:>10}  {reasons}{doubt}\n", line.id, bytes(line.stored_bytes)));
    }
    for run in &prune.debris {
        text.push_str(&format!(
            "delete  {}  {:>10}  left by a dead run, no manifest\n",
            run.id,
            bytes(run.stored_bytes)
        ));
    }
    if let Some(refusal) = &prune.plan.refused {
        text.push_str(&format!("nothing will be deleted: {refusal}\n"));
    }
    text
}

/// Why a backup takes no place from others.
fn doubt(standing: Standing) -> &'static str {
    match standing {
        Standing::Counts => "",
        Standing::Doubtful { doubt: Doubt::Burst, .. } => "; counts as one with a newer one of the same time",
        Standing::Doubtful { doubt: Doubt::OtherTime { .. }, .. } => {
            "; does not count: it was written at another time than its id says, so it is a copy or forged"
        }
        Standing::Doubtful { doubt: Doubt::Small, .. } => "; does not count: it is far smaller than the others",
    }
}
