//! The listener of a daemon's pages.

mod visitor;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::Router;
use tokio::net::TcpListener;

use crate::stop::Stop;

use visitor::Bounded;

/// Listens on all addresses: `[::]`, which takes IPv4 too, or `0.0.0.0` where the machine has no IPv6.
///
/// # Errors
/// Where the port is taken or not allowed.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse && error.kind() != io::ErrorKind::PermissionDenied => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// Answers requests until `stop`; then no new ones are taken. Whoever asks can hold only so many
/// connections, and none for long without a whole request.
///
/// # Errors
/// Where the listener breaks.
pub async fn serve(listener: TcpListener, router: Router, stop: Stop) -> io::Result<()> {
    let stopped = async move {
        stop.stopped().await;
    };
    axum::serve(Bounded::new(listener), router).with_graceful_shutdown(stopped).await
}
