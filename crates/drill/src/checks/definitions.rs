//! Every definition against the archive's: the restored database is dumped again without rows, and the two
//! tables of contents are compared, text by text. What differs is held against a reference database (decision 18).

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use anyhow::Context;
use backup_core::cause::stopped_by;
use backup_core::postgres::connect::Session;
use pgdump_archive::{Archive, Compared, Comparison, Difference, Entry, Judged, Named, Owners, Respelled};

use super::subject::Subject;
use crate::evidence::Evidence;
use crate::reference::Place;

/// Objects that one note names; the rest is counted.
const MAX_NAMED: usize = 20;

const CHECK: &str = "definitions";

pub(super) async fn check(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let restored = subject.schema.dump(session).await.context("dump the restored schema")?;
    let comparison = Comparison {
        dumped: subject.archive,
        restored: &restored,
        selection: subject.selection,
        owners: subject.owners,
        restorer: subject.owner.user(),
        before: subject.before.map(|before| &before.definitions),
    };
    let Compared { differences, by_itself } = comparison.compare();
    note_by_itself(subject, &by_itself, evidence);
    let mut figures = format!("{} entries with the text of the archive", restored.entries.len());
    let found = match judge(subject, &comparison, differences, &mut figures, evidence).await {
        Ok(found) => found,
        Err((missing, error)) => {
            if !missing.is_empty() {
                evidence.record(CHECK, figures, missing);
            }
            return Err(error);
        }
    };
    evidence.record(CHECK, figures, found);
    owners(subject, &comparison, evidence);
    not_exercised(subject, &restored).into_iter().for_each(|note| evidence.note(note));
    Ok(())
}

/// What the archive holds and this restore could not bring back.
fn not_exercised(subject: &Subject<'_>, restored: &Archive) -> Vec<String> {
    let mut notes = Vec::new();
    let tablespaces: BTreeSet<&str> = subject.archive.entries.iter().map(|entry| entry.tablespace.as_str()).collect();
    let there: BTreeSet<&str> = restored.entries.iter().map(|entry| entry.tablespace.as_str()).collect();
    let lost: Vec<&str> = tablespaces.difference(&there).copied().filter(|name| !name.is_empty()).collect();
    if !lost.is_empty() {
        notes.push(format!("not restored: the tablespaces of the source ({}); all lies in one here", lost.join(", ")));
    }
    if subject.owners == Owners::Restorer {
        let is_comment = |entry: &&Entry| entry.desc == "COMMENT" && entry.tag.starts_with("EXTENSION ");
        let comment = |entry: &Entry| (entry.tag.clone(), entry.defn.clone());
        let there: HashSet<(String, String)> = restored.entries.iter().filter(is_comment).map(comment).collect();
        let comments = subject.archive.entries.iter().filter(is_comment);
        let changed = comments.filter(|entry| !there.contains(&comment(entry)));
        notes.extend(changed.map(|entry| format!("not restored: {entry}, which only the extension's owner may set")));
    }
    notes
}

/// The findings among `differences`; what was found in any case if that cannot be told of the others.
async fn judge(
    subject: &Subject<'_>,
    comparison: &Comparison<'_>,
    differences: Vec<Difference>,
    figures: &mut String,
    evidence: &mut Evidence,
) -> Result<Vec<String>, (Vec<String>, anyhow::Error)> {
    let is_missing = |difference: &&Difference| matches!(difference, Difference::Missing(_));
    if differences.iter().all(|difference| is_missing(&difference)) {
        return Ok(sentences(subject, &differences));
    }
    let started = Instant::now();
    match subject.recipe.definitions(&subject.schema, subject.selection).await {
        Ok(reference) => {
            let Judged { findings, respelled } = comparison.judge(differences, &reference);
            let seconds = started.elapsed().as_secs_f64();
            let judged =
                format!("; {} held against a reference database in {seconds:.1} s", findings.len() + respelled.len());
            figures.push_str(&judged);
            note(subject, &respelled, evidence);
            Ok(sentences(subject, &findings))
        }
        Err(error) if stopped_by(&error).is_none() && matches!(subject.recipe.place, Place::Guest { .. }) => {
            Ok(differences.iter().map(|difference| unexplained(subject, difference, &error)).collect())
        }
        Err(error) => {
            let missing: Vec<Difference> = differences.into_iter().filter(|one| is_missing(&one)).collect();
            let missing = sentences(subject, &missing);
            Err((missing, error.context("make a reference database")))
        }
    }
}

fn sentences(subject: &Subject<'_>, differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|difference| difference.told(|text| subject.known(text))).collect()
}

/// A difference on the server of a person that does not let us look further.
fn unexplained(subject: &Subject<'_>, difference: &Difference, why: &anyhow::Error) -> String {
    let told = difference.told(|text| subject.known(text));
    match difference {
        Difference::Missing(_) => told,
        _ => format!(
            "{told}; this server may only spell it differently, which could not be checked, since no reference \
             database could be made beside it: {why:#}"
        ),
    }
}

fn note(subject: &Subject<'_>, respelled: &[Respelled], evidence: &mut Evidence) {
    let (reordered, spelled): (Vec<&Respelled>, Vec<&Respelled>) =
        respelled.iter().partition(|respelled| respelled.is_reordered);
    for (these, what) in [
        (spelled, "spelled differently by this server than in the archive; a reference database has the same text"),
        (reordered, "in another order of columns than in the source, which pg_dump cannot keep"),
    ] {
        if !these.is_empty() {
            let mut names: Vec<String> =
                these.iter().take(MAX_NAMED).map(|one| subject.known(&one.object.to_string())).collect();
            names.extend((these.len() > MAX_NAMED).then(|| format!("and {} more", these.len() - MAX_NAMED)));
            evidence.note(format!("{what}: {}", names.join(", ")));
        }
    }
}

/// What the target had by itself, and what its own default privileges gave.
fn note_by_itself(subject: &Subject<'_>, objects: &[Named], evidence: &mut Evidence) {
    let is_of_target = |object: &&Named| object.desc != "ACL" || ["SCHEMA public"].contains(&object.name.as_str());
    let (of_target, given): (Vec<&Named>, Vec<&Named>) = objects.iter().partition(is_of_target);
    // What was there before any code of the archive ran has a name that this code cannot have made of rows.
    let before = subject.before.iter().flat_map(|before| &before.definitions.entries).map(Named::from);
    let before: BTreeSet<Named> = before.collect();
    for (objects, what) in [
        (of_target, "in the target before the restore, and not in the backup"),
        (given, "default privileges of the target gave more rights than the backup has; REVOKE what is not wanted on"),
    ] {
        if !objects.is_empty() {
            let mut names: Vec<String> = objects
                .iter()
                .take(MAX_NAMED)
                .map(|one| match before.contains(one) {
                    true => one.to_string(),
                    false => subject.known(&one.to_string()),
                })
                .collect();
            names.extend((objects.len() > MAX_NAMED).then(|| format!("and {} more", objects.len() - MAX_NAMED)));
            evidence.note(format!("{what}: {}", names.join(", ")));
        }
    }
}

/// A restore needs each owner, so the manifest must name them all. A plain role owns all that it restores;
/// otherwise everything must belong to whom it belonged to.
fn owners(subject: &Subject<'_>, comparison: &Comparison<'_>, evidence: &mut Evidence) {
    let known: BTreeSet<&str> = subject.manifest.inventory.roles.iter().map(String::as_str).collect();
    let archive = subject.archive;
    // The owner of what others than this archive make, such as a catalog, is no owner of what is restored.
    let is_owner = |entry: &&Entry| entry.desc != "ACL" || archive.makes_what_it_is_about(entry);
    let mut owners: Vec<&str> = archive.entries.iter().filter(is_owner).map(|entry| entry.owner.as_str()).collect();
    owners.retain(|owner| !owner.is_empty());
    owners.sort_unstable();
    owners.dedup();
    let missing = owners.iter().filter(|owner| !known.contains(*owner) && !owner.starts_with("pg_"));
    let mut found: Vec<String> =
        missing.map(|owner| format!("the archive names owner {owner}, and the manifest does not")).collect();
    let how = match subject.owners {
        Owners::Archive => {
            found.extend(comparison.other_owners(|text| subject.known(text)));
            ", each of what it owned"
        }
        Owners::Restorer => "; the role that restored owns all of it",
    };
    evidence.record("owners", format!("{} owners, all in the manifest's list of roles{how}", owners.len()), found);
}
