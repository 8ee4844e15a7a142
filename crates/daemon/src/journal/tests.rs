use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use backup_core::repository::Word;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_line_waits_for_the_bucket_and_delays_nothing() {
    let (answers, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (asked, counted) = (Arc::clone(&answers), Arc::clone(&stored));
    let put = move |_, _, _| -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        let (answers, stored) = (asked.load(Ordering::SeqCst), Arc::clone(&counted));
        Box::pin(async move {
            anyhow::ensure!(answers, "no");
            stored.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let journal = Journal::written(Author::Backup, Arc::new(put));
    let writer = tokio::spawn(journal.clone().write());
    for _ in 0..MAX_WAITING + 10 {
        let kind = EventKind::BackupFailed { class: Word::of("auth"), again: false };
        journal.happened(&DatabaseName::from("app"), kind, Utc::now());
    }
    journal.finish(Duration::from_secs(1)).await;
    assert_eq!(stored.load(Ordering::SeqCst), 0);
    answers.store(true, Ordering::SeqCst);
    journal.finish(Duration::from_secs(3600)).await;
    assert_eq!(stored.load(Ordering::SeqCst), MAX_WAITING, "the oldest are lost");
    writer.abort();
}

/// Each database has rights of its own: what is refused for one says nothing about the others.
#[tokio::test(start_paused = true)]
async fn a_database_of_which_nothing_can_be_written_holds_up_no_other_one_and_keeps_its_order() {
    let (answers, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (asked, written) = (Arc::clone(&answers), Arc::clone(&stored));
    let put = move |database: DatabaseName, _, line| -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        let refused = database == DatabaseName::from("app") && !asked.load(Ordering::SeqCst);
        if !refused {
            written.lock().unwrap().push((database, line));
        }
        Box::pin(async move { if refused { Err(anyhow::anyhow!("AccessDenied")) } else { Ok(()) } })
    };
    let journal = Journal::written(Author::Backup, Arc::new(put));
    let failed = |class| EventKind::BackupFailed { class: Word::of(class), again: false };
    for (database, class) in [("app", "auth"), ("app", "timeout"), ("crm", "auth"), ("shop", "auth")] {
        journal.happened(&DatabaseName::from(database), failed(class), Utc::now());
    }
    let writer = tokio::spawn(journal.clone().write());
    journal.finish(Duration::from_secs(600)).await;
    let line = |database, class| (DatabaseName::from(database), Line::Happened(failed(class)));
    let others = [line("crm", "auth"), line("shop", "auth")];
    assert_eq!(*stored.lock().unwrap(), others);
    answers.store(true, Ordering::SeqCst);
    journal.finish(Duration::from_secs(600)).await;
    let own = [line("app", "auth"), line("app", "timeout")];
    assert_eq!(*stored.lock().unwrap(), others.into_iter().chain(own).collect::<Vec<_>>());
    writer.abort();
}

/// What a clock dates that is ahead would else be read as the last of all, long after the clock was set right.
#[test]
fn what_comes_last_is_dated_last_although_the_clock_was_ahead() {
    let put = |_, _, _| -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> { Box::pin(async { Ok(()) }) };
    let journal = Journal::written(Author::Backup, Arc::new(put));
    let (app, now) = (DatabaseName::from("app"), Utc::now());
    let alarm = |since| crate::alarm::Alarm {
        code: AlarmCode::ClockSkew,
        database: app.clone(),
        severity: crate::alarm::Severity::Warning,
        since,
        noticed_at: since,
        message: String::new(),
        subjects: Vec::new(),
    };
    let dates = || {
        let lines = journal.queue.as_ref().unwrap().lock();
        lines.iter().map(|(_, id, _)| (id.time() - now).num_seconds()).collect::<Vec<_>>()
    };
    let at = |seconds| now + TimeDelta::seconds(seconds);
    journal.alarm(&AlarmChange::Raised(alarm(at(300))), at(300));
    journal.alarm(&AlarmChange::Resolved(alarm(at(300))), at(10));
    journal.alarm(&AlarmChange::Raised(alarm(at(400))), at(400));
    // A restart does not know what was written, but since when it holds.
    let journal_of_another = Journal::written(Author::Backup, Arc::new(put));
    journal_of_another.alarm(&AlarmChange::Resolved(alarm(at(300))), at(10));
    let lines = journal_of_another.queue.as_ref().unwrap().lock();
    let second = |id: &BackupId| id.time().timestamp() - now.timestamp();
    assert_eq!(lines.iter().map(|(_, id, _)| second(id)).collect::<Vec<_>>(), [301]);
    assert!(dates().is_sorted() && dates().len() == 3, "{:?}", dates());
    // A year ahead is left alone.
    journal.alarm(&AlarmChange::Raised(alarm(now + TimeDelta::days(366))), now + TimeDelta::days(366));
    journal.alarm(&AlarmChange::Resolved(alarm(now + TimeDelta::days(366))), at(500));
    assert!(dates()[4] < 501, "{:?}", dates());
}
