//! Those who ask for pages: so many at once, so many of each address, and none for long.

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

/// Connections at once. A platform asks over one, a person over a few.
const MAX_VISITORS: usize = 64;

/// Connections of one address at once.
const MAX_OF_ONE_ADDRESS: usize = 16;

/// Further connections for this machine itself, so that a crowd from outside does not fail the health check of a
/// container.
const MAX_NEIGHBOURS: usize = 8;

/// The bits of an IPv6 address that one network has: the others, one machine chooses at will.
const NETWORK_BITS: u32 = 64;

/// The head of a request has to arrive within this.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A whole connection. The longest answer is that of `/readyz`, which waits for a database and a bucket, by their
/// default bounds.
const VISIT_LIMIT: Duration = Duration::from_secs(300);

/// Places for those who ask.
#[derive(Default)]
pub(super) struct Seats(Arc<Mutex<Visits>>);

/// The connections that are open, in the order in which they were taken.
#[derive(Default)]
struct Visits {
    taken: u64,
    open: BTreeMap<u64, Visit>,
}

struct Visit {
    from: IpAddr,
    /// Whether its request has arrived. Until then it gives way if there is no place left.
    is_heard: bool,
    leave: Arc<Notify>,
}

/// A place, until it is dropped.
pub(super) struct Seat {
    number: u64,
    visits: Arc<Mutex<Visits>>,
    leave: Arc<Notify>,
}

impl Seats {
    /// A place for a connection from `address`; `None` if there is none left. If an address has all of its places, or
    /// all are taken, the oldest connection without a whole request gives way, of that address or of any.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let (from, is_neighbour) = (network(address), is_this_machine(address));
        let mut visits = lock(&self.0);
        let is_of_address = |visit: &Visit| visit.from == from;
        let of_address = visits.open.values().filter(|visit| is_of_address(visit)).count();
        if !is_neighbour && of_address >= MAX_OF_ONE_ADDRESS {
            visits.give_way(is_of_address)?;
        } else if visits.open.len() >= MAX_VISITORS {
            let is_there_more = is_neighbour && visits.open.len() < MAX_VISITORS + MAX_NEIGHBOURS;
            if !is_there_more {
                visits.give_way(|_| true)?;
            }
        }
        let (number, leave) = (visits.taken, Arc::new(Notify::new()));
        visits.taken += 1;
        visits.open.insert(number, Visit { from, is_heard: false, leave: Arc::clone(&leave) });
        Some(Seat { number, visits: Arc::clone(&self.0), leave })
    }
}

impl Visits {
    /// Ends the oldest connection without a whole request, if there is one.
    fn give_way(&mut self, may_go: impl Fn(&Visit) -> bool) -> Option<()> {
        let (number, _) = self.open.iter().find(|(_, visit)| !visit.is_heard && may_go(visit))?;
        let number = *number;
        self.open.remove(&number)?.leave.notify_one();
        Some(())
    }
}

impl Seat {
    /// Its request has arrived.
    fn heard(&self) {
        if let Some(visit) = lock(&self.visits).open.get_mut(&self.number) {
            visit.is_heard = true;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.visits).open.remove(&self.number);
    }
}

fn lock(visits: &Mutex<Visits>) -> MutexGuard<'_, Visits> {
    visits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a health check of this machine comes from. Other addresses of the loopback network are like any other.
fn is_this_machine(address: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.to_canonical())
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - NETWORK_BITS)))),
    }
}

/// Answers one request of HTTP/1, and closes the connection.
pub(super) async fn answer(stream: TcpStream, router: Router, seat: Seat) {
    let (seat, pages) = (Arc::new(seat), TowerToHyperService::new(router));
    let hearing = Arc::clone(&seat);
    let service = service_fn(move |request| {
        hearing.heard();
        pages.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = timeout(VISIT_LIMIT, connection) => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a visitor of the pages broke off"),
            Err(_) => tracing::debug!("a visitor of the pages took too long"),
        },
        () = seat.leave.notified() => tracing::debug!("a visitor of the pages gave way to another one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(host: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, host])
    }

    fn has_left(seat: &Seat) -> bool {
        !lock(&seat.visits).open.contains_key(&seat.number)
    }

    #[test]
    fn a_crowd_from_outside_leaves_places_to_this_machine() {
        let seats = Seats::default();
        let heard = |address: IpAddr| seats.take(address).inspect(Seat::heard);
        let crowd: Vec<_> = (0..200).filter_map(|number| heard(outside(number % 10))).collect();
        assert_eq!(crowd.len(), MAX_VISITORS);
        let here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST.to_ipv6_mapped())];
        let neighbours: Vec<_> = here.iter().map(|address| heard(*address).unwrap()).collect();
        assert!(seats.take(IpAddr::from(Ipv6Addr::LOCALHOST)).is_some());
        assert!(seats.take(outside(1)).is_none());
        drop((crowd, neighbours));
        assert!(seats.take(outside(1)).is_some());
    }

    #[test]
    fn an_address_has_its_places_and_its_oldest_half_request_gives_way() {
        let seats = Seats::default();
        let mut crowd: Vec<Seat> = (0..100).filter_map(|_| seats.take(outside(1))).collect();
        assert_eq!(crowd.iter().filter(|seat| !has_left(seat)).count(), MAX_OF_ONE_ADDRESS);
        assert!(crowd[..100 - MAX_OF_ONE_ADDRESS].iter().all(has_left));
        let other = seats.take(outside(2)).unwrap();
        // One that is being answered stays.
        crowd.drain(..100 - MAX_OF_ONE_ADDRESS);
        crowd.iter().for_each(Seat::heard);
        assert!(seats.take(outside(1)).is_none() && !has_left(&other) && !crowd.iter().any(has_left));
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_half_request_gives_way() {
        let seats = Seats::default();
        let crowd: Vec<Seat> = (0..64).map(|host| seats.take(outside(host)).unwrap()).collect();
        let late = seats.take(outside(100)).unwrap();
        assert!(has_left(&crowd[0]) && !has_left(&crowd[1]) && !has_left(&late));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), outside(1));
    }
}
