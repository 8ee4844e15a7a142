//! Where a server listens.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::{ConninfoError, DEFAULT_PORT, MAX_HOSTS};

/// Longest name that DNS can carry (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 253;

/// One place where a server may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub(super) place: Place,
    pub(super) port: u16,
    pub(super) address: Option<IpAddr>,
}

/// The network or the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host name or an IP address; an IPv6 address stands without brackets.
    Tcp(String),
    /// The directory of a Unix-domain socket.
    Unix(PathBuf),
}

impl Host {
    /// A host on the network.
    ///
    /// # Errors
    /// A text that is neither an IP address nor made of the characters of host names.
    pub fn tcp(name: &str, port: u16) -> Result<Self, ConninfoError> {
        check_name(name, 1)?;
        Ok(Self { place: Place::Tcp(name.to_owned()), port, address: None })
    }

    /// The socket in `directory` whose file name ends in `port`.
    pub fn unix(directory: impl Into<PathBuf>, port: u16) -> Self {
        Self { place: Place::Unix(directory.into()), port, address: None }
    }

    /// The network name or the socket's directory.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `hostaddr`, which saves the look-up of the name.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether no network is involved, and hence no TLS.
    pub fn is_unix(&self) -> bool {
        matches!(self.place, Place::Unix(_))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(name) if name.contains(':') => write!(formatter, "[{name}]:{}", self.port),
            Place::Tcp(name) => write!(formatter, "{name}:{}", self.port),
            Place::Unix(directory) => write!(formatter, "{}:{}", directory.display(), self.port),
        }
    }
}

/// Pairs names, ports and addresses up: one port serves all hosts, else there is one for each.
///
/// # Errors
/// No host, too many, lists of different length, and anything that is not a name, port or address.
pub(super) fn read_hosts(names: &[String], ports: &[String], addresses: &[String]) -> Result<Vec<Host>, ConninfoError> {
    // As in libpq, an address alone is a host too.
    let names = if names.is_empty() { addresses } else { names };
    if names.is_empty() {
        return Err(ConninfoError::MissingHost);
    }
    if names.len() > MAX_HOSTS {
        return Err(ConninfoError::TooManyHosts);
    }
    if ports.len() > 1 && ports.len() != names.len() {
        return Err(ConninfoError::PortCount { ports: ports.len(), hosts: names.len() });
    }
    if !addresses.is_empty() && addresses.len() != names.len() {
        let addresses = addresses.len();
        return Err(ConninfoError::HostAddressCount { addresses, hosts: names.len() });
    }
    let only_port = ports.first().filter(|_| ports.len() == 1);
    let mut hosts = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let host = index + 1;
        let port = read_port(only_port.or_else(|| ports.get(index)), host)?;
        let address = match addresses.get(index).filter(|address| !address.is_empty()) {
            Some(text) => Some(text.parse().map_err(|_| ConninfoError::HostAddress { host })?),
            None => None,
        };
        hosts.push(Host { place: read_place(name, host)?, port, address });
    }
    Ok(hosts)
}

fn read_port(text: Option<&String>, host: usize) -> Result<u16, ConninfoError> {
    let Some(text) = text.map(|text| text.trim()).filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_PORT);
    };
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(ConninfoError::Port { host }),
    }
}

fn read_place(name: &str, host: usize) -> Result<Place, ConninfoError> {
    let name = name.trim();
    if name.starts_with('/') {
        return Ok(Place::Unix(Path::new(name).to_owned()));
    }
    check_name(name, host)?;
    Ok(Place::Tcp(name.to_owned()))
}

/// Refuses anything that could be the rest of a password, before a name server sees it.
fn check_name(name: &str, host: usize) -> Result<(), ConninfoError> {
    if name.is_empty() {
        return Err(ConninfoError::EmptyHost { host });
    }
    let is_name =
        name.len() <= MAX_NAME_BYTES && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    // No zone as in `fe80::1%eth0`: the driver would drop it.
    if is_name || name.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(ConninfoError::HostName { host })
}
