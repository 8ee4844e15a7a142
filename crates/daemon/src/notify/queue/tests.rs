use backup_core::config::Settings;
use backup_core::proxies::Proxies;
use backup_core::storage::Authorities;

use super::super::config::{MESSAGE_VARIABLES, NotifyConfig};
use super::super::mail::MAIL_VARIABLES;
use super::super::message::tests::message;
use super::*;
use crate::alarm_code::AlarmCode;

/// How often and for how long a message is tried if every attempt takes as long as it may and the receiver asks for a
/// pause of so many seconds each time.
async fn tried(asked: Option<u64>) -> (usize, Duration) {
    let (began, mut pauses, mut attempts) = (Instant::now(), Pauses::begin(), 0);
    loop {
        attempts += 1;
        tokio::time::sleep(Duration::from_secs(10)).await;
        match pauses.next(asked.map(Duration::from_secs)) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return (attempts, began.elapsed()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_eight_times_within_two_hours_r090() {
    for _ in 0..100 {
        let (attempts, took) = tried(None).await;
        assert_eq!(attempts, 8);
        assert!(took > Duration::from_secs(3_600) && took < Duration::from_secs(7_200), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_receiver_asks_for_is_kept() {
    let (attempts, took) = tried(Some(1_000)).await;
    assert!((4..=7).contains(&attempts) && took > Duration::from_secs(3_000), "{attempts} in {took:?}");
    assert_eq!(tried(Some(7_200)).await.0, 1, "nothing is tried after two hours");
}

#[test]
fn what_is_not_delivered_is_an_alarm_until_something_is() {
    let deliveries = Deliveries::to(["slack", "json 2"]);
    assert_eq!(deliveries.condition(), None);
    deliveries.given_up("slack", "canary");
    deliveries.given_up("slack", "the receiver answered 400");
    deliveries.given_up("json 2", "no answer within 10 s");
    let condition = deliveries.condition().unwrap();
    let expected = "messages could not be delivered: json 2: no answer within 10 s; slack: the receiver answered 400";
    assert_eq!((condition.code, condition.message.as_str()), (AlarmCode::Undelivered, expected));
    let counts = |channel: &str| {
        let channels = deliveries.channels();
        (channels[channel].delivered, channels[channel].failed, channels[channel].undelivered)
    };
    assert_eq!((counts("slack"), counts("json 2")), ((0, 2, 2), (0, 1, 1)));
    deliveries.delivered("slack", 2);
    deliveries.delivered("json 2", 1);
    assert_eq!(deliveries.condition(), None);
    assert_eq!(counts("slack"), (1, 2, 0));
}

/// A new process does not know in which channel, and must not say that messages arrive again before one has.
#[test]
fn what_was_not_delivered_before_a_restart_is_an_alarm_until_the_channel_is_used() {
    let deliveries = Deliveries::to(["slack", "mail", "json 2"]);
    deliveries.doubt(|channel| channel.as_str() != "slack");
    let said = || deliveries.condition().map(|condition| condition.message);
    let why = "one was not before this process started, and none was since then";
    assert_eq!(said(), Some(format!("messages could not be delivered: json 2: {why}; mail: {why}")));
    deliveries.delivered("json 2", 0);
    assert_eq!(said(), Some(format!("messages could not be delivered: mail: {why}")));
    deliveries.given_up("mail", "why");
    assert_eq!(said().as_deref(), Some("messages could not be delivered: mail: why"));
    deliveries.delivered("mail", 1);
    assert_eq!(said(), None);
}

/// Those that wait when others find no place arrive afterwards, one after the other.
#[test]
fn what_was_queued_before_does_not_hide_what_was_given_up() {
    let deliveries = Deliveries::to(["json"]);
    let (early, reason) = (deliveries.failed("json"), "too many messages wait");
    deliveries.given_up("json", reason);
    let between = deliveries.failed("json");
    deliveries.given_up("json", reason);
    deliveries.delivered("json", early);
    deliveries.delivered("json", between);
    assert_eq!((deliveries.channels()["json"].delivered, deliveries.channels()["json"].undelivered), (2, 2));
    assert!(deliveries.condition().is_some_and(|condition| condition.message.ends_with(reason)));
    deliveries.delivered("json", deliveries.failed("json"));
    assert_eq!(deliveries.condition(), None);
}

/// Nothing is delivered as long as this test does not wait.
#[tokio::test]
async fn what_a_thousand_databases_give_reason_to_at_once_finds_its_place() {
    let vars = [("WEBHOOK_URL".to_owned(), "json+http://127.0.0.1:9/hook".to_owned())];
    let mut settings = Settings::read(vars, &[MESSAGE_VARIABLES, MAIL_VARIABLES], &[]);
    let config = NotifyConfig::read(&mut settings, Authorities::System, Proxies::default());
    let deliveries = Deliveries::to(["json"]);
    let courier = Courier::new(&config).unwrap();
    let outbox = Outbox::open(&config.channels, &courier, config.filter, deliveries.clone());
    let send = || outbox.send(message("app", "why"), None);
    for _ in 0..4_000 {
        assert!(send());
    }
    assert_eq!(deliveries.failed("json"), 0);
    // One that finds none is not taken for told.
    while send() {
        assert_eq!(deliveries.failed("json"), 0);
    }
    assert_eq!(deliveries.failed("json"), 1);
}

/// Each message in its turn, to a receiver that takes nothing during its first hour and hangs each time.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_for_an_hour_gets_every_message_r155() {
    for _ in 0..100 {
        let (began, mut received) = (Instant::now(), Vec::new());
        for message in 0..6 {
            let delivered = until_delivered("json", || async move {
                if began.elapsed() > Duration::from_secs(3_600) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
                Err(Refusal::Passing { reason: "no answer within 10 s".to_owned(), retry_after: None })
            });
            assert_eq!(delivered.await, Ok(()), "after {:?}", began.elapsed());
            received.push(message);
        }
        assert_eq!(received, [0, 1, 2, 3, 4, 5]);
        assert!(began.elapsed() < Duration::from_secs(7_200), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_final_is_tried_once() {
    for refusal in [Refusal::Final { reason: "why".to_owned() }, Refusal::Gone] {
        let (mut attempts, began) = (0, Instant::now());
        let outcome = until_delivered("json", || {
            attempts += 1;
            std::future::ready(Err(refusal.clone()))
        });
        assert_eq!(outcome.await, Err(refusal.clone()));
        assert_eq!((attempts, began.elapsed()), (1, Duration::ZERO));
    }
}
