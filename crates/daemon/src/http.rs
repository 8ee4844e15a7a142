//! The listener of a daemon's pages.

mod visitor;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use backup_core::stop::Stop;

use visitor::{Seats, answer};

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

/// Answers requests until `stop`; then no new ones are taken. Those who ask can hold only so many connections, all of
/// them and each address, and none for long without a whole request.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    let (seats, mut visits) = (Seats::default(), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = visits.join_next(), if !visits.is_empty() => continue,
            _ = stop.stopped() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Some(seat) = seats.take(address.ip()) {
                    visits.spawn(answer(stream, router.clone(), seat));
                }
            }
            Err(error) => {
                // Too many open files, for example; a visitor that is gone already is another cause.
                tracing::debug!(%error, "cannot take a visitor of the pages in");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    visits.join_all().await;
}
