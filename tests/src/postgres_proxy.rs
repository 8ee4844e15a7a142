//! A proxy in front of a PostgreSQL server that drops what poolers drop, and goes deaf when told to.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use s3_server::{Background, ReceiveBuffer};

use crate::postgres::{Postgres, SUPERUSER};

/// The version of the protocol in a startup message; other first messages ask for TLS or to cancel.
const PROTOCOL_3: u32 = 196_608;

/// Longest first message of a client, as the server takes it.
const MAX_STARTUP_BYTES: usize = 10_000;

/// The way of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
}

/// What becomes of the startup options (`PGOPTIONS`) of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupOptions {
    /// They pass.
    Kept,
    /// They are lost, as behind PgBouncer with `ignore_startup_parameters = options`.
    Dropped,
}

/// A listener that passes bytes on. Stopped when dropped.
pub struct PostgresProxy {
    background: Background,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    options: StartupOptions,
    /// Directions in which each connection goes deaf, and after how many bytes.
    deaf: Mutex<Vec<(Towards, u64)>>,
}

impl PostgresProxy {
    /// Starts one in front of `server`.
    pub fn start(server: &Postgres, options: StartupOptions) -> Self {
        let upstream = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let state = Arc::new(State { upstream, options, deaf: Mutex::default() });
        let shared = Arc::clone(&state);
        let background = Background::listen(0, ReceiveBuffer::Kernel, move |stream| {
            let state = Arc::clone(&shared);
            tokio::spawn(async move {
                // A side that hangs up is part of many tests and no news.
                drop(state.pass(stream).await);
            });
        });
        Self { background: background.expect("start a proxy in front of PostgreSQL"), state }
    }

    /// The URL of `database` through the proxy, for the superuser.
    pub fn url(&self, server: &Postgres, database: &str) -> String {
        let [password, database] =
            [server.password(), database].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
        format!("postgresql://{SUPERUSER}:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.background.port())
    }

    /// Each connection, also one that is open, passes so many bytes in this direction and then nothing. It stays open.
    pub fn go_deaf_after(&self, towards: Towards, bytes: u64) {
        self.state.deaf.lock().unwrap_or_else(PoisonError::into_inner).push((towards, bytes));
    }
}

impl State {
    fn is_deaf(&self, towards: Towards, passed: u64) -> bool {
        let deaf = self.deaf.lock().unwrap_or_else(PoisonError::into_inner);
        deaf.iter().any(|(direction, bytes)| *direction == towards && passed > *bytes)
    }

    async fn pass(&self, inside: TcpStream) -> io::Result<()> {
        let outside = TcpStream::connect(self.upstream).await?;
        outside.set_nodelay(true)?;
        let (mut from_client, to_client) = inside.into_split();
        let (from_server, mut to_server) = outside.into_split();
        if self.options == StartupOptions::Dropped {
            let startup = read_startup(&mut from_client).await?;
            to_server.write_all(&without_options(&startup)).await?;
        }
        tokio::select! {
            ended = self.copy(from_client, to_server, Towards::Server) => ended,
            ended = self.copy(from_server, to_client, Towards::Client) => ended,
        }
    }

    async fn copy(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, towards: Towards) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut passed = 0;
        loop {
            let count = from.read(&mut buffer).await?;
            passed += count as u64;
            if self.is_deaf(towards, passed) {
                std::future::pending::<()>().await;
            }
            if count == 0 {
                return Ok(());
            }
            to.write_all(&buffer[..count]).await?;
        }
    }
}

/// A length that counts itself, and the rest.
async fn read_startup(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let rest = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4);
    if rest > MAX_STARTUP_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = length.to_be_bytes().to_vec();
    message.resize(4 + rest, 0);
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// The message without its parameter `options`. Parameters are names and values, each ended by a zero byte.
fn without_options(message: &[u8]) -> Vec<u8> {
    if message.get(4..8) != Some(&PROTOCOL_3.to_be_bytes()) {
        return message.to_vec();
    }
    let mut kept = message[4..8].to_vec();
    let mut texts = message[8..].split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if !name.is_empty() && name != b"options" {
            for text in [name, value] {
                kept.extend_from_slice(text);
                kept.push(0);
            }
        }
    }
    kept.push(0);
    let length = u32::try_from(kept.len() + 4).expect("a short message");
    [&length.to_be_bytes()[..], &kept].concat()
}
