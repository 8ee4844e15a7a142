use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use backup_core::live_secret::LiveSecret;
use backup_core::secret::Secret;

use super::password::Password;
use super::*;
use crate::notify::message::tests::message;

/// What a server says to each command. `None`: nothing, and the connection stays open.
#[derive(Clone, Copy)]
struct Says {
    greeting: Option<&'static str>,
    hello: &'static str,
    starttls: &'static str,
    login: &'static str,
    sender: &'static str,
    recipient: &'static str,
    text: &'static str,
}

const GOOD: Says = Says {
    greeting: Some("220 canary-host"),
    hello: "250-canary-host\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
    starttls: "220 go",
    login: "235 canary",
    sender: "250 canary",
    recipient: "250 canary",
    text: "250 canary",
};

/// Serves one connection and reports every line that it got.
fn serve(says: Says) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let answer = |mut stream: &TcpStream, words: &str| stream.write_all(format!("{words}\r\n").as_bytes()).is_ok();
        match says.greeting {
            Some("endless") => while (&stream).write_all(&[b'2'; 4096]).is_ok() {},
            Some(greeting) => drop(answer(&stream, greeting)),
            None => {}
        }
        let mut is_text = false;
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            let said = line.trim_end().to_owned();
            line.clear();
            let words = match said.split([' ', ':']).next().unwrap_or_default() {
                _ if is_text && said == "." => says.text,
                _ if is_text => "",
                "EHLO" => says.hello,
                "STARTTLS" => says.starttls,
                "AUTH" => says.login,
                "MAIL" => says.sender,
                "RCPT" => says.recipient,
                "DATA" => "354 go",
                _ => "221 bye",
            };
            is_text = (is_text && said != ".") || words == "354 go";
            drop(sender.send(said));
            if !words.is_empty() && !answer(&stream, words) {
                break;
            }
        }
    });
    (port, lines)
}

fn mailer(protection: Protection, port: u16) -> Mailer {
    let login = Some(Login {
        user: "me".to_owned(),
        password: Password::Alone(LiveSecret::fixed(Secret::new("canary-password".to_owned()))),
    });
    let from = "backup@example.com".parse().unwrap();
    Mailer::new(&MailServer { protection, host: "127.0.0.1".to_owned(), port, login, from }, &Authorities::System)
        .unwrap()
}

/// What comes of a mail, and what the server got.
async fn sent(protection: Protection, says: Says) -> (Result<(), Refusal>, Vec<String>) {
    let (port, lines) = serve(says);
    let mailer = mailer(protection, port);
    let outcome = mailer.send(&message("app", "why"), &"ops@example.org".parse().unwrap(), "msg_1").await;
    assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
    (outcome, lines.try_iter().collect())
}

fn lost(reason: &str) -> Result<(), Refusal> {
    Err(Refusal::Final { reason: reason.to_owned() })
}

fn later(reason: &str) -> Result<(), Refusal> {
    Err(passing(reason.to_owned()))
}

#[tokio::test]
async fn an_answer_of_a_mail_server_is_taken_for_what_it_is_and_not_shown_r073() {
    let login = "to the login: check SMTP_USERNAME and SMTP_PASSWORD; some providers want a password for apps";
    let check = "to the message: check MAIL_FROM and MAIL_TO";
    for (says, expected) in [
        (GOOD, Ok(())),
        (Says { greeting: Some("421 canary"), ..GOOD }, later("the server answered 421")),
        (Says { greeting: Some("554 canary"), ..GOOD }, lost("the server answered 554")),
        (Says { login: "454 canary", ..GOOD }, later(&format!("the server answered 454 {login}"))),
        (Says { login: "535 canary", ..GOOD }, lost(&format!("the server answered 535 {login}"))),
        (Says { hello: "250 canary-host", ..GOOD }, lost("the server offers no login of the kinds PLAIN and LOGIN")),
        (
            Says { sender: "530 canary", ..GOOD },
            lost("the server answered 530: it wants a login (SMTP_USERNAME, SMTP_PASSWORD) or TLS"),
        ),
        (Says { recipient: "550 canary", ..GOOD }, lost(&format!("the server answered 550 {check}"))),
        (Says { recipient: "451 canary", ..GOOD }, later(&format!("the server answered 451 {check}"))),
        (Says { text: "552 canary", ..GOOD }, lost(&format!("the server answered 552 {check}"))),
        (Says { text: "452 canary", ..GOOD }, later(&format!("the server answered 452 {check}"))),
        (Says { greeting: Some("canary"), ..GOOD }, later("the server closed the connection or does not speak SMTP")),
        (Says { greeting: Some("endless"), ..GOOD }, later("the connection broke: invalid data")),
    ] {
        assert_eq!(sent(Protection::Plain, says).await.0, expected);
    }
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let to = "ops@example.org".parse().unwrap();
    let outcome = mailer(Protection::Plain, port).send(&message("app", "why"), &to, "msg_1").await;
    assert_eq!(outcome, later("no connection: connection refused"));
}

/// The clock jumps as soon as nothing can be done but wait.
#[tokio::test(start_paused = true)]
async fn a_mail_server_that_hangs_is_given_up_after_ten_seconds() {
    let outcome = sent(Protection::Plain, Says { greeting: None, ..GOOD }).await.0;
    assert_eq!(outcome, later("no answer within 10 s"));
}

#[tokio::test]
async fn nothing_is_said_unprotected_to_a_server_that_ought_to_have_tls() {
    let hello = |lines: &[String]| lines.iter().all(|line| line.starts_with("EHLO ") || line == "QUIT");
    let (outcome, lines) = sent(Protection::StartTls, GOOD).await;
    let reason = "the server offers no STARTTLS, and nothing is sent without it; is SMTP_URL right?";
    assert_eq!(outcome, later(reason));
    assert!(hello(&lines), "{lines:?}");
    // One that does not do what it offers.
    let offers = "250-canary-host\r\n250-STARTTLS\r\n250 AUTH PLAIN";
    let (outcome, lines) = sent(Protection::StartTls, Says { hello: offers, starttls: "454 canary", ..GOOD }).await;
    assert_eq!(outcome, later("the server answered 454"));
    assert!(lines.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{lines:?}");
    // One that does not speak TLS at all.
    let (outcome, lines) = sent(Protection::Tls, GOOD).await;
    assert!(matches!(outcome, Err(Refusal::Passing { .. })), "{outcome:?}");
    assert!(lines.iter().all(|line| !line.contains("AUTH")), "{lines:?}");
}

/// Someone who can write into the connection before TLS begins could otherwise answer in the name of the server.
#[tokio::test]
async fn what_comes_before_tls_is_not_taken_for_what_comes_in_it() {
    let offers = "250-canary-host\r\n250 STARTTLS";
    let injected = "220 go\r\n250 canary AUTH PLAIN\r\n235 in\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken";
    let outcome = sent(Protection::StartTls, Says { hello: offers, starttls: injected, ..GOOD }).await.0;
    let Err(Refusal::Passing { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("InvalidMessage") || reason.contains("corrupt"), "{reason}");
}
