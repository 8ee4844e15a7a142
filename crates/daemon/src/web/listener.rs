//! The listener of a daemon's pages.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use backup_core::stop::Stop;

use super::connection::{Permits, answer};

/// After an error of the listener.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on all addresses: `[::]`, which takes IPv4 too, or `0.0.0.0` if the machine has no IPv6.
///
/// # Errors
/// If the port is taken or not allowed.
pub(crate) async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse && error.kind() != io::ErrorKind::PermissionDenied => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// Answers requests until `stop`; then no new ones are accepted. Connections are limited in all and for each address, and
/// none lasts long without a whole request.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    let (permits, mut connections) = (Permits::default(), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.stopped() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Some(permit) = permits.take(address.ip()) {
                    connections.spawn(answer(stream, router.clone(), permit));
                }
            }
            Err(error) => {
                // Too many open files, for example; a client that is gone already is another cause.
                tracing::debug!(%error, "cannot accept a connection to the pages");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.join_all().await;
}
