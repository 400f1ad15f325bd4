//! Networks that a key may be used from, and that proxies stand in.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// How many networks one list holds.
const MOST: usize = 32;

/// A list of networks. An IPv4 address is the same however it is written, also within IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text that names no networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at most {MOST} networks or addresses, such as 192.0.2.0/24, 198.51.100.7 or 2001:db8::/32")]
pub struct NoNetworks;

impl Networks {
    /// Takes texts for networks; a bare address is a network of one.
    ///
    /// # Errors
    /// [`NoNetworks`].
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, NoNetworks> {
        if texts.len() > MOST {
            return Err(NoNetworks);
        }
        texts
            .iter()
            .map(|text| parse_one(text.as_ref().trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them holds the address.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// As they are kept and shown.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

fn parse_one(text: &str) -> Result<IpNet, NoNetworks> {
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse().map_err(|_| NoNetworks)?,
    };
    // What is written as IPv4 within IPv6 would hold no address: those are compared as IPv4.
    if let IpNet::V6(within) = network
        && within.addr().to_ipv4_mapped().is_some()
    {
        return Err(NoNetworks);
    }
    Ok(network.trunc())
}

impl FromStr for Networks {
    type Err = NoNetworks;

    /// Reads `none`, or networks with commas between them.
    fn from_str(text: &str) -> Result<Self, NoNetworks> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        Self::parse(&text.split(',').collect::<Vec<_>>())
    }
}

impl Display for Networks {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(","))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        let networks: Networks = "192.0.2.0/24, 198.51.100.7, 2001:db8::/32".parse().unwrap();
        for inside in ["192.0.2.9", "::ffff:192.0.2.9", "198.51.100.7", "2001:db8::1"] {
            assert!(networks.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.3.1", "198.51.100.8", "2001:db9::1", "::1", "0.0.0.0"] {
            assert!(!networks.contain(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn what_names_no_network_is_refused() {
        for text in [
            "",
            "here",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/8,,",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(text.parse::<Networks>(), Err(NoNetworks), "{text}");
        }
        assert_eq!(Networks::parse(&vec!["10.0.0.0/8"; MOST + 1]), Err(NoNetworks));
        assert!("none".parse::<Networks>().unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn a_network_holds_exactly_what_shares_its_first_bits(address: u32, other: u32, bits in 0_u32..=32) {
            let networks = Networks::parse(&[format!("{}/{bits}", Ipv4Addr::from(address))]).unwrap();
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let other_v4 = Ipv4Addr::from(other);
            prop_assert_eq!(networks.contain(other_v4.into()), address & mask == other & mask);
            prop_assert_eq!(networks.contain(other_v4.to_ipv6_mapped().into()), address & mask == other & mask);
        }

        #[test]
        fn networks_are_read_back_as_they_are_shown(address: u128, bits in 0_u8..=128) {
            prop_assume!(Ipv6Addr::from(address).to_ipv4_mapped().is_none());
            let networks = Networks::parse(&[format!("{}/{bits}", Ipv6Addr::from(address))]).unwrap();
            prop_assert_eq!(networks.to_string().parse::<Networks>().unwrap(), networks);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = text.parse::<Networks>();
        }
    }
}
