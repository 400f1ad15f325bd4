//! Merchants over HTTP.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Admin, read, serving};
use crate::events::each;

#[tokio::test]
async fn an_operator_adds_renames_and_lists_merchants_and_a_repeated_request_adds_one() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = json!({ "name": " Ünïcödé GmbH " });
    let first = operator.post("/v1/merchants", "m-1", &body).await;
    let again = operator.post("/v1/merchants", "m-1", &body).await;
    let merchant = first.expect(StatusCode::CREATED);
    assert_eq!(again.expect(StatusCode::CREATED), merchant);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(merchant["name"], "Ünïcödé GmbH");
    assert_eq!(merchant["disabled_at"], Value::Null);
    assert_eq!(test.count("merchant").await, 2);

    let other = operator
        .post("/v1/merchants", "m-1", &json!({ "name": "Other" }))
        .await;
    assert_eq!(
        other.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
        "idempotency_key_reused"
    );

    let path = format!("/v1/merchants/{}", merchant["id"].as_str().unwrap());
    assert_eq!(operator.get(&path).await.expect(StatusCode::OK), merchant);
    let renamed = operator
        .change(&format!("{path}/rename"), &json!({ "name": "New" }))
        .await;
    assert_eq!(renamed.expect(StatusCode::OK)["name"], "New");

    let page = operator.get("/v1/merchants?limit=1").await.expect(StatusCode::OK);
    assert_eq!(each(&page, "name"), ["New"]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = operator
        .get(&format!("/v1/merchants?limit=1&cursor={cursor}"))
        .await;
    let rest = rest.expect(StatusCode::OK);
    assert_eq!(
        (each(&rest, "name"), &rest["next_cursor"]),
        (vec!["Test"], &Value::Null)
    );
}

#[tokio::test]
async fn requests_for_the_same_merchant_at_the_same_time_add_one() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = json!({ "name": "Once" });
    let once = || operator.post("/v1/merchants", "m-1", &body);
    let replies = tokio::join!(once(), once(), once(), once());
    let replies = [replies.0, replies.1, replies.2, replies.3];
    for reply in &replies {
        assert!(
            matches!(reply.status, StatusCode::CREATED | StatusCode::CONFLICT),
            "{}",
            reply.json()
        );
    }
    assert!(replies.iter().any(|reply| reply.status == StatusCode::CREATED));
    assert_eq!(test.count("merchant where name = 'Once'").await, 1);
}

#[tokio::test]
async fn a_disabled_merchant_s_keys_are_refused_and_its_webhooks_are_not() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let own = Admin::of_merchant(&test, false).await;
    let disabled = operator.change(&operator.path("/disable"), &json!({})).await;
    let disabled = disabled.expect(StatusCode::OK);
    assert!(disabled["disabled_at"].is_string());
    let again = operator.change(&operator.path("/disable"), &json!({})).await;
    assert_eq!(again.expect(StatusCode::OK), disabled, "it stays as it was");
    assert_eq!(read(&test, &test.key).await, StatusCode::FORBIDDEN);
    let refused = own.get(&own.path("")).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused["code"], "merchant_disabled");

    let event = json!({
        "id": "evt_1", "object": "event", "type": "product.created", "created": 1_790_000_000, "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": { "id": "prod_1" } },
    });
    let (signature, body) = crate::support::signed(&event);
    let delivered = test
        .request(
            reqwest::Method::POST,
            &format!("/webhooks/stripe/{}", test.account),
        )
        .header("Stripe-Signature", signature)
        .body(body);
    assert_eq!(delivered.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(test.count("webhook_event").await, 1);

    let enabled = operator.change(&operator.path("/enable"), &json!({})).await;
    assert_eq!(enabled.expect(StatusCode::OK)["disabled_at"], Value::Null);
    assert_eq!(read(&test, &test.key).await, StatusCode::OK);
}
