//! Those who ask for pages: so many at once, and none for long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections at once. A platform asks over one, a person over a few.
const MOST_VISITORS: usize = 64;

/// Further connections for this machine itself, so that a crowd from outside does not fail the health check of a
/// container.
const MOST_NEIGHBOURS: usize = 8;

/// The head of a request has to arrive within this.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A whole connection. The longest answer is that of `/readyz`, which waits for a database and a bucket, by their
/// default bounds.
const VISIT_LIMIT: Duration = Duration::from_secs(300);

/// Places for those who ask.
pub(super) struct Seats {
    visitors: Arc<Semaphore>,
    neighbours: Arc<Semaphore>,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            visitors: Arc::new(Semaphore::new(MOST_VISITORS)),
            neighbours: Arc::new(Semaphore::new(MOST_NEIGHBOURS)),
        }
    }

    /// A place for a connection from `address`; `None` if there is none left.
    pub(super) fn take(&self, address: IpAddr) -> Option<OwnedSemaphorePermit> {
        let visitor = Arc::clone(&self.visitors).try_acquire_owned().ok();
        let is_neighbour = address.to_canonical().is_loopback();
        visitor.or_else(|| is_neighbour.then(|| Arc::clone(&self.neighbours).try_acquire_owned().ok()).flatten())
    }
}

/// Answers one request of HTTP/1, and closes the connection.
pub(super) async fn answer(stream: TcpStream, router: Router, seat: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(VISIT_LIMIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a visitor of the pages broke off"),
        Err(_) => tracing::debug!("a visitor of the pages took too long"),
    }
    drop(seat);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_crowd_from_outside_leaves_places_to_this_machine() {
        let seats = Seats::new();
        let outside = IpAddr::from([192, 0, 2, 1]);
        let crowd: Vec<_> = std::iter::from_fn(|| seats.take(outside)).collect();
        assert_eq!(crowd.len(), MOST_VISITORS);
        let here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST.to_ipv6_mapped())];
        let neighbours: Vec<_> = here.iter().map(|address| seats.take(*address).unwrap()).collect();
        assert!(seats.take(IpAddr::from(Ipv6Addr::LOCALHOST)).is_some());
        drop((crowd, neighbours));
        assert!(seats.take(outside).is_some());
    }
}
