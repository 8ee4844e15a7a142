//! What was given up in one channel, and is tried once more when messages arrive there again: else an incident would stay
//! open there.

use std::sync::Arc;

use super::Letter;

/// How many times that is tried, once behind each message that arrives.
const MAX_TRIES: u32 = 3;

/// Messages that were sent as one, and given up.
pub(super) struct Bundle {
    pub(super) letters: Vec<Arc<Letter>>,
    tries: u32,
}

/// The last messages about each incident that were given up.
#[derive(Default)]
pub(super) struct Lost(Vec<Bundle>);

impl Lost {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These have arrived, so that older ones about the same incidents say nothing any more.
    pub(super) fn arrived(&mut self, letters: &[Arc<Letter>]) {
        let is_of_one = |old: &Arc<Letter>| letters.iter().any(|new| new.message.key == old.message.key);
        self.0.iter_mut().for_each(|bundle| bundle.letters.retain(|old| !is_of_one(old)));
        self.0.retain(|bundle| !bundle.letters.is_empty());
    }

    /// These were given up. Of those that are about no incident, nothing is tried again.
    pub(super) fn given_up(&mut self, mut letters: Vec<Arc<Letter>>) {
        self.arrived(&letters);
        letters.retain(|letter| letter.note.is_some());
        if !letters.is_empty() {
            self.0.push(Bundle { letters, tries: 0 });
        }
    }

    /// Everything, to be tried once.
    pub(super) fn take(&mut self) -> Vec<Bundle> {
        std::mem::take(&mut self.0)
    }

    /// This was tried once more, in vain. False if it is not to be tried again.
    pub(super) fn put_back(&mut self, bundle: Bundle) -> bool {
        let tries = bundle.tries + 1;
        let is_kept = tries < MAX_TRIES;
        self.0.extend(is_kept.then_some(Bundle { tries, ..bundle }));
        is_kept
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::{Author, Kept, Word};

    use super::*;
    use crate::database_name::DatabaseName;
    use crate::journal::Journal;
    use crate::notify::message::tests::{at, message};

    /// A message about an incident of `database`, or about none.
    fn letter(database: &str, is_of_incident: bool) -> Arc<Letter> {
        let (message, code) = (message(database, "why"), Word::of("failing"));
        let kept = Kept::AlarmResolved { by: Author::Backup, code };
        let note =
            Journal::unwritten(Author::Backup).note(&DatabaseName::from(database), kept, at("2026-11-29T03:00:00Z"));
        Arc::new(Letter { message, note: is_of_incident.then_some(note) })
    }

    fn databases(lost: &mut Lost) -> Vec<Vec<String>> {
        let name = |letter: &Arc<Letter>| letter.message.database.clone().unwrap();
        let bundles = lost.take();
        let names = bundles.iter().map(|bundle| bundle.letters.iter().map(name).collect()).collect();
        bundles.into_iter().for_each(|bundle| lost.0.push(bundle));
        names
    }

    /// Of forty databases, a person gets one message also when it comes late.
    #[test]
    fn what_was_given_up_as_one_message_stays_one_without_what_was_told_later() {
        let mut lost = Lost::default();
        lost.given_up(vec![letter("app", true), letter("crm", true)]);
        lost.given_up(vec![letter("shop", true), letter("success", false)]);
        assert_eq!(databases(&mut lost), [vec!["app", "crm"], vec!["shop"]]);
        lost.given_up(vec![letter("crm", true)]);
        assert_eq!(databases(&mut lost), [vec!["app"], vec!["shop"], vec!["crm"]]);
        lost.arrived(&[letter("shop", true)]);
        assert_eq!(databases(&mut lost), [vec!["app"], vec!["crm"]]);
        lost.given_up(vec![letter("success", false)]);
        assert_eq!(databases(&mut lost).len(), 2);
        lost.arrived(&[letter("app", true), letter("crm", true)]);
        assert!(lost.is_empty());
    }

    #[test]
    fn it_is_tried_three_times() {
        let mut lost = Lost::default();
        lost.given_up(vec![letter("app", true)]);
        for is_kept in [true, true, false] {
            let bundle = lost.take().pop().unwrap();
            assert_eq!(lost.put_back(bundle), is_kept);
        }
        assert!(lost.is_empty());
    }
}
