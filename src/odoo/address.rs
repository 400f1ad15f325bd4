//! Which addresses are spoken to: public ones, and those that configuration allows. Looked at once they are resolved, so that
//! no name leads elsewhere.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// What of IPv4 is not the public Internet: RFC 6890 and IANA's registry of special-purpose addresses.
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Where public IPv6 addresses are.
const GLOBAL_V6: &str = "2000::/3";

/// What of that is not: protocol assignments with Teredo, documentation, and 6to4, which leads to any IPv4 address.
const NOT_PUBLIC_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// The networks beside the public Internet in which an Odoo may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Vec<IpNet>);

/// A text that names no networks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be `none`, or networks such as 10.0.0.0/8 or fd00::/8 with commas between them")]
pub struct NetworksError;

impl FromStr for AllowedNetworks {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, NetworksError> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        let networks: Result<_, _> = text
            .split(',')
            .map(|network| network.trim().parse().map_err(|_| NetworksError))
            .collect();
        networks.map(Self)
    }
}

impl AllowedNetworks {
    /// Whether an address may be spoken to.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }

    /// Refuses an address that is written out in a URL: those are resolved by nobody.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), AddressNotAllowed> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        match literal.filter(|address| !self.allow(*address)) {
            Some(address) => Err(AddressNotAllowed(address)),
            None => Ok(()),
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    let within = |network: &&str| {
        network
            .parse::<IpNet>()
            .is_ok_and(|network| network.contains(&address))
    };
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(within),
        IpAddr::V6(_) => within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within),
    }
}

/// A name or a URL leads to an address that configuration does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressNotAllowed(IpAddr);

impl Display for AddressNotAllowed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not public; QUITTANCE_ODOO_ALLOWED_NETWORKS allows others",
            self.0
        )
    }
}

impl Error for AddressNotAllowed {}

impl AddressNotAllowed {
    /// The one beneath an error, if that is why.
    pub(super) fn beneath(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }
}

/// Resolves names, and gives only addresses that are allowed: what is connected to is what was looked at.
#[derive(Debug)]
pub(super) struct Resolver {
    allowed: Arc<AllowedNetworks>,
}

impl Resolver {
    pub(super) const fn new(allowed: Arc<AllowedNetworks>) -> Self {
        Self { allowed }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found = resolve(&allowed, name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The allowed addresses of a name.
///
/// # Errors
/// [`AddressNotAllowed`] where it has others only; what the system says where it has none.
pub(super) async fn resolve(
    allowed: &AllowedNetworks,
    name: &str,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let (fine, others): (Vec<SocketAddr>, Vec<SocketAddr>) = tokio::net::lookup_host((name, 0))
        .await?
        .partition(|found| allowed.allow(found.ip()));
    match others.first().filter(|_| fine.is_empty()) {
        Some(refused) => Err(Box::new(AddressNotAllowed(refused.ip().to_canonical()))),
        None => Ok(fine),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn only_public_addresses_are_allowed_where_configuration_names_no_networks() {
        let none: AllowedNetworks = "none".parse().unwrap();
        let refused = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.9.10",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ];
        for address in refused {
            assert!(!none.allow(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(none.allow(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn networks_of_configuration_are_allowed_and_nothing_beside_them() {
        let some: AllowedNetworks = "10.0.0.0/8, fd00::/8".parse().unwrap();
        for address in ["10.9.9.9", "::ffff:10.9.9.9", "fd12::1", "1.1.1.1"] {
            assert!(some.allow(address.parse().unwrap()), "{address}");
        }
        for address in ["192.168.0.1", "169.254.169.254", "fe80::1", "127.0.0.1"] {
            assert!(!some.allow(address.parse().unwrap()), "{address}");
        }
        assert_eq!("10.0.0.0".parse::<AllowedNetworks>(), Err(NetworksError));
        assert_eq!("".parse::<AllowedNetworks>(), Err(NetworksError));
    }

    #[test]
    fn an_address_is_seen_however_it_is_written() {
        let none = AllowedNetworks::default();
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            assert!(none.check_literal(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(none.check_literal(&"https://1.1.1.1/".parse().unwrap()).is_ok());
    }

    #[test]
    fn every_network_in_the_tables_can_be_read() {
        for network in NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6).chain([&GLOBAL_V6]) {
            assert!(network.parse::<IpNet>().is_ok(), "{network}");
        }
    }
}
