//! How many objects of each kind there are, and which extensions: the manifest against the same questions
//! asked of the restored database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Context;
use backup_core::postgres::connect::Session;
use backup_core::postgres::{ExtensionMembers, Fingerprint, kinds_asked_otherwise, take_inventory};
use backup_core::repository::{Extension, Inventory, ObjectCounts};
use pgdump_archive::{LeftOut, Made, Reason};

use super::subject::Subject;
use crate::evidence::Evidence;

/// Asks the restored database, enters the check, and returns the answers.
pub(super) async fn check(
    subject: &Subject<'_>,
    session: &Session,
    evidence: &mut Evidence,
) -> anyhow::Result<Inventory> {
    let restored = take_inventory(session, Fingerprint::Off).await?;
    extensions(subject, session, &restored, evidence).await.context("compare extensions")?;
    if subject.manifest.kind == backup_core::repository::Kind::Partial {
        evidence.skip("inventory", "the manifest describes the whole database, and this backup holds a part of it");
    } else if !subject.is_on_same_major(session) {
        evidence.skip(
            "inventory",
            "a server of another major version counts some objects differently; definitions are compared",
        );
    } else {
        counts(subject, &restored, evidence);
    }
    Ok(restored)
}

/// The counts of the source, less what was left out, against those of the restored database.
fn counts(subject: &Subject<'_>, restored: &Inventory, evidence: &mut Evidence) {
    let inventory = &subject.manifest.inventory;
    let left_out = subject.selection.left_out.iter().filter(|left_out| left_out.reason.is_unproven());
    let Made { counts: less, uncertain } = subject.archive.made_by(left_out.map(|left_out| left_out.dump_id));
    let asked_otherwise = kinds_asked_otherwise(inventory);
    let by_itself = there_by_itself(subject, restored, evidence);
    let mut entries = subject.archive.entries.iter();
    let is_public_commented = entries.any(|entry| entry.desc == "COMMENT" && entry.tag == "SCHEMA public");
    let kinds: BTreeSet<&str> = inventory.objects.keys().chain(restored.objects.keys()).map(String::as_str).collect();
    let (mut equal, mut objects, mut found) = (0_usize, 0_u64, Vec::new());
    for kind in kinds.iter().copied().filter(|kind| !uncertain.contains(kind) && !asked_otherwise.contains(kind)) {
        let count = |objects: &ObjectCounts| objects.get(kind).copied().unwrap_or(0);
        let (was, is) = (count(&inventory.objects), count(&restored.objects));
        let left_out = less.get(kind).copied().unwrap_or(0);
        let is = is - u64::from(is > was && by_itself.contains(&kind));
        // Some of it may be both in the backup and in the target, and then it is there once.
        let had = subject.before.map_or(0, |before| count(&before.inventory.objects));
        let is = is - is.saturating_sub(was).min(had);
        // That of a schema `public` that was made again counts as an object of users, and that of a new database's
        // does not. Both are compared among the definitions.
        let is = is + u64::from(is + left_out < was && kind == "comments" && is_public_commented);
        objects += is;
        if was == is + left_out {
            equal += 1;
            continue;
        }
        let but = if left_out > 0 { format!(", with {left_out} left out") } else { String::new() };
        found.push(format!("{was} {} in the source, and {is} after the restore{but}", kind.replace('_', " ")));
    }
    let mut figures =
        format!("{equal} of {} kinds of objects with the count of the source, {objects} objects", kinds.len());
    for (why, kinds) in [
        ("some were left out, and their definitions do not say how many", &uncertain),
        ("the backup's version counts them in another way", &asked_otherwise),
    ] {
        if !kinds.is_empty() {
            let names: Vec<&str> = kinds.iter().copied().collect();
            figures.push_str(&format!("; not compared, since {why}: {}", names.join(", ")));
        }
    }
    evidence.record("inventory", figures, found);
}

/// Kinds of which a new database has one by itself that was dropped in the source. No archive says so, and no restore
/// drops it.
fn there_by_itself(subject: &Subject<'_>, restored: &Inventory, evidence: &mut Evidence) -> Vec<&'static str> {
    let source = &subject.manifest.inventory;
    let has_plpgsql = |inventory: &Inventory| inventory.extensions.iter().any(|extension| extension.name == "plpgsql");
    let mut kinds = Vec::new();
    if has_plpgsql(restored) && !has_plpgsql(source) {
        evidence.note("extension plpgsql is not in the source, and in every new database");
        kinds.push("extensions");
    }
    if !subject.archive.had_public(source.objects.get("schemas").copied().unwrap_or(0)) {
        evidence.note("schema public is not in the source, and in every new database");
        kinds.push("schemas");
    }
    kinds
}

async fn extensions(
    subject: &Subject<'_>,
    session: &Session,
    restored: &Inventory,
    evidence: &mut Evidence,
) -> anyhow::Result<()> {
    let defaults = default_versions(session).await?;
    let mut found = Vec::new();
    let mut there = 0_usize;
    let is_excused = |left_out: &&LeftOut| {
        left_out.desc == "EXTENSION" && matches!(left_out.reason, Reason::ReachesOutside | Reason::DependsOn(_))
    };
    let excused = subject.selection.left_out.iter().filter(is_excused);
    let excused: HashSet<&str> = excused.map(|left_out| left_out.name.as_str()).collect();
    let by_name: HashMap<&str, &Extension> =
        restored.extensions.iter().map(|extension| (extension.name.as_str(), extension)).collect();
    for extension in &subject.manifest.inventory.extensions {
        match by_name.get(extension.name.as_str()) {
            Some(now) if now.version == extension.version => there += 1,
            Some(now) => {
                there += 1;
                let (name, was, is) = (&extension.name, &extension.version, &now.version);
                let difference = format!("extension {name} is {was} in the source and {is} here");
                // A restore makes the version of the source, or else the server's default one.
                let was_there = subject.before.is_some_and(|before| before.inventory.extensions.contains(*now));
                match defaults.get(name) {
                    Some(default) if default != is && !was_there => found.push(difference),
                    _ => evidence.note(difference),
                }
            }
            None if excused.contains(extension.name.as_str()) => {}
            None => found.push(format!("extension {} is missing", extension.name)),
        }
    }
    let members = ExtensionMembers::look(session).await?;
    found.extend(members.changes_since(subject.members_before, |name| subject.said.known_words(name)));
    let all = subject.manifest.inventory.extensions.len();
    evidence.record("extensions", format!("{there} of {all} there, with what they made and nothing else"), found);
    Ok(())
}

async fn default_versions(session: &Session) -> anyhow::Result<BTreeMap<String, String>> {
    let sql = "SELECT name::text, default_version FROM pg_available_extensions WHERE default_version IS NOT NULL";
    let rows = session.client().query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
