//! The name of one drill on a server, from which the names of all that it creates follow.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

use crate::repository::BackupId;

const DATABASE_START: &str = "verify_drill_";
const REFERENCE_START: &str = "verify_reference_";
const OWNER_START: &str = "verify_owner_";

/// `20261122T030000Z`.
const TIME_CHARS: usize = 16;

/// How the comment of everything begins that a drill creates on a server.
const MARKER_START: &str = "verify drill, run ";
const MARKER_REST: &str = ": dropped at the next start of verify unless the run still lives";

/// `20261122t030000z_` and 16 random characters.
///
/// Databases and roles are dropped by their run, never by a name from elsewhere: a text that is not
/// completely of this grammar is not a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) struct RunId(String);

impl RunId {
    /// A new run, whose 80 random bits cannot be guessed.
    pub(in crate::postgres) fn new(now: DateTime<Utc>) -> Self {
        Self(in_lower_case(&BackupId::new(now)))
    }

    fn parse(text: &str) -> Option<Self> {
        let (time, random) = text.split_at_checked(TIME_CHARS)?;
        let id = BackupId::parse(&format!("{}-{}", time.to_ascii_uppercase(), random.strip_prefix('_')?))?;
        (in_lower_case(&id) == text).then(|| Self(text.to_owned()))
    }

    /// When it began, by its own clock.
    pub(in crate::postgres) fn time(&self) -> DateTime<Utc> {
        let time = NaiveDateTime::parse_from_str(&self.0[..TIME_CHARS], "%Y%m%dt%H%M%Sz");
        time.map_or(DateTime::<Utc>::MAX_UTC, |time| time.and_utc())
    }

    /// The run that created a database of this name; `None` for every name that is not of our grammar.
    pub(in crate::postgres) fn of_database(name: &str) -> Option<Self> {
        Self::parse(name.strip_prefix(DATABASE_START)?)
    }

    /// The run that created a reference database of this name; `None` for every name that is not of our grammar.
    pub(in crate::postgres) fn of_reference(name: &str) -> Option<Self> {
        Self::parse(name.strip_prefix(REFERENCE_START)?)
    }

    /// The run that a comment of ours names; `None` for every other comment.
    pub(in crate::postgres) fn of_comment(comment: &str) -> Option<Self> {
        Self::parse(comment.strip_prefix(MARKER_START)?.strip_suffix(MARKER_REST)?)
    }

    /// The comment that marks what this run created.
    pub(in crate::postgres) fn comment(&self) -> String {
        format!("{MARKER_START}{self}{MARKER_REST}")
    }

    /// The name of the run's database: at most 63 bytes, and a plain identifier.
    pub(in crate::postgres) fn database(&self) -> String {
        format!("{DATABASE_START}{self}")
    }

    /// The name of the run's reference database: at most 63 bytes, and a plain identifier.
    pub(in crate::postgres) fn reference(&self) -> String {
        format!("{REFERENCE_START}{self}")
    }

    /// The name of the role that the run makes to own its databases.
    pub(in crate::postgres) fn owner(&self) -> String {
        format!("{OWNER_START}{self}")
    }

    /// The second number of the advisory lock that shows that the run lives. Two runs may share one,
    /// of four thousand million: then a dead one is swept a start later.
    pub(in crate::postgres) fn lock_key(&self) -> i32 {
        let digest = Sha256::digest(self.0.as_bytes());
        i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    }
}

fn in_lower_case(id: &BackupId) -> String {
    id.as_str().to_ascii_lowercase().replace('-', "_")
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "verify_drill_20261122t030000z_abcdefghijklmn27";

    #[test]
    fn the_names_of_a_run_lead_back_to_it_and_nothing_else_does_r047() {
        let run = RunId::new(Utc::now());
        assert!(run.database().len() <= 63 && run.owner().len() <= 63 && run.reference().len() <= 63);
        assert_eq!(RunId::of_database(&run.database()), Some(run.clone()));
        assert_eq!(RunId::of_reference(&run.reference()), Some(run.clone()));
        assert_eq!((RunId::of_reference(&run.database()), RunId::of_database(&run.reference())), (None, None));
        assert_eq!(RunId::of_comment(&run.comment()), Some(run.clone()));
        assert_eq!(RunId::of_database(&run.owner()), None);
        let time = RunId::of_database(NAME).unwrap().time();
        assert_eq!(time.to_rfc3339(), "2026-11-22T03:00:00+00:00");
        assert!(RunId::of_database(NAME).is_some());
        for other in [
            "postgres",
            "template1",
            "",
            "verify_drill_",
            "verify_drill_20261122t030000z",
            "verify_drill_20261122T030000Z_abcdefghijklmn27",
            "verify_drill_20261122t030000z-abcdefghijklmn27",
            "verify_drill_20261322t030000z_abcdefghijklmn27",
            "verify_drill_20261122t030000z_abcdefghijklmn2",
            "verify_drill_20261122t030000z_abcdefghijklmn277",
            "verify_drill_20261122t030000z_abcdefghijklmn19",
            "verify_drill_20261122t030000z_ABCDEFGHIJKLMN27",
            "verify_drill_20261122t030000z_abcdefghijklmn27\"",
            " verify_drill_20261122t030000z_abcdefghijklmn27",
            "Verify_drill_20261122t030000z_abcdefghijklmn27",
            "verify_drill_20261122t030000z_äbcdefghijklmn2",
        ] {
            assert_eq!(RunId::of_database(other), None, "{other}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn whatever_is_taken_for_ours_is_a_name_that_we_could_have_made_r047(
            name in prop_oneof![".{0,70}", "verify_drill_.{0,40}", "verify_drill_[0-9]{8}t[0-9]{6}z_[a-z2-7]{15,17}"],
            cut in 0..NAME.len(),
            put in any::<char>(),
        ) {
            let changed = format!("{}{put}{}", &NAME[..cut], &NAME[cut + 1..]);
            for name in [name, changed] {
                if let Some(run) = RunId::of_database(&name) {
                    prop_assert_eq!(&run.database(), &name);
                    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
                    prop_assert!(name.len() == NAME.len() && name.bytes().all(plain), "{}", name);
                }
            }
        }
    }
}
