//! What the processes of a `pg_restore --verbose` say on standard error (in English, its locale is ours), line by
//! line, and the complaints among it.
//!
//! A process names the entry before its first error about it, and not again before others about the same one.

use std::collections::HashMap;

use pgdump_archive::DumpId;

use super::complaint::{Complaint, complaint, of_the_tool};
use crate::postgres::said::Said;

/// Most complaints that are kept; the others are counted.
const MAX_COMPLAINTS: usize = 1000;

/// Maximum number of warnings that are logged. A message of the server can have a line that reads like one.
const MAX_WARNINGS: usize = 10;

/// What a process goes on to, so that an error after it is not about the entry before.
const STEPS: [&str; 7] =
    ["while ", "connecting to ", "processing ", "creating ", "executing ", "launching item ", "finished item "];

/// What was heard so far.
#[derive(Default)]
pub(super) struct Heard {
    /// The entry that each process is at: its number, and what the archive calls it.
    at: HashMap<i32, (Option<DumpId>, Option<String>)>,
    complaints: Vec<Complaint>,
    /// The place in `complaints` of the one whose statement each process has yet to tell.
    last: HashMap<i32, usize>,
    more_complaints: usize,
    /// How many errors the tool itself has counted at its end.
    counted: Option<usize>,
    warnings: Vec<String>,
}

impl Heard {
    /// Takes a line of a process.
    pub(super) fn hear(&mut self, process: i32, line: &str) {
        let last = self.last.remove(&process);
        let Some(said) = line.strip_prefix("pg_restore: ") else {
            let complaint = last.and_then(|place| self.complaints.get_mut(place));
            if let Some((complaint, statement)) = complaint.zip(line.strip_prefix("Command was: ")) {
                complaint.take_statement(statement.trim());
            }
            return;
        };
        if let Some(entry) = said.strip_prefix("from TOC entry ") {
            self.at.insert(process, (entry_number(entry), entry_name(entry)));
        } else if let Some(count) = said.strip_prefix("warning: errors ignored on restore: ") {
            self.counted = count.trim().parse().ok();
        } else if let Some(error) = said.strip_prefix("error: ").or_else(|| said.strip_prefix("fatal: ")) {
            let (entry, object) = self.at.get(&process).cloned().unwrap_or_default();
            self.complain(process, complaint(entry, object, error));
        } else if let Some(warning) = said.strip_prefix("warning: ") {
            self.warn(warning);
        } else if STEPS.iter().any(|step| said.starts_with(step)) {
            self.at.remove(&process);
        }
    }

    /// The complaints of a `pg_restore` that ended with status 0.
    pub(super) fn of_success(self) -> Vec<Complaint> {
        self.show_warnings();
        self.complaints
    }

    /// The complaints of a `pg_restore` that ended with `status`. Never empty: if nothing can be read, the status
    /// itself is the complaint.
    ///
    /// The count of several `jobs` says nothing: of each worker it counts, besides its errors, everything that it
    /// restores after the first one.
    pub(super) fn of_failure(mut self, status: &str, jobs: usize) -> Vec<Complaint> {
        self.show_warnings();
        let heard = self.complaints.len() + self.more_complaints;
        if self.more_complaints > 0 {
            self.complaints.push(of_the_tool(format!("and {} complaints more", self.more_complaints)));
        }
        match self.counted {
            None => self.complaints.push(of_the_tool(format!("pg_restore ended early ({status})"))),
            Some(counted) if heard == 0 || jobs == 1 && counted > heard => {
                let lost = counted.saturating_sub(heard);
                self.complaints.push(of_the_tool(format!("pg_restore ignored {lost} errors that it did not name")));
            }
            Some(_) => {}
        }
        self.complaints
    }

    fn complain(&mut self, process: i32, complaint: Complaint) {
        if self.complaints.len() < MAX_COMPLAINTS {
            self.last.insert(process, self.complaints.len());
            self.complaints.push(complaint);
        } else {
            self.more_complaints += 1;
        }
    }

    fn warn(&mut self, warning: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning.to_owned());
        }
    }

    fn show_warnings(&self) {
        let said = Said::without_names();
        for warning in &self.warnings {
            tracing::warn!(warning = said.by_tool(warning), "pg_restore warns");
        }
    }
}

/// `3456` of `3456; 1259 16400 TABLE orders alice`.
fn entry_number(entry: &str) -> Option<DumpId> {
    entry.split(';').next()?.parse().ok()
}

/// `3456; 1259 16400 TABLE orders alice` without its numbers and its owner.
fn entry_name(entry: &str) -> Option<String> {
    let (_, rest) = entry.split_once("; ")?;
    let mut words = rest.split(' ').skip(2).collect::<Vec<_>>();
    words.pop();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::complaint::ComplaintClass;
    use super::*;

    fn failed(words: &[(i32, &str)], jobs: usize) -> Vec<Complaint> {
        let mut heard = Heard::default();
        for (process, words) in words {
            words.lines().for_each(|line| heard.hear(*process, line));
        }
        heard.of_failure("exit status: 1", jobs)
    }

    type Seen<'text> = (Option<DumpId>, Option<&'text str>, &'text str, ComplaintClass);

    fn seen(complaints: &[Complaint]) -> Vec<Seen<'_>> {
        complaints.iter().map(|one| (one.entry, one.object.as_deref(), one.words.as_str(), one.class)).collect()
    }

    const OWNER_MISSING: &str = "\
pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1259 16400 TABLE orders alice
pg_restore: error: could not execute query: ERROR:  role \"alice\" does not exist
Command was: ALTER TABLE public.orders OWNER TO alice;

pg_restore: error: could not execute query: ERROR:  relation \"public.orders\" does not exist
Command was: ALTER TABLE public.orders SET LOGGED;

pg_restore: from TOC entry 3400; 0 0 COMMENT EXTENSION pgcrypto 
pg_restore: error: could not execute query: ERROR:  must be owner of extension pgcrypto
Command was: COMMENT ON EXTENSION pgcrypto IS 'x';

pg_restore: warning: errors ignored on restore: 3";

    #[test]
    fn each_error_has_its_object_and_class_r023() {
        let complaints = failed(&[(1, OWNER_MISSING)], 1);
        let (orders, role) = (Some("TABLE orders"), "role \"alice\" does not exist");
        let relation = "relation \"public.orders\" does not exist";
        let benign = "must be owner of extension pgcrypto";
        let expected = [
            (Some(215), orders, role, ComplaintClass::Role),
            (Some(215), orders, relation, ComplaintClass::Other),
            (Some(3400), Some("COMMENT EXTENSION pgcrypto"), benign, ComplaintClass::Benign),
        ];
        assert_eq!(seen(&complaints), expected);
    }

    /// As two workers of `pg_restore` 15 say it at once: the line of the one is between two lines of the other, and
    /// the count is larger than what was wrong.
    #[test]
    fn each_of_several_workers_has_its_own_entry_r023() {
        let copy =
            |name: &str| format!("pg_restore: error: COPY failed for table \"{name}\": ERROR:  division by zero");
        let (left, right) = (copy("left"), copy("right"));
        let words = [
            (7, "pg_restore: from TOC entry 11; 0 16385 TABLE DATA left alice"),
            (8, "pg_restore: from TOC entry 12; 0 16386 TABLE DATA right alice"),
            (7, left.as_str()),
            (8, right.as_str()),
            (8, "pg_restore: creating INDEX \"public.i\""),
            (8, "pg_restore: error: could not write to socket"),
            (5, "pg_restore: warning: errors ignored on restore: 9"),
        ];
        let complaints = failed(&words, 2);
        let objects: Vec<_> = complaints.iter().map(|one| (one.entry, one.object.as_deref())).collect();
        let expected = [(Some(11), Some("TABLE DATA left")), (Some(12), Some("TABLE DATA right")), (None, None)];
        assert_eq!(objects, expected, "{complaints:?}");
    }

    #[test]
    fn no_complaint_quotes_a_value_of_a_row() {
        let words = "\
pg_restore: from TOC entry 3307; 0 16385 TABLE DATA t alice
pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"canary\"
CONTEXT:  COPY t, line 1, column id: \"canary\"
pg_restore: warning: errors ignored on restore: 1";
        let complaints = failed(&[(1, words)], 1);
        let told = complaints[0].to_string();
        let expected =
            "TABLE DATA t: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"...\" (data)";
        assert_eq!((told.as_str(), complaints.len()), (expected, 1));
    }

    /// As `pg_restore --jobs=2` of 17 says it of a server of 15: before anything else, and in each worker, which begins at
    /// the entry that was the last one when it was forked.
    #[test]
    fn a_setting_that_only_a_newer_pg_restore_knows_is_benign_r130() {
        let error = "\
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"
Command was: SET transaction_timeout = 0;";
        let own = format!("pg_restore: while INITIALIZING:\n{error}\npg_restore: processing item 219 VIEW v");
        let entry = "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 219; 1259 16400 VIEW v postgres";
        let worker = format!("{entry}\n{error}\npg_restore: processing data for table \"a.t\"");
        let count = "pg_restore: warning: errors ignored on restore: 2";
        let complaints = failed(&[(1, &own), (2, &worker), (3, &worker), (1, count)], 2);
        let words = "unrecognized configuration parameter \"transaction_timeout\"";
        assert_eq!(seen(&complaints), [(None, None, words, ComplaintClass::Benign); 3]);

        // A statement of the archive is another thing, and so is another error.
        let function = error.replace("SET transaction_timeout = 0;", "CREATE FUNCTION f() RETURNS int");
        let other = error.replace("unrecognized", "unknown");
        for words in [function, other] {
            let complaints = failed(&[(1, &format!("{entry}\n{words}"))], 1);
            assert!(complaints[0].entry == Some(219) && !complaints[0].class.is_benign(), "{complaints:?}");
        }
    }

    #[test]
    fn a_tool_that_was_killed_or_says_nothing_is_a_complaint_r024() {
        assert_eq!(failed(&[], 1)[0].words, "pg_restore ended early (exit status: 1)");
        let cut = failed(&[(1, "pg_restore: error: could not read from input file: end of file")], 1);
        assert_eq!(cut.len(), 2);
        for jobs in [1, 4] {
            let dropped = failed(&[(1, "pg_restore: warning: errors ignored on restore: 7")], jobs);
            assert_eq!(dropped[0].words, "pg_restore ignored 7 errors that it did not name");
        }
    }

    #[test]
    fn of_a_flood_of_complaints_the_first_are_kept_and_all_are_counted() {
        let mut heard = Heard::default();
        for _ in 0..MAX_COMPLAINTS + 5 {
            heard.hear(1, "pg_restore: error: could not execute query: ERROR:  no");
        }
        heard.hear(1, &format!("pg_restore: warning: errors ignored on restore: {}", MAX_COMPLAINTS + 5));
        let complaints = heard.of_failure("exit status: 1", 1);
        assert_eq!(
            (complaints.len(), complaints.last().unwrap().words.as_str()),
            (MAX_COMPLAINTS + 1, "and 5 complaints more")
        );
    }
}
