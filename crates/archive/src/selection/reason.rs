//! Why an entry is not restored.

use std::fmt;

/// Why an entry is not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// PostgreSQL lets only a superuser make it, for this reason, or it leads out of the database.
    SuperuserOnly(&'static str),
    /// The extension, or what belongs to it, reaches outside.
    ReachesOutside,
    /// It holds something that `pg_dump` does not write in such an entry.
    Foreign(String),
    /// It needs an entry that is left out, named here.
    DependsOn(String),
    /// A superuser makes it before the restore.
    MadeBeforehand,
    /// It belongs to the database itself, of which the drill makes its own.
    OfTheDatabase,
    /// The person who restores left it out.
    NotWanted,
}

impl Reason {
    /// Whether something of the backup stays unproven by it. What is made beforehand is there.
    pub fn is_unproven(&self) -> bool {
        match self {
            Self::SuperuserOnly(_) | Self::ReachesOutside | Self::Foreign(_) | Self::DependsOn(_) | Self::NotWanted => {
                true
            }
            Self::MadeBeforehand | Self::OfTheDatabase => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuperuserOnly(why) => formatter.write_str(why),
            Self::ReachesOutside => formatter.write_str("it reaches outside of the database"),
            Self::Foreign(what) => write!(formatter, "it holds {what}"),
            Self::DependsOn(other) => write!(formatter, "it depends on {other}"),
            Self::MadeBeforehand => formatter.write_str("it is made before the restore"),
            Self::OfTheDatabase => formatter.write_str("it belongs to the database itself"),
            Self::NotWanted => formatter.write_str("it was not asked for"),
        }
    }
}
