//! What a verdict means for the shell that started a single drill.

use backup_daemon::exit;
use backup_drill::Verdict;

/// What a skipped drill means to the caller of `verify run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SkippedDrill {
    /// It has the exit code of its own.
    IsSkipped,
    /// It is as good as a passed one, for schedulers that know only success and failure.
    IsSuccess,
}

impl SkippedDrill {
    /// The exit code of a drill that ended in `verdict`.
    pub(crate) fn exit_code(self, verdict: Verdict) -> u8 {
        match (self, verdict) {
            (Self::IsSuccess, Verdict::Skipped) => exit::OK,
            (Self::IsSuccess | Self::IsSkipped, _) => exit_code(verdict),
        }
    }
}

/// The exit code of a drill or a restore that ended in `verdict`.
pub(crate) fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Passed => exit::OK,
        Verdict::Failed => exit::FAILED,
        Verdict::CouldNotRun => exit::COULD_NOT_RUN,
        Verdict::Stopped => exit::STOPPED,
        Verdict::Skipped => exit::SKIPPED,
    }
}

/// The worst of the exit codes of several drills: a failed one says the most.
pub(crate) fn worst(codes: &[u8]) -> u8 {
    let ranked = [exit::STOPPED, exit::FAILED, exit::COULD_NOT_RUN, exit::SKIPPED];
    ranked.into_iter().find(|code| codes.contains(code)).unwrap_or(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_the_exit_code_that_the_help_names() {
        assert_eq!(Verdict::ALL.map(exit_code), [0, 1, 4, 3, 5]);
    }

    #[test]
    fn only_a_skipped_drill_is_a_success_beside_a_passed_one() {
        let codes = |skipped: SkippedDrill| Verdict::ALL.map(|verdict| skipped.exit_code(verdict));
        assert_eq!(codes(SkippedDrill::IsSkipped), [0, 1, 4, 3, 5]);
        assert_eq!(codes(SkippedDrill::IsSuccess), [0, 1, 4, 3, 0]);
    }

    #[test]
    fn of_several_drills_the_worst_counts() {
        let cases: [(&[u8], u8); 5] = [(&[], 0), (&[0, 0], 0), (&[0, 4, 1, 5], 1), (&[5, 4, 0], 4), (&[1, 3], 3)];
        for (codes, expected) in cases {
            assert_eq!(worst(codes), expected, "{codes:?}");
        }
    }
}
