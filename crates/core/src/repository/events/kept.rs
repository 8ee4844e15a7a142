//! What a service keeps in mind over a restart: its alarms, and what it has told of them.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::word::Word;

const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Maximum number of codes in a name.
const MAX_CODES: usize = 16;

/// What stands in a name for a severity if nothing is wrong any more.
const NO_SEVERITY: &str = "none";

/// The service that has written an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// `backup`.
    Backup,
    /// `verify`.
    Verify,
}

impl Author {
    fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
        }
    }
}

/// What a service keeps in mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// An alarm was raised, or has become more urgent: `alarm-<author>-<code>-raised-<severity>`.
    AlarmRaised {
        /// Whose alarm it is.
        by: Author,
        /// What it is about.
        code: Word,
        /// How urgent it is.
        severity: Word,
    },
    /// It does not hold any more: `alarm-<author>-<code>-resolved`.
    AlarmResolved {
        /// Whose alarm it is.
        by: Author,
        /// What it is about.
        code: Word,
    },
    /// A message has arrived: `told-<author>-<family>-<occasion>-<severity>-<since>-<code>`, with more codes after dots, and
    /// `-<channel>` at the end if it is known in which one.
    Told {
        /// Who has sent it.
        by: Author,
        /// Which alarms are told as one.
        family: Word,
        /// Why it was sent.
        occasion: Word,
        /// The most urgent that was told; `None`: that it is over.
        severity: Option<Word>,
        /// Since when it holds or held.
        since: DateTime<Utc>,
        /// What was told, what the message was about first.
        codes: Vec<Word>,
        /// The channel in which it has arrived; `None`: there is none that it could arrive in, or that was not written down.
        to: Option<Word>,
    },
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlarmRaised { by, code, severity } => {
                write!(formatter, "alarm-{}-{code}-raised-{severity}", by.name())
            }
            Self::AlarmResolved { by, code } => write!(formatter, "alarm-{}-{code}-resolved", by.name()),
            Self::Told { by, family, occasion, severity, since, codes, to } => {
                let severity = severity.as_ref().map_or(NO_SEVERITY, Word::as_str);
                let codes: Vec<&str> = codes.iter().take(MAX_CODES).map(Word::as_str).collect();
                let (since, codes) = (since.format(TIME_FORMAT), codes.join("."));
                write!(formatter, "told-{}-{family}-{occasion}-{severity}-{since}-{codes}", by.name())?;
                to.as_ref().map_or(Ok(()), |to| write!(formatter, "-{to}"))
            }
        }
    }
}

impl Kept {
    /// Whether it says that something is wrong.
    pub(super) fn is_wrong(&self) -> bool {
        matches!(self, Self::AlarmRaised { .. } | Self::Told { severity: Some(_), .. })
    }

    /// Whose it is.
    pub(super) fn by(&self) -> Author {
        match self {
            Self::AlarmRaised { by, .. } | Self::AlarmResolved { by, .. } | Self::Told { by, .. } => *by,
        }
    }

    /// Whether a `newer` one makes it void: an alarm is over, or something else of the same was told there.
    pub(super) fn is_void_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (Self::AlarmRaised { by, code, .. }, Self::AlarmResolved { by: other, code: over }) => {
                (by, code) == (other, over)
            }
            (Self::Told { by, family, to, .. }, Self::Told { by: other, family: newer, to: there, .. }) => {
                (by, family) == (other, newer) && (to.is_none() || to == there)
            }
            _ => false,
        }
    }

    /// Reads what `Display` has written; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let author = |name: &str| [Author::Backup, Author::Verify].into_iter().find(|author| author.name() == name);
        let kept = match parts.as_slice() {
            ["alarm", by, code, "raised", severity] => {
                Self::AlarmRaised { by: author(by)?, code: Word::parse(code)?, severity: Word::parse(severity)? }
            }
            ["alarm", by, code, "resolved"] => Self::AlarmResolved { by: author(by)?, code: Word::parse(code)? },
            ["told", by, family, occasion, severity, since, codes, to @ ..] => Self::Told {
                by: author(by)?,
                family: Word::parse(family)?,
                occasion: Word::parse(occasion)?,
                severity: if *severity == NO_SEVERITY { None } else { Some(Word::parse(severity)?) },
                since: NaiveDateTime::parse_from_str(since, TIME_FORMAT).ok()?.and_utc(),
                codes: codes.split('.').map(Word::parse).collect::<Option<Vec<_>>>()?,
                to: match to {
                    [] => None,
                    [to] => Some(Word::parse(to)?),
                    _ => return None,
                },
            },
            _ => return None,
        };
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_is_written() {
        let word = Word::of;
        let since = "2026-11-22T03:00:00Z".parse().unwrap();
        let told = |severity, codes, to| Kept::Told {
            by: Author::Verify,
            family: word("main"),
            occasion: word("onset"),
            severity,
            since,
            codes,
            to,
        };
        for (kept, name) in [
            (
                Kept::AlarmRaised { by: Author::Backup, code: word("no_backup"), severity: word("critical") },
                "alarm-backup-no_backup-raised-critical",
            ),
            (Kept::AlarmResolved { by: Author::Verify, code: word("stale") }, "alarm-verify-stale-resolved"),
            (
                told(Some(word("warning")), vec![word("could_not_run"), word("stale")], None),
                "told-verify-main-onset-warning-20261122T030000Z-could_not_run.stale",
            ),
            (
                told(None, vec![word("stale")], Some(word("json 2"))),
                "told-verify-main-onset-none-20261122T030000Z-stale-json_2",
            ),
        ] {
            assert_eq!((kept.to_string().as_str(), Kept::parse(name)), (name, Some(kept)));
        }
    }
}
