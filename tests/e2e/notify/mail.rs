//! Messages by mail, through a real mail server.

use e2e::certificates::{Authority, Validity};
use e2e::mail_server::{MailLogin, MailServer, MailTls, PROGRAM};
use e2e::process::{Run, wait_until};
use e2e::skip::skip;
use serde_json::Value;

use super::assert_no_canary;
use crate::access::rotation::Secrets;
use crate::daemon::recovery::Door;
use crate::daemon::{Running, SOON};
use crate::notify::CANARY;
use crate::notify::daemon::TWO_RUNS;
use crate::stand::Stand;

/// A password that a URL cannot hold as it is.
const PASSWORD: &str = "kqzvx7jwq-canary-of-an-address#/@%41";

const LOGIN: MailLogin = MailLogin { user: "me@example.com", password: PASSWORD };

/// A mail server whose certificate is for this name; `None` if there is none, which is noted as a skip.
fn server(test: &str, tls: MailTls, authority: &Authority, name: &str) -> Option<MailServer> {
    let server = MailServer::start(tls, &authority.issue(name, Validity::Now), LOGIN);
    if server.is_none() {
        let reason = format!("no mail server; tests/run-tests.sh installs it and sets {PROGRAM}");
        skip(&format!("notify::mail::{test}"), &reason);
    }
    server
}

/// `run` with what mail needs, through `server`, whose certificate `authority` has issued.
fn through(run: Run, scheme: &str, server: &MailServer, authority: &Authority) -> Run {
    run.env("SMTP_URL", format!("{scheme}://{}", server.authority()))
        .env("MAIL_FROM", "Backups <backup@example.com>")
        .env("MAIL_TO", "ops@example.org, Boss <boss@example.org>#on=recovery")
        .env("S3_CA_CERT", authority.certificate())
        .env("LOG_LEVEL", "trace")
}

fn logging_in(run: Run) -> Run {
    run.env("SMTP_USERNAME", LOGIN.user).env("SMTP_PASSWORD", PASSWORD)
}

/// What came in until now.
fn received(server: &MailServer) -> Vec<Value> {
    server.received().iter().map(|message| serde_json::from_str(message).unwrap()).collect()
}

/// The value of a header of a mail.
fn header(mail: &Value, name: &str) -> String {
    let text = mail["message"].as_str().unwrap().replace("\r\n ", " ");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

#[test]
fn a_test_goes_by_mail_with_tls_and_a_login() {
    let (stand, authority) = (Stand::new(), Authority::create());
    let test = "a_test_goes_by_mail_with_tls_and_a_login";
    for (tls, scheme) in [(MailTls::StartTls, "smtp"), (MailTls::Implicit, "smtps")] {
        let Some(server) = server(test, tls, &authority, "DNS:localhost") else { return };
        let notify = |run: Run| {
            let output = run.args(["notify"]).output();
            assert_no_canary("the log", &output.stderr);
            assert_no_canary("standard output", &output.stdout);
            (output.code, output.stdout)
        };
        let run = || through(stand.backup(), scheme, &server, &authority);
        let good = (Some(0), "mail: delivered\nmail 2: delivered\n".to_owned());
        assert_eq!(notify(logging_in(run())), good, "{scheme}");
        let mails = received(&server);
        let recipients: Vec<&Value> = mails.iter().map(|mail| &mail["to"][0]).collect();
        assert_eq!(recipients, ["ops@example.org", "boss@example.org"], "{mails:#?}");
        assert!(mails[0]["is_protected"] == true && mails[0]["is_logged_in"] == true, "{mails:#?}");
        assert_eq!(mails[0]["from"], "backup@example.com");
        assert!(header(&mails[0], "Subject").starts_with("TEST: backup of "), "{mails:#?}");
        assert_eq!(header(&mails[0], "Auto-Submitted"), "auto-generated");
        assert!(header(&mails[0], "Message-ID").ends_with("@example.com>"));
        let encoded = "kqzvx7jwq-canary-of-an-address%23%2F%40%2541";
        for password in [encoded.to_owned(), PASSWORD.replace('%', "%25")] {
            let url = format!("{scheme}://{}:{password}@{}", LOGIN.user, server.authority());
            assert_eq!(notify(run().env("SMTP_URL", url)), good, "{scheme}");
        }
        let (code, lines) = notify(logging_in(run()).env("SMTP_PASSWORD", CANARY));
        assert!(
            code == Some(1) && lines.starts_with("mail: failed: the server answered 535 to the login: "),
            "{lines}"
        );
    }
}

#[test]
fn a_mail_server_whose_certificate_cannot_be_verified_gets_nothing() {
    let (stand, authority, other) = (Stand::new(), Authority::create(), Authority::create());
    let test = "a_mail_server_whose_certificate_cannot_be_verified_gets_nothing";
    for (tls, scheme) in [(MailTls::StartTls, "smtp"), (MailTls::Implicit, "smtps")] {
        // The other authority has the same name and another key.
        for (name, trusted, words) in [
            ("DNS:localhost", &other, "invalid peer certificate: BadSignature"),
            ("DNS:mail.example.com", &authority, "invalid peer certificate: certificate not valid for name"),
        ] {
            let Some(server) = server(test, tls, &authority, name) else { return };
            let run = logging_in(through(stand.backup(), scheme, &server, trusted));
            let output = run.args(["notify"]).output();
            assert!(output.code == Some(1) && output.stdout.contains(words), "{scheme} {name}: {}", output.stdout);
            assert_eq!((server.received().len(), server.refused()), (0, 0));
        }
    }
    // An authority of the machine, as OpenSSL names it, is trusted as well.
    let Some(server) = server(test, MailTls::StartTls, &authority, "DNS:localhost") else { return };
    let run = logging_in(through(stand.backup(), "smtp", &server, &other));
    assert_eq!(run.env("SSL_CERT_FILE", authority.certificate()).args(["notify"]).output().code, Some(0));
}

/// The first attempt is put off, and all mails of an incident are in one thread.
#[test]
fn an_outage_is_told_by_mail_in_one_thread_and_a_server_that_is_busy_is_asked_again_r153() {
    let (stand, authority) = (Stand::with_rows(10), Authority::create());
    let test = "an_outage_is_told_by_mail_in_one_thread_and_a_server_that_is_busy_is_asked_again_r153";
    let Some(server) = server(test, MailTls::StartTls, &authority, "DNS:localhost") else { return };
    let door = Door::new(&stand);
    door.open();
    let run = logging_in(through(stand.backup(), "smtp", &server, &authority));
    let run = run.env("DATABASE_URL", &door.url).env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1");
    let daemon = Running::start(run);
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    server.refuse("421 4.3.2 kqzvx7jwq-canary-of-an-address");
    door.close();
    assert!(wait_until(TWO_RUNS, || server.refused() == 1), "{}", daemon.process.stderr_so_far());
    assert_eq!(received(&server).len(), 0);
    server.accept();
    assert!(wait_until(TWO_RUNS, || !received(&server).is_empty()), "{}", daemon.process.stderr_so_far());
    door.open();
    let is_over =
        || received(&server).iter().filter(|mail| header(mail, "Subject").starts_with("RESOLVED")).count() == 2;
    assert!(wait_until(TWO_RUNS, is_over), "{}", daemon.process.stderr_so_far());
    let mails = received(&server);
    assert!(header(&mails[0], "Subject").starts_with("WARNING: backup of "), "{mails:#?}");
    let threads: Vec<String> = mails.iter().map(|mail| header(mail, "References")).collect();
    assert!(threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
    let to_boss = mails.iter().filter(|mail| mail["to"][0] == "boss@example.org").count();
    assert_eq!(to_boss, 1, "who wants recoveries gets nothing else: {mails:#?}");
    assert_no_canary("the log", &daemon.process.stderr_so_far());
    assert_no_canary("/status", &daemon.status().to_string());
}

/// The server has another password from then on, and the file as well.
#[test]
fn a_password_of_mail_that_is_replaced_in_its_file_counts_for_the_next_message_r162() {
    let (stand, authority, secrets) = (Stand::with_rows(10), Authority::create(), Secrets::new());
    let test = "a_password_of_mail_that_is_replaced_in_its_file_counts_for_the_next_message_r162";
    let Some(server) = server(test, MailTls::StartTls, &authority, "DNS:localhost") else { return };
    let door = Door::new(&stand);
    door.open();
    let run = through(stand.backup(), "smtp", &server, &authority).env("SMTP_USERNAME", LOGIN.user);
    let run = run.env("SMTP_PASSWORD_FILE", secrets.put("password", PASSWORD)).env("DATABASE_URL", &door.url);
    let daemon = Running::start(run.env("BACKUP_INTERVAL", "10").env("RETRY_ATTEMPTS", "1"));
    daemon.wait_for(SOON, |status| status["last_run"]["succeeded"] == true);
    door.close();
    assert!(wait_until(TWO_RUNS, || !received(&server).is_empty()), "{}", daemon.process.stderr_so_far());
    server.change_password(CANARY);
    secrets.put("password", CANARY);
    door.open();
    let is_over =
        || received(&server).iter().filter(|mail| header(mail, "Subject").starts_with("RESOLVED")).count() == 2;
    assert!(wait_until(TWO_RUNS, is_over), "{}", daemon.process.stderr_so_far());
    let log = daemon.process.stderr_so_far();
    assert!(log.contains("\"a secret was replaced\"") && log.contains("SMTP_PASSWORD_FILE"), "{log}");
    assert_no_canary("the log", &log);
}
