//! Every type of event that is followed, on objects that have the fields of Stripe's own examples.
//!
//! `objects.json` holds ten of the example objects that Stripe publishes with its API's description, as they are:
//! `fixtures3.json` of github.com/stripe/openapi, © Stripe, under the MIT licence.

mod accounts;
mod foreign;
mod payouts;
mod scenes;
mod shapes;
mod types;

use std::sync::LazyLock;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually, signed};

static OBJECTS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("objects.json")).unwrap());

/// Stripe's own example of an object, with some fields as a test wants them.
fn example(kind: &str, more: Value) -> Value {
    let mut object = OBJECTS[kind].clone();
    assert!(object.is_object(), "there is an example of {kind}");
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

/// An event about an object.
fn event(id: &str, kind: &str, created: i64, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": created, "livemode": false,
        "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null }, "type": kind,
        "data": { "object": object },
    })
}

/// A thin event of a type, about an object of a kind.
fn thin(id: &str, kind: &str, (of, object): (&str, &str)) -> Value {
    json!({
        "id": id, "object": "v2.core.event", "type": kind, "livemode": false, "created": "2026-09-21T14:13:19.513Z",
        "related_object": { "id": object, "type": of, "url": format!("/v1/{of}s/{object}") },
    })
}

/// A service that hears of nothing but what a test posts to it.
async fn unheard() -> TestApp {
    TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await
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

/// Waits until every event has ended, and none of them badly or at a second attempt.
async fn all_ended(test: &TestApp) {
    eventually(async || {
        let bad = test
            .count("webhook_event where state = 'dead' or attempts > 0")
            .await;
        if bad > 0 {
            let errors: Vec<(String, Option<String>)> =
                sqlx::query_as("select kind, last_error from webhook_event where attempts > 0")
                    .fetch_all(&test.db)
                    .await
                    .unwrap();
            panic!("{bad} events failed: {errors:?}");
        }
        match test
            .count("webhook_event where state in ('received', 'leased')")
            .await
        {
            0 => Ok(()),
            left => Err(format!("{left} events wait")),
        }
    })
    .await;
}

/// How the event of an id ended.
async fn ended(test: &TestApp, id: &str) -> String {
    sqlx::query_scalar("select state from webhook_event where event_id = $1")
        .bind(id)
        .fetch_one(&test.db)
        .await
        .unwrap()
}

/// Makes a payment at the provider that does not start here, as a dashboard does.
async fn made_elsewhere(test: &TestApp, more: &[(&str, &str)]) -> Value {
    let mut form = vec![
        ("amount", "5000"),
        ("currency", "eur"),
        ("description", "Invoice 4711"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    form.extend_from_slice(more);
    at_stripe(test, "/v1/payment_intents", &form).await
}

/// A request to the provider that is not ours.
async fn at_stripe(test: &TestApp, path: &str, form: &[(&str, &str)]) -> Value {
    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}{path}", test.stripe.url()))
        .bearer_auth(test.stripe.secret_key())
        .form(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}
