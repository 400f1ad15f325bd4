//! What a key may do.

use quittance::domain::scope::Scope;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Operator, as_key, deliver, event, key_with, settled};
use crate::support::{Reply, TestApp, Wishes};

#[tokio::test]
async fn what_an_event_told_is_opened_by_its_own_scope_and_is_what_was_delivered_byte_for_byte() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let told = event(
        "evt_1",
        "product.created",
        &json!({ "id": "prod_1", "name": "Ünïcödé 💶", "price": 1.10 }),
    );
    let delivered = deliver(&test, &told).await;
    settled(&test).await;
    let operator = Operator::of(&test).await;
    let id = operator.get("/v1/events").await.expect(StatusCode::OK)["data"][0]["id"].clone();
    let path = format!("/v1/events/{}/payload", id.as_str().unwrap());

    let opened = operator.get(&path).await;
    assert_eq!(opened.status, StatusCode::OK);
    assert_eq!(opened.bytes, delivered.as_bytes());
    assert_eq!(opened.header("Content-Type"), Some("application/json"));
    assert_eq!(opened.header("Cache-Control"), Some("no-store"));

    let usual = test.get(&path).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(usual["code"], "scope_missing");
    assert!(
        usual["detail"].as_str().unwrap().contains("events:payload"),
        "{usual}"
    );
    let shown = test.get("/v1/events").await;
    assert!(!String::from_utf8_lossy(&shown.bytes).contains("Ünïcödé"));
}

#[tokio::test]
async fn each_route_wants_one_scope_and_names_it() {
    let test = TestApp::spawn().await;
    let routes = [
        (Method::GET, "/v1/events?limit=0", Scope::EventsRead),
        (Method::GET, "/v1/events/counts?since=x", Scope::EventsRead),
        (Method::GET, "/v1/events/evt_1", Scope::EventsRead),
        (Method::GET, "/v1/events/evt_1/payload", Scope::EventsPayload),
        (Method::POST, "/v1/events/evt_1/replay", Scope::EventsWrite),
        (Method::GET, "/v1/outbox?limit=0", Scope::OutboxRead),
        (Method::GET, "/v1/outbox/msg_1", Scope::OutboxRead),
        (Method::POST, "/v1/outbox/msg_1/replay", Scope::OutboxWrite),
    ];
    for (method, path, scope) in routes {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let without = key_with(&test, test.merchant, false, &others).await;
        let refused = Reply::of(as_key(test.request(method.clone(), path), &without)).await;
        let refused = refused.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "scope_missing");
        assert!(
            refused["detail"].as_str().unwrap().contains(scope.word()),
            "{path}: {refused}"
        );
        let with = key_with(&test, test.merchant, false, &[scope]).await;
        let served = Reply::of(as_key(test.request(method, path), &with)).await;
        assert_ne!(served.status, StatusCode::FORBIDDEN, "{path}");
    }
    for (path, body, scope) in [
        (
            "/v1/events/replay",
            json!({ "state": "dead" }),
            Scope::EventsWrite,
        ),
        (
            "/v1/outbox/replay",
            json!({ "state": "dead" }),
            Scope::OutboxWrite,
        ),
        (
            "/v1/outbox/msg_1/skip",
            json!({ "reason": "booked by hand" }),
            Scope::OutboxWrite,
        ),
    ] {
        let request = test.request(Method::POST, path).json(&body);
        let refused = Reply::of(request).await.expect(StatusCode::FORBIDDEN);
        assert!(
            refused["detail"].as_str().unwrap().contains(scope.word()),
            "{path}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_key_of_an_earlier_version_may_look_at_both_lists_and_do_no_more() {
    let test = TestApp::spawn().await;
    sqlx::query("update api_key set scopes = default")
        .execute(&test.db)
        .await
        .unwrap();
    test.get("/v1/events").await.expect(StatusCode::OK);
    test.get("/v1/outbox").await.expect(StatusCode::OK);
    test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    for path in ["/v1/events/evt_1/replay", "/v1/outbox/msg_1/replay"] {
        let refused = test.post(path, "k", &json!({})).await;
        assert_eq!(refused.expect(StatusCode::FORBIDDEN)["code"], "scope_missing");
    }
    test.get("/v1/events/evt_1/payload")
        .await
        .expect(StatusCode::FORBIDDEN);
    sqlx::query("update api_key set scopes = '{events:read,moon:walk}'")
        .execute(&test.db)
        .await
        .unwrap();
    test.get("/v1/events").await.expect(StatusCode::OK);
    test.get("/v1/outbox").await.expect(StatusCode::FORBIDDEN);
}
