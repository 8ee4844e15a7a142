//! What a run calls what it creates.

use super::super::neutral::{SourceName, neutral_name};
use super::RunId;

/// The names of one run, and the mark on all that has them.
///
/// On a server that others use they follow from the run: a name is what a sweep finds leftovers by, and what keeps a
/// drill from everything that is not its own. On a throwaway server, which goes as a whole, nothing is swept, and a name
/// of a drill would only tell code of the archive that it is looked at: there they are the source's, or say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) database: String,
    pub(super) reference: String,
    pub(super) owner: String,
    pub(super) comment: Option<String>,
}

impl Names {
    /// Those of a run on a server that others use.
    pub(super) fn of_run(run: &RunId) -> Self {
        Self { database: run.database(), reference: run.reference(), owner: run.owner(), comment: Some(run.comment()) }
    }

    /// Those of a run on a server of its own.
    pub(super) fn like(source: &SourceName) -> Self {
        Self { database: source.as_str().to_owned(), ..Self::neutral() }
    }

    /// Those of a further run on a server of its own.
    pub(super) fn neutral() -> Self {
        Self { database: neutral_name(), reference: neutral_name(), owner: neutral_name(), comment: None }
    }
}
