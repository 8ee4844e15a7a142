//! How many objects of each kind there are, and which extensions: the manifest against the same questions
//! asked of the restored database.

use std::collections::BTreeSet;

use backup_core::catalog::Inventory;
use backup_core::postgres::archive::{LeftOut, Reason};
use backup_core::postgres::connect::Session;
use backup_core::postgres::{Fingerprint, take_inventory};

use super::Subject;
use crate::evidence::Evidence;

/// What hangs on a relation: where one is left out, the counts of these cannot be foretold.
const OF_RELATIONS: [&str; 9] =
    ["columns", "comments", "constraints", "indexes", "policies", "rules", "statistics", "triggers", "types"];

/// Asks the restored database, enters the check, and returns the answers.
pub(super) async fn check(
    subject: &Subject<'_>,
    session: &Session,
    evidence: &mut Evidence,
) -> anyhow::Result<Inventory> {
    let restored = take_inventory(session, Fingerprint::Off).await?;
    extensions(subject, &restored, evidence);
    if subject.manifest.kind == backup_core::catalog::Kind::Partial {
        evidence.skip("inventory", "the manifest describes the whole database, and this backup holds a part of it");
    } else if !subject.same_major() {
        evidence.skip("inventory", "another major version counts some objects differently; definitions are compared");
    } else {
        counts(subject, &restored, evidence);
    }
    Ok(restored)
}

fn counts(subject: &Subject<'_>, restored: &Inventory, evidence: &mut Evidence) {
    let source = &subject.manifest.inventory.objects;
    let uncertain = uncertain_kinds(subject);
    let kinds: BTreeSet<&String> = source.keys().chain(restored.objects.keys()).collect();
    let (mut equal, mut objects, mut found) = (0_usize, 0_u64, Vec::new());
    for kind in kinds.iter().filter(|kind| !uncertain.contains(kind.as_str())) {
        let (was, is) = (source.get(*kind).copied().unwrap_or(0), restored.objects.get(*kind).copied().unwrap_or(0));
        objects += is;
        if was == is {
            equal += 1;
        } else {
            found.push(format!("{was} {} in the source, and {is} after the restore", kind.replace('_', " ")));
        }
    }
    let mut figures =
        format!("{equal} of {} kinds of objects with the count of the source, {objects} objects", kinds.len());
    if !uncertain.is_empty() {
        let names: Vec<&str> = uncertain.iter().copied().collect();
        figures.push_str(&format!("; not counted, since some were left out: {}", names.join(", ")));
    }
    evidence.record("inventory", figures, found);
}

/// Kinds of which something was left out.
fn uncertain_kinds(subject: &Subject<'_>) -> BTreeSet<&'static str> {
    let mut uncertain = BTreeSet::new();
    for left_out in subject.selection.left_out.iter().filter(|left_out| left_out.reason.is_unproven()) {
        uncertain.extend(kinds_of(left_out));
    }
    uncertain
}

fn kinds_of(left_out: &LeftOut) -> Vec<&'static str> {
    let mut kinds = match left_out.desc.as_str() {
        "TABLE" => vec!["tables", "partitioned_tables"],
        "FOREIGN TABLE" => vec!["foreign_tables"],
        "VIEW" => vec!["views"],
        "MATERIALIZED VIEW" => vec!["materialized_views"],
        "SEQUENCE" | "SEQUENCE OWNED BY" => vec!["sequences"],
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => return vec!["functions", "procedures", "aggregates", "comments"],
        "SCHEMA" => return vec!["schemas", "comments"],
        "EXTENSION" => return vec!["extensions", "schemas", "comments"],
        "EVENT TRIGGER" => return vec!["event_triggers", "comments"],
        "PUBLICATION" => return vec!["publications", "comments"],
        "SUBSCRIPTION" => return vec!["subscriptions", "comments"],
        "SERVER" | "FOREIGN DATA WRAPPER" => return vec!["foreign_servers", "comments"],
        "CAST" => return vec!["casts", "comments"],
        "COLLATION" => return vec!["collations", "comments"],
        "OPERATOR" => return vec!["operators", "comments"],
        "OPERATOR CLASS" | "OPERATOR FAMILY" => return vec!["operator_classes", "comments"],
        "TEXT SEARCH CONFIGURATION" => return vec!["text_search_configurations", "comments"],
        "ACL"
        | "DEFAULT ACL"
        | "SECURITY LABEL"
        | "USER MAPPING"
        | "SEQUENCE SET"
        | "BLOBS"
        | "TABLE DATA"
        | "MATERIALIZED VIEW DATA"
        | "STATISTICS DATA" => return Vec::new(),
        "COMMENT" => return vec!["comments"],
        _ => Vec::new(),
    };
    kinds.extend(OF_RELATIONS);
    kinds
}

fn extensions(subject: &Subject<'_>, restored: &Inventory, evidence: &mut Evidence) {
    let mut found = Vec::new();
    let mut there = 0_usize;
    for extension in &subject.manifest.inventory.extensions {
        let left_out = || {
            let is_meant = |left_out: &&LeftOut| left_out.desc == "EXTENSION" && left_out.name == extension.name;
            let entry = subject.selection.left_out.iter().find(is_meant);
            entry.is_some_and(|entry| matches!(entry.reason, Reason::ReachesOutside | Reason::DependsOn(_)))
        };
        match restored.extensions.iter().find(|there| there.name == extension.name) {
            Some(now) if now.version == extension.version => there += 1,
            Some(now) => {
                there += 1;
                let (name, was, is) = (&extension.name, &extension.version, &now.version);
                evidence.note(format!("extension {name} is {was} in the source and {is} here"));
            }
            None if left_out() => {}
            None => found.push(format!("extension {} is missing", extension.name)),
        }
    }
    let all = subject.manifest.inventory.extensions.len();
    evidence.record("extensions", format!("{there} of {all} there"), found);
}
