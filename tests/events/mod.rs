//! The operator's hands: events and messages looked through, replayed and skipped, over HTTP and at the command line.

mod bad_input;
pub(crate) mod commands;
mod lists;
mod outbox;
mod replay;
mod scopes;

use quittance::app::{Timing, setup};
use quittance::domain::ids::MerchantId;
use quittance::domain::scope::Scope;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually, now, signed};

/// A key that may do all there is.
pub(crate) async fn key(test: &TestApp, merchant: MerchantId, live: bool) -> String {
    key_with(test, merchant, live, &Scope::ALL).await
}

/// A key that may do just this.
pub(crate) async fn key_with(test: &TestApp, merchant: MerchantId, live: bool, scopes: &[Scope]) -> String {
    let app = test.application().app();
    let (_, key) = setup::create_api_key_with(app, merchant, "operator", live, scopes)
        .await
        .unwrap();
    key.text.expose_secret().to_owned()
}

/// An operator with a key that may do all there is.
pub(crate) struct Operator<'a> {
    pub(crate) test: &'a TestApp,
    pub(crate) key: String,
}

impl<'a> Operator<'a> {
    pub(crate) async fn of(test: &'a TestApp) -> Self {
        let key = key(test, test.merchant, false).await;
        Self { test, key }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = self.test.request(Method::GET, path);
        Reply::of(as_key(request, &self.key)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self.test.request(Method::POST, path).json(body);
        Reply::of(as_key(request, &self.key)).await
    }
}

/// The request with another key than the merchant's usual one.
pub(crate) fn as_key(request: reqwest::RequestBuilder, key: &str) -> reqwest::RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    let bearer = format!("Bearer {key}").parse().unwrap();
    request
        .headers_mut()
        .insert(reqwest::header::AUTHORIZATION, bearer);
    reqwest::RequestBuilder::from_parts(client, request)
}

/// Out of attempts in a moment, and only told of what the test tells.
pub(crate) fn impatient() -> Wishes {
    Wishes {
        webhooks: false,
        timing: Timing {
            retry_divisor: 1_000_000,
            ..Wishes::default().timing
        },
        ..Wishes::default()
    }
}

/// Delivers an event, signed, and gives the bytes that were.
async fn deliver(test: &TestApp, event: &Value) -> String {
    let (signature, body) = signed(event);
    let request = test
        .request(Method::POST, &format!("/webhooks/stripe/{}", test.account))
        .header("Stripe-Signature", signature)
        .body(body.clone());
    assert_eq!(Reply::of(request).await.status, StatusCode::OK);
    body
}

/// An event of a type about an object. Those with a greater number at the end of their id happened later.
fn event(id: &str, kind: &str, object: &Value) -> Value {
    let number: i64 = id
        .rsplit('_')
        .next()
        .and_then(|tail| tail.parse().ok())
        .unwrap_or_default();
    json!({
        "id": id, "object": "event", "type": kind, "created": 1_790_000_000 + number, "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": object },
    })
}

/// The same, in the last minute.
fn lately(mut event: Value) -> Value {
    let created = event["created"].as_i64().unwrap() - 1_790_000_000;
    event["created"] = (now().unix_timestamp() - 60 + created).into();
    event
}

/// An event of a type that nobody follows.
fn unknown(id: &str) -> Value {
    event(id, "product.created", &json!({ "id": format!("prod_{id}") }))
}

/// Delivers events of a type that nobody follows, and waits until they are done with. Newest first: their ids at the provider.
async fn ignored(test: &TestApp, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let id = format!("evt_{number}");
        deliver(test, &unknown(&id)).await;
        ids.insert(0, id);
    }
    settled(test).await;
    ids
}

/// Waits until no event waits.
async fn settled(test: &TestApp) {
    eventually(
        async || match test.count("webhook_event where due_at is not null").await {
            0 => Ok(()),
            left => Err(format!("{left} events wait")),
        },
    )
    .await;
}

/// The values of a field of a page.
pub(crate) fn each<'a>(page: &'a Value, field: &str) -> Vec<&'a str> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|entry| entry[field].as_str().unwrap()).collect()
}
