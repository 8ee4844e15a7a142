//! Every definition against the archive's: the restored database is dumped again without rows, and the two
//! tables of contents are compared, text by text.

use std::fs::File;

use anyhow::Context;
use backup_core::postgres::archive::{Archive, Difference, difference, other_owners};
use backup_core::postgres::connect::Session;
use backup_core::postgres::{Dumper, Owners};

use super::Subject;
use crate::evidence::Evidence;

/// Nobody else is in the database, so a lock that is not free at once never will be.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) async fn check(subject: &Subject<'_>, session: &Session, evidence: &mut Evidence) -> anyhow::Result<()> {
    let restored = schema(subject, session).await.context("dump the restored schema")?;
    let same_major = subject.same_major();
    let differences = difference(subject.archive, &restored, subject.selection, subject.owner.user());
    let is_finding = |difference: &&Difference| {
        // Another major version writes the same definition in other words.
        same_major || matches!(difference, Difference::Missing(_))
    };
    let found: Vec<String> = differences.iter().filter(is_finding).map(ToString::to_string).collect();
    let compared = restored.entries.len();
    let how = if same_major { "with the text of the archive" } else { "there; texts differ between major versions" };
    evidence.record("definitions", format!("{compared} entries {how}"), found);
    owners(subject, &restored, evidence);
    Ok(())
}

/// The definitions of the restored database, by a `pg_dump` of its own version.
async fn schema(subject: &Subject<'_>, session: &Session) -> anyhow::Result<Archive> {
    let dumper = Dumper::new(subject.tools, session, LOCK_WAIT, subject.scrubber, subject.stop)?;
    let mut dump = dumper.dump_schema()?;
    let path = subject.folder.join("restored-schema.dump");
    let mut file = tokio::fs::File::create(&path).await.context("create a file for the schema")?;
    tokio::io::copy(&mut dump, &mut file).await?;
    tokio::io::AsyncWriteExt::flush(&mut file).await.context("write the schema")?;
    let archive = tokio::task::spawn_blocking(move || -> anyhow::Result<Archive> {
        let archive = Archive::read(File::open(&path)?)?;
        std::fs::remove_file(&path)?;
        Ok(archive)
    });
    archive.await.context("read the schema")?
}

/// A restore needs each owner, so the manifest must name them all. A plain role owns all that it restores;
/// otherwise everything must belong to whom it belonged to.
fn owners(subject: &Subject<'_>, restored: &Archive, evidence: &mut Evidence) {
    let known = &subject.manifest.inventory.roles;
    let mut owners: Vec<&str> = subject.archive.entries.iter().map(|entry| entry.owner.as_str()).collect();
    owners.retain(|owner| !owner.is_empty());
    owners.sort_unstable();
    owners.dedup();
    let missing = owners.iter().filter(|owner| !known.iter().any(|role| role == *owner) && !owner.starts_with("pg_"));
    let mut found: Vec<String> =
        missing.map(|owner| format!("the archive names owner {owner}, and the manifest does not")).collect();
    let how = match subject.owners {
        Owners::Archive => {
            found.extend(other_owners(subject.archive, restored));
            ", each of what it owned"
        }
        Owners::Restorer => "; the role of the drill owns what it restored",
    };
    evidence.record("owners", format!("{} owners, all in the manifest's list of roles{how}", owners.len()), found);
}
