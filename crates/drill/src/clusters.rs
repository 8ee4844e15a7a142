//! Whether the backups before the drilled one are of the same PostgreSQL cluster.

use backup_core::repository::{BackupId, Manifest};

use crate::evidence::{DrillError, Evidence};
use crate::fetch::Fetcher;
use crate::report::CLUSTERS;

/// Changes of the cluster among the compared backups from which on two of them take turns: a database that moves
/// changes it once, and one that moves back twice.
const MIN_CHANGES_OF_TURNS: usize = 3;

/// What the clusters of several backups, one after the other, say.
#[derive(Debug, PartialEq, Eq)]
enum Clusters {
    /// It is always the same one, as far as is known.
    One,
    /// The database has moved.
    Moved,
    /// Two databases are backed up into one folder.
    TakeTurns,
}

/// Compares the `system_identifier` of `manifest` with those of the backups `before` it.
pub(crate) async fn compare(
    fetcher: &Fetcher<'_>,
    before: &[BackupId],
    manifest: &Manifest,
    evidence: &mut Evidence,
) -> Result<(), DrillError> {
    let mut identifiers = vec![manifest.database.system_identifier.clone()];
    for id in before {
        let read = fetcher.stop.or(async { Ok(fetcher.repository.manifest(id).await) }).await?;
        // What is wrong with an older manifest is for its own drill to say.
        identifiers.push(read.ok().and_then(|manifest| manifest.database.system_identifier));
    }
    match judge(&identifiers) {
        Clusters::One => {}
        Clusters::Moved => evidence.note(format!(
            "the last {} backups are not all of one PostgreSQL cluster (system_identifier): the database was moved, or \
             another one of this name is backed up under the same prefix",
            identifiers.len()
        )),
        Clusters::TakeTurns => {
            let message = "backups of two PostgreSQL clusters alternate under this prefix (system_identifier): two \
                           databases of one name; give each its own BACKUP_PREFIX";
            let figures = format!("{} backups of more than one cluster", identifiers.len());
            evidence.record(CLUSTERS, figures, vec![message.to_owned()]);
        }
    }
    Ok(())
}

/// Those that are not known change nothing.
fn judge(identifiers: &[Option<String>]) -> Clusters {
    let known: Vec<&String> = identifiers.iter().flatten().collect();
    match known.windows(2).filter(|pair| pair[0] != pair[1]).count() {
        0 => Clusters::One,
        changes if changes < MIN_CHANGES_OF_TURNS => Clusters::Moved,
        _ => Clusters::TakeTurns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(clusters: &str, expected: Clusters) {
        let identifiers: Vec<Option<String>> =
            clusters.chars().map(|letter| (letter != '-').then(|| letter.to_string())).collect();
        assert_eq!(judge(&identifiers), expected, "{clusters}");
    }

    #[test]
    fn a_database_that_moves_is_a_note_and_two_that_take_turns_are_a_finding() {
        check("", Clusters::One);
        check("A", Clusters::One);
        check("AAAAAA", Clusters::One);
        check("A--A-A", Clusters::One);
        check("AABBBB", Clusters::Moved);
        check("AABBAA", Clusters::Moved);
        check("ABAB", Clusters::TakeTurns);
        check("ABBAAB", Clusters::TakeTurns);
        check("A-BA-B", Clusters::TakeTurns);
    }
}
