//! A service while it runs: its pages, its alarms, and the loops of its databases.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use backup_core::stop::Stop;
use chrono::Utc;

use crate::events::{Event, Events, log_alarms};
use crate::journal::Journal;
use crate::notify::{Notifier, Teller};
use crate::state::{Activity, Judge, State};
use crate::watchdog::Watchdog;
use crate::web::page::ViewSource;
use crate::web::{Pages, bind, router, serve};

/// Alarms that come with time alone, such as one about an age, are noticed this late at most.
const LONGEST_BLINK: Duration = Duration::from_secs(10);

/// What was told last is logged within this.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// The last lines of the journal are written within this.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A service and what it shows.
pub struct Service<'run, D, R> {
    /// Who is told, and by which name.
    pub notifier: Notifier<'run>,
    /// What messages say of runs and of the state.
    pub teller: Teller<D, R>,
    /// The port of its pages.
    pub port: u16,
    /// What it knows.
    pub state: &'run State<D>,
    /// What it tells.
    pub events: Events<R>,
    /// Where what has to survive a restart is written down.
    pub journal: Journal,
    /// Decides what is wrong.
    pub judge: Judge<D>,
    /// What its pages for programs show.
    pub pages: Pages,
    /// What its pages for people show.
    pub view: ViewSource,
}

impl<D: Clone + Send + 'static, R: Send + Sync + 'static> Service<'_, D, R> {
    /// Serves the pages and tells alarms while `work` goes on, which tells events of its own.
    ///
    /// # Errors
    /// Only if the port of the pages cannot be had, TLS does not work at all, or the system gives no thread.
    pub async fn keep(self, stop: &Stop, work: impl AsyncFnOnce(&Events<R>)) -> anyhow::Result<()> {
        let listener = bind(self.port).await.context("listen on PORT")?;
        let port = listener.local_addr().context("listen on PORT")?.port();
        let schedules: Vec<String> = self.state.copy().into_values().map(|state| state.schedule).collect();
        tracing::info!(port, schedule = schedules.join("; "), "{} daemon started", self.notifier.service);
        let server = tokio::spawn(serve(listener, router(self.pages, self.view), stop.clone()));
        let log = tokio::spawn(log_alarms(self.events.subscribe("log")));
        let journal = &self.journal;
        let writer = tokio::spawn(journal.clone().write());
        let telling = self.notifier.start(self.state, &self.events, (self.teller, journal))?;
        let watchdog = Watchdog::start(self.state.pulses()).context("start the watchdog")?;
        tokio::select! {
            () = Box::pin(work(&self.events)) => {}
            never = tell_alarms(self.state, self.judge, (&self.events, journal), stop) => match never {},
        }
        drop(watchdog);
        for database in self.state.copy().keys() {
            self.state.change(database, |state| state.activity = Activity::Stopping);
        }
        server.abort(); // A reader that keeps its connection open does not hold the end back.
        drop(self.events);
        if tokio::time::timeout(LAST_EVENTS, log).await.is_err() {
            tracing::debug!("the last events are not logged");
        }
        telling.finish().await;
        journal.finish(LAST_LINES).await;
        writer.abort();
        Ok(())
    }
}

/// Tells what became of alarms, as soon as the state changes or time makes a difference.
async fn tell_alarms<D: Clone, R>(
    state: &State<D>,
    judge: Judge<D>,
    (events, journal): (&Events<R>, &Journal),
    stop: &Stop,
) -> Infallible {
    loop {
        let now = Utc::now();
        // What a stop interrupts looks wrong. The next process looks again.
        let changes = if stop.reason().is_none() { state.notice(judge, now) } else { Vec::new() };
        for change in changes {
            journal.alarm(&change, now);
            events.send(Event::of(change, now));
        }
        tokio::select! {
            () = state.changed() => {}
            () = tokio::time::sleep(LONGEST_BLINK) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use backup_core::repository::Author;
    use backup_core::stop::Stopped;
    use chrono::DateTime;

    use super::*;
    use crate::alarm::{Condition, Severity};
    use crate::alarm_code::AlarmCode;
    use crate::database_name::DatabaseName;
    use crate::state::DatabaseState;

    fn judge(state: &DatabaseState<bool>, _: DateTime<Utc>) -> Vec<Condition> {
        let code = AlarmCode::Failing;
        Vec::from_iter(state.own.then(|| Condition::new(code, Severity::Critical, "why".to_owned())))
    }

    #[tokio::test(start_paused = true)]
    async fn alarms_are_told_as_they_come_and_go() {
        let database = DatabaseName::from("app");
        let own = DatabaseState::new("daily".to_owned(), Duration::ZERO, Utc::now(), false);
        let state = State::new([(database.clone(), own)]);
        let events = Events::<()>::default();
        let mut subscription = events.subscribe("test");
        let told = async {
            state.change(&database, |state| (state.activity, state.own) = (Activity::Running, true));
            let Some(Event::AlarmRaised(raised)) = subscription.next().await else { panic!("no alarm") };
            state.change(&database, |state| state.own = false);
            let Some(Event::AlarmResolved { alarm, .. }) = subscription.next().await else { panic!("it stays") };
            (raised, alarm)
        };
        let (journal, stop) = (Journal::unwritten(Author::Backup), Stop::default());
        let (raised, resolved) = tokio::select! {
            told = told => told,
            never = tell_alarms(&state, judge, (&events, &journal), &stop) => match never {},
        };
        assert_eq!((&raised, raised.message.as_str()), (&resolved, "why"));
        stop.trigger(Stopped::Signal);
        state.change(&database, |state| state.own = true);
        tokio::select! {
            event = subscription.next() => panic!("{}", event.is_some()),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            never = tell_alarms(&state, judge, (&events, &journal), &stop) => match never {},
        }
    }
}
