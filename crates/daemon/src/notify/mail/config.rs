//! The mail server and its recipients, out of the environment.

use backup_core::config::{Kind, Settings, Variable};
use backup_core::private_host::is_private;
use backup_core::secret::Secret;
use lettre::message::Mailbox;

use super::address::{Protection, Server, recipients};
use super::password::Password;
use crate::notify::channel::Channel;

/// The variables of mail, of both services.
pub static MAIL_VARIABLES: &[Variable] = &[
    Variable::new(
        "SMTP_URL",
        Kind::Secret,
        "",
        "smtp://smtp.example.com:587",
        "The server that takes mail: `smtps://host` (TLS, port 465), `smtp://host` (STARTTLS, port 587; without it nothing is sent) or `smtp+plain://host` (unencrypted, port 25). It can hold a user and a password. See [alerts.md](alerts.md#mail).",
    ),
    Variable::new("SMTP_USERNAME", Kind::Text, "", "backup@example.com", "Who logs in to the mail server."),
    Variable::new("SMTP_PASSWORD", Kind::Secret, "", "secret", "The password, as it is."),
    Variable::new(
        "MAIL_FROM",
        Kind::Text,
        "",
        "Backups <backup@example.com>",
        "The sender of messages. Required with `SMTP_URL`.",
    ),
    Variable::new(
        "MAIL_TO",
        Kind::Text,
        "",
        "ops@example.com",
        "Who gets messages by mail: one address or several, separated by commas or line breaks. Required with `SMTP_URL`.",
    ),
];

/// A mail server and who sends through it.
#[derive(Debug, Clone)]
pub(in crate::notify) struct MailServer {
    pub(super) protection: Protection,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) login: Option<Login>,
    pub(super) from: Mailbox,
}

/// Who logs in to a mail server.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Password,
}

/// What the environment says about mail.
pub(in crate::notify) struct MailConfig {
    pub(in crate::notify) server: MailServer,
    pub(in crate::notify) channels: Vec<Channel>,
}

impl MailConfig {
    /// What nothing may show besides the values of the variables themselves.
    pub(in crate::notify) fn secrets(&self) -> Vec<Secret> {
        self.server.login.iter().map(|login| login.password.last()).collect()
    }
}

/// Reads it; `None` if there is no mail, or if something is wrong, which is noted then.
pub(in crate::notify) fn read(settings: &mut Settings) -> Option<MailConfig> {
    if !settings.is_set("SMTP_URL") {
        for name in ["MAIL_TO", "MAIL_FROM", "SMTP_USERNAME", "SMTP_PASSWORD"] {
            if settings.is_set(name) {
                settings.reject(name, "is set, and SMTP_URL is not");
            }
        }
        return None;
    }
    let server = settings.parsed("SMTP_URL", Server::parse);
    let from = settings.required("MAIL_FROM").and_then(|_| {
        settings.parsed("MAIL_FROM", |text| {
            text.trim().parse::<Mailbox>().map_err(|_| "is not an address such as Backups <backup@example.com>")
        })
    });
    let channels = settings.required("MAIL_TO").and_then(|_| settings.parsed("MAIL_TO", recipients));
    let server = server?;
    let login = login(settings, &server);
    if server.protection == Protection::Plain && !is_private(&server.host) {
        settings.warn("SMTP_URL is smtp+plain:// to a public host: messages and the password travel unprotected");
    }
    let Server { protection, host, port, .. } = server;
    let server = MailServer { protection, host, port, login: login?, from: from? };
    Some(MailConfig { server, channels: channels? })
}

/// `Some(None)`: none is wanted.
fn login(settings: &mut Settings, server: &Server) -> Option<Option<Login>> {
    for (name, is_in_url) in [("SMTP_USERNAME", server.user.is_some()), ("SMTP_PASSWORD", server.password.is_some())] {
        if is_in_url && settings.is_set(name) {
            settings.reject(name, "is set, and SMTP_URL has one, too; keep one of them");
            return None;
        }
    }
    let user = server.user.clone().or_else(|| settings.text("SMTP_USERNAME"));
    let in_url = server.password.clone().zip(settings.live_secret("SMTP_URL"));
    let in_url = in_url.map(|(password, url)| Password::InUrl(url, password));
    let password = in_url.or_else(|| settings.live_secret("SMTP_PASSWORD").map(Password::Alone));
    match (user, password) {
        (Some(user), Some(password)) => Some(Some(Login { user, password })),
        (None, None) => Some(None),
        (Some(_), None) => {
            settings.reject("SMTP_PASSWORD", "is not set, and the mail server has a user");
            None
        }
        (None, Some(_)) => {
            settings.reject("SMTP_USERNAME", "is not set, and the mail server has a password");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these variables, or who sends and how many get it.
    fn outcome(vars: &[(&str, &str)]) -> Result<Option<(String, usize)>, String> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::read(vars, &[MAIL_VARIABLES], &[]);
        let mail = read(&mut settings);
        let found = mail.map(|mail| {
            let user = mail.server.login.as_ref().map_or("", |login| &login.user).to_owned();
            let hidden = mail.secrets().iter().map(|secret| secret.expose().to_owned()).collect::<String>();
            (format!("{user} {hidden} {}", mail.server.from), mail.channels.len())
        });
        settings.finish(Some(found)).map_err(|error| error.to_string())
    }

    const URL: (&str, &str) = ("SMTP_URL", "smtp://u:p%23w@mail.local");
    const FROM: (&str, &str) = ("MAIL_FROM", "B <b@x.org>");
    const TO: (&str, &str) = ("MAIL_TO", "a@x.org,b@x.org");

    #[test]
    fn a_server_a_sender_and_recipients_belong_together() {
        assert_eq!(outcome(&[]), Ok(None));
        assert_eq!(outcome(&[URL, FROM, TO]), Ok(Some(("u p#w B <b@x.org>".to_owned(), 2))));
        let apart = [("SMTP_URL", "smtps://h"), ("SMTP_USERNAME", "u"), ("SMTP_PASSWORD", "#/@"), FROM, TO];
        assert_eq!(outcome(&apart), Ok(Some(("u #/@ B <b@x.org>".to_owned(), 2))));
        let problem = |vars: &[(&str, &str)]| outcome(vars).unwrap_err();
        assert!(problem(&[TO]).contains("MAIL_TO: is set, and SMTP_URL is not"));
        let both = problem(&[URL]);
        assert!(both.contains("MAIL_FROM: is not set") && both.contains("MAIL_TO: is not set"), "{both}");
        let twice = problem(&[URL, FROM, TO, ("SMTP_PASSWORD", "x")]);
        assert!(twice.contains("SMTP_PASSWORD: is set, and SMTP_URL has one, too"), "{twice}");
        let half = problem(&[("SMTP_URL", "smtp://h"), ("SMTP_USERNAME", "u"), FROM, TO]);
        assert!(half.contains("SMTP_PASSWORD: is not set"), "{half}");
        assert!(
            problem(&[("SMTP_URL", "smtp://h"), ("MAIL_FROM", "canary"), TO]).contains("MAIL_FROM: is not an address")
        );
    }
}
