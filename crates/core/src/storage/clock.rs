//! Whether the clock of this machine agrees with that of the store, by the `Date` header of its answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, TimeDelta, Utc};

use super::Store;

/// How far the two clocks may be apart before no age of a backup is believed.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(5);

/// What the last answer of the store says about the clock of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The two are at most five minutes apart.
    Agrees,
    /// This machine's clock is ahead by so many seconds; behind if negative.
    Apart {
        /// Seconds.
        ahead_seconds: i64,
    },
    /// The store has not answered yet, or its answer has no usable `Date`.
    Unknown,
}

impl Clock {
    /// By the `Date` header of an answer that has just come.
    pub(super) fn told_by(answer: &HttpResponse) -> Self {
        let date = answer.headers().get("date").and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        Self::of(date.map(|date| date.to_utc()), Utc::now())
    }

    /// How far the two are apart, in words; `None` unless they are.
    pub(super) fn difference(self) -> Option<String> {
        let Self::Apart { ahead_seconds } = self else { return None };
        let way = if ahead_seconds > 0 { "ahead of" } else { "behind" };
        Some(format!("the clock of this machine is {} s {way} the store's", ahead_seconds.unsigned_abs()))
    }

    fn of(date: Option<DateTime<Utc>>, here: DateTime<Utc>) -> Self {
        match date.map(|date| here - date) {
            None => Self::Unknown,
            Some(ahead) if ahead.abs() <= MAX_SKEW => Self::Agrees,
            Some(ahead) => Self::Apart { ahead_seconds: ahead.num_seconds() },
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees => formatter.write_str("the clock of this machine agrees with the store's"),
            Self::Apart { .. } => {
                let difference = self.difference().unwrap_or_default();
                write!(formatter, "{difference} (clock skew); ages of backups are not known until the two agree")
            }
            Self::Unknown => formatter.write_str(
                "the store's answers have no usable Date header, so the clock of this machine cannot be checked \
                 (clock skew); ages of backups are not known",
            ),
        }
    }
}

/// Looks at every answer of a store. Of an answer it keeps nothing but this one header.
#[derive(Debug, Clone, Default)]
pub(super) struct ClockWatch(Arc<Mutex<Option<Clock>>>);

impl ClockWatch {
    fn last(&self) -> Clock {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Clock::Unknown)
    }
}

impl Intercept for ClockWatch {
    fn name(&self) -> &'static str {
        "ClockWatch"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let clock = Clock::told_by(context.response());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
        Ok(())
    }
}

impl Store {
    /// The time by the clock of the store, as far as its last answer told; by this machine's if it told nothing.
    pub fn now(&self) -> DateTime<Utc> {
        match self.clock.last() {
            Clock::Apart { ahead_seconds } => Utc::now() - TimeDelta::seconds(ahead_seconds),
            Clock::Agrees | Clock::Unknown => Utc::now(),
        }
    }

    /// Whether the clocks agreed at the last answer of the store.
    pub fn clock(&self) -> Clock {
        self.clock.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(date: Option<&str>, expected: Clock) {
        let here = "2026-11-22T03:00:00Z".parse().unwrap();
        let date = date.map(|text| DateTime::parse_from_rfc2822(text).unwrap().to_utc());
        assert_eq!(Clock::of(date, here), expected);
    }

    #[test]
    fn clocks_more_than_five_minutes_apart_do_not_agree_r040() {
        check(Some("Sun, 22 Nov 2026 03:00:00 GMT"), Clock::Agrees);
        check(Some("Sun, 22 Nov 2026 02:55:00 GMT"), Clock::Agrees);
        check(Some("Sun, 22 Nov 2026 03:05:00 GMT"), Clock::Agrees);
        check(Some("Sun, 22 Nov 2026 02:54:59 GMT"), Clock::Apart { ahead_seconds: 301 });
        check(Some("Sun, 22 Nov 2026 03:05:01 GMT"), Clock::Apart { ahead_seconds: -301 });
        check(Some("Sat, 18 Oct 2025 03:00:00 GMT"), Clock::Apart { ahead_seconds: 400 * 86_400 });
        check(None, Clock::Unknown);
    }

    #[test]
    fn a_difference_has_its_direction() {
        let apart = |ahead_seconds| Clock::Apart { ahead_seconds }.difference();
        assert_eq!(apart(1_200).unwrap(), "the clock of this machine is 1200 s ahead of the store's");
        assert_eq!(apart(-301).unwrap(), "the clock of this machine is 301 s behind the store's");
        assert_eq!([Clock::Agrees.difference(), Clock::Unknown.difference()], [None, None]);
    }
}
