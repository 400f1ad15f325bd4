//! Customers and the methods they saved, in payments.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, eventually};

const CARD: &str = "pm_card_visa";
const BACK: &str = "https://shop.example/back";

async fn customer(test: &TestApp, partner: &str) -> Value {
    let body = json!({ "partner": partner, "name": "Ada", "email": "ada@example.com" });
    let reply = test
        .post("/v1/customers", &format!("customer-{partner}"), &body)
        .await;
    assert!(reply.status.is_success(), "{reply:?}");
    reply.json()
}

/// Pays once and saves the card; the customer and the method as the API shows them.
async fn saved(test: &TestApp, partner: &str) -> (Value, Value) {
    let customer = customer(test, partner).await;
    let wish = json!({ "customer": customer["id"], "payment_method": CARD, "return_url": BACK,
        "setup_future_usage": "off_session" });
    let paid = test
        .create(&format!("first-{partner}"), wish)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (&paid["state"], &paid["customer"]),
        (&json!("captured"), &customer["id"])
    );
    let path = format!(
        "/v1/customers/{}/payment_methods",
        customer["id"].as_str().unwrap()
    );
    let method = eventually(async || {
        let methods = test.get(&path).await.expect(StatusCode::OK);
        methods["data"].get(0).cloned().ok_or_else(|| methods.to_string())
    })
    .await;
    (customer, method)
}

fn field(reply: &Reply) -> (Value, Value) {
    let problem = reply.expect(StatusCode::UNPROCESSABLE_ENTITY);
    (problem["field"].clone(), problem["code"].clone())
}

#[tokio::test]
async fn a_method_saved_by_one_payment_pays_the_next_without_the_customer() {
    let test = TestApp::spawn().await;
    let (customer, method) = saved(&test, "db1/7").await;
    let by_our_id = test.create("S1", json!({ "payment_method": method["id"] })).await;
    let paid = by_our_id.expect(StatusCode::CREATED);
    assert_eq!(
        (&paid["state"], &paid["customer"]),
        (&json!("captured"), &customer["id"])
    );
    let by_the_providers = test
        .create("S2", json!({ "payment_method": method["provider_reference"] }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        by_the_providers["customer"], customer["id"],
        "the method says whose it is"
    );
    let listed = test
        .get(&format!(
            "/v1/payments?customer={}",
            customer["id"].as_str().unwrap()
        ))
        .await
        .expect(StatusCode::OK);
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_saved_method_is_confirmed_on_its_own_customers_payment_only() {
    let test = TestApp::spawn().await;
    let (customer, method) = saved(&test, "db1/7").await;
    let other = self::customer(&test, "db1/8").await;
    let confirm = async |payment: &Value, key: &str| {
        let path = format!("/v1/payments/{}/confirm", payment["id"].as_str().unwrap());
        test.post(&path, key, &json!({ "payment_method": method["id"] }))
            .await
    };
    let anybodys = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    assert_eq!(
        field(&confirm(&anybodys, "k1").await),
        (json!("payment_method"), json!("other_customer"))
    );
    let others = json!({ "customer": other["id"] });
    let others = test.create("S2", others).await.expect(StatusCode::CREATED);
    assert_eq!(
        field(&confirm(&others, "k2").await),
        (json!("payment_method"), json!("other_customer"))
    );
    let theirs = json!({ "customer": customer["id"] });
    let theirs = test.create("S3", theirs).await.expect(StatusCode::CREATED);
    assert_eq!(
        confirm(&theirs, "k3").await.expect(StatusCode::OK)["state"],
        "captured"
    );
}

#[tokio::test]
async fn what_does_not_belong_together_is_named_and_asks_nothing_of_the_provider() {
    let test = TestApp::spawn().await;
    let (_, method) = saved(&test, "db1/7").await;
    let other = customer(&test, "db1/8").await;
    let intents = test.stripe.payment_intents().len();
    for (wish, wanted) in [
        (
            json!({ "customer": other["id"], "payment_method": method["id"] }),
            ("payment_method", "other_customer"),
        ),
        (
            json!({ "setup_future_usage": "off_session" }),
            ("setup_future_usage", "needs_customer"),
        ),
        (json!({ "customer": "cus_1" }), ("customer", "invalid_id")),
        (
            json!({ "off_session": true }),
            ("off_session", "needs_payment_method"),
        ),
        (
            json!({ "customer": other["id"], "payment_method": CARD, "setup_future_usage": "on_session" }),
            ("setup_future_usage", "off_session"),
        ),
        (
            json!({ "receipt_email": "nobody" }),
            ("receipt_email", "invalid_email"),
        ),
        (
            json!({ "statement_descriptor": "42" }),
            ("statement_descriptor", "invalid_descriptor"),
        ),
        (
            json!({ "expires_at": "tomorrow" }),
            ("expires_at", "invalid_time"),
        ),
        (
            json!({ "expires_at": "2020-01-01T00:00:00Z" }),
            ("expires_at", "invalid_expiry"),
        ),
        (
            json!({ "shipping": { "name": "Ada", "address": { "line1": "1 Way", "country": "Germany" } } }),
            ("shipping.address.country", "invalid_country"),
        ),
    ] {
        let reply = test
            .post("/v1/payments", "k", &crate::support::payment("S1", wish))
            .await;
        assert_eq!(field(&reply), (json!(wanted.0), json!(wanted.1)));
    }
    for unknown in [
        json!({ "customer": "cus_01h455vb4pex5vsknk084sn02q" }),
        json!({ "payment_method": "pmt_01h455vb4pex5vsknk084sn02q" }),
    ] {
        let reply = test
            .post("/v1/payments", "k", &crate::support::payment("S1", unknown))
            .await;
        assert_eq!(reply.expect(StatusCode::NOT_FOUND)["code"], "not_found");
    }
    assert_eq!(test.stripe.payment_intents().len(), intents);
}

#[tokio::test]
async fn a_detached_method_never_pays_again() {
    let test = TestApp::spawn().await;
    let (_, method) = saved(&test, "db1/7").await;
    let detach = format!("/v1/payment_methods/{}/detach", method["id"].as_str().unwrap());
    test.post(&detach, "d", &json!({})).await.expect(StatusCode::OK);
    let reply = test.create("S1", json!({ "payment_method": method["id"] })).await;
    assert_eq!(
        reply.expect(StatusCode::CONFLICT)["code"],
        "payment_method_detached"
    );
}

#[tokio::test]
async fn a_page_knows_its_customer_and_what_is_said_to_them() {
    let test = TestApp::spawn().await;
    let customer = customer(&test, "db1/7").await;
    let more = json!({ "customer": customer["id"], "setup_future_usage": "off_session",
        "statement_descriptor": "ORDER 42", "receipt_email": "ada@example.com",
        "shipping": { "name": "Ada", "address": { "line1": "1 Way", "country": "DE" } } });
    let body = json!({ "payment": crate::support::payment("S1", more), "success_url": "https://shop.example/thanks" });
    let session = test
        .post("/v1/checkout_sessions", "k", &body)
        .await
        .expect(StatusCode::CREATED);
    let reference = session["provider_reference"].as_str().unwrap();
    test.stripe.customer().check_out(reference, CARD).await.unwrap();
    let paid = test
        .until(session["payment"]["id"].as_str().unwrap(), "captured")
        .await;
    assert_eq!(paid["customer"], customer["id"]);
    let intent = &test.stripe.payment_intents()[0];
    assert_eq!(intent["customer"], customer["provider_reference"]);
    assert_eq!(intent["statement_descriptor_suffix"], "ORDER 42");
    let path = format!(
        "/v1/customers/{}/payment_methods",
        customer["id"].as_str().unwrap()
    );
    eventually(async || match test.get(&path).await.expect(StatusCode::OK) {
        methods if methods["data"].as_array().unwrap().len() == 1 => Ok(()),
        methods => Err(methods.to_string()),
    })
    .await;
}

#[tokio::test]
async fn the_kinds_of_methods_that_are_named_are_those_that_stripe_asks_for_also_when_it_is_asked_again() {
    let test = TestApp::spawn().await;
    let by_default = test.create("S0", json!({})).await.expect(StatusCode::CREATED);
    let create = Matcher::method_path("POST", "/v1/payment_intents");
    test.stripe.faults().next(create, Fault::ResetAfter);
    let wish =
        json!({ "payment_method_types": ["sepa_debit"], "return_url": BACK, "capture_method": "automatic" });
    let asked = test.create("S1", wish).await;
    assert!(asked.status.is_success(), "{asked:?}");
    let named = test.until(asked.json()["id"].as_str().unwrap(), "created").await;
    let page = json!({ "success_url": BACK, "payment": crate::support::payment("S2", json!({ "payment_method_types": ["card"] })) });
    test.post("/v1/checkout_sessions", "page", &page)
        .await
        .expect(StatusCode::CREATED);

    let intents = test.stripe.payment_intents();
    let types = |payment: &Value| {
        let intent = intents
            .iter()
            .find(|intent| intent["id"] == payment["provider_reference"]);
        intent.unwrap()["payment_method_types"].clone()
    };
    assert_eq!(types(&by_default), json!(["card", "sepa_debit"]));
    assert_eq!(types(&named), json!(["sepa_debit"]));
    assert_eq!(
        test.stripe.checkout_sessions()[0]["payment_method_types"],
        json!(["card"])
    );
    let refused = test.pay(&named, CARD).await;
    assert_eq!(refused["error"]["param"], "payment_method", "{refused:#}");
}
