//! Whether two connection strings name the same database, however they spell its place.
//!
//! This catches a mistake at start. A server has more names than can be known here, so the guard that
//! holds is the identity of the cluster, which every drill compares.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use backup_core::postgres::conninfo::{Conninfo, Host, Place};

/// How long a look-up may take; a name that does not resolve by then is compared as it is written.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a host may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spot {
    Name(String, u16),
    Address(IpAddr, u16),
    Socket(PathBuf, u16),
}

/// Whether any host of one is a host of the other, with the same port and database.
pub(super) fn same_database(one: &Conninfo, other: &Conninfo) -> bool {
    one.dbname() == other.dbname() && {
        let others = spots(other);
        spots(one).iter().any(|spot| others.contains(spot))
    }
}

fn spots(conninfo: &Conninfo) -> Vec<Spot> {
    conninfo.hosts().iter().flat_map(spots_of_host).collect()
}

fn spots_of_host(host: &Host) -> Vec<Spot> {
    let port = host.port();
    let name = match host.place() {
        Place::Unix(folder) => return vec![Spot::Socket(folder.clone(), port)],
        Place::Tcp(name) => name.trim_end_matches('.').to_ascii_lowercase(),
    };
    let addresses = match host.address() {
        Some(address) => vec![address],
        None => look_up(&name, port),
    };
    let addresses = addresses.into_iter().map(|address| Spot::Address(address.to_canonical(), port));
    addresses.chain([Spot::Name(name, port)]).collect()
}

/// Addresses of `name`, in a thread of its own, since the system's look-up cannot be bounded.
fn look_up(name: &str, port: u16) -> Vec<IpAddr> {
    let (sender, receiver) = mpsc::channel();
    let place = (name.to_owned(), port);
    std::thread::spawn(move || {
        let found = place.to_socket_addrs().map(|found| found.map(|address: SocketAddr| address.ip()).collect());
        sender.send(found.unwrap_or_default()).ok() // The receiver is gone after the timeout.
    });
    receiver.recv_timeout(LOOK_UP_TIMEOUT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use backup_core::secret::Secret;

    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        let parse = |text: &str| Conninfo::parse(&Secret::new(text.to_owned())).unwrap();
        assert_eq!(same_database(&parse(one), &parse(other)), expected, "{one} and {other}");
    }

    #[test]
    fn the_same_database_is_known_by_any_of_its_spellings() {
        check("postgres://a@db.invalid/app", "postgres://b:x@DB.invalid.:5432/app", true);
        check("postgres://a@localhost/app", "host=127.0.0.1 user=a dbname=app", true);
        check("postgres://a@[::ffff:127.0.0.1]/app", "postgres://a@127.0.0.1/app", true);
        check("postgres://a@x.invalid,127.0.0.1/app", "postgres://a@127.0.0.1/app", true);
        check("host=x.invalid hostaddr=10.0.0.7 user=a dbname=app", "postgres://a@10.0.0.7/app", true);
        check("postgres://a@%2Frun%2Fpg/app", "host=/run/pg user=a dbname=app", true);
        check("postgres://a@127.0.0.1/app", "postgres://a@127.0.0.1/postgres", false);
        check("postgres://a@127.0.0.1:5433/app", "postgres://a@127.0.0.1/app", false);
        check("postgres://a@x.invalid/app", "postgres://a@y.invalid/app", false);
        check("postgres://a@%2Frun%2Fpg/app", "postgres://a@127.0.0.1/app", false);
    }
}
