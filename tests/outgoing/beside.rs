//! What is told beside payments: setups, saved methods, disputes.

use quittance_sandbox::stripe::Verdict;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use crate::support::Reply;

async fn customer(world: &World, partner: &str) -> Value {
    let body = json!({ "partner": partner, "name": "Ada" });
    world
        .test
        .post("/v1/customers", partner, &body)
        .await
        .expect(StatusCode::OK)
}

async fn card(world: &World, key: &str, customer: &Value) -> Value {
    let body = json!({ "customer": customer["id"], "payment_method": "pm_card_visa" });
    world
        .test
        .post("/v1/setups", key, &body)
        .await
        .expect(StatusCode::CREATED)
}

/// What the provider's dashboard does.
async fn dashboard(world: &World, path: &str, form: &[(&str, &str)]) {
    let request = reqwest::Client::builder()
        .build()
        .unwrap()
        .request(Method::POST, format!("{}{path}", world.test.stripe.url()))
        .bearer_auth(world.test.stripe.secret_key())
        .form(form);
    Reply::of(request).await.expect(StatusCode::OK);
}

async fn saved(world: &World, customer: &Value) -> (String, String) {
    let setup = card(world, "s", customer).await;
    let method = setup["payment_method"].as_str().unwrap().to_owned();
    let reference = world
        .test
        .get(&format!("/v1/payment_methods/{method}"))
        .await
        .expect(StatusCode::OK);
    (
        method,
        reference["provider_reference"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

#[tokio::test]
async fn a_setup_is_told_with_its_customer_and_what_it_saved() {
    let world = World::keeping().await;
    let ada = customer(&world, "5d0a|7").await;
    let setup = card(&world, "s", &ada).await;
    let id = setup["id"].as_str().unwrap();
    let told = world.told(id, |told| told["state"] == "succeeded").await;
    assert_eq!(told["customer"], json!({ "id": ada["id"], "partner": "5d0a|7" }));
    assert_eq!(told["payment_method"]["id"], setup["payment_method"]);
    assert_eq!(
        (&told["payment_method"]["last4"], &told["payment_method"]["state"]),
        (&json!("4242"), &json!("active"))
    );
    assert_eq!(told["provider_account"], world.test.account.to_string());
    assert!(!told.to_string().contains("_secret_"), "{told}");
}

#[tokio::test]
async fn a_setup_that_is_declined_says_why_and_goes_on() {
    let world = World::keeping().await;
    let ada = customer(&world, "p").await;
    let body = json!({ "customer": ada["id"], "payment_method": "pm_card_chargeDeclined" });
    let setup = world
        .test
        .post("/v1/setups", "s", &body)
        .await
        .expect(StatusCode::CREATED);
    let id = setup["id"].as_str().unwrap();
    let told = world.told(id, |told| told["decline"].is_object()).await;
    assert_eq!(told["state"], "created");
}

#[tokio::test]
async fn a_method_that_is_changed_or_taken_at_the_provider_is_told_in_order() {
    let world = World::keeping().await;
    let ada = customer(&world, "p").await;
    let (method, reference) = saved(&world, &ada).await;
    // As it was before its bank sent a new card.
    sqlx::query("update payment_method set exp_year = 2026")
        .execute(&world.test.db)
        .await
        .unwrap();
    let list = format!(
        "/v1/customers/{}/payment_methods?refresh=true",
        ada["id"].as_str().unwrap()
    );
    world.test.get(&list).await.expect(StatusCode::OK);
    let told = world.told(&method, |told| told["exp_year"] == 2030).await;
    assert_eq!(told["state"], "active");
    dashboard(&world, &format!("/v1/payment_methods/{reference}/detach"), &[]).await;
    world.told(&method, |told| told["state"] == "detached").await;
    world.settled().await;
    let of_it: Vec<i64> = world
        .addon
        .applied()
        .iter()
        .filter(|message| message["payment_method"]["id"] == method.as_str())
        .map(|message| message["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(of_it, [1, 2]);
}

#[tokio::test]
async fn a_method_that_is_detached_through_the_api_is_told() {
    let world = World::keeping().await;
    let ada = customer(&world, "p").await;
    let (method, _) = saved(&world, &ada).await;
    let path = format!("/v1/payment_methods/{method}/detach");
    world
        .test
        .post(&path, "x", &json!({}))
        .await
        .expect(StatusCode::OK);
    world.told(&method, |told| told["state"] == "detached").await;
}

#[tokio::test]
async fn without_an_odoo_that_keeps_the_books_setups_and_methods_are_nobodys_news() {
    let world = World::new().await;
    let ada = customer(&world, "p").await;
    saved(&world, &ada).await;
    assert_eq!(world.test.count("outbox_message").await, 0);
}

#[tokio::test]
async fn a_payment_tells_of_its_customer_and_of_the_method_that_it_saved_or_was_paid_with() {
    let world = World::keeping().await;
    let ada = customer(&world, "5d0a|7").await;
    let wish = json!({ "payment_method": "pm_card_visa", "customer": ada["id"], "setup_future_usage": "off_session",
        "return_url": "https://shop.example/back" });
    let paid = world.test.create("S1", wish).await.expect(StatusCode::CREATED);
    let id = paid["id"].as_str().unwrap();
    let told = world.told(id, |told| told["payment_method"].is_object()).await;
    assert_eq!(told["customer"], json!({ "id": ada["id"], "partner": "5d0a|7" }));
    assert_eq!(told["payment_method"]["last4"], "4242");
    assert_eq!(
        (&told["mode"], &told["capture_method"]),
        (&json!("test"), &json!("automatic"))
    );

    let again = json!({ "payment_method": told["payment_method"]["id"], "off_session": true });
    let second = world.test.create("S2", again).await.expect(StatusCode::CREATED);
    let told_again = world
        .told(second["id"].as_str().unwrap(), |told| told["state"] == "captured")
        .await;
    assert_eq!(told_again["payment_method"]["id"], told["payment_method"]["id"]);

    let guest = json!({ "payment_method": "pm_card_visa" });
    let third = world.test.create("S3", guest).await.expect(StatusCode::CREATED);
    let told = world
        .told(third["id"].as_str().unwrap(), |told| told["state"] == "captured")
        .await;
    assert_eq!(
        (&told["customer"], &told["payment_method"]),
        (&json!(null), &json!(null))
    );
}

#[tokio::test]
async fn a_dispute_is_told_in_its_payments_order_with_its_deadline_and_its_end() {
    let world = World::keeping().await;
    let wish = json!({ "payment_method": "pm_card_visa" });
    let paid = world.test.create("S1", wish).await.expect(StatusCode::CREATED);
    let intent = paid["provider_reference"].as_str().unwrap();
    let reference = world.test.stripe.dispute(intent, "fraudulent").unwrap();
    let of_it = |message: &Value| message["dispute"]["provider_reference"] == reference.as_str();
    world
        .until("it is told", async || world.addon.applied().iter().any(of_it))
        .await;
    let applied = world.addon.applied();
    let told = &applied.iter().find(|message| of_it(message)).unwrap()["dispute"];
    assert_eq!(
        (
            &told["payment"],
            &told["reference"],
            &told["state"],
            &told["amount_minor"]
        ),
        (
            &paid["id"],
            &json!("S1"),
            &json!("needs_response"),
            &json!(12_100)
        )
    );
    assert!(
        told["due_at"].is_string() && told["charge"].is_string(),
        "{told:#}"
    );
    world
        .test
        .stripe
        .decide_dispute(&reference, Verdict::Lost)
        .unwrap();
    world
        .told(told["id"].as_str().unwrap(), |told| told["state"] == "lost")
        .await;
    world.settled().await;
    let sequences: Vec<i64> = world
        .addon
        .applied()
        .iter()
        .filter(|message| {
            message["payment"]["id"] == paid["id"] || message["dispute"]["payment"] == paid["id"]
        })
        .map(|message| message["sequence"].as_i64().unwrap())
        .collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
}
