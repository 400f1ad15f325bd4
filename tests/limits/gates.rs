//! What is served at once: the API and webhooks keep out of each other's way.

use quittance::http::Bounds;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::{look, number, one_that_is_served};
use crate::support::{Reply, TestApp, Wishes, signed};

async fn with(requests: u32, webhooks: u32) -> TestApp {
    TestApp::spawn_with(Wishes {
        bounds: Bounds {
            requests: number(requests),
            webhooks: number(webhooks),
            connections: number(1_000),
        },
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

fn deliver(test: &TestApp, id: &str) -> RequestBuilder {
    let event = json!({ "id": id, "type": "product.created", "created": 1, "livemode": false });
    let (signature, body) = signed(&event);
    test.request(Method::POST, &format!("/webhooks/stripe/{}", test.account))
        .header("Stripe-Signature", signature)
        .body(body)
}

#[tokio::test]
async fn an_api_that_is_full_says_so_and_keeps_no_webhook_and_no_probe_waiting() {
    let test = with(1, 1).await;
    let served = one_that_is_served(&test, "S1").await;
    let refused = look(&test.url, &test.key).await;
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(
        refused.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "overloaded"
    );
    assert_eq!(Reply::of(deliver(&test, "evt_1")).await.status, StatusCode::OK);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(test.get(probe).await.status, StatusCode::OK);
    }
    assert!(served.await.unwrap().is_success());
    assert_eq!(look(&test.url, &test.key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn webhooks_that_cannot_be_kept_say_so_and_hold_up_no_other_request() {
    let test = with(1, 1).await;
    let mut locked = test.db.begin().await.unwrap();
    sqlx::query("lock table webhook_event in access exclusive mode")
        .execute(&mut *locked)
        .await
        .unwrap();
    let both = tokio::join!(Reply::of(deliver(&test, "evt_1")), async {
        let refused = Reply::of(deliver(&test, "evt_2")).await;
        assert_eq!(look(&test.url, &test.key).await.status, StatusCode::OK);
        locked.rollback().await.unwrap();
        refused
    });
    // Either came first.
    let mut answers = [both.0, both.1];
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers[0].status, StatusCode::OK);
    assert_eq!(
        answers[1].expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "overloaded"
    );
    assert_eq!(answers[1].header("Retry-After"), Some("1"));
    assert_eq!(test.count("webhook_event").await, 1);
    assert_eq!(Reply::of(deliver(&test, "evt_2")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_api_that_holds_every_connection_of_its_own_keeps_no_webhook_waiting() {
    let test = with(100, 1).await;
    let db = &test.application().app().db;
    let mut held = Vec::new();
    // All but the two that take webhooks in.
    for _ in 2..crate::support::settings("").database_connections {
        held.push(db.begin(test.merchant).await.unwrap());
    }
    let refused = look(&test.url, &test.key).await;
    assert_eq!(
        refused.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "unavailable"
    );
    assert_eq!(Reply::of(deliver(&test, "evt_1")).await.status, StatusCode::OK);
    drop(held);
    assert_eq!(test.count("webhook_event").await, 1);
}
