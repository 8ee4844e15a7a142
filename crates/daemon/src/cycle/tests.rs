use std::cell::{Cell, RefCell};

use backup_core::stop::Stopped;

use super::*;
use crate::run_request::Busy;

const HOUR: Duration = Duration::from_secs(3600);

/// A loop of one run an hour, which looks at the bucket four times an hour.
struct Stand {
    database: DatabaseName,
    state: State<()>,
    events: Events<()>,
    schedule: Schedule,
    make_up: MakeUp,
    news: Notify,
    stop: Stop,
}

impl Default for Stand {
    fn default() -> Self {
        let database = DatabaseName::from("app");
        let own = DatabaseState::new("hourly".to_owned(), HOUR, Utc::now(), ());
        Self {
            state: State::new([(database.clone(), own)]),
            database,
            events: Events::default(),
            schedule: Schedule::interval(HOUR.as_secs()).unwrap(),
            make_up: MakeUp::default(),
            news: Notify::new(),
            stop: Stop::default(),
        }
    }
}

impl Stand {
    /// Keeps the loop until the stop.
    async fn keep(
        &self,
        prepare: impl AsyncFnOnce() -> Option<Start>,
        look: impl AsyncFn(),
        job: impl AsyncFnMut(Occasion) -> ((), Ended),
    ) {
        let cycle = Cycle {
            database: &self.database,
            state: &self.state,
            events: &self.events,
            schedule: &self.schedule,
            make_up: &self.make_up,
            max_jitter: Duration::ZERO,
            poll_interval: HOUR / 4,
            news: &self.news,
            max_age: &|()| 2 * HOUR,
            turns: None,
            stop: &self.stop,
        };
        cycle.keep(prepare, look, job).await;
    }

    fn now(&self) -> DatabaseState<()> {
        self.state.copy()[&self.database].clone()
    }

    fn request(&self) -> Result<(), Busy> {
        self.state.request_run(&self.database)
    }
}

/// A loop that begins as `first` says.
async fn begins(first: First) -> Option<Start> {
    Some(Start { last_run: None, first })
}

/// Keeps a loop that begins as `first` says, whose runs end as `ends` say, and stops after them; on what occasions it
/// ran, and the events.
async fn kept(first: First, make_up: &str, ends: &[Ended]) -> (Vec<&'static str>, Vec<&'static str>) {
    let stand = Stand { make_up: MakeUp::parse(make_up).unwrap(), ..Stand::default() };
    let mut subscription = stand.events.subscribe("test");
    let (ends, occasions) = (RefCell::new(ends.iter()), RefCell::new(Vec::new()));
    let job = async |occasion| {
        assert_eq!(stand.now().activity, Activity::Running);
        occasions.borrow_mut().push(match occasion {
            Occasion::Tick(_) => "tick",
            Occasion::MakeUp => "make up",
            Occasion::News => "news",
        });
        let ended = ends.borrow_mut().next().copied().unwrap_or(Ended::Stopped);
        if ends.borrow().len() == 0 {
            stand.stop.trigger(Stopped::Signal);
        }
        ((), ended)
    };
    stand.keep(async || begins(first).await, async || {}, job).await;
    assert_eq!(stand.now().max_age_seconds, 7200);
    drop(stand);
    let mut told = Vec::new();
    while let Some(event) = subscription.next().await {
        told.push(match event {
            Event::RunStarted { .. } => "started",
            Event::RunEnded { .. } => "ended",
            Event::Remembered { .. } => "remembered",
            Event::Recovered { .. } => "recovered",
            Event::Departed { .. } => "departed",
            Event::AlarmRaised(_) | Event::AlarmResolved { .. } => "alarm",
        });
    }
    (occasions.into_inner(), told)
}

/// A run that is put off or made up for waits by the monotonic clock, which only a test can set.
#[tokio::test(start_paused = true)]
async fn the_first_run_is_where_it_was_put_and_failed_ones_are_made_up_for() {
    let failed = Ended::Failed { took: Duration::ZERO, outlook: Outlook::MayDiffer };
    let (occasions, told) = kept(First::Now, "1", &[failed, failed, Ended::Done]).await;
    assert_eq!(occasions, ["tick", "make up", "make up"]);
    assert_eq!(told, ["started", "ended"].repeat(3));
    let later = Utc::now() + chrono::TimeDelta::seconds(20);
    assert_eq!(kept(First::PutOff(later, Kind::Full), "off", &[Ended::Done]).await.0, ["make up"]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_shows_that_it_lives_however_long_its_runs_take() {
    let stand = Stand::default();
    let prepare = async || {
        tokio::time::sleep(HOUR).await;
        assert!(stand.state.is_alive(), "while the bucket does not answer");
        begins(First::Now).await
    };
    let job = async |_| {
        let started_at = stand.now().run_started_at;
        assert!(started_at.is_some_and(|at| at <= Utc::now()));
        tokio::time::sleep(HOUR).await;
        assert!(stand.state.is_alive());
        stand.stop.trigger(Stopped::Signal);
        ((), Ended::Stopped)
    };
    stand.keep(prepare, async || {}, job).await;
    assert_eq!(stand.now().interval_seconds, HOUR.as_secs());
    tokio::time::advance(Duration::from_secs(121)).await;
    assert!(!stand.state.is_alive(), "a loop that has ended");
}

#[tokio::test(start_paused = true)]
async fn the_bucket_is_looked_at_in_each_interval_between_runs_and_during_one() {
    let (stand, looks) = (Stand::default(), Cell::new(0));
    let prepare = async || {
        tokio::time::sleep(HOUR).await;
        assert_eq!(looks.get(), 0, "before the first look there is nothing to look at again");
        begins(First::Now).await
    };
    let job = async |_| {
        tokio::time::sleep(HOUR).await;
        assert!((3..=5).contains(&looks.get()), "{} looks in an hour", looks.get());
        stand.stop.trigger(Stopped::Signal);
        ((), Ended::Stopped)
    };
    stand.keep(prepare, async || looks.set(looks.get() + 1), job).await;
}

#[tokio::test(start_paused = true)]
async fn news_ask_for_a_run_between_two_ticks() {
    let (stand, occasions) = (Stand::default(), RefCell::new(Vec::new()));
    let job = async |occasion| {
        occasions.borrow_mut().push(occasion);
        stand.stop.trigger(Stopped::Signal);
        ((), Ended::Done)
    };
    stand.keep(async || begins(First::AtATick).await, async || stand.news.notify_one(), job).await;
    assert_eq!(occasions.into_inner(), [Occasion::News]);
}

/// What is accepted at any moment is run; at all others it is refused.
#[tokio::test(start_paused = true)]
async fn a_request_is_accepted_only_while_the_loop_waits_for_it_and_is_run_then() {
    let (stand, accepted) = (Stand::default(), Cell::new(0));
    let prepare = async || {
        assert_eq!(stand.request(), Err(Busy::Starting));
        // A service may wait for something of its own before its first run.
        stand.state.change(&stand.database, |state| state.activity = Activity::Waiting);
        assert_eq!(stand.request(), Err(Busy::NothingToRunFor));
        begins(First::AtATick).await
    };
    let look = async || {
        if accepted.get() == 0 && stand.request().is_ok() {
            accepted.set(1);
            assert_eq!(stand.request(), Err(Busy::Requested));
        }
    };
    let job = async |occasion| {
        assert!(matches!((occasion, accepted.get()), (Occasion::Tick(_), 1)), "{occasion:?}");
        assert_eq!(stand.request(), Err(Busy::Running));
        stand.stop.trigger(Stopped::Signal);
        ((), Ended::Done)
    };
    stand.keep(prepare, look, job).await;
    assert_eq!(accepted.get(), 1);
    assert!(stand.request().is_err(), "nothing waits after the end");
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_first_look_ends_the_loop() {
    let stand = Stand::default();
    stand.keep(async || None, async || {}, async |_| unreachable!("nothing runs")).await;
    assert_eq!(stand.now().activity, Activity::Starting);
}

/// With several databases, a line without a name is about any of them.
#[tokio::test(start_paused = true)]
async fn what_a_loop_does_is_done_in_the_span_of_its_database() {
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry());
    let (stand, spans) = (Stand::default(), RefCell::new(Vec::new()));
    let note = |what| {
        let span = tracing::Span::current();
        spans.borrow_mut().push((what, span.field("database").is_some()));
    };
    let prepare = async || {
        note("prepare");
        Some(Start { last_run: None, first: First::Now })
    };
    let job = async |_| {
        note("job");
        backup_core::task::spawn(async { assert!(tracing::Span::current().field("database").is_some()) })
            .await
            .unwrap();
        // Another thread has no log of its own in a test.
        let log = tracing::dispatcher::get_default(Clone::clone);
        let has_name = || tracing::Span::current().field("database").is_some();
        let blocking = move || tracing::dispatcher::with_default(&log, has_name);
        assert!(backup_core::task::spawn_blocking(blocking).await.unwrap());
        tokio::time::sleep(HOUR / 2).await;
        stand.stop.trigger(Stopped::Signal);
        ((), Ended::Stopped)
    };
    stand.keep(prepare, async || note("look"), job).await;
    assert!(spans.borrow().iter().all(|(_, has_name)| *has_name), "{spans:?}");
    for what in ["prepare", "job", "look"] {
        assert!(spans.borrow().iter().any(|(done, _)| *done == what), "{what}: {spans:?}");
    }
}
