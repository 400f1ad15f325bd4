//! Bad input gets a clear answer and leaves nothing behind.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{customer, made, setup, text};
use crate::support::TestApp;

#[tokio::test]
async fn each_wrong_field_of_a_customer_is_named_with_a_stable_code() {
    let test = TestApp::spawn().await;
    let long = "x".repeat(257);
    let cases = [
        (json!({ "partner": "" }), "partner", "invalid_partner"),
        (json!({ "partner": "a\nb" }), "partner", "invalid_partner"),
        (
            json!({ "partner": "x".repeat(256) }),
            "partner",
            "invalid_partner",
        ),
        (json!({ "partner": 7 }), "partner", "invalid_field"),
        (json!({ "name": "Ada" }), "partner", "missing_field"),
        (json!({ "partner": "p", "nmae": "Ada" }), "nmae", "unknown_field"),
        (json!({ "partner": "p", "name": long }), "name", "too_long"),
        (json!({ "partner": "p", "name": "\u{0}" }), "name", "invalid_text"),
        (
            json!({ "partner": "p", "name": "4242 4242 4242 4242" }),
            "name",
            "card_number",
        ),
        (
            json!({ "partner": "p", "email": "ada" }),
            "email",
            "invalid_email",
        ),
        (
            json!({ "partner": "p", "phone": "call me" }),
            "phone",
            "invalid_phone",
        ),
        (
            json!({ "partner": "p", "metadata": { "quittance_customer": "x" } }),
            "metadata",
            "invalid_key",
        ),
        (
            json!({ "partner": "p", "provider_account": "acc_1" }),
            "provider_account",
            "invalid_id",
        ),
    ];
    for (wrong, field, code) in cases {
        let problem = test.post("/v1/customers", "k", &wrong).await;
        let problem = problem.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code)),
            "{wrong}"
        );
    }
    let unknown = json!({ "partner": "p", "provider_account": "acc_01h455vb4pex5vsknk084sn02q" });
    test.post("/v1/customers", "k", &unknown)
        .await
        .expect(StatusCode::NOT_FOUND);
    assert_eq!((test.count("customer").await, made(&test)), (0, 0));
}

#[tokio::test]
async fn each_wrong_field_of_a_setup_is_named_with_a_stable_code() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let accepted = |field: &str, value: Value| {
        let mut mandate =
            json!({ "accepted_at": "2026-11-01T10:00:00Z", "ip_address": "192.0.2.7", "user_agent": "x" });
        mandate[field] = value;
        json!({ "payment_method": "pm_sepaDebit_success", "mandate": mandate })
    };
    let cases = [
        (json!({ "customer": "cus_Provider" }), "customer", "invalid_id"),
        (json!({ "usage": "sometimes" }), "usage", "invalid_field"),
        (json!({ "return_url": "ftp://shop" }), "return_url", "invalid_url"),
        (
            json!({ "payment_method": "pm/1" }),
            "payment_method",
            "invalid_id",
        ),
        (
            json!({ "payment_method": "pmt_1" }),
            "payment_method",
            "invalid_id",
        ),
        (
            json!({ "payment_method_types": ["Card!"] }),
            "payment_method_types",
            "invalid_payment_method_type",
        ),
        (
            json!({ "mandate": accepted("user_agent", json!("x"))["mandate"] }),
            "mandate",
            "payment_method_required",
        ),
        (
            accepted("accepted_at", json!("yesterday")),
            "mandate.accepted_at",
            "invalid_time",
        ),
        (
            accepted("ip_address", json!("localhost")),
            "mandate.ip_address",
            "invalid_ip_address",
        ),
    ];
    for (wrong, field, code) in cases {
        let problem = setup(&test, "k", &ada, wrong.clone()).await;
        let problem = problem.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code)),
            "{wrong}"
        );
    }
    for unknown in [
        json!({ "customer": "cus_01h455vb4pex5vsknk084sn02q" }),
        json!({ "payment_method": "pmt_01h455vb4pex5vsknk084sn02q" }),
    ] {
        let refused = setup(&test, "k", &ada, unknown).await;
        assert_eq!(refused.expect(StatusCode::NOT_FOUND)["code"], "not_found");
    }
    assert_eq!(
        test.count("setup").await + test.count("idempotency_record").await,
        1
    );
    let refused = setup(&test, "k", &ada, json!({ "payment_method": "pm_unknown" })).await;
    assert_eq!(
        refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
        "provider_refused"
    );
    assert!(test.stripe.setup_intents().is_empty());
}

#[tokio::test]
async fn unknown_ids_and_odd_queries_are_told_apart() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let theirs = text(&ada["provider_reference"]);
    for path in [
        format!("/v1/customers/{theirs}"),
        "/v1/customers/cus_01h455vb4pex5vsknk084sn02q".to_owned(),
        "/v1/customers/cus_01h455vb4pex5vsknk084sn02q/payment_methods?refresh=true".to_owned(),
        "/v1/setups/set_01h455vb4pex5vsknk084sn02q".to_owned(),
        "/v1/payment_methods/pm_card_visa".to_owned(),
    ] {
        let problem = test.get(&path).await.expect(StatusCode::NOT_FOUND);
        assert_eq!(problem["code"], "not_found", "{path}");
    }
    for (query, status, code) in [
        ("limit=0", StatusCode::UNPROCESSABLE_ENTITY, "invalid_limit"),
        ("limit=101", StatusCode::UNPROCESSABLE_ENTITY, "invalid_limit"),
        ("limit=x", StatusCode::BAD_REQUEST, "invalid_query"),
        ("cursor=x", StatusCode::UNPROCESSABLE_ENTITY, "invalid_cursor"),
        ("who=me", StatusCode::BAD_REQUEST, "invalid_query"),
    ] {
        let problem = test.get(&format!("/v1/customers?{query}")).await.expect(status);
        assert_eq!(problem["code"], code, "{query}");
    }
    let nobody = test.get("/v1/customers?partner=").await.expect(StatusCode::OK);
    assert_eq!(nobody["data"], json!([]));
}
