//! What is told.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;

use super::World;

#[tokio::test]
async fn each_version_of_a_payment_is_told_once_and_in_order_with_its_full_state() {
    let world = World::new().await;
    let wish = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    let held = world.test.create("S1", wish).await.expect(StatusCode::CREATED);
    let path = |what: &str| format!("/v1/payments/{}/{what}", held["id"].as_str().unwrap());
    let capture = json!({ "reference": "S1-capture" });
    world
        .test
        .post(&path("capture"), "capture", &capture)
        .await
        .expect(StatusCode::OK);
    let refund = json!({ "amount_minor": 2_100, "reference": "R1" });
    world
        .test
        .post(&path("refunds"), "refund", &refund)
        .await
        .expect(StatusCode::CREATED);
    world.settled().await;

    world.assert_told_in_order(&["S1".to_owned()]).await;
    let applied = world.addon.applied();
    let words: Vec<&str> = applied
        .iter()
        .map(|message| message["payment"]["odoo_state"].as_str().unwrap())
        .collect();
    assert!(words.contains(&"authorized"), "{words:?}");
    let told = world.addon.payment("S1").unwrap();
    assert_eq!(
        (&told["state"], &told["odoo_state"], &told["currency"]),
        (&json!("captured"), &json!("done"), &json!("EUR"))
    );
    assert_eq!(told["amount_minor"], 12_100);
    assert_eq!(told["captured_minor"], 12_100);
    assert_eq!(told["refunded_minor"], 2_100);
    assert_eq!(told["provider_reference"], held["provider_reference"]);
    let operations: Vec<_> = told["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| {
            (
                operation["kind"].as_str().unwrap(),
                operation["state"].as_str().unwrap(),
                operation["reference"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("authorize", "succeeded", None),
            ("capture", "succeeded", Some("S1-capture")),
            ("refund", "succeeded", Some("R1"))
        ]
    );
    assert_eq!(told["refunds"][0]["amount_minor"], 2_100);
    assert_eq!(told["refunds"][0]["operation"], told["operations"][2]["id"]);
    let whole = told.to_string();
    assert!(
        !whole.contains("client_secret") && !whole.contains("_secret_"),
        "{whole}"
    );
}

#[tokio::test]
async fn a_decline_after_which_the_customer_may_try_again_is_told_as_pending() {
    let world = World::new().await;
    let wish = json!({ "payment_method": "pm_card_chargeDeclined" });
    world.test.create("S1", wish).await;
    world.settled().await;
    let told = world.addon.payment("S1").unwrap();
    assert_eq!(told["odoo_state"], "pending", "{told:#}");
    assert!(told["decline"]["message"].is_string(), "{told:#}");
    assert_eq!(told["operations"][0]["state"], "declined");
}

#[tokio::test]
async fn an_instance_with_the_addon_gets_no_postings_and_stock_odoo_gets_no_news() {
    let world = World::new().await;
    world.pay("S1").await;
    world.settled().await;
    let kind = |kind| format!("outbox_message where posting->>'kind' {kind} 'payment_updated'");
    assert_eq!(world.test.count(&kind("<>")).await, 0);

    let stock = crate::support::TestApp::spawn_with_odoo().await;
    let wish = json!({ "payment_method": "pm_card_visa" });
    stock.create("S1", wish).await.expect(StatusCode::CREATED);
    stock
        .stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    world
        .until("the books are written", async || {
            stock.count("outbox_message where state = 'sent'").await == 2
        })
        .await;
    assert_eq!(stock.count(&kind("=")).await, 0);
}

#[tokio::test]
async fn the_outcome_of_an_operation_is_told_even_where_the_payment_stays_as_it_was() {
    let world = World::new().await;
    let wish = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    let held = world.test.create("S1", wish).await.expect(StatusCode::CREATED);
    let faults = world.test.stripe.faults();
    faults.always(
        Matcher::method_path("POST", "/v1/payment_intents/*/capture"),
        Fault::ResetAfter,
    );
    let path = format!("/v1/payments/{}/capture", held["id"].as_str().unwrap());
    let capture = async { world.test.post(&path, "capture", &json!({})).await };
    let heard = world.until("an event tells of the capture first", async || {
        world
            .addon
            .payment("S1")
            .is_some_and(|told| told["state"] == "captured" && told["operations"][1]["state"] != "succeeded")
    });
    let (_answer, ()) = tokio::join!(capture, heard);
    faults.clear();
    world
        .until("the capture's outcome is told", async || {
            world
                .addon
                .payment("S1")
                .is_some_and(|told| told["operations"][1]["state"] == "succeeded")
        })
        .await;
}

#[tokio::test]
async fn an_operator_sees_what_is_told_among_the_messages() {
    let world = World::new().await;
    let paid = world.pay("S1").await;
    world.settled().await;
    let list = world.test.get("/v1/outbox").await.expect(StatusCode::OK);
    let messages = list["data"].as_array().unwrap();
    assert!(messages.len() > 1, "{list}");
    for message in messages {
        assert_eq!(message["kind"], "payment_updated");
        assert_eq!(message["payment"], paid["id"]);
        let path = format!("/v1/outbox/{}", message["id"].as_str().unwrap());
        assert_eq!(&world.test.get(&path).await.expect(StatusCode::OK), message);
    }
}
