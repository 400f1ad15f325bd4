//! The walk of a payment, from the request to the provider's last word.

use std::time::Duration;

use quittance::app::setup;
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Reply, TestApp, WEBHOOK_SECRET, Wishes, eventually, signed_with};

#[tokio::test]
async fn a_payment_with_3d_secure_is_captured_once_the_customer_has_proved_who_they_are() {
    let test = TestApp::spawn().await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    assert_eq!(created["state"], "created");
    assert!(created["provider_reference"].as_str().unwrap().starts_with("pi_"));
    assert!(created["client_secret"].as_str().unwrap().contains("_secret_"));
    assert_eq!(created["publishable_key"], test.stripe.publishable_key());

    test.pay(&created, "pm_card_authenticationRequired").await;
    let id = created["id"].as_str().unwrap();
    let waiting = test.until(id, "requires_action").await;
    assert!(waiting["next_action"].is_object());

    test.stripe
        .customer()
        .authenticate(created["provider_reference"].as_str().unwrap(), true)
        .await
        .unwrap();
    let paid = test.until(id, "captured").await;
    assert_eq!(paid["captured_minor"], 12_100);
    assert_eq!(
        paid["client_secret"],
        json!(null),
        "a browser has nothing to do any more"
    );
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_declined_customer_may_try_again_on_the_same_payment() {
    let test = TestApp::spawn().await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let id = created["id"].as_str().unwrap();

    test.pay(&created, "pm_card_chargeDeclined").await;
    let declined = eventually(async || {
        let payment = test.payment(id).await;
        if payment["decline"].is_object() {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(declined["state"], "created");

    test.pay(&created, "pm_card_visa").await;
    let paid = test.until(id, "captured").await;
    assert_eq!(paid["decline"], json!(null));
}

#[tokio::test]
async fn a_saved_method_is_charged_at_once_and_a_decline_is_an_outcome() {
    let test = TestApp::spawn().await;
    let paid = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(paid["state"], "captured");
    assert_eq!(paid["operations"][0]["state"], "succeeded");

    let declined = test
        .create("S2", json!({ "payment_method": "pm_card_chargeDeclined" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(declined["state"], "created");
    assert_eq!(declined["operations"][0]["state"], "declined");
    assert!(declined["decline"]["code"].is_string());
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn what_is_authorized_can_be_captured_and_what_is_captured_refunded() {
    let test = TestApp::spawn().await;
    let wish = json!({ "capture_method": "manual", "payment_method": "pm_card_visa" });
    let held = test.create("S1", wish).await.expect(StatusCode::CREATED);
    assert_eq!(
        (&held["state"], &held["authorized_minor"]),
        (&json!("authorized"), &json!(12_100))
    );
    let path = format!("/v1/payments/{}", held["id"].as_str().unwrap());

    let captured = test
        .post(&format!("{path}/capture"), "capture", &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&captured["state"], &captured["captured_minor"]),
        (&json!("captured"), &json!(12_100))
    );

    let refunded = test
        .post(&format!("{path}/refunds"), "refund", &json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (&refunded["state"], &refunded["refunded_minor"]),
        (&json!("captured"), &json!(12_100))
    );
    assert_eq!(refunded["refunds"][0]["state"], "succeeded");

    let again = test
        .post(&format!("{path}/refunds"), "refund-2", &json!({}))
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(again["code"], "nothing_to_refund");
    assert_eq!(test.stripe.refunds().len(), 1);
}

#[tokio::test]
async fn a_canceled_payment_is_at_its_end_and_leaves_its_reference_free() {
    let test = TestApp::spawn().await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}", created["id"].as_str().unwrap());
    let canceled = test
        .post(&format!("{path}/cancel"), "cancel", &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(canceled["state"], "canceled");

    for (what, code) in [
        ("capture", "nothing_to_capture"),
        ("cancel", "not_cancelable"),
        ("refunds", "nothing_to_refund"),
    ] {
        let refused = test
            .post(&format!("{path}/{what}"), &format!("again-{what}"), &json!({}))
            .await
            .expect(StatusCode::CONFLICT);
        assert_eq!(refused["code"], code);
    }
    let body = crate::support::payment("S1", json!({}));
    test.post("/v1/payments", "another", &body)
        .await
        .expect(StatusCode::CREATED);
    let listed = test.get("/v1/payments?reference=S1").await.expect(StatusCode::OK);
    let states: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| &payment["state"])
        .collect();
    assert_eq!(states, ["created", "canceled"], "newest first");
}

#[tokio::test]
async fn a_refresh_reads_what_no_webhook_told() {
    let test = TestApp::spawn_with(crate::support::Wishes {
        webhooks: false,
        ..Default::default()
    })
    .await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}", created["id"].as_str().unwrap());
    test.pay(&created, "pm_card_visa").await;
    assert_eq!(test.get(&path).await.expect(StatusCode::OK)["state"], "created");
    assert_eq!(
        test.get(&format!("{path}?refresh=true"))
            .await
            .expect(StatusCode::OK)["state"],
        "captured"
    );
}

#[tokio::test]
async fn every_webhook_twice_and_in_any_order_ends_in_the_same_state() {
    let test = TestApp::spawn().await;
    test.stripe.set_delivery(
        quittance_sandbox::stripe::DeliveryPlan::default()
            .twice()
            .shuffled(16)
            .concurrent(4),
    );
    let mut paid = Vec::new();
    for number in 0..6 {
        let created = test
            .create(&format!("S{number}"), json!({}))
            .await
            .expect(StatusCode::CREATED);
        test.pay(&created, "pm_card_chargeDeclined").await;
        test.pay(&created, "pm_card_visa").await;
        paid.push(created);
    }
    for created in &paid {
        let payment = test.until(created["id"].as_str().unwrap(), "captured").await;
        assert_eq!(payment["captured_minor"], 12_100);
        assert_eq!(payment["exceptions"], json!([]));
    }
    test.stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    eventually(
        async || match test.count("webhook_event where due_at is not null").await {
            0 => Ok(()),
            left => Err(format!("{left} events are left")),
        },
    )
    .await;
    assert_eq!(
        test.count("webhook_event where state = 'dead' or attempts > 0")
            .await,
        0
    );
    assert_eq!(
        test.count("balance_transaction").await,
        6,
        "the fee of each is known"
    );
    assert_eq!(test.stripe.charges_made(), 6);
}

#[tokio::test]
async fn a_webhook_secret_is_rolled_while_both_are_in_use() {
    let test = TestApp::spawn().await;
    let http = reqwest::Client::builder().build().unwrap();
    let deliver = async |secret: &str, id: &str| {
        let event = json!({ "id": id, "type": "product.created", "created": 1, "livemode": false });
        let (signature, body) = signed_with(secret, &event);
        let request = http
            .post(test.webhook_url())
            .header("Stripe-Signature", signature);
        Reply::of(request.body(body)).await.status
    };
    let new = "whsec_new_of_quittance";
    assert_eq!(deliver(WEBHOOK_SECRET, "evt_1").await, StatusCode::OK);
    assert_eq!(deliver(new, "evt_2").await, StatusCode::BAD_REQUEST);

    let app = test.application().app();
    let secret = new.to_owned().into();
    setup::add_webhook_secret(app, test.merchant, test.account, &secret)
        .await
        .unwrap();
    eventually(async || match deliver(new, "evt_2").await {
        StatusCode::OK => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(deliver(WEBHOOK_SECRET, "evt_3").await, StatusCode::OK);
    assert_eq!(test.count("webhook_event").await, 3);
}

#[tokio::test]
async fn a_refresh_that_the_provider_does_not_answer_is_a_503_in_time() {
    let timing = quittance::app::Timing {
        answer_within: Duration::from_millis(300),
        ..Wishes::default().timing
    };
    let test = TestApp::spawn_with(Wishes {
        timing,
        ..Wishes::default()
    })
    .await;
    // On a busy machine the first answer may be late as well: then it is a 202, and is asked for again.
    let created = eventually(async || match test.create("S1", json!({})).await {
        reply if reply.status == StatusCode::CREATED => Ok(reply.json()),
        reply => Err(format!("{reply:?}")),
    })
    .await;
    let path = format!("/v1/payments/{}", created["id"].as_str().unwrap());
    let reads = Matcher::method_path("GET", "/v1/payment_intents/*");
    test.stripe.faults().always(reads, Fault::TimeoutBefore);
    // Far sooner than the provider's own time is over.
    let fresh = format!("{path}?refresh=true");
    let slow = tokio::time::timeout(Duration::from_secs(10), test.get(&fresh)).await;
    assert_eq!(
        slow.unwrap().expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "provider_unavailable"
    );
    assert_eq!(test.get(&path).await.expect(StatusCode::OK)["state"], "created");
}
