//! What is written down: whatever changes something, once, with who, from where and in which request.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::events::{as_key, key};
use crate::support::{Reply, TestApp};

/// What was written since a sequence: action, subject, actor, request, address.
type Act = (String, String, String, Option<String>, Option<String>);

async fn acts(test: &TestApp, action: &str) -> Vec<Act> {
    sqlx::query_as(
        "select action, subject, actor, request_id, address from audit_entry
         left join audit_origin using (merchant_id, sequence) where action = $1 order by sequence",
    )
    .bind(action)
    .fetch_all(&test.db)
    .await
    .unwrap()
}

/// A request that must succeed: one act, named by what came of it.
async fn done(test: &TestApp, by: &str, path: &str, body: &Value, action: &str) -> Value {
    let request = as_key(test.request(Method::POST, path), by)
        .header("Idempotency-Key", format!("{path}-{action}"))
        .json(body);
    let reply = Reply::of(request.try_clone().unwrap()).await;
    assert!(
        reply.status.is_success(),
        "{path}: {}",
        String::from_utf8_lossy(&reply.bytes)
    );
    let written = acts(test, action).await;
    let (_, _, actor, request_id, address) = written.last().unwrap();
    assert_eq!(written.len(), 1, "{action}");
    assert!(actor.starts_with("key_"), "{action} by {actor}");
    assert_eq!(request_id.as_deref(), reply.header("X-Request-Id"), "{action}");
    assert_eq!(address.as_deref(), Some("127.0.0.1"), "{action}");
    // The same again is no other act.
    let again = Reply::of(request).await;
    assert!(again.status.is_success(), "{path}");
    assert_eq!(acts(test, action).await.len(), 1, "{action} repeated");
    reply.json()
}

#[tokio::test]
async fn each_act_is_written_once_with_who_from_where_and_in_which_request() {
    let test = TestApp::spawn().await;
    let by = key(&test, test.merchant, false).await;
    let wish = json!({
        "reference": "S1", "amount_minor": 1_000, "currency": "EUR", "capture_method": "manual",
        "payment_method": "pm_card_visa",
    });
    let payment = done(&test, &by, "/v1/payments", &wish, "payment.create").await;
    let of = |what: &str| format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap());
    done(&test, &by, &of("capture"), &json!({}), "payment.capture").await;
    done(
        &test,
        &by,
        &of("refunds"),
        &json!({ "amount_minor": 100 }),
        "refund.create",
    )
    .await;
    let wish = json!({ "partner": "p1", "name": "Ada" });
    let customer = done(&test, &by, "/v1/customers", &wish, "customer.put").await;
    let wish = json!({ "customer": customer["id"], "payment_method": "pm_card_visa" });
    let setup = done(&test, &by, "/v1/setups", &wish, "setup.create").await;
    let method = setup["payment_method"].as_str().unwrap();
    done(
        &test,
        &by,
        &format!("/v1/payment_methods/{method}/detach"),
        &json!({}),
        "payment_method.detach",
    )
    .await;
    let named: Vec<String> = acts(&test, "payment.capture")
        .await
        .into_iter()
        .map(|act| act.1)
        .collect();
    assert_eq!(named, [payment["id"].as_str().unwrap()]);

    let refused = json!({ "reference": "S2", "amount_minor": 0, "currency": "EUR" });
    let refused = test.post("/v1/payments", "refused", &refused).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        acts(&test, "payment.create").await.len(),
        1,
        "what was refused is no act"
    );
}
