//! Where a key may be used from.

use quittance::app::setup::api_keys::KeyWish;
use quittance::domain::network::Networks;
use reqwest::{Method, StatusCode};

use super::{make, read, serving, wish};
use crate::events::as_key;
use crate::support::{Reply, TestApp, Wishes};

fn bound(networks: &str) -> KeyWish {
    KeyWish {
        networks: networks.parse().unwrap(),
        ..wish()
    }
}

async fn read_from(test: &TestApp, key: &str, header: &str, value: &str) -> Reply {
    let request = test.request(Method::GET, "/v1/payments").header(header, value);
    Reply::of(as_key(request, key)).await
}

#[tokio::test]
async fn a_key_that_is_bound_to_a_network_is_good_from_there_alone_and_no_header_helps() {
    let test = serving(Wishes::default()).await;
    let (_, here) = make(&test, &bound("127.0.0.0/8")).await;
    let (_, elsewhere) = make(&test, &bound("192.0.2.0/24,2001:db8::/32")).await;
    read(&test, &here).await.expect(StatusCode::OK);
    for (header, value) in [
        ("X-Request", "nothing"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1"),
        ("X-Real-IP", "192.0.2.1"),
    ] {
        let refused = read_from(&test, &elsewhere, header, value).await;
        let refused = refused.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "address_not_allowed");
        assert!(
            refused["detail"].as_str().unwrap().contains("127.0.0.1"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_is_the_one_that_the_proxy_was_called_from() {
    let test = serving(Wishes {
        trusted_proxies: "127.0.0.0/8".parse::<Networks>().unwrap(),
        ..Wishes::default()
    })
    .await;
    let (_, key) = make(&test, &bound("192.0.2.0/24,2001:db8::/32")).await;
    for (header, value) in [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-For", "203.0.113.1, 192.0.2.1"),
        ("X-Forwarded-For", "2001:db8::7"),
        ("X-Forwarded-For", "::ffff:192.0.2.1"),
        ("Forwarded", "for=\"[2001:db8::7]:4711\";proto=https"),
    ] {
        let served = read_from(&test, &key, header, value).await;
        assert_eq!(served.status, StatusCode::OK, "{header}: {value}");
    }
    for (header, value) in [
        ("X-Forwarded-For", "192.0.2.1, 203.0.113.1"),
        ("X-Forwarded-For", "192.0.2.1, unknown"),
        ("X-Forwarded-For", "2001:db9::7"),
        ("Forwarded", "for=192.0.2.1, for=203.0.113.1"),
        ("Forwarded", "for=_hidden"),
    ] {
        let refused = read_from(&test, &key, header, value).await;
        assert_eq!(
            refused.expect(StatusCode::FORBIDDEN)["code"],
            "address_not_allowed",
            "{header}: {value}"
        );
    }
    let both = test
        .request(Method::GET, "/v1/payments")
        .header("Forwarded", "for=192.0.2.1")
        .header("X-Forwarded-For", "203.0.113.1");
    let both = Reply::of(as_key(both, &key))
        .await
        .expect(StatusCode::BAD_REQUEST);
    assert_eq!(
        (&both["code"], &both["field"]),
        (&"origin_ambiguous".into(), &"Forwarded".into())
    );
}
