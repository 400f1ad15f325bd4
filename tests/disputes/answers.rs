//! Answering a dispute, once per key.

use quittance_sandbox::stripe::Verdict;
use reqwest::StatusCode;
use serde_json::json;

use super::{disputed_minor, opened, path, until};
use crate::support::TestApp;

#[tokio::test]
async fn evidence_is_saved_and_then_submitted_and_the_provider_alone_keeps_it() {
    let test = TestApp::spawn().await;
    let (payment, dispute) = opened(&test, "S1").await;
    let evidence = format!("{}/evidence", path(&dispute));
    let save = json!({
        "evidence": { "customer_name": "Ada Lovelace", "receipt": "file_1", "shipping_carrier": "DHL" }, "submit": false,
    });
    let saved = test.post(&evidence, "save", &save).await.expect(StatusCode::OK);
    assert_eq!(
        (
            &saved["state"],
            &saved["has_evidence"],
            &saved["submission_count"]
        ),
        (&json!("needs_response"), &json!(true), &json!(0))
    );
    let submit =
        json!({ "evidence": { "product_description": "Shoes", "shipping_carrier": "" }, "submit": true });
    let submitted = test
        .post(&evidence, "submit", &submit)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&submitted["state"], &submitted["submission_count"]),
        (&json!("under_review"), &json!(1))
    );
    let at_stripe = &test.stripe.disputes()[0]["evidence"];
    assert_eq!(
        (
            &at_stripe["customer_name"],
            &at_stripe["receipt"],
            &at_stripe["shipping_carrier"]
        ),
        (&json!("Ada Lovelace"), &json!("file_1"), &json!(null))
    );
    assert_eq!(at_stripe["product_description"], "Shoes");
    for table in [
        "dispute",
        "exception",
        "idempotency_record",
        "webhook_event",
        "payment",
    ] {
        let holds = format!("{table} row where row::text like '%Lovelace%' or row::text like '%Shoes%'");
        assert_eq!(test.count(&holds).await, 0, "{table}");
    }

    let reference = dispute["provider_reference"].as_str().unwrap();
    test.stripe.decide_dispute(reference, Verdict::Won).unwrap();
    until(&test, &payment, "won").await;
    assert_eq!(disputed_minor(&test, &payment).await, 0);
}

#[tokio::test]
async fn what_was_saved_can_be_submitted_without_saying_more() {
    let test = TestApp::spawn().await;
    let (payment, dispute) = opened(&test, "S1").await;
    let evidence = format!("{}/evidence", path(&dispute));
    let winning = json!({ "evidence": { "uncategorized_text": "winning_evidence" }, "submit": false });
    test.post(&evidence, "save", &winning)
        .await
        .expect(StatusCode::OK);
    test.post(&evidence, "submit", &json!({ "submit": true }))
        .await
        .expect(StatusCode::OK);
    until(&test, &payment, "won").await;
}

#[tokio::test]
async fn an_accepted_dispute_is_lost_and_a_repeated_request_is_answered_byte_for_byte() {
    let test = TestApp::spawn().await;
    let (payment, dispute) = opened(&test, "S1").await;
    let accept = format!("{}/accept", path(&dispute));
    let first = test.post(&accept, "accept", &json!({})).await;
    assert_eq!(first.expect(StatusCode::OK)["state"], "lost");
    assert_eq!(first.header("Idempotency-Replayed"), None);
    assert!(first.header("Server-Timing").is_some());
    until(&test, &payment, "lost").await;
    assert_eq!(disputed_minor(&test, &payment).await, 12_100);

    let again = test.post(&accept, "accept", &json!({})).await;
    assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let asked = test.stripe.requests();
    assert_eq!(
        asked
            .iter()
            .filter(|request| request.path.ends_with("/close"))
            .count(),
        1
    );

    let other = test
        .post(&accept, "another", &json!({}))
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(other["code"], "dispute_closed");
}

#[tokio::test]
async fn a_key_that_was_used_for_other_evidence_is_refused_and_a_repeat_is_replayed() {
    let test = TestApp::spawn().await;
    let (_, dispute) = opened(&test, "S1").await;
    let evidence = format!("{}/evidence", path(&dispute));
    let body = |name: &str| json!({ "evidence": { "customer_name": name }, "submit": true });
    let first = test.post(&evidence, "k", &body("Ada")).await;
    first.expect(StatusCode::OK);
    let other = test
        .post(&evidence, "k", &body("Eve"))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other["code"], "idempotency_key_reused");
    let again = test.post(&evidence, "k", &body("Ada")).await;
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
}
