//! Looking into chains of errors for the one that decides what to do.

use std::error::Error as StdError;
use std::io;

use crate::postgres::ChildError;
use crate::stop::Stopped;

/// The first cause of type `T`, also if an I/O error carries it.
pub fn find_cause<T: StdError + 'static>(error: &anyhow::Error) -> Option<&T> {
    error.chain().find_map(|cause| {
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.downcast_ref().or_else(|| carried.and_then(|carried| carried.downcast_ref()))
    })
}

/// Why something was stopped, if that is what ended it.
pub fn stopped_by(error: &anyhow::Error) -> Option<Stopped> {
    let in_child = find_cause::<ChildError>(error).and_then(|error| match error {
        ChildError::Stopped(reason) => Some(*reason),
        ChildError::Failed { .. } => None,
    });
    in_child.or_else(|| find_cause::<Stopped>(error).copied())
}
