//! Which of the daemons something is of.

/// One of the daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// It makes backups.
    Backup,
    /// It drills them.
    Verify,
    /// It looks at them, and at records of drills of others.
    Watch,
}

impl Daemon {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Watch => "verify watch",
        }
    }

    /// Its name as the label of a metric.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Watch => "watch",
        }
    }

    /// The program that it is.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify | Self::Watch => "verify",
        }
    }
}
