//! Answers that are lost, and keys that are spent.

use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{asked, customer, customers, made, setup, text};
use crate::support::{Reply, TestApp, Wishes};

fn setups() -> Matcher {
    Matcher::method_path("POST", "/v1/setup_intents")
}

/// A service that gives a call up soon.
async fn hasty() -> TestApp {
    TestApp::spawn_with(Wishes {
        provider_attempt_timeout: Duration::from_millis(300),
        provider_timeout: Duration::from_millis(600),
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

#[tokio::test]
async fn a_customer_whose_answer_was_lost_is_the_same_one_when_asked_again() {
    let test = hasty().await;
    for (partner, fault) in [
        ("timeout", Fault::TimeoutAfter),
        ("reset", Fault::ResetAfter),
        ("cut", Fault::CutAfter),
        ("garbage", Fault::Garbage),
    ] {
        let before = made(&test);
        let body = json!({ "partner": partner, "name": "Ada" });
        test.stripe.faults().always(customers(), fault);
        let lost = test.post("/v1/customers", partner, &body).await;
        assert_eq!(
            lost.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
            "provider_unavailable"
        );
        test.stripe.faults().clear();
        let found = test.post("/v1/customers", partner, &body).await;
        let found = found.expect(StatusCode::OK);
        assert!(text(&found["provider_reference"]).starts_with("cus_"));
        assert_eq!(made(&test), before + 1, "{partner}");
    }
}

#[tokio::test]
async fn a_customer_behind_a_stored_failure_is_found() {
    let test = hasty().await;
    test.stripe.faults().next(customers(), Fault::ErrorAfter);
    let body = json!({ "partner": "after" });
    test.post("/v1/customers", "after", &body).await;
    let found = test.post("/v1/customers", "after", &body).await;
    let found = found.expect(StatusCode::OK);
    assert_eq!(made(&test), 1);
    let events = test.stripe.events();
    assert_eq!(found["provider_reference"], events[0]["data"]["object"]["id"]);
}

#[tokio::test]
async fn a_key_that_may_be_forgotten_is_looked_up_before_a_customer_is_made_again() {
    let test = hasty().await;
    let ada = customer(&test, "p").await;
    let bea = customer(&test, "q").await;
    let forget = "update customer set provider_reference = null, first_sent_at = now() - interval '21 hours'";
    sqlx::query(forget).execute(&test.db).await.unwrap();

    let again = test
        .post("/v1/customers", "again", &json!({ "partner": "p" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(again["provider_reference"], ada["provider_reference"]);
    assert_eq!(
        (made(&test), asked(&test, &Method::POST, "/v1/customers")),
        (2, 2)
    );

    // Somebody deleted the other one: nothing is found, and a new one is made.
    let path = format!(
        "{}/v1/customers/{}",
        test.stripe.url(),
        text(&bea["provider_reference"])
    );
    let delete = reqwest::Client::builder()
        .build()
        .unwrap()
        .delete(path)
        .bearer_auth(test.stripe.secret_key());
    Reply::of(delete).await.expect(StatusCode::OK);
    let again = test
        .post("/v1/customers", "again-2", &json!({ "partner": "q" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(again["id"], bea["id"]);
    assert_ne!(again["provider_reference"], bea["provider_reference"]);
    assert_eq!(made(&test), 3);
}

#[tokio::test]
async fn a_setup_whose_answer_was_lost_is_the_same_one_when_asked_again() {
    let test = hasty().await;
    let ada = customer(&test, "p").await;
    let wish = json!({ "payment_method": "pm_card_visa" });
    for (key, fault) in [
        ("timeout", Fault::TimeoutAfter),
        ("reset", Fault::ResetAfter),
        ("garbage", Fault::Garbage),
    ] {
        let before = test.stripe.setup_intents().len();
        test.stripe.faults().always(setups(), fault);
        let lost = setup(&test, key, &ada, wish.clone()).await;
        lost.expect(StatusCode::SERVICE_UNAVAILABLE);
        test.stripe.faults().clear();
        let found = setup(&test, key, &ada, wish.clone()).await;
        assert_eq!(found.expect(StatusCode::CREATED)["state"], "succeeded");
        assert_eq!(test.stripe.setup_intents().len(), before + 1, "{key}");
    }
    let before = test.stripe.setup_intents().len();
    test.stripe.faults().next(setups(), Fault::ErrorAfter);
    setup(&test, "stored", &ada, wish.clone()).await;
    let found = setup(&test, "stored", &ada, wish).await;
    assert_eq!(found.expect(StatusCode::CREATED)["state"], "succeeded");
    assert_eq!(test.stripe.setup_intents().len(), before + 1);
}

#[tokio::test]
async fn a_detachment_whose_answer_was_lost_is_done_when_asked_again() {
    let test = hasty().await;
    let ada = customer(&test, "p").await;
    let method = super::card(&test, "s", &ada).await;
    let path = format!("/v1/payment_methods/{method}/detach");
    let detach = Matcher::method_path("POST", "/v1/payment_methods/*/detach");
    test.stripe.faults().always(detach, Fault::TimeoutAfter);
    let lost = test.post(&path, "x", &json!({})).await;
    lost.expect(StatusCode::SERVICE_UNAVAILABLE);
    test.stripe.faults().clear();
    // Another key: the provider refuses to detach what is detached, and that is what was asked for.
    for key in ["x-2", "x"] {
        let gone = test.post(&path, key, &json!({})).await;
        assert_eq!(gone.expect(StatusCode::OK)["state"], "detached");
    }
}
