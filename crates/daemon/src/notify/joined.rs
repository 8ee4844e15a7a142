//! One message for several that say the same, each of another database.

use backup_core::text::{one_line, shortened};

use super::message::{MAX_REASON_CHARS, Message};

/// Maximum characters of the names of databases. The page shows all of them.
const MAX_NAMES_CHARS: usize = 400;

impl Message {
    /// One for all of `messages`, of which there is at least one, as they were sent one after the other.
    pub(super) fn joined(messages: &[&Self]) -> Option<Self> {
        let [first, others @ ..] = messages else { return None };
        if others.is_empty() {
            return Some((*first).clone());
        }
        let all = || messages.iter().copied();
        let reason = first.reason.as_ref().map(|reason| format!("{}: {reason}", first.name()));
        Some(Self {
            database: Some(format!("{} databases", messages.len())),
            reason: reason.map(|reason| shortened(&one_line(&reason), MAX_REASON_CHARS)),
            since: all().map(|message| message.since).min()?,
            at: all().map(|message| message.at).max()?,
            occurrences: all().map(|message| message.occurrences).fold(0, u64::saturating_add),
            next_attempt_at: all().filter_map(|message| message.next_attempt_at).min(),
            of_each: all().cloned().collect(),
            ..(*first).clone()
        })
    }

    /// The databases that it is about, if it stands for several messages.
    pub(super) fn databases(&self) -> Option<String> {
        let (mut names, mut shown) = (String::new(), 0);
        for message in &self.of_each {
            let name = message.name();
            if shown > 0 && names.chars().count() + name.chars().count() > MAX_NAMES_CHARS {
                break;
            }
            names.push_str(if shown > 0 { ", " } else { "" });
            names.push_str(name);
            shown += 1;
        }
        match self.of_each.len() - shown {
            _ if shown == 0 => None,
            0 => Some(names),
            more => Some(format!("{names} and {more} more")),
        }
    }

    /// Of several messages, the one about the database of which the least is safe.
    pub(super) fn least_safe(&self) -> Option<&Self> {
        self.of_each.iter().min_by_key(|message| message.safe.newest_backup.as_ref().map(|backup| backup.at))
    }

    pub(super) fn name(&self) -> &str {
        self.database.as_deref().unwrap_or("the only database")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::message::Dated;
    use crate::notify::message::tests::{at, message};

    #[test]
    fn a_message_for_several_databases_names_them_and_what_is_safe_of_the_worst() {
        let (mut app, mut crm) = (message("app", "no connection"), message("crm", "no route"));
        crm.since = at("2026-11-29T02:00:00Z");
        crm.safe.newest_backup =
            Some(Dated { id: "20261120T030000Z-calpt5zmzst5hrp2".to_owned(), at: at("2026-11-20T03:00:00Z") });
        app.next_attempt_at = Some(at("2026-11-29T09:05:00Z"));
        let joined = Message::joined(&[&app, &crm]).unwrap();
        assert_eq!(joined.title(), "CRITICAL: backup of 2 databases: runs fail (shop, production)");
        let expected = "Databases: app, crm\nReason: app: no connection\n\
            Still safe: of crm, which has the least: newest backup 20261120T030000Z-calpt5zmzst5hrp2 (9 d old); \
            newest proven backup 20261127T030000Z-7mzst5hrp2calpt5 (2 d old)\n\
            Next attempt: 2026-11-29T09:05:00Z\n";
        assert!(joined.body().starts_with(expected), "{}", joined.body());
        assert!(joined.body().contains("Since: 2026-11-29T02:00:00Z (7 h)\nFailed runs: 6\n"), "{}", joined.body());
        assert_eq!(Message::joined(&[&app]).unwrap().title(), app.title());
        assert!(Message::joined(&[]).is_none());
    }

    #[test]
    fn the_names_of_many_databases_are_bounded() {
        let all: Vec<Message> = (0..1_000).map(|number| message(&format!("database-{number:04}"), "why")).collect();
        let joined = Message::joined(&all.iter().collect::<Vec<_>>()).unwrap();
        let names = joined.databases().unwrap();
        assert!(names.starts_with("database-0000, database-0001, ") && names.ends_with(" more"), "{names}");
        assert!(names.chars().count() < MAX_NAMES_CHARS + 40, "{names}");
        assert!(joined.title().starts_with("CRITICAL: backup of 1000 databases: runs fail"));
        assert!(joined.body().chars().count() <= 1_000);
        let long = message(&"ü".repeat(5_000), "why");
        assert!(Message::joined(&[&long, &long]).unwrap().databases().unwrap().chars().count() <= MAX_NAMES_CHARS);
    }
}
