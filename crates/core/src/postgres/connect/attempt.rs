//! One login at one address, encrypted as `sslmode` wants it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{ChannelBinding as DriverBinding, SslMode as DriverMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket};

use super::ConnectError;
use crate::postgres::conninfo::{ChannelBinding, ClientCertificate, ConninfoError, Endpoint, Place, SslMode};
use crate::postgres::tls::{PgTls, Verification};

/// A connection without traffic for a minute is probed, so that firewalls do not forget it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Unanswered probes before the connection counts as broken: two minutes after the last sign.
const KEEPALIVE_RETRIES: u32 = 4;
/// As long for data that is not acknowledged, which keepalives do not cover.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(120);
/// The same for client tools, as part of a connection string.
pub(in crate::postgres) const LIBPQ_KEEPALIVES: &str =
    "keepalives=1 keepalives_idle=60 keepalives_interval=15 keepalives_count=4 tcp_user_timeout=120000";
/// Time for a goodbye before the socket is closed without one.
pub(super) const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// The future that carries a connection's traffic, for any type of stream.
pub(super) type Traffic = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// A connection whose traffic is not carried yet.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) traffic: Traffic,
    /// As the server reports it, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub(super) server_version: Option<String>,
}

impl Opened {
    /// Says goodbye and closes the socket; gives up silently after [`GOODBYE_LIMIT`].
    pub(super) async fn close(self) {
        drop(self.client);
        if timeout(GOODBYE_LIMIT, self.traffic).await.is_err() {
            tracing::debug!("server did not take leave in time");
        }
    }
}

/// One way of `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Never,
    IfOffered,
    Always,
}

/// Logs in at `address` (or at the endpoint's socket) with these startup options.
///
/// # Errors
/// Of the first way that `sslmode` tries; the second is tried only if it can make a difference.
pub(super) async fn login(endpoint: &Endpoint, address: Option<IpAddr>, options: &str) -> Result<Opened, ConnectError> {
    let mut first_error = None;
    for encryption in ways(endpoint) {
        match login_once(endpoint, address, options, *encryption).await {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                let go_on = error.depends_on_encryption();
                let error = first_error.get_or_insert(error);
                if !go_on {
                    break;
                }
                tracing::debug!(%error, "trying the other way that sslmode allows");
            }
        }
    }
    // There is at least one way, and it has failed.
    Err(first_error.unwrap_or(ConnectError::Settings(ConninfoError::MissingHost)))
}

/// In the order of libpq, which ignores `sslmode` on sockets.
fn ways(endpoint: &Endpoint) -> &'static [Encryption] {
    if endpoint.host().is_unix() {
        return &[Encryption::Never];
    }
    match endpoint.sslmode() {
        SslMode::Disable => &[Encryption::Never],
        SslMode::Allow => &[Encryption::Never, Encryption::Always],
        SslMode::Prefer => &[Encryption::IfOffered, Encryption::Never],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Always],
    }
}

/// With a file of authorities, `require` verifies the chain, as in libpq.
fn verification(endpoint: &Endpoint) -> Result<Verification, ConnectError> {
    match (endpoint.sslmode(), endpoint.root_certificate_file()) {
        (SslMode::VerifyFull, Some(file)) => Ok(Verification::Full(file.to_owned())),
        (_, Some(file)) => Ok(Verification::Chain(file.to_owned())),
        (SslMode::VerifyFull | SslMode::VerifyCa, None) => Err(ConnectError::Settings(ConninfoError::NoSystemRoots)),
        (_, None) => Ok(Verification::None),
    }
}

async fn login_once(
    endpoint: &Endpoint,
    address: Option<IpAddr>,
    options: &str,
    encryption: Encryption,
) -> Result<Opened, ConnectError> {
    let config = driver_config(endpoint, address, options, encryption);
    match encryption {
        Encryption::Never => open(endpoint, &config, NoTls).await,
        Encryption::IfOffered | Encryption::Always => {
            let client = endpoint.client_certificate().map(ClientCertificate::load).transpose();
            let tls = PgTls::new(&verification(endpoint)?, client.map_err(ConnectError::Settings)?)?;
            open(endpoint, &config, tls).await
        }
    }
}

/// Runs the whole of TCP, TLS and login within the connect timeout.
async fn open<T>(endpoint: &Endpoint, config: &Config, tls: T) -> Result<Opened, ConnectError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let seconds = endpoint.connect_timeout_seconds();
    let place = place(endpoint);
    let connect = Box::pin(config.connect(tls));
    match timeout(Duration::from_secs(seconds.into()), connect).await {
        Err(_) => Err(ConnectError::TimedOut { place, seconds }),
        Ok(Err(error)) => Err(ConnectError::new(&place, endpoint, &error)),
        Ok(Ok((client, connection))) => {
            let server_version = connection.parameter("server_version").map(str::to_owned);
            Ok(Opened { client, traffic: Box::pin(connection), server_version })
        }
    }
}

fn driver_config(endpoint: &Endpoint, address: Option<IpAddr>, options: &str, encryption: Encryption) -> Config {
    let mut config = Config::new();
    match endpoint.host().place() {
        Place::Tcp(name) => config.host(name),
        Place::Unix(directory) => config.host_path(directory),
    };
    if let Some(address) = address {
        config.hostaddr(address);
    }
    if let Some(password) = endpoint.password() {
        config.password(password.expose());
    }
    if let Some(name) = endpoint.application_name() {
        config.application_name(name);
    }
    config
        .port(endpoint.host().port())
        .user(endpoint.user())
        .dbname(endpoint.dbname())
        .options(options)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(UNACKNOWLEDGED_LIMIT)
        .channel_binding(match endpoint.channel_binding() {
            ChannelBinding::Disable => DriverBinding::Disable,
            ChannelBinding::Prefer => DriverBinding::Prefer,
            ChannelBinding::Require => DriverBinding::Require,
        })
        .ssl_mode(match encryption {
            Encryption::Never => DriverMode::Disable,
            Encryption::IfOffered => DriverMode::Prefer,
            Encryption::Always => DriverMode::Require,
        });
    config
}

/// The database and the host, for messages.
pub(super) fn place(endpoint: &Endpoint) -> String {
    format!("database {:?} at {}", endpoint.dbname(), endpoint.host())
}
