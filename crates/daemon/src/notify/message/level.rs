//! How urgent a message is, and whether what it is about holds.

use serde::Serialize;

/// Whether what a message is about holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It does.
    Firing,
    /// It does not, or nothing is wrong.
    Resolved,
}

impl Status {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// How urgent a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// To be known.
    Info,
    /// To be looked at.
    Warning,
    /// What the service is for is at risk.
    Critical,
}

impl Level {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
