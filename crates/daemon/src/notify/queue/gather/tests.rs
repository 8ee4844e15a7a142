use std::sync::Arc;

use tokio::sync::mpsc::channel;

use super::*;
use crate::notify::message::tests::message;
use crate::notify::queue::Letter;

fn of(occasion: Occasion, database: &str) -> Message {
    let status = if occasion == Occasion::Resolved { Status::Resolved } else { Status::Firing };
    Message { occasion, status, ..message(database, "why") }
}

fn queued(message: Message) -> Queued {
    Queued { letter: Arc::new(Letter { message, note: None }), failed_before: 0 }
}

/// What is sent when, in seconds: the occasion, and the databases. `queue` has what comes after so many seconds.
async fn sent(joins: bool, come: Vec<(u64, Message)>) -> Vec<(u64, String)> {
    let (sender, mut receiver) = channel(4_096);
    let began = Instant::now();
    tokio::spawn(async move {
        for (second, message) in come {
            sleep_until(began + Duration::from_secs(second)).await;
            sender.send(queued(message)).await.unwrap_or_else(|_| panic!("the queue is closed"));
        }
        tokio::time::sleep(Duration::from_secs(10_000)).await;
    });
    let (mut gathering, mut sent) = (Gathering::new(joins), Vec::new());
    while let Some(letters) = gathering.next(&mut receiver).await {
        let names = letters.iter().map(|one| one.letter.message.database.clone().unwrap()).collect::<Vec<_>>();
        let words = format!("{} {}", letters[0].letter.message.occasion.word(), names.join(" "));
        sent.push((began.elapsed().as_secs(), words));
    }
    sent
}

async fn check(come: &[(u64, Occasion, &str)], expected: &[(u64, &str)]) {
    let come = come.iter().map(|(second, occasion, database)| (*second, of(*occasion, database))).collect();
    let expected: Vec<(u64, String)> = expected.iter().map(|(at, words)| (*at, (*words).to_owned())).collect();
    assert_eq!(sent(true, come).await, expected);
}

use Occasion::{Onset, Resolved, Worse};

#[tokio::test(start_paused = true)]
async fn what_several_databases_share_is_one_message() {
    check(&[(0, Onset, "a"), (0, Onset, "b"), (0, Onset, "c")], &[(1, "onset a b c")]).await;
    let down = [(0, Onset, "a"), (20, Onset, "b"), (40, Onset, "c"), (80, Onset, "d"), (200, Onset, "e")];
    let up = [(3_000, Resolved, "a"), (3_020, Resolved, "b"), (3_040, Resolved, "c")];
    let expected =
        [(1, "onset a"), (61, "onset b c"), (361, "onset d e"), (3_001, "resolved a"), (3_061, "resolved b c")];
    check(&[down.as_slice(), &up].concat(), &expected).await;
}

/// Forty databases whose runs fail one after the other, each in a minute and a half, and come back likewise.
#[tokio::test(start_paused = true)]
async fn an_outage_of_a_server_with_many_databases_is_a_few_messages() {
    let names: Vec<String> = (0..40).map(|number| format!("db{number:02}")).collect();
    let every = |begin: u64, occasion| {
        (begin..).step_by(90).zip(&names).map(move |(second, name)| (second, of(occasion, name)))
    };
    let all = sent(true, every(0, Onset).chain(every(10_000, Resolved)).collect()).await;
    assert!(all.len() <= 14, "{all:?}");
    for occasion in ["onset", "resolved"] {
        let told: Vec<&str> =
            all.iter().filter_map(|(_, words)| words.strip_prefix(occasion)).flat_map(str::split_whitespace).collect();
        assert_eq!(told, names, "{occasion}");
    }
}

/// Else a database would be shown as broken that is in order, or the other way round.
#[tokio::test(start_paused = true)]
async fn of_one_database_what_came_first_is_sent_first() {
    let come = [(0, Onset, "a"), (10, Onset, "b"), (15, Onset, "c"), (20, Resolved, "b"), (30, Onset, "b")];
    check(&come, &[(1, "onset a"), (20, "onset b c"), (21, "resolved b"), (320, "onset b")]).await;
    // All of it within the moment that a first message waits.
    check(&[(0, Onset, "a"), (0, Resolved, "a")], &[(0, "onset a"), (1, "resolved a")]).await;
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_told_apart_and_one_database_alone_waits_for_no_other() {
    check(&[(0, Onset, "a"), (0, Worse, "b")], &[(1, "onset a"), (1, "worse b")]).await;
    let come = [(0, Onset, "a"), (10, Resolved, "a"), (20, Onset, "a"), (30, Resolved, "a")];
    check(&come, &[(1, "onset a"), (11, "resolved a"), (21, "onset a"), (31, "resolved a")]).await;
    let other = Message { class: Some("network"), ..of(Onset, "b") };
    let told = sent(true, vec![(0, of(Onset, "a")), (10, other)]).await;
    assert_eq!(told, [(1, "onset a".to_owned()), (11, "onset b".to_owned())]);
    // A day later it is a first one again.
    check(
        &[(0, Onset, "a"), (5, Onset, "b"), (9_000, Onset, "c")],
        &[(1, "onset a"), (61, "onset b"), (9_001, "onset c")],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_program_gets_each_message_at_once() {
    let told = sent(false, vec![(0, of(Onset, "a")), (0, of(Onset, "b")), (5, of(Onset, "c"))]).await;
    assert_eq!(told, [(0, "onset a".to_owned()), (0, "onset b".to_owned()), (5, "onset c".to_owned())]);
}

/// The process ends.
#[tokio::test(start_paused = true)]
async fn at_the_end_nothing_waits() {
    let (sender, mut receiver) = channel(8);
    let (mut gathering, began) = (Gathering::new(true), Instant::now());
    for database in ["a", "b"] {
        assert!(sender.try_send(queued(of(Onset, database))).is_ok());
    }
    drop(sender);
    assert_eq!(gathering.next(&mut receiver).await.map(|letters| letters.len()), Some(2));
    assert!(gathering.next(&mut receiver).await.is_none() && began.elapsed() < Duration::from_millis(10));
}
