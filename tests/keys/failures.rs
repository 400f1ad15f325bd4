//! Those who have no key: turned away, counted and slowed down, and nobody else with them.

use quittance::domain::network::Networks;
use reqwest::{Method, StatusCode};

use super::{make, read, serving, wish};
use crate::events::as_key;
use crate::support::{Reply, TestApp, Wishes};

/// A text of the right form that is no key.
fn guess(number: usize) -> String {
    format!("qk_test_{number:0>43}")
}

async fn from(test: &TestApp, address: &str, key: &str) -> Reply {
    let request = test
        .request(Method::GET, "/v1/payments")
        .header("X-Forwarded-For", address);
    Reply::of(as_key(request, key)).await
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_told_to_wait_and_every_failure_is_counted() {
    let test = serving(Wishes::default()).await;
    let mut told = Vec::new();
    for number in 0..40 {
        told.push(read(&test, &guess(number)).await);
    }
    let waits: Vec<&Reply> = told
        .iter()
        .filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS)
        .collect();
    let refused = told
        .iter()
        .filter(|reply| reply.status == StatusCode::UNAUTHORIZED);
    assert!(refused.count() >= 20 && waits.len() >= 10, "{}", waits.len());
    for wait in waits {
        assert_eq!(wait.json()["code"], "authentication_failed_too_often");
        let retry_after: u64 = wait.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=3).contains(&retry_after), "{retry_after}");
    }
    assert_eq!(test.application().app().keys.failed(), 40);
}

#[tokio::test]
async fn a_good_key_is_served_whatever_others_at_its_address_do_and_also_one_that_was_never_seen() {
    let test = serving(Wishes {
        trusted_proxies: "127.0.0.0/8".parse::<Networks>().unwrap(),
        ..Wishes::default()
    })
    .await;
    let (_, known) = make(&test, &wish()).await;
    let (_, new) = make(&test, &wish()).await;
    from(&test, "192.0.2.1", &known).await.expect(StatusCode::OK);
    for number in 0..30 {
        from(&test, "192.0.2.1", &guess(number)).await;
    }
    let spent = from(&test, "192.0.2.1", &guess(99)).await;
    spent.expect(StatusCode::TOO_MANY_REQUESTS);
    from(&test, "192.0.2.1", &known).await.expect(StatusCode::OK);
    from(&test, "192.0.2.1", &new).await.expect(StatusCode::OK);
    let other = from(&test, "192.0.2.2", &guess(99)).await;
    other.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_that_was_never_seen_is_served_however_many_send_it_at_once() {
    let test = serving(Wishes::default()).await;
    let (_, new) = make(&test, &wish()).await;
    let all = futures::future::join_all((0..64).map(|_| read(&test, &new))).await;
    for reply in all {
        reply.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn what_can_be_no_key_is_refused_alike_and_says_what_to_send() {
    let test = serving(Wishes::default()).await;
    let long = "x".repeat(4_000);
    let cases = [
        "",
        "x",
        "qk_test_",
        "qk_test_short",
        &long,
        "sk_test_4711",
        "qk_test_ä",
    ];
    for key in cases {
        let reply = read(&test, &key.replace('ä', "%C3")).await;
        let problem = reply.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(problem["code"], "unauthenticated", "{key}");
        assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
    }
    let two = test
        .request(Method::GET, "/v1/payments")
        .header("Authorization", format!("Bearer {}", guess(1)));
    Reply::of(two).await.expect(StatusCode::UNAUTHORIZED);
}
