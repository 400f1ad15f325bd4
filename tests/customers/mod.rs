//! Customers, what they leave for later, and payments that take days.

mod bad_input;
mod faults;
mod methods;
mod one_each;
mod setups;
mod slow;

use quittance_sandbox::faults::Matcher;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, eventually};

/// Requests that make a customer at the provider.
fn customers() -> Matcher {
    Matcher::method_path("POST", "/v1/customers")
}

/// A customer of a partner, made under a key of its own.
async fn customer(test: &TestApp, partner: &str) -> Value {
    test.post(
        "/v1/customers",
        partner,
        &json!({ "partner": partner, "name": "Ada" }),
    )
    .await
    .expect(StatusCode::OK)
}

/// A setup for a customer, started under a key of its own.
async fn setup(test: &TestApp, key: &str, customer: &Value, more: Value) -> Reply {
    let mut body = json!({ "customer": customer["id"] });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    test.post("/v1/setups", key, &body).await
}

/// A card that a customer left at once.
async fn card(test: &TestApp, key: &str, customer: &Value) -> String {
    let setup = setup(test, key, customer, json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(setup["state"], "succeeded", "{setup:#}");
    text(&setup["payment_method"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// What the API shows at a path.
async fn show(test: &TestApp, path: &str) -> Value {
    test.get(path).await.expect(StatusCode::OK)
}

/// Waits until what the API shows at a path fits.
async fn until(test: &TestApp, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(async || {
        let shown = show(test, path).await;
        if fits(&shown) {
            Ok(shown)
        } else {
            Err(format!("{shown:#}"))
        }
    })
    .await
}

/// Somebody works in the provider's dashboard.
async fn dashboard(test: &TestApp, path: &str, form: &[(&str, &str)]) -> Value {
    let request = reqwest::Client::builder()
        .build()
        .unwrap()
        .request(Method::POST, format!("{}{path}", test.stripe.url()))
        .bearer_auth(test.stripe.secret_key())
        .form(form);
    Reply::of(request).await.expect(StatusCode::OK)
}

/// How many customers the provider has.
fn made(test: &TestApp) -> usize {
    let events = test.stripe.events();
    events
        .iter()
        .filter(|event| event["type"] == "customer.created")
        .count()
}

/// How often the provider was asked at a path.
fn asked(test: &TestApp, method: &Method, path: &str) -> usize {
    let requests = test.stripe.requests();
    requests
        .iter()
        .filter(|request| request.method.as_str() == method.as_str() && request.path == path)
        .count()
}
