//! What cannot be written again by itself.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::shop::{LONG, Shop};
use crate::support::{NewForTests, eventually_within};

#[tokio::test]
async fn a_payment_without_odoos_reference_keeps_the_fence_until_a_person_resolves_it() {
    let shop = Shop::set_up("unreferenced").await;
    let service = shop.serve().await;
    let charged = shop
        .charge("S1", shop.invoice(), json!({}))
        .await
        .expect(StatusCode::CREATED);
    // As a version made it that noted less.
    let intent = charged["provider_reference"].as_str().unwrap();
    let update = reqwest::Client::new_for_tests()
        .post(format!("{}/v1/payment_intents/{intent}", shop.stripe.url()))
        .bearer_auth(shop.stripe.secret_key())
        .form(&[
            ("metadata[quittance_reference]", ""),
            ("metadata[quittance_request]", ""),
        ]);
    assert!(update.send().await.unwrap().status().is_success());
    forget(&shop, &charged).await;
    shop.become_another().await;

    let exception = eventually_within(LONG, async || {
        let open = shop
            .get("/v1/exceptions?state=open&kind=restore_incomplete")
            .await
            .json();
        open["data"][0]["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or(open.to_string())
    })
    .await;
    let refused = shop.charge("S2", shop.invoice(), json!({})).await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    let reason = json!({ "reason": "it pays S1, and is booked by hand" });
    let resolved = shop
        .post(&format!("/v1/exceptions/{exception}/resolve"), "r", &reason)
        .await;
    resolved.expect(StatusCode::OK);
    shop.until_lifted().await;
    service.stop().await.unwrap();
}

/// Deletes all that the database knows of a payment.
async fn forget(shop: &Shop, payment: &Value) {
    eventually_within(LONG, async || {
        match shop.count("outbox_message where state <> 'sent'").await
            + shop.count("webhook_event where due_at is not null").await
        {
            0 => Ok(()),
            left => Err(format!("{left} not done")),
        }
    })
    .await;
    let uuid = shop.count("payment").await;
    assert_eq!(uuid, 1, "{payment:#}");
    shop.execute(
        "set session_replication_role = replica; delete from idempotency_record; delete from operation; delete from refund;
         delete from payment_document; delete from expectation; delete from outbox_message; delete from payment;",
    )
    .await;
}

#[tokio::test]
async fn several_captures_of_one_payment_are_each_known_again() {
    let shop = Shop::set_up("captures").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    let held = json!({ "capture_method": "manual", "payment_method": "pm_card_visa" });
    let held = shop
        .charge("HELD", shop.invoice(), held)
        .await
        .expect(StatusCode::CREATED);
    shop.cluster.name_point("held").await.unwrap();
    let path = format!("/v1/payments/{}/capture", held["id"].as_str().unwrap());
    let part =
        |minor: i64| json!({ "amount_minor": minor, "final": false, "reference": format!("C-{minor}") });
    let capture = async |minor: i64| shop.post(&path, &format!("c-{minor}"), &part(minor)).await;
    capture(1_000).await.expect(StatusCode::OK);
    capture(2_000).await.expect(StatusCode::OK);
    let taken = shop.stripe.charges()[0]["amount_captured"].clone();
    service.stop().await.unwrap();

    shop.cluster.restore_to("held").await.unwrap();
    let service = shop.serve().await;
    shop.until_answered(async || capture(1_000).await)
        .await
        .expect(StatusCode::OK);
    let last = capture(2_000).await.expect(StatusCode::OK);
    assert_eq!(shop.stripe.charges()[0]["amount_captured"], taken);
    assert_eq!(last["captured_minor"], 3_000);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_declined_card_from_after_the_restore_point_is_declined_again_and_not_tried_again() {
    let shop = Shop::set_up("declined").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    shop.cluster.name_point("before").await.unwrap();
    let invoice = shop.invoice();
    let card = json!({ "payment_method": "pm_card_visa_chargeDeclined" });
    let first = shop.charge("S1", invoice, card.clone()).await;
    service.stop().await.unwrap();
    let tried = shop.stripe.charges().len();

    shop.cluster.restore_to("before").await.unwrap();
    let service = shop.serve().await;
    let again = shop
        .until_answered(async || shop.charge("S1", invoice, card.clone()).await)
        .await;
    assert_eq!(again.status, first.status, "{again:?}");
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(shop.stripe.charges().len(), tried);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_turns_reads_away_is_asked_again_and_says_so_meanwhile() {
    let shop = Shop::set_up("turned-away").await;
    let service = shop.serve().await;
    let lists = Matcher::method_path("GET", "/v1/refunds");
    let busy = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    shop.stripe.faults().always(lists, busy);
    shop.become_another().await;
    eventually_within(LONG, async || match shop.status().await {
        status if status["accounts"][0]["last_error"].is_string() => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    shop.let_stripe_speak();
    shop.until_lifted().await;
    service.stop().await.unwrap();
}
