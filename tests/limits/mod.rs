//! Everything has a limit, and what is beyond it gets a clear answer.

mod bad_input;
mod flood;
mod fuzz;
mod gates;
mod rates;
mod raw;

use std::num::NonZeroU32;
use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::{Reply, TestApp, eventually, payment};

/// A number that a limit can be.
fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// One more key of a merchant's.
async fn another_key(test: &TestApp, merchant: quittance::domain::ids::MerchantId) -> String {
    let app = test.application().app();
    let (_, key) = quittance::app::setup::create_api_key(app, merchant, "another", false)
        .await
        .unwrap();
    key.text.expose_secret().to_owned()
}

/// A request that reads, with a key of the test's choice.
async fn look(url: &str, key: &str) -> Reply {
    let http = reqwest::Client::builder().build().unwrap();
    Reply::of(http.get(format!("{url}/v1/payments")).bearer_auth(key)).await
}

/// Has one request to ask for a payment served for as long as the test likes: the provider is slow. It ends by itself.
async fn one_that_is_served(test: &TestApp, reference: &'static str) -> tokio::task::JoinHandle<StatusCode> {
    let slow = Matcher::method_path("POST", "/v1/payment_intents");
    test.stripe
        .faults()
        .next(slow, Fault::Delay(Duration::from_secs(5)));
    let before = test.count("operation").await;
    let request = test
        .request(Method::POST, "/v1/payments")
        .header("Idempotency-Key", reference)
        .json(&payment(reference, json!({})));
    #[expect(clippy::disallowed_methods, reason = "awaited by the test")]
    let served = tokio::spawn(async move { Reply::of(request).await.status });
    eventually(async || {
        if test.count("operation").await > before {
            Ok(())
        } else {
            Err("it is not served yet".to_owned())
        }
    })
    .await;
    served
}
