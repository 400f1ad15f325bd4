//! The walk of a dispute, as the provider tells of it.

use quittance_sandbox::stripe::{DeliveryPlan, Verdict};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    all_applied, deliver, disputed, disputed_minor, event, of_payment, opened, paid, path, unheard, until,
};
use crate::support::TestApp;

#[tokio::test]
async fn a_dispute_takes_money_tells_a_person_and_gives_it_back_when_it_is_won() {
    let test = TestApp::spawn().await;
    test.stripe
        .set_delivery(DeliveryPlan::default().twice().shuffled(8));
    let (payment, dispute) = opened(&test, "S1").await;
    assert_eq!(
        (&dispute["amount_minor"], &dispute["currency"], &dispute["reason"]),
        (&json!(12_100), &json!("EUR"), &json!("product_not_received"))
    );
    assert_eq!(dispute["payment"], payment["id"]);
    assert_eq!(dispute["payment_reference"], payment["provider_reference"]);
    assert_eq!(dispute["is_charge_refundable"], false);
    let due_at = dispute["due_at"].as_str().unwrap();
    assert_eq!(disputed_minor(&test, &payment).await, 12_100);

    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    let exceptions = shown["exceptions"].as_array().unwrap();
    assert_eq!(exceptions.len(), 1, "{exceptions:?}");
    assert_eq!(exceptions[0]["kind"], "dispute_opened");
    let detail = exceptions[0]["detail"].as_str().unwrap();
    for part in ["EUR 121.00", "product_not_received", due_at] {
        assert!(detail.contains(part), "{detail} tells of {part}");
    }

    let reference = dispute["provider_reference"].as_str().unwrap();
    test.stripe.decide_dispute(reference, Verdict::Won).unwrap();
    until(&test, &payment, "won").await;
    assert_eq!(disputed_minor(&test, &payment).await, 0);
}

#[tokio::test]
async fn what_a_lost_dispute_took_stays_taken() {
    let test = TestApp::spawn().await;
    let (payment, dispute) = opened(&test, "S1").await;
    let reference = dispute["provider_reference"].as_str().unwrap();
    test.stripe.decide_dispute(reference, Verdict::Lost).unwrap();
    until(&test, &payment, "lost").await;
    assert_eq!(disputed_minor(&test, &payment).await, 12_100);
}

#[tokio::test]
async fn an_inquiry_takes_nothing_until_it_becomes_a_dispute_and_both_are_told_of() {
    let test = TestApp::spawn().await;
    let payment = paid(&test, "S1").await;
    let intent = payment["provider_reference"].as_str().unwrap();
    let reference = test.stripe.inquire(intent, "fraudulent").unwrap();
    let inquiry = until(&test, &payment, "warning").await;
    assert_eq!(inquiry["is_charge_refundable"], true);
    assert_eq!(disputed_minor(&test, &payment).await, 0);
    let exceptions = async || test.count("exception where kind = 'dispute_opened'").await;
    assert_eq!(exceptions().await, 1);

    test.stripe.escalate_dispute(&reference).unwrap();
    let dispute = until(&test, &payment, "needs_response").await;
    assert_eq!(dispute["id"], inquiry["id"]);
    assert_eq!(disputed_minor(&test, &payment).await, 12_100);
    assert_eq!(exceptions().await, 2, "a person must act again");
}

#[tokio::test]
async fn an_inquiry_that_is_closed_took_nothing() {
    let test = TestApp::spawn().await;
    let payment = paid(&test, "S1").await;
    let intent = payment["provider_reference"].as_str().unwrap();
    let reference = test.stripe.inquire(intent, "general").unwrap();
    until(&test, &payment, "warning").await;
    test.stripe
        .decide_dispute(&reference, Verdict::WarningClosed)
        .unwrap();
    until(&test, &payment, "warning_closed").await;
    assert_eq!(disputed_minor(&test, &payment).await, 0);
}

/// The orders in which the events of a dispute come: as they were, backwards, and each of them first.
fn orders(length: usize) -> Vec<Vec<usize>> {
    let forward: Vec<usize> = (0..length).collect();
    let backward = forward.iter().rev().copied().collect();
    let each_first = (1..length).map(|first| [&forward[first..], &forward[..first]].concat());
    [forward.clone(), backward]
        .into_iter()
        .chain(each_first)
        .collect()
}

#[tokio::test]
async fn the_events_of_a_dispute_end_the_same_in_any_order_and_twice() {
    let test = unheard().await;
    let mut payments = Vec::new();
    let mut number = 0;
    while let Some(order) = orders(6).get(number) {
        let payment = paid(&test, &format!("S{number}")).await;
        let intent = payment["provider_reference"].as_str().unwrap();
        let reference = test.stripe.inquire(intent, "fraudulent").unwrap();
        test.stripe.escalate_dispute(&reference).unwrap();
        let verdict = [Verdict::Won, Verdict::Lost][number % 2];
        test.stripe.decide_dispute(&reference, verdict).unwrap();
        let events: Vec<Value> = test
            .stripe
            .events()
            .into_iter()
            .filter(|event| event["data"]["object"]["id"] == reference.as_str())
            .collect();
        assert!((4..=6).contains(&events.len()), "{}", events.len());
        for event in order.iter().chain(order).filter_map(|index| events.get(*index)) {
            deliver(&test, event).await;
        }
        payments.push((payment, verdict));
        number += 1;
    }
    all_applied(&test).await;
    for (payment, verdict) in payments {
        let disputes = of_payment(&test, &payment).await;
        let (state, taken) = match verdict {
            Verdict::Won => ("won", 0),
            Verdict::Lost | Verdict::WarningClosed => ("lost", 12_100),
        };
        assert_eq!(disputes.len(), 1);
        assert_eq!(disputes[0]["state"], state);
        assert_eq!(disputed_minor(&test, &payment).await, taken);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_placed_is_settled_by_reading_the_dispute() {
    let test = unheard().await;
    let payment = paid(&test, "S1").await;
    let reference = disputed(&test, &payment);
    let told = test.stripe.disputes().remove(0);
    deliver(&test, &event("evt_1", &told)).await;
    all_applied(&test).await;

    let mut other = told.clone();
    other["status"] = json!("under_review");
    deliver(&test, &event("evt_2", &other)).await;
    deliver(&test, &event("evt_3", &json!({ "id": reference }))).await;
    let mut of_tomorrow = told.clone();
    of_tomorrow["status"] = json!("in_arbitration");
    deliver(&test, &event("evt_4", &of_tomorrow)).await;
    all_applied(&test).await;
    let disputes = of_payment(&test, &payment).await;
    assert_eq!(
        disputes[0]["state"], "needs_response",
        "as the provider says it is"
    );
    let reads = test.stripe.requests();
    let reads = reads
        .iter()
        .filter(|request| request.path == format!("/v1/disputes/{reference}"))
        .count();
    assert!((1..=3).contains(&reads), "{reads} reads");
}

#[tokio::test]
async fn a_dispute_of_a_payment_that_did_not_start_here_is_kept_without_one() {
    let test = TestApp::spawn().await;
    let form = [
        ("amount", "5000"),
        ("currency", "eur"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    let intent: Value = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/v1/payment_intents", test.stripe.url()))
        .bearer_auth(test.stripe.secret_key())
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let reference = test
        .stripe
        .dispute(intent["id"].as_str().unwrap(), "general")
        .unwrap();
    let dispute = crate::support::eventually(async || {
        let list = test.get("/v1/disputes").await.expect(StatusCode::OK);
        let first = list["data"][0].clone();
        if first.is_null() {
            Err("none yet".to_owned())
        } else {
            Ok(first)
        }
    })
    .await;
    assert_eq!(
        (&dispute["payment"], &dispute["provider_reference"]),
        (&json!(null), &json!(reference))
    );
    assert_eq!(dispute["payment_reference"], intent["id"]);
    assert_eq!(
        test.count("exception where kind = 'dispute_opened' and payment_id is null")
            .await,
        1
    );
    let accepted = test
        .post(&format!("{}/accept", path(&dispute)), "accept", &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(accepted["state"], "lost");
}

#[tokio::test]
async fn a_refresh_reads_what_no_webhook_told_and_an_end_is_never_taken_back() {
    let test = unheard().await;
    let payment = paid(&test, "S1").await;
    let reference = disputed(&test, &payment);
    let told = test.stripe.disputes().remove(0);
    deliver(&test, &event("evt_1", &told)).await;
    all_applied(&test).await;
    let dispute = of_payment(&test, &payment).await.remove(0);
    test.stripe.decide_dispute(&reference, Verdict::Won).unwrap();

    let held = test.get(&path(&dispute)).await.expect(StatusCode::OK);
    assert_eq!(held["state"], "needs_response");
    let read = test
        .get(&format!("{}?refresh=true", path(&dispute)))
        .await
        .expect(StatusCode::OK);
    assert_eq!(read["state"], "won");
    assert_eq!(disputed_minor(&test, &payment).await, 0);

    let mut lost = told;
    lost["status"] = json!("lost");
    deliver(&test, &event("evt_2", &lost)).await;
    all_applied(&test).await;
    let held = test.get(&path(&dispute)).await.expect(StatusCode::OK);
    assert_eq!(held["state"], "won");
}
