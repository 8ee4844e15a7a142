//! Connections of clients: limited in all and for each address, and none for long.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Maximum number of connections at a time. A platform asks over one, a person over a few.
const MAX_CONNECTIONS: usize = 64;

/// Maximum number of connections of one address at a time.
const MAX_OF_ONE_ADDRESS: usize = 16;

/// Further connections for this machine itself, so that a crowd from outside does not fail the health check of a
/// container.
const MAX_OF_THIS_MACHINE: usize = 8;

/// The bits of an IPv6 address that one network has: the others, one machine chooses at will.
const NETWORK_BITS: u32 = 64;

/// The head of a request has to arrive within this time.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// The time limit of a whole connection. The longest answer is that of `/readyz`, which waits for a database and a
/// bucket, by their default bounds.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);

/// Where a request comes from: an address of IPv4, or a network of IPv6. An extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Network(pub(super) IpAddr);

/// Permits for connections.
#[derive(Default)]
pub(super) struct Permits(Arc<Mutex<Connections>>);

/// The connections that are open, in the order in which they were accepted.
#[derive(Default)]
struct Connections {
    accepted: u64,
    open: BTreeMap<u64, Connection>,
}

struct Connection {
    from: Network,
    /// Whether its request has arrived. Until then it gives way if no permit is left.
    has_request: bool,
    close: Arc<Notify>,
}

/// The right to hold a connection, until it is dropped.
pub(super) struct Permit {
    number: u64,
    from: Network,
    connections: Arc<Mutex<Connections>>,
    close: Arc<Notify>,
}

impl Permits {
    /// A permit for a connection from `address`; `None` if none is left. If an address has all of its permits, or all
    /// are taken, the oldest connection without a whole request gives way, of that address or of any.
    pub(super) fn take(&self, address: IpAddr) -> Option<Permit> {
        let (from, is_local) = (Network::of(address), is_this_machine(address));
        let mut connections = lock(&self.0);
        let is_of_address = |connection: &Connection| connection.from == from;
        let of_address = connections.open.values().filter(|connection| is_of_address(connection)).count();
        if !is_local && of_address >= MAX_OF_ONE_ADDRESS {
            connections.give_way(is_of_address)?;
        } else if connections.open.len() >= MAX_CONNECTIONS {
            let is_there_more = is_local && connections.open.len() < MAX_CONNECTIONS + MAX_OF_THIS_MACHINE;
            if !is_there_more {
                connections.give_way(|_| true)?;
            }
        }
        let (number, close) = (connections.accepted, Arc::new(Notify::new()));
        connections.accepted += 1;
        connections.open.insert(number, Connection { from, has_request: false, close: Arc::clone(&close) });
        Some(Permit { number, from, connections: Arc::clone(&self.0), close })
    }
}

impl Connections {
    /// Ends the oldest connection without a whole request, if there is one.
    fn give_way(&mut self, may_go: impl Fn(&Connection) -> bool) -> Option<()> {
        let (number, _) = self.open.iter().find(|(_, connection)| !connection.has_request && may_go(connection))?;
        let number = *number;
        self.open.remove(&number)?.close.notify_one();
        Some(())
    }
}

impl Permit {
    /// Its request has arrived.
    fn request_arrived(&self) {
        if let Some(connection) = lock(&self.connections).open.get_mut(&self.number) {
            connection.has_request = true;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.connections).open.remove(&self.number);
    }
}

fn lock(connections: &Mutex<Connections>) -> MutexGuard<'_, Connections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a health check of this machine comes from. Other addresses of the loopback network are like any other.
fn is_this_machine(address: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.to_canonical())
}

impl Network {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - NETWORK_BITS))))
            }
        })
    }
}

/// Answers one request of HTTP/1, and closes the connection.
pub(super) async fn answer(stream: TcpStream, router: Router, permit: Permit) {
    let (permit, pages) = (Arc::new(permit), TowerToHyperService::new(router));
    let held = Arc::clone(&permit);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        held.request_arrived();
        request.extensions_mut().insert(held.from);
        pages.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = timeout(CONNECTION_LIMIT, connection) => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a client of the pages broke off"),
            Err(_) => tracing::debug!("a client of the pages took too long"),
        },
        () = permit.close.notified() => tracing::debug!("a connection to the pages gave way to another one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    fn has_left(permit: &Permit) -> bool {
        !lock(&permit.connections).open.contains_key(&permit.number)
    }

    #[test]
    fn a_crowd_from_outside_leaves_permits_to_this_machine() {
        let permits = Permits::default();
        let heard = |address: IpAddr| permits.take(address).inspect(Permit::request_arrived);
        let crowd: Vec<_> = (0..200).filter_map(|number| heard(outside(number % 10))).collect();
        assert_eq!(crowd.len(), MAX_CONNECTIONS);
        let here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST.to_ipv6_mapped())];
        let neighbours: Vec<_> = here.iter().map(|address| heard(*address).unwrap()).collect();
        assert!(permits.take(IpAddr::from(Ipv6Addr::LOCALHOST)).is_some());
        assert!(permits.take(outside(1)).is_none());
        drop((crowd, neighbours));
        assert!(permits.take(outside(1)).is_some());
    }

    #[test]
    fn an_address_has_its_permits_and_its_oldest_half_request_gives_way() {
        let permits = Permits::default();
        let mut crowd: Vec<Permit> = (0..100).filter_map(|_| permits.take(outside(1))).collect();
        assert_eq!(crowd.iter().filter(|permit| !has_left(permit)).count(), MAX_OF_ONE_ADDRESS);
        assert!(crowd[..100 - MAX_OF_ONE_ADDRESS].iter().all(has_left));
        let other = permits.take(outside(2)).unwrap();
        // One that is being answered stays.
        crowd.drain(..100 - MAX_OF_ONE_ADDRESS);
        crowd.iter().for_each(Permit::request_arrived);
        assert!(permits.take(outside(1)).is_none() && !has_left(&other) && !crowd.iter().any(has_left));
    }

    #[test]
    fn when_all_permits_are_taken_the_oldest_half_request_gives_way() {
        let permits = Permits::default();
        let crowd: Vec<Permit> = (0..64).map(|host| permits.take(outside(host)).unwrap()).collect();
        let late = permits.take(outside(100)).unwrap();
        assert!(has_left(&crowd[0]) && !has_left(&crowd[1]) && !has_left(&late));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), Network(outside(1)));
    }
}
