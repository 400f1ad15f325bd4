//! Where a request comes from: its peer or, through proxies that configuration trusts, what the last of them says.
//!
//! `Forwarded` is RFC 7239, `X-Forwarded-For` what most proxies write. Each proxy adds the address it was called from at the end, so the
//! list is read from there, as long as whoever wrote an entry is trusted. What a caller wrote itself stands further in front.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;

use super::Problem;
use crate::domain::network::Networks;

/// How many proxies one request goes through at most.
const MOST_HOPS: usize = 32;

/// The address that a request comes from.
///
/// # Errors
/// Where a trusted proxy sends both headers and they differ: then one of them is what a caller wrote, and nobody knows which.
pub(super) fn address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &Networks,
) -> Result<IpAddr, Problem> {
    let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical();
    if trusted.is_empty() || !trusted.contain(peer) {
        return Ok(peer);
    }
    let standard = read(headers, "forwarded");
    let usual = read(headers, "x-forwarded-for");
    let by = |list: &str, entry: fn(&str) -> Option<IpAddr>| walk(peer, list, trusted, entry);
    match (standard, usual) {
        (None, None) => Ok(peer),
        (Some(list), None) => Ok(by(&list, forwarded_for)),
        (None, Some(list)) => Ok(by(&list, node)),
        (Some(standard), Some(usual)) => {
            let (standard, usual) = (by(&standard, forwarded_for), by(&usual, node));
            if standard == usual {
                Ok(standard)
            } else {
                Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "origin_ambiguous",
                    "Forwarded and X-Forwarded-For name different addresses; let the proxy drop the one it does not write",
                )
                .at("Forwarded"))
            }
        }
    }
}

/// All lines of a header as one list; none where it is not there. What is no text counts as an entry that cannot be read.
fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .map(|line| line.to_str().unwrap_or("unknown"))
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// From the end of the list on, the first address that is not trusted; where the list ends or cannot be read, the one before.
fn walk(peer: IpAddr, list: &str, trusted: &Networks, entry: fn(&str) -> Option<IpAddr>) -> IpAddr {
    let mut nearest = peer;
    for text in list.rsplit(',').take(MOST_HOPS) {
        let Some(address) = entry(text.trim()) else {
            return nearest;
        };
        nearest = address;
        if !trusted.contain(nearest) {
            return nearest;
        }
    }
    nearest
}

/// The `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    })?;
    let bare = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    node(bare)
}

/// An address, with or without a port, IPv6 with or without brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn of(peer: &str, lines: &[(&str, &str)]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let trusted: Networks = "10.0.0.0/8,fd00::/8".parse().unwrap();
        let found = address(Some(peer.parse().unwrap()), &headers, &trusted);
        found
            .map(|address| address.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_first_address_from_the_end_that_is_not_trusted_is_where_it_comes_from() {
        let usual = "x-forwarded-for";
        for (lines, wanted) in [
            (&[][..], PROXY),
            (&[(usual, "192.0.2.1")], "192.0.2.1"),
            (&[(usual, "203.0.113.9, 192.0.2.1")], "192.0.2.1"),
            (&[(usual, "192.0.2.1, 10.0.0.2")], "192.0.2.1"),
            (
                &[(usual, "203.0.113.9"), (usual, "192.0.2.1, 10.0.0.2")],
                "192.0.2.1",
            ),
            (&[(usual, "10.0.0.7, 10.0.0.2")], "10.0.0.7"),
            (&[(usual, "192.0.2.1, unknown")], PROXY),
            (&[(usual, "192.0.2.1, unknown, 10.0.0.2")], "10.0.0.2"),
            (&[(usual, "192.0.2.1:4711")], "192.0.2.1"),
            (&[(usual, "2001:db8::1")], "2001:db8::1"),
            (&[(usual, "[2001:db8::1]:4711")], "2001:db8::1"),
            (&[(usual, "::ffff:192.0.2.1")], "192.0.2.1"),
            (&[("forwarded", "for=192.0.2.1;proto=https")], "192.0.2.1"),
            (
                &[(
                    "forwarded",
                    "for=203.0.113.9, proto=https;For=\"[2001:db8::1]:4711\"",
                )],
                "2001:db8::1",
            ),
            (&[("forwarded", "for=_hidden")], PROXY),
            (
                &[("forwarded", "for=192.0.2.1"), (usual, "192.0.2.1")],
                "192.0.2.1",
            ),
        ] {
            assert_eq!(of(PROXY, lines).as_deref(), Ok(wanted), "{lines:?}");
        }
        let within = [(usual, "192.0.2.1")];
        assert_eq!(of("::ffff:10.0.0.1", &within).as_deref(), Ok("192.0.2.1"));
        assert_eq!(of("fd12::1", &within).as_deref(), Ok("192.0.2.1"));
    }

    #[test]
    fn whoever_is_no_trusted_proxy_says_nothing_about_it() {
        for header in ["x-forwarded-for", "forwarded"] {
            let said = of("192.0.2.7", &[(header, "for=10.0.0.1"), (header, "10.0.0.1")]);
            assert_eq!(said.as_deref(), Ok("192.0.2.7"));
        }
    }

    #[test]
    fn two_headers_that_differ_are_refused() {
        let lines = [("forwarded", "for=10.1.1.1"), ("x-forwarded-for", "192.0.2.1")];
        assert!(of(PROXY, &lines).unwrap_err().starts_with("origin_ambiguous"));
    }

    proptest! {
        #[test]
        fn what_a_caller_writes_never_changes_where_it_comes_from(forged in "[ -~]{0,60}") {
            let forged = format!("{forged}, 192.0.2.1, 10.0.0.2");
            prop_assert_eq!(of(PROXY, &[("x-forwarded-for", &forged)]).unwrap(), "192.0.2.1");
            let forged = forged.replace("192.0.2.1, 10.0.0.2", "for=192.0.2.1, for=10.0.0.2");
            prop_assert_eq!(of(PROXY, &[("forwarded", &forged)]).unwrap(), "192.0.2.1");
        }
    }
}
