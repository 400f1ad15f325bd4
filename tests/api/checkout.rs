//! Payments on a page of the provider's.

use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::{Options, Settlement};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually, payment};

/// A page for EUR 121.00.
async fn open(test: &TestApp, reference: &str, more: Value) -> Reply {
    let body = json!({ "payment": payment(reference, more), "success_url": "https://shop.example/thanks",
        "cancel_url": "https://shop.example/cart" });
    test.post("/v1/checkout_sessions", &format!("page-{reference}"), &body)
        .await
}

fn path(session: &Value) -> String {
    format!("/v1/checkout_sessions/{}", session["id"].as_str().unwrap())
}

async fn check_out(test: &TestApp, session: &Value, method: &str) -> Option<String> {
    let reference = session["provider_reference"].as_str().unwrap();
    test.stripe.customer().check_out(reference, method).await.unwrap()
}

#[tokio::test]
async fn a_page_that_is_paid_is_complete_by_webhook_and_its_payment_captured() {
    let test = TestApp::spawn_with_odoo().await;
    let settles = json!([{ "model": "account.move", "id": test.odoo.as_ref().unwrap()
        .add_invoice("Azure Interior", 12_100, "EUR", time::macros::date!(2026 - 11 - 01)).unwrap(),
        "amount_minor": 12_100 }]);
    let session = open(&test, "S1", json!({ "settles": settles }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(session["state"], "open");
    assert!(session["url"].as_str().unwrap().starts_with("http"));
    assert_eq!(session["payment"]["state"], "created");
    assert_eq!(
        session["payment"]["provider_reference"],
        json!(null),
        "nobody began to pay"
    );

    let back = check_out(&test, &session, "pm_card_visa").await;
    assert_eq!(back.as_deref(), Some("https://shop.example/thanks"));
    let paid = test
        .until(session["payment"]["id"].as_str().unwrap(), "captured")
        .await;
    assert_eq!(paid["checkout_session"], session["id"]);
    let done = eventually(
        async || match test.get(&path(&session)).await.expect(StatusCode::OK) {
            session if session["state"] == "complete" => Ok(session),
            session => Err(session.to_string()),
        },
    )
    .await;
    assert_eq!(done["url"], json!(null), "there is nothing left to do there");
    eventually(async || match test.payment(paid["id"].as_str().unwrap()).await {
        payment if payment["postings"].as_array().unwrap().len() == 2 => Ok(()),
        payment => Err(payment.to_string()),
    })
    .await;
    assert_eq!(test.stripe.charges_made(), 1);
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn a_customer_who_returns_before_any_webhook_is_told_that_it_is_paid() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let session = open(&test, "S1", json!({ "capture_method": "manual" }))
        .await
        .expect(StatusCode::CREATED);
    check_out(&test, &session, "pm_card_visa").await;
    let back = test
        .get(&format!("{}?refresh=true", path(&session)))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&back["state"], &back["payment"]["state"]),
        (&json!("complete"), &json!("authorized"))
    );
    let capture = format!(
        "/v1/payments/{}/capture",
        session["payment"]["id"].as_str().unwrap()
    );
    let captured = test.post(&capture, "c", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(captured["state"], "captured");
}

#[tokio::test]
async fn a_decline_leaves_the_page_open_and_another_card_pays() {
    let test = TestApp::spawn().await;
    let session = open(&test, "S1", json!({})).await.expect(StatusCode::CREATED);
    assert_eq!(check_out(&test, &session, "pm_card_chargeDeclined").await, None);
    check_out(&test, &session, "pm_card_visa").await;
    test.until(session["payment"]["id"].as_str().unwrap(), "captured")
        .await;
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_page_is_expired_and_nobody_can_pay_there_any_more() {
    let test = TestApp::spawn().await;
    let session = open(&test, "S1", json!({})).await.expect(StatusCode::CREATED);
    let expire = format!("{}/expire", path(&session));
    let gone = test.post(&expire, "x", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(
        (&gone["state"], &gone["payment"]["state"]),
        (&json!("expired"), &json!("canceled"))
    );
    assert_eq!(gone["url"], json!(null));
    let reference = session["provider_reference"].as_str().unwrap();
    let late = test.stripe.customer().check_out(reference, "pm_card_visa").await;
    assert!(late.is_err() || late.unwrap().is_none(), "the page is closed");
    assert_eq!(test.stripe.charges_made(), 0);

    let again = test.post(&expire, "x", &json!({})).await;
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let twice = test
        .post(&expire, "y", &json!({}))
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(twice["code"], "checkout_not_open");
}

#[tokio::test]
async fn canceling_a_payment_closes_its_page_and_the_next_attempt_does_too() {
    let test = TestApp::spawn().await;
    let settles = json!({ "settles": [{ "model": "account.move", "id": 7, "amount_minor": 12_100 }] });
    let first = open(&test, "S1-1", settles.clone())
        .await
        .expect(StatusCode::CREATED);
    let second = open(&test, "S1-2", settles).await.expect(StatusCode::CREATED);
    let closed = test.get(&path(&first)).await.expect(StatusCode::OK);
    assert_eq!(
        (&closed["state"], &closed["payment"]["state"]),
        (&json!("expired"), &json!("canceled"))
    );

    let cancel = format!(
        "/v1/payments/{}/cancel",
        second["payment"]["id"].as_str().unwrap()
    );
    let canceled = test.post(&cancel, "c", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(
        test.get(&path(&second)).await.expect(StatusCode::OK)["state"],
        "expired"
    );
}

#[tokio::test]
async fn a_page_that_expires_at_the_provider_ends_its_payment_by_webhook() {
    let test = TestApp::spawn().await;
    let session = open(&test, "S1", json!({})).await.expect(StatusCode::CREATED);
    let reference = session["provider_reference"].as_str().unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/checkout/sessions/{reference}/expire", test.stripe.url());
    let expired = http
        .post(url)
        .bearer_auth(test.stripe.secret_key())
        .send()
        .await
        .unwrap();
    assert_eq!(expired.status(), StatusCode::OK);
    test.until(session["payment"]["id"].as_str().unwrap(), "canceled")
        .await;
}

#[tokio::test]
async fn a_bank_debit_from_a_page_is_processing_until_the_bank_has_answered() {
    let test = TestApp::spawn_with(Wishes {
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    for (reference, method, end) in [
        ("S1", "pm_sepaDebit_success", "captured"),
        ("S2", "pm_sepaDebit_failure", "created"),
    ] {
        let session = open(&test, reference, json!({}))
            .await
            .expect(StatusCode::CREATED);
        check_out(&test, &session, method).await;
        let id = session["payment"]["id"].as_str().unwrap();
        test.until(id, "processing").await;
        test.stripe.settle();
        let told = test.until(id, end).await;
        assert_eq!(told["exceptions"], json!([]), "{reference}");
    }
}

#[tokio::test]
async fn a_page_whose_answer_is_lost_is_found_and_opened_once() {
    for fault in [
        Fault::ErrorAfter,
        Fault::TimeoutAfter,
        Fault::Garbage,
        Fault::ResetBefore,
    ] {
        let test = TestApp::spawn_with(Wishes {
            provider_timeout: Duration::from_millis(400),
            provider_attempt_timeout: Duration::from_millis(400),
            ..Wishes::default()
        })
        .await;
        let route = Matcher::method_path("POST", "/v1/checkout/sessions");
        test.stripe.faults().next(route, fault);
        let session = eventually(async || match open(&test, "S1", json!({})).await {
            reply if reply.status == StatusCode::CREATED => Ok(reply.json()),
            reply => Err(format!("{reply:?}")),
        })
        .await;
        assert_eq!(session["state"], "open", "{fault:?}");
        assert_eq!(session["payment"]["state"], "created", "{fault:?}");
        assert!(session["url"].is_string(), "{fault:?}");
        check_out(&test, &session, "pm_card_visa").await;
        test.until(session["payment"]["id"].as_str().unwrap(), "captured")
            .await;
    }
}

#[tokio::test]
async fn what_cannot_be_right_about_a_page_is_named() {
    let test = TestApp::spawn().await;
    let body = |change: Value| {
        let mut body =
            json!({ "payment": payment("S1", json!({})), "success_url": "https://shop.example/thanks" });
        if let (Some(body), Value::Object(change)) = (body.as_object_mut(), change) {
            body.extend(change);
        }
        body
    };
    for (change, field) in [
        (json!({ "success_url": "thanks" }), "success_url"),
        (json!({ "cancel_url": "ftp://x" }), "cancel_url"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (
            json!({ "payment": payment("S1", json!({ "payment_method": "pm_1" })) }),
            "payment.payment_method",
        ),
        (
            json!({ "payment": payment("S1", json!({ "off_session": true })) }),
            "payment.off_session",
        ),
        (
            json!({ "payment": payment("S1", json!({ "amount_minor": 0 })) }),
            "payment.amount_minor",
        ),
    ] {
        let reply = test.post("/v1/checkout_sessions", "k", &body(change)).await;
        assert_eq!(reply.expect(StatusCode::UNPROCESSABLE_ENTITY)["field"], field);
    }
    for route in ["", "/expire"] {
        let nowhere = format!("/v1/checkout_sessions/chk_01h455vb4pex5vsknk084sn02q{route}");
        let reply = if route.is_empty() {
            test.get(&nowhere).await
        } else {
            test.post(&nowhere, "k", &json!({})).await
        };
        assert_eq!(reply.expect(StatusCode::NOT_FOUND)["code"], "not_found");
    }
    assert_eq!(test.count("payment").await, 0);
}
