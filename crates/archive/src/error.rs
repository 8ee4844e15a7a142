//! What can be wrong with an archive.

use std::io;

/// Why an archive cannot be read to its end. A drill reports [`ArchiveError::Damaged`] as a finding
/// about the backup; after the others it could not run.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file, or another source of the bytes, failed.
    #[error("read archive")]
    Read(#[source] io::Error),
    /// The bytes are there, and contradict the format or each other.
    #[error("the archive is damaged at byte {offset}: {problem}")]
    Damaged {
        /// Where in the archive, counted from 0.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A sound archive, perhaps, of a kind that this reader does not know.
    #[error("the archive cannot be read: {0}")]
    Unsupported(String),
}

impl ArchiveError {
    /// Whether the archive is damaged. Otherwise nothing is known about it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Read(_) | Self::Unsupported(_) => false,
        }
    }

    pub(super) fn damaged(offset: u64, problem: impl Into<String>) -> Self {
        Self::Damaged { offset, problem: problem.into() }
    }
}
