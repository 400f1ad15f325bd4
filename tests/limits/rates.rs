//! Budgets of requests, per key and per merchant.

use quittance::app::limits::Rates;
use quittance::config::Settings;
use quittance::startup::{Application, Role};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{another_key, look, number, one_that_is_served};
use crate::support::{AMPLE_RATES, Reply, TestApp, Wishes, database, eventually, payment, settings};

/// How many requests a budget of one in a second holds.
const FULL: usize = 10;

async fn with(rates: Rates) -> TestApp {
    TestApp::spawn_with(Wishes {
        rates,
        ..Wishes::default()
    })
    .await
}

/// The first answer that is not a 200, and how many were before it.
async fn until_turned_away(url: &str, key: &str) -> (usize, Reply) {
    for let_through in 0..1_000 {
        let reply = look(url, key).await;
        if reply.status != StatusCode::OK {
            return (let_through, reply);
        }
    }
    panic!("nobody is turned away")
}

#[tokio::test]
async fn a_key_that_has_spent_its_budget_is_told_when_to_come_back_and_nothing_of_it_is_stored() {
    let test = with(Rates {
        writes: number(1),
        ..AMPLE_RATES
    })
    .await;
    let first = test.create("S0", json!({})).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(
        first.header("RateLimit-Policy"),
        Some("\"key-writes\";q=10;w=10, \"merchant-writes\";q=10000000;w=10")
    );
    assert!(
        first
            .header("RateLimit")
            .unwrap()
            .starts_with("\"key-writes\";r=9;t=1, \"merchant-writes\";r=")
    );
    let mut turned_away = None;
    for attempt in 1..1_000 {
        let reply = test.create(&format!("S{attempt}"), json!({})).await;
        if reply.status != StatusCode::CREATED {
            turned_away = Some((attempt, reply));
            break;
        }
    }
    let (made, refused) = turned_away.unwrap();
    assert!(made >= 10, "a burst goes through: {made}");
    assert_eq!(
        refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"],
        "rate_limited"
    );
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(refused.header("RateLimit"), Some("\"key-writes\";r=0;t=1"));
    let kept = test.count("idempotency_record").await;
    assert_eq!((kept, test.count("payment").await), (made, made));
    assert_eq!(
        look(&test.url, &test.key).await.status,
        StatusCode::OK,
        "reads are apart"
    );
    let reference = format!("S{made}");
    eventually(async || match test.create(&reference, json!({})).await.status {
        StatusCode::CREATED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}

#[tokio::test]
async fn a_merchants_budget_is_that_of_all_its_keys_and_no_other_merchants() {
    let test = with(Rates {
        merchant_reads: number(1),
        ..AMPLE_RATES
    })
    .await;
    let (let_through, refused) = until_turned_away(&test.url, &test.key).await;
    assert!(let_through >= FULL);
    assert_eq!(
        refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"],
        "rate_limited"
    );
    assert!(
        refused
            .header("RateLimit")
            .unwrap()
            .ends_with("\"merchant-reads\";r=0;t=1")
    );
    let second = another_key(&test, test.merchant).await;
    // The bucket fills by one each second: of two requests right after each other, one is turned away.
    let (_, refused) = until_turned_away(&test.url, &second).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let app = test.application().app();
    let stranger = quittance::app::setup::add_merchant(app, "Stranger")
        .await
        .unwrap();
    let theirs = another_key(&test, stranger).await;
    let (let_through, _) = until_turned_away(&test.url, &theirs).await;
    assert!(let_through >= FULL);
}

#[tokio::test]
async fn a_repeat_of_a_known_key_goes_on_where_the_budget_of_writes_is_spent() {
    let test = with(Rates {
        writes: number(1),
        ..AMPLE_RATES
    })
    .await;
    let first = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let mut new = 0;
    while test
        .post(
            "/v1/payments/nonsense/cancel",
            &format!("spend-{new}"),
            &json!({}),
        )
        .await
        .status
        != StatusCode::TOO_MANY_REQUESTS
    {
        new += 1;
    }
    for _ in 0..5 {
        let repeat = test.create("S1", json!({})).await;
        assert_eq!(repeat.header("Idempotency-Replayed"), Some("true"));
        assert_eq!(repeat.expect(StatusCode::CREATED), first);
    }
    // Another key of the same merchant's does not have the first one's idempotency keys, but a budget of its own.
    let refused = test
        .post("/v1/payments", "unknown", &payment("S2", json!({})))
        .await;
    let may_have_refilled = [StatusCode::TOO_MANY_REQUESTS, StatusCode::CREATED];
    assert!(may_have_refilled.contains(&refused.status), "{}", refused.status);
}

#[tokio::test]
async fn nobody_without_a_valid_key_draws_on_a_budget() {
    let test = with(Rates {
        reads: number(1),
        ..AMPLE_RATES
    })
    .await;
    for made_up in 0..50 {
        let reply = look(&test.url, &format!("qk_test_{made_up}")).await;
        // From an address that failed too often.
        let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        assert!(turned_away.contains(&reply.status), "{}", reply.status);
        assert_eq!(reply.header("RateLimit"), None);
    }
    let (let_through, _) = until_turned_away(&test.url, &test.key).await;
    assert!(let_through >= FULL);
}

#[tokio::test]
async fn two_replicas_share_a_budget_and_one_that_stops_leaves_the_other_its_share() {
    let url = database().await;
    let rates = Rates {
        reads: number(1),
        ..AMPLE_RATES
    };
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        rates,
        ..Wishes::default()
    })
    .await;
    let settings = Settings {
        rates,
        ..settings(&url)
    };
    let other = Application::start(&settings, Role::Serve).await.unwrap();
    let ours = test.application().app();
    let both_know = async |replicas: u32, apps: &[&quittance::app::App]| {
        eventually(async || {
            let seen: Vec<u32> = apps.iter().map(|app| app.limits.replicas()).collect();
            if seen.iter().all(|seen| *seen == replicas) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
    };
    both_know(2, &[ours, other.app()]).await;
    let (here, _) = until_turned_away(&test.url, &test.key).await;
    let there = format!("http://{}", other.address().unwrap());
    let (there, refused) = until_turned_away(&there, &test.key).await;
    assert_eq!(
        refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"],
        "rate_limited"
    );
    // Half of it each; what comes in meanwhile, one for both in a second, is little.
    assert!(
        (5..=8).contains(&here) && (5..=8).contains(&there),
        "{here} {there}"
    );
    other.stop().await;
    both_know(1, &[ours]).await;
    assert_eq!(test.count("replica").await, 1);
}

#[tokio::test]
async fn a_merchant_who_has_many_served_at_once_is_turned_away_and_others_are_not() {
    let test = with(Rates {
        at_once: number(1),
        ..AMPLE_RATES
    })
    .await;
    let stranger = quittance::app::setup::add_merchant(test.application().app(), "Stranger")
        .await
        .unwrap();
    let theirs = another_key(&test, stranger).await;
    let served = one_that_is_served(&test, "S1").await;
    let refused = look(&test.url, &test.key).await;
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(
        refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"],
        "too_many_at_once"
    );
    assert_eq!(look(&test.url, &theirs).await.status, StatusCode::OK);
    let webhook = Reply::of(test.request(Method::POST, &format!("/webhooks/stripe/{}", test.account))).await;
    assert_eq!(webhook.status, StatusCode::BAD_REQUEST, "webhooks have no key");
    assert_eq!(webhook.header("RateLimit"), None);
    assert!(served.await.unwrap().is_success());
    assert_eq!(look(&test.url, &test.key).await.status, StatusCode::OK);
}
