//! A daemon's health as a command asks for it: for the health check of a container.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit;
use backup_core::secret::Secret;
use backup_core::text::{Lines, print, print_line};

/// A page that is made from memory takes milliseconds; a machine under load takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A page of reasons is a few kilobytes.
const MAX_PAGE_BYTES: usize = 256 * 1024;

/// What a daemon is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthQuestion {
    /// Whether anything is wrong that a person should look at: `/health`.
    Alarms,
    /// Whether the process answers: `/livez`.
    Liveness,
}

impl HealthQuestion {
    /// What the flag `--live` asks.
    pub fn of(live: bool) -> Self {
        if live { Self::Liveness } else { Self::Alarms }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Alarms => "/health",
            Self::Liveness => "/livez",
        }
    }
}

/// Asks the daemon on `port` of this machine, with the `token` of its pages, prints its answer, and returns an exit code: 0
/// if it answers 200, 1 if it does not or not within five seconds.
pub async fn show_health(port: u16, question: HealthQuestion, token: Option<&Secret>) -> u8 {
    let late = || anyhow!("the daemon on port {port} (PORT) does not answer within {} s", PATIENCE.as_secs());
    match timeout(PATIENCE, ask(port, question, token)).await.unwrap_or_else(|_| Err(late())) {
        Ok((status, page)) => {
            print_line(page);
            if status == StatusCode::OK { exit::OK } else { exit::FAILED }
        }
        Err(error) => {
            let mut lines = Lines::default();
            lines.error(format_args!("{error:#}"));
            print(&lines);
            exit::FAILED
        }
    }
}

async fn ask(port: u16, question: HealthQuestion, token: Option<&Secret>) -> anyhow::Result<(StatusCode, String)> {
    // The daemon listens on both, or on IPv4 alone if there is no IPv6.
    let here = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    let connected = TcpStream::connect(here.as_slice()).await;
    let stream = connected.with_context(|| format!("no daemon answers on port {port} (PORT) of this machine"))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.context("speak HTTP to the daemon")?;
    let asked = async move {
        let mut request = Request::get(question.path()).header(header::HOST, "localhost");
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await.context("ask the daemon")?;
        let status = response.status();
        let page = Limited::new(response.into_body(), MAX_PAGE_BYTES).collect().await;
        let page = page.map_err(|error| anyhow!(error)).context("read the daemon's answer")?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&page).into_owned()))
    };
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        // Who closes the connection early may have answered all the same.
        closed = connection => match closed {
            Ok(()) => asked.await,
            Err(error) => Err(error).context("keep the connection to the daemon"),
        },
    }
}
