use super::*;
use crate::alarm::AlarmCode;

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
    let undelivered = Undelivered::default();
    assert_eq!(undelivered.condition(), None);
    undelivered.add("slack", "the receiver answered 400");
    undelivered.add("json 2", "no answer within 10 s");
    let condition = undelivered.condition().unwrap();
    let expected = "messages could not be delivered: json 2: no answer within 10 s; slack: the receiver answered 400";
    assert_eq!((condition.code, condition.message.as_str()), (AlarmCode::Undelivered, expected));
    undelivered.remove("slack");
    undelivered.remove("json 2");
    assert_eq!(undelivered.condition(), None);
}
