//! The shape of an upload: how large its parts are, and how many are on their way at once.

use crate::machine::Machine;
use crate::text;

const MIB: u64 = 1024 * 1024;

/// Parts of small dumps. S3 wants at least 5 MiB; 8 MiB keep the memory of five in flight small.
const MIN_PART_BYTES: u64 = 8 * MIB;

/// S3's own bound of one part.
const MAX_PART_BYTES: u64 = 5 * 1024 * MIB;

/// S3 takes 10,000 parts; planning for 9,000 leaves room for a database that grows during its dump.
const PLANNED_PARTS: u64 = 9_000;

/// S3's own bound of the number of parts.
const MAX_PARTS: u32 = 10_000;

/// Memory for small parts on their way, beside the one being filled.
const IN_FLIGHT_BYTES: u64 = 40 * MIB;

/// Parts on their way at once, if memory allows: with fewer, one slow connection is the speed of the upload.
const MIN_PARTS_IN_FLIGHT: u64 = 3;
const MAX_PARTS_IN_FLIGHT: u64 = 8;

/// Memory for all parts together, on a machine or in a container that has at least twice as much.
const MAX_MEMORY_BYTES: u64 = 2 * 1024 * MIB;

/// The size of a backup is rarely this much more than that of the largest of the last ones...
const GROWTH_PERCENT: u64 = 150;

/// ...and this much, for small ones.
const GROWTH_BYTES: u64 = 1024 * MIB;

/// What is known of a stream before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// It should have no more bytes than this.
    pub most_bytes: u64,
    /// The largest of the last streams of the same kind, if there are any.
    pub earlier_bytes: Option<u64>,
}

/// What the size of the parts was planned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The most that the stream should have.
    Most,
    /// The last streams: this one may be larger.
    Earlier,
    /// The operator said it.
    Given,
}

/// The shape of an upload, fixed before its first byte: all parts but the last must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPlan {
    /// Size of every part but the last.
    pub part_bytes: usize,
    /// Parts on their way at once.
    pub parts_in_flight: usize,
    /// The number of parts that the store takes.
    pub most_parts: u32,
    /// What the size was planned by.
    pub basis: Basis,
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "parts of {} need {} of memory, two at once, and {} may be used, half of what this machine or container has: \
     set PART_SIZE to smaller parts, or raise the memory limit",
    text::bytes(*part_bytes), text::bytes(2 * part_bytes), text::bytes(*memory_bytes)
)]
pub struct PlanError {
    /// The size of a part that was asked for.
    pub part_bytes: u64,
    /// Memory that parts may take.
    pub memory_bytes: u64,
}

/// The stream was longer than its plan.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the dump exceeds {} parts of {} bytes, set PART_SIZE to larger parts", plan.most_parts, plan.part_bytes)]
pub struct TooManyParts {
    /// The plan.
    pub plan: UploadPlan,
}

impl UploadPlan {
    /// The plan for a stream: parts of at least 8 MiB, and so large that 9,000 of them suffice, as far as
    /// `memory_bytes` allow. [`UploadPlan::holds`] tells whether they do.
    pub fn for_stream(estimate: Estimate, memory_bytes: u64) -> Self {
        let grown = |bytes: u64| (bytes / 100).saturating_mul(GROWTH_PERCENT).saturating_add(GROWTH_BYTES);
        let most_bytes = estimate.most_bytes;
        let (expected_bytes, basis) = match estimate.earlier_bytes {
            // A stream that was longer than the most that was thought possible has shown that the thought was wrong.
            Some(bytes) if grown(bytes) < most_bytes || bytes > most_bytes => (grown(bytes), Basis::Earlier),
            _ => (most_bytes, Basis::Most),
        };
        let needed = expected_bytes.div_ceil(PLANNED_PARTS).next_multiple_of(MIB);
        let affordable = memory_bytes / (MIN_PARTS_IN_FLIGHT + 1) / MIB * MIB;
        let part_bytes = needed.min(affordable).clamp(MIN_PART_BYTES, MAX_PART_BYTES);
        Self { basis, ..Self::of_parts(part_bytes, memory_bytes) }
    }

    /// The plan with parts of a given size, in bytes.
    ///
    /// # Errors
    /// If not even two of them fit into `memory_bytes`.
    pub fn with_part_bytes(part_bytes: u64, memory_bytes: u64) -> Result<Self, PlanError> {
        if part_bytes.saturating_mul(2) > memory_bytes {
            return Err(PlanError { part_bytes, memory_bytes });
        }
        Ok(Self::of_parts(part_bytes, memory_bytes))
    }

    fn of_parts(part_bytes: u64, memory_bytes: u64) -> Self {
        let wanted = (IN_FLIGHT_BYTES / part_bytes).clamp(MIN_PARTS_IN_FLIGHT, MAX_PARTS_IN_FLIGHT);
        let affordable = (memory_bytes / part_bytes).saturating_sub(1).max(1);
        Self {
            part_bytes: usize::try_from(part_bytes).unwrap_or(usize::MAX),
            parts_in_flight: usize::try_from(wanted.min(affordable)).unwrap_or(1),
            most_parts: MAX_PARTS,
            basis: Basis::Given,
        }
    }

    /// Memory that parts may take here: half of what the machine or the container has, and at most 2 GiB.
    pub fn memory_bytes() -> u64 {
        (Machine::here().memory_bytes / 2).min(MAX_MEMORY_BYTES)
    }

    /// The longest stream that fits.
    pub fn holds(&self) -> u64 {
        (self.part_bytes as u64).saturating_mul(u64::from(self.most_parts))
    }

    /// Memory of all parts at once: those on their way, and the one being filled.
    pub fn parts_bytes(&self) -> u64 {
        (self.part_bytes as u64).saturating_mul(self.parts_in_flight as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;
    const TIB: u64 = 1024 * GIB;

    #[track_caller]
    fn check(most_bytes: u64, earlier_bytes: Option<u64>, memory_bytes: u64, part_mib: usize, in_flight: usize) {
        let plan = UploadPlan::for_stream(Estimate { most_bytes, earlier_bytes }, memory_bytes);
        assert_eq!((plan.part_bytes / MIB as usize, plan.parts_in_flight), (part_mib, in_flight), "{most_bytes}");
        assert!(plan.parts_bytes() <= memory_bytes.max(2 * MIN_PART_BYTES), "{plan:?}");
    }

    #[test]
    fn nine_thousand_parts_suffice_for_the_expected_size_r034() {
        let memory = 2 * GIB;
        for (most_bytes, part_mib, in_flight) in
            [(0, 8, 5), (2 * GIB, 8, 5), (72_000 * MIB, 8, 5), (72_001 * MIB, 9, 4), (TIB, 117, 3), (4 * TIB, 467, 3)]
        {
            check(most_bytes, None, memory, part_mib, in_flight);
            let plan = UploadPlan::for_stream(Estimate { most_bytes, earlier_bytes: None }, memory);
            assert!(plan.part_bytes as u64 * PLANNED_PARTS >= most_bytes, "{most_bytes}");
        }
    }

    /// R150: one bound, for any size of the database and of the container.
    #[test]
    fn parts_stay_within_the_memory_that_there_is_r150() {
        check(40 * TIB, None, 2 * GIB, 512, 3);
        check(4 * TIB, None, 256 * MIB, 64, 3);
        check(4 * TIB, None, 20 * MIB, 8, 1);
        check(0, None, 0, 8, 1);
        let capped = UploadPlan::for_stream(Estimate { most_bytes: 4 * TIB, earlier_bytes: None }, 256 * MIB);
        assert!(capped.holds() < 4 * TIB);
    }

    #[test]
    fn earlier_backups_make_parts_smaller_and_those_beyond_the_most_larger_r150() {
        check(4 * TIB, Some(100 * GIB), 2 * GIB, 18, 3);
        check(4 * TIB, Some(4 * TIB), 2 * GIB, 467, 3);
        check(2 * TIB, Some(3 * TIB), 2 * GIB, 512, 3);
        check(10 * GIB, Some(100 * GIB), 2 * GIB, 18, 3);
        check(4 * TIB, Some(u64::MAX), 2 * GIB, 512, 3);
        let plan = |earlier_bytes| UploadPlan::for_stream(Estimate { most_bytes: TIB, earlier_bytes }, GIB).basis;
        assert_eq!([plan(None), plan(Some(GIB)), plan(Some(TIB))], [Basis::Most, Basis::Earlier, Basis::Most]);
    }

    #[test]
    fn parts_that_do_not_fit_into_memory_are_refused_with_the_way_out() {
        let plan = |part_mib, memory_mib| UploadPlan::with_part_bytes(part_mib * MIB, memory_mib * MIB);
        assert_eq!(plan(64, 2048).map(|plan| plan.parts_in_flight), Ok(3));
        assert_eq!(plan(64, 128).map(|plan| plan.parts_in_flight), Ok(1));
        let error = plan(512, 256).unwrap_err().to_string();
        assert_eq!(
            error,
            "parts of 512.00 MiB need 1.00 GiB of memory, two at once, and 256.00 MiB may be used, half of what this \
             machine or container has: set PART_SIZE to smaller parts, or raise the memory limit"
        );
    }
}
