//! The pages for people: `/`, a page for each drill, the runbooks, `/badge.svg`. Pure functions from plain data to HTML: no script, no
//! build step, nothing from elsewhere. See docs/decisions/0046-pages-without-scripts.md.

mod backups;
mod badge;
mod charts;
mod drill;
mod events;
mod fill;
mod headline;
mod icon;
mod layout;
mod overview;
mod report;
mod routes;
mod runbooks;
mod style;
mod view;
mod words;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};

pub use chrono_tz::Tz;
pub use fill::Letterhead;
pub use report::DrillReport;
pub use view::{Activity, Alarm, Backup, Database, Drill, Event, Proof, Retention, Run, Tone, Verdict, View};

pub use routes::ViewSource;
pub(crate) use routes::{badge_route, routes};
pub use style::content_security_policy;

use headline::{Headline, headline};
use words::Clock;

impl View {
    /// `/`: the only database, or all of them, the worst first.
    pub fn home(&self, now: DateTime<Utc>) -> String {
        match &self.databases[..] {
            [only] => overview::database(self, only, self.clock(now)),
            _ => overview::list(self, self.clock(now)),
        }
    }

    /// The page of the database of this name; `None` if there is none.
    pub fn database(&self, name: &str, now: DateTime<Utc>) -> Option<String> {
        let database = self.databases.iter().find(|database| database.name == name)?;
        Some(overview::database(self, database, self.clock(now)))
    }

    /// The page of a drill; `None` if it is not known.
    pub fn drill(&self, id: &str, now: DateTime<Utc>) -> Option<String> {
        let mut drills =
            self.databases.iter().flat_map(|database| database.drills.iter().map(move |one| (database, one)));
        let (database, found) = drills.find(|(_, drill)| drill.id == id)?;
        Some(drill::page(self, database, found, self.clock(now)))
    }

    /// `/runbooks`, or, if `name` is not empty, the page of another document below it; `None` if it is not served.
    pub fn document(&self, name: &str, now: DateTime<Utc>) -> Option<String> {
        runbooks::page(self, name, self.clock(now))
    }

    /// What stands at an address of nothing.
    pub fn not_found(&self, now: DateTime<Utc>) -> String {
        overview::not_found(self, self.clock(now))
    }

    /// `/badge.svg`.
    pub fn badge(&self, now: DateTime<Utc>) -> String {
        badge::badge(self, self.clock(now)).into_string()
    }

    /// `/icon.svg`, for the tab of a browser.
    pub fn icon(&self, now: DateTime<Utc>) -> String {
        badge::icon(self, self.clock(now)).into_string()
    }

    fn clock(&self, now: DateTime<Utc>) -> Clock {
        Clock { now, time_zone: self.time_zone }
    }
}

/// Every database with its headline, the worst first.
fn by_urgency(view: &View, clock: Clock) -> Vec<(&Database, Headline)> {
    let told = view.databases.iter().map(|database| (database, headline(view.daemon, database, clock)));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|(_, headline)| headline.standing);
    told
}

/// The database that is worst; `None` if there is none at all.
fn worst(view: &View, clock: Clock) -> Option<(&Database, Headline)> {
    by_urgency(view, clock).into_iter().next()
}
