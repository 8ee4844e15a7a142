//! Which hosts are reached without crossing a public network.

use std::net::IpAddr;

/// Ends of names that no public resolver answers: RFC 6762, RFC 6761, RFC 8375, ICANN's reservation of
/// `internal`, which Railway uses, too.
const PRIVATE_ENDS: [&str; 5] = [".internal", ".local", ".localhost", ".home.arpa", ".svc"];

/// Whether `host`, a name or an address without brackets, is on this machine or on a network of its
/// owner: loopback, RFC 1918, link-local and unique local addresses, and names without a dot or with an
/// end that is never public. What a public name resolves to is not looked up: it may change.
pub fn is_private(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => !host.contains('.') || PRIVATE_ENDS.iter().any(|end| host.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_that_no_public_network_lies_before_r084() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.1.1",
            "::1",
            "::ffff:10.0.0.1",
            "fd12::1",
            "fe80::1",
            "minio",
            "localhost",
            "DB.Railway.Internal",
            "nas.local.",
            "s3.default.svc",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "192.169.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "s3.example.com",
            "internal.example.com",
            "xlocal.com",
            "10.0.0.1.example.com",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }
}
