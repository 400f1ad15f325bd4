//! What a key may do.

use reqwest::StatusCode;
use serde_json::json;

use super::{Operator, deliver, event, settled};
use crate::support::{TestApp, Wishes};

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
