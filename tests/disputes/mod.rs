//! Disputes: heard of in any order, shown, and answered once per key.

mod answers;
mod lists;
mod lost_answers;
mod refusals;
mod stand_in;
mod walk;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually, signed};

/// A service that hears of nothing but what a test posts to it.
async fn unheard() -> TestApp {
    TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

/// A payment of EUR 121.00 that was paid.
async fn paid(test: &TestApp, reference: &str) -> Value {
    let payment = test
        .create(reference, json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(payment["state"], "captured");
    payment
}

/// Lets the bank dispute a payment; the provider's id of the dispute.
fn disputed(test: &TestApp, payment: &Value) -> String {
    let intent = payment["provider_reference"].as_str().unwrap();
    test.stripe.dispute(intent, "product_not_received").unwrap()
}

/// The disputes of a payment, newest first.
async fn of_payment(test: &TestApp, payment: &Value) -> Vec<Value> {
    let id = payment["id"].as_str().unwrap();
    let list = test
        .get(&format!("/v1/disputes?payment={id}"))
        .await
        .expect(StatusCode::OK);
    list["data"].as_array().unwrap().clone()
}

/// Waits until a payment has one dispute, which is in a state, and shows it.
async fn until(test: &TestApp, payment: &Value, state: &str) -> Value {
    eventually(async || {
        let disputes = of_payment(test, payment).await;
        match disputes.as_slice() {
            [dispute] if dispute["state"] == state => Ok(dispute.clone()),
            others => Err(format!("{others:#?}")),
        }
    })
    .await
}

/// A payment that was paid and then disputed, and the dispute as we show it.
async fn opened(test: &TestApp, reference: &str) -> (Value, Value) {
    let payment = paid(test, reference).await;
    disputed(test, &payment);
    let dispute = until(test, &payment, "needs_response").await;
    (payment, dispute)
}

/// The path of a dispute.
fn path(dispute: &Value) -> String {
    format!("/v1/disputes/{}", dispute["id"].as_str().unwrap())
}

/// What open and lost disputes took of a payment.
async fn disputed_minor(test: &TestApp, payment: &Value) -> i64 {
    let id = payment["id"].as_str().unwrap();
    test.payment(id).await["disputed_minor"].as_i64().unwrap()
}

/// Delivers an event, signed.
async fn deliver(test: &TestApp, event: &Value) {
    let (signature, body) = signed(event);
    let request = test
        .request(Method::POST, &format!("/webhooks/stripe/{}", test.account))
        .header("Stripe-Signature", signature)
        .body(body);
    assert_eq!(Reply::of(request).await.status, StatusCode::OK);
}

/// An event of our own about a dispute.
fn event(id: &str, dispute: &Value) -> Value {
    json!({
        "id": id, "object": "event", "type": "charge.dispute.updated", "created": 1_790_000_000, "livemode": false,
        "data": { "object": dispute },
    })
}

/// Waits until every event that was taken in is applied.
async fn all_applied(test: &TestApp) {
    eventually(async || {
        match test
            .count("webhook_event where state <> 'applied' and state <> 'ignored'")
            .await
        {
            0 => Ok(()),
            left => Err(format!("{left} events wait")),
        }
    })
    .await;
}
