//! What the journal says, in sentences.

use super::view::{Event, Tone};
use crate::view::RepositoryView;

/// The news of a repository, the newest first: its journal, and what dead runs have left.
pub(super) fn of_repository(view: &RepositoryView) -> Vec<Event> {
    let journal = view.events.iter().filter_map(|event| {
        let (tone, text) = sentence_of(&event.event)?;
        Some(Event { at: event.at, tone, text })
    });
    let lost = view.incomplete_runs.iter().filter(|run| run.lost_its_data).map(|run| Event {
        at: run.started_at,
        tone: Tone::Bad,
        text: format!("The data of backup {} was deleted; its manifest is still there.", run.id),
    });
    let mut events: Vec<Event> = journal.chain(lost).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events
}

/// What the name of an event says; `None` for what is no news to a person. A name that is not known here is of another
/// version, and stands for itself.
fn sentence_of(event: &str) -> Option<(Tone, String)> {
    let words = |text: &str| text.replace('_', " ");
    let parts: Vec<&str> = event.split('-').collect();
    let told = match parts[..] {
        ["backup", "started", ..] | ["told", ..] => return None,
        ["backup", "failed", "again", class] => (Tone::Bad, format!("A backup failed again ({class}).")),
        ["backup", "failed", class] => (Tone::Bad, format!("A backup failed ({class}).")),
        ["database", "appeared"] => (Tone::Neutral, "The database is new; it is backed up from now on.".to_owned()),
        ["backup", "stopped"] => (Tone::Neutral, "A backup was stopped.".to_owned()),
        ["drill", "failed"] => (Tone::Bad, "A drill failed.".to_owned()),
        ["drill", "could_not_run"] => (Tone::Warning, "A drill could not run.".to_owned()),
        ["drill", verdict] => (Tone::Neutral, format!("A drill ended: {}.", words(verdict))),
        ["retention", "degraded"] => (Tone::Warning, "Retention did not finish after a backup.".to_owned()),
        ["size", "suspect", ..] => (Tone::Warning, "A backup was much smaller than usual.".to_owned()),
        ["size", "accepted", ..] => (Tone::Neutral, "An operator accepted the smaller size.".to_owned()),
        ["alarm", by, code, "raised", "critical", ..] => (Tone::Bad, format!("Alarm of {by}: {}.", words(code))),
        ["alarm", by, code, "raised", ..] => (Tone::Warning, format!("Warning of {by}: {}.", words(code))),
        ["alarm", by, code, "resolved", ..] => (Tone::Good, format!("Resolved, by {by}: {}.", words(code))),
        _ => (Tone::Neutral, event.to_owned()),
    };
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, expected: Option<(Tone, &str)>) {
        assert_eq!(sentence_of(event), expected.map(|(tone, text)| (tone, text.to_owned())), "{event}");
    }

    #[test]
    fn each_event_of_the_journal_is_a_sentence_and_what_is_no_news_is_left_out() {
        check("backup-started-0123456789ab-184", None);
        check("told-verify-main-onset-critical-20261122T030000Z-stale-0123", None);
        check("backup-failed-auth", Some((Tone::Bad, "A backup failed (auth).")));
        check("backup-failed-again-network", Some((Tone::Bad, "A backup failed again (network).")));
        check("database-appeared", Some((Tone::Neutral, "The database is new; it is backed up from now on.")));
        check("backup-stopped", Some((Tone::Neutral, "A backup was stopped.")));
        check("drill-could_not_run", Some((Tone::Warning, "A drill could not run.")));
        check("retention-degraded", Some((Tone::Warning, "Retention did not finish after a backup.")));
        check("size-suspect-none", Some((Tone::Warning, "A backup was much smaller than usual.")));
        check("alarm-backup-no_backup-raised-critical-01ab", Some((Tone::Bad, "Alarm of backup: no backup.")));
        check("alarm-verify-stale-raised-warning-01ab", Some((Tone::Warning, "Warning of verify: stale.")));
        check("alarm-backup-failing-resolved-01ab", Some((Tone::Good, "Resolved, by backup: failing.")));
        check("of-a-later-version", Some((Tone::Neutral, "of-a-later-version")));
    }
}
