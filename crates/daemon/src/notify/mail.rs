//! The mail server of the process: one message in one connection, within bounds. Nothing of what the server says is
//! shown but its code, and without TLS nothing is sent to one that ought to have it.

mod address;
mod bounded;
mod config;
mod password;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use backup_core::storage::Authorities;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client::{ATTEMPT_TIMEOUT, Refusal, cause_of};
use super::format::mail;
use super::message::Message;

use address::Protection;
use bounded::{Bounded, Reads};
use config::Login;

pub use config::MAIL_VARIABLES;
pub(super) use config::{MailConfig, MailServer, read};

/// A message that was taken is delivered, however long the server thinks about a farewell.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// What sends mails through one server.
#[derive(Clone)]
pub(super) struct Mailer {
    server: MailServer,
    tls: Arc<ClientConfig>,
    /// The same for a connection that begins without TLS.
    starttls: TlsParameters,
}

impl Mailer {
    /// One that trusts these authorities.
    ///
    /// # Errors
    /// If the TLS library refuses its own defaults.
    pub(super) fn new(server: &MailServer, authorities: &Authorities) -> anyhow::Result<Self> {
        let mut starttls = TlsParameters::builder(server.host.clone()).certificate_store(CertificateStore::None);
        for certificate in authorities.certificates_for_other_servers() {
            starttls = starttls.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
        }
        let tls = Arc::new(authorities.for_other_servers()?);
        Ok(Self { server: server.clone(), tls, starttls: starttls.build_rustls()? })
    }

    /// Sends `message` once.
    ///
    /// # Errors
    /// Unless the server has taken it.
    pub(super) async fn send(&self, message: &Message, to: &Mailbox, id: &str) -> Result<(), Refusal> {
        let late = || passing(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()));
        let mut connection = match timeout(ATTEMPT_TIMEOUT, Box::pin(self.hand_over(message, to, id))).await {
            Ok(handed_over) => handed_over?,
            Err(_) => return Err(late()),
        };
        if !matches!(timeout(FAREWELL_TIMEOUT, connection.quit()).await, Ok(Ok(_))) {
            tracing::trace!("the mail server has taken a message and not answered the farewell");
        }
        Ok(())
    }

    /// The connection, after the server has taken the message.
    async fn hand_over(&self, message: &Message, to: &Mailbox, id: &str) -> Result<AsyncSmtpConnection, Refusal> {
        let mail = mail(message, &self.server.from, to, id)
            .map_err(|_| Refusal::Final { reason: "the message cannot be made".to_owned() })?;
        let mut connection = self.connect().await?;
        if let Some(Login { user, password }) = &self.server.login {
            let credentials = Credentials::new(user.clone(), password.now().expose().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, &credentials).await.map_err(|error| refused(&error, Stage::Login))?;
        }
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        sent.map_err(|error| refused(&error, Stage::Message))?;
        Ok(connection)
    }

    /// A connection that is protected as it ought to be.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let MailServer { protection, host, port, .. } = &self.server;
        let unreachable = |error: std::io::Error| {
            let cause = cause_of(&error).unwrap_or_else(|| error.kind().to_string());
            passing(format!("no connection: {cause}"))
        };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        let (here, peer) = (stream.local_addr().map_err(unreachable)?, stream.peer_addr().map_err(unreachable)?);
        // RFC 5321, 4.1.4: a client without a name of its own gives its address.
        let hello = match here.ip().to_canonical() {
            IpAddr::V4(address) => ClientId::Ipv4(address),
            IpAddr::V6(address) => ClientId::Ipv6(address),
        };
        let stream: Box<dyn AsyncTokioStream> = match protection {
            Protection::Tls => {
                let name = ServerName::try_from(host.clone()).map_err(|_| Refusal::Final {
                    reason: "the host of SMTP_URL cannot be in a certificate".to_owned(),
                })?;
                let connected = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
                Box::new(Bounded::new(connected.map_err(unreachable)?, peer, Reads::Whole))
            }
            Protection::StartTls => Box::new(Bounded::new(stream, peer, Reads::BytewiseUntilTls)),
            Protection::Plain => Box::new(Bounded::new(stream, peer, Reads::Whole)),
        };
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connected.map_err(|error| refused(&error, Stage::Connection))?;
        if *protection == Protection::StartTls {
            if !connection.can_starttls() {
                let reason = "the server offers no STARTTLS, and nothing is sent without it; is SMTP_URL right?";
                return Err(passing(reason.to_owned()));
            }
            let protected = connection.starttls(self.starttls.clone(), &hello).await;
            protected.map_err(|error| refused(&error, Stage::Connection))?;
        }
        Ok(connection)
    }
}

/// How far a mail came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connection,
    Login,
    Message,
}

fn passing(reason: String) -> Refusal {
    Refusal::Passing { reason, retry_after: None }
}

/// Why a mail was not taken. The words of the server can hold anything.
fn refused(error: &Error, stage: Stage) -> Refusal {
    if let Some(code) = error.status() {
        let reason = match stage {
            Stage::Connection => format!("the server answered {code}"),
            Stage::Login => format!(
                "the server answered {code} to the login: check SMTP_USERNAME and SMTP_PASSWORD; some providers want a password \
                 for apps"
            ),
            Stage::Message if u16::from(code) == 530 => {
                format!("the server answered {code}: it wants a login (SMTP_USERNAME, SMTP_PASSWORD) or TLS")
            }
            Stage::Message => format!("the server answered {code} to the message: check MAIL_FROM and MAIL_TO"),
        };
        return if error.is_permanent() { Refusal::Final { reason } } else { passing(reason) };
    }
    let reason = match (error.is_client(), stage) {
        (true, Stage::Login) => "the server offers no login of the kinds PLAIN and LOGIN",
        (true, _) => "the server cannot take an address or a text that is not ASCII",
        (false, _) => {
            return passing(match cause_of(error) {
                Some(cause) => format!("the connection broke: {cause}"),
                None => "the server closed the connection or does not speak SMTP".to_owned(),
            });
        }
    };
    Refusal::Final { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
