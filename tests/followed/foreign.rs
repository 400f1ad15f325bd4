//! Payments that did not start here.

use std::time::Duration;

use quittance_sandbox::stripe::Options;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{all_ended, at_stripe, deliver, ended, event, example, made_elsewhere, unheard};
use crate::support::{TestApp, Wishes, eventually};

async fn list(test: &TestApp, query: &str) -> Vec<Value> {
    let page = test
        .get(&format!("/v1/foreign_payments{query}"))
        .await
        .expect(StatusCode::OK);
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_payment_made_elsewhere_is_kept_and_followed_to_its_refund() {
    let test = TestApp::spawn().await;
    let intent = made_elsewhere(&test, &[]).await;
    let reference = intent["id"].as_str().unwrap();
    let shown = eventually(async || match list(&test, "").await.as_slice() {
        [one] if one["state"] == "captured" => Ok(one.clone()),
        others => Err(format!("{others:#?}")),
    })
    .await;
    assert_eq!(shown["provider_reference"], reference);
    assert_eq!(
        (
            &shown["amount_minor"],
            &shown["captured_minor"],
            &shown["currency"]
        ),
        (&json!(5_000), &json!(5_000), &json!("EUR"))
    );
    assert_eq!(shown["charge_reference"], intent["latest_charge"]);
    assert_eq!(
        (&shown["description"], &shown["payment"]),
        (&json!("Invoice 4711"), &json!(null))
    );
    assert!(shown["captured_at"].is_string() && shown["opened_at"].is_string());

    at_stripe(
        &test,
        "/v1/refunds",
        &[("payment_intent", reference), ("amount", "2000")],
    )
    .await;
    eventually(async || match list(&test, "").await.as_slice() {
        [one] if one["refunded_minor"] == 2_000 => Ok(()),
        others => Err(format!("{others:#?}")),
    })
    .await;
    all_ended(&test).await;
    assert_eq!(test.count("payment").await, 0, "no payment of ours came of it");
    assert_eq!(test.count("webhook_event where state <> 'applied'").await, 0);
}

#[tokio::test]
async fn a_charge_whose_event_names_no_payment_leads_to_it() {
    let test = unheard().await;
    let intent = made_elsewhere(&test, &[]).await;
    let charge = example(
        "charge",
        json!({ "id": intent["latest_charge"], "payment_intent": null }),
    );
    deliver(&test, &event("evt_1", "charge.succeeded", 1, &charge)).await;
    all_ended(&test).await;
    let shown = list(&test, "").await;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["provider_reference"], intent["id"]);
}

#[tokio::test]
async fn a_payment_of_ours_is_never_shown_as_foreign_however_its_events_come() {
    let test = unheard().await;
    let payment = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::CREATED);
    // As if none of its events had named us and all had come before our own answer was written down.
    sqlx::query("update payment set provider_reference = null, charge_reference = null")
        .execute(&test.db)
        .await
        .unwrap();
    let intent = payment["provider_reference"].as_str().unwrap();
    let bare = json!({ "id": intent, "object": "payment_intent" });
    deliver(&test, &event("evt_1", "payment_intent.succeeded", 1, &bare)).await;
    all_ended(&test).await;
    assert_eq!(list(&test, "").await.len(), 1);

    // Its own event gives it its reference back.
    let own = test.stripe.payment_intents().remove(0);
    deliver(&test, &event("evt_2", "payment_intent.succeeded", 2, &own)).await;
    all_ended(&test).await;
    assert_eq!(list(&test, "").await, Vec::<Value>::new());
    let held = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(held["provider_reference"], intent);
}

#[tokio::test]
async fn one_read_settles_all_events_that_came_before_it_began() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        stripe: Options {
            latency: Duration::from_millis(700),
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    let intent = made_elsewhere(&test, &[]).await;
    let reference = intent["id"].as_str().unwrap();
    for number in 0..30 {
        let id = format!("evt_{number}");
        deliver(&test, &event(&id, "payment_intent.succeeded", number, &intent)).await;
    }
    all_ended(&test).await;
    let path = format!("/v1/payment_intents/{reference}");
    let reads = test.stripe.requests();
    let reads = reads.iter().filter(|request| request.path == path).count();
    assert!((1..=4).contains(&reads), "{reads} reads");
    assert_eq!(list(&test, "").await.len(), 1);
}

#[tokio::test]
async fn what_the_provider_does_not_know_is_left_out() {
    let test = unheard().await;
    let nowhere = example("payment_intent", json!({}));
    deliver(&test, &event("evt_1", "payment_intent.created", 1, &nowhere)).await;
    all_ended(&test).await;
    assert_eq!(ended(&test, "evt_1").await, "ignored");
    assert_eq!(test.count("foreign_payment").await, 0);
}

#[tokio::test]
async fn foreign_payments_are_listed_newest_first_by_state_and_capture_page_by_page() {
    let test = unheard().await;
    let mut all = Vec::new();
    for number in 0..5 {
        let held = [("capture_method", "manual")];
        let more: &[(&str, &str)] = if number % 2 == 0 { &[] } else { &held };
        let intent = made_elsewhere(&test, more).await;
        let id = format!("evt_{number}");
        deliver(&test, &event(&id, "payment_intent.created", 1, &intent)).await;
        all_ended(&test).await;
        all.insert(0, intent["id"].clone());
    }
    let references = |page: &[Value]| -> Vec<Value> {
        page.iter()
            .map(|shown| shown["provider_reference"].clone())
            .collect()
    };
    assert_eq!(references(&list(&test, "").await), all);
    assert_eq!(list(&test, "?state=authorized").await.len(), 2);
    assert_eq!(list(&test, "?captured_from=2020-01-01T00:00:00Z").await.len(), 3);
    assert_eq!(list(&test, "?captured_from=2100-01-01T00:00:00Z").await.len(), 0);

    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = test
            .get(&format!("/v1/foreign_payments{query}"))
            .await
            .expect(StatusCode::OK);
        seen.extend(references(page["data"].as_array().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, all);
    for (query, field) in [
        ("?limit=0", "limit"),
        ("?cursor=x", "cursor"),
        ("?captured_from=x", "captured_from"),
    ] {
        let refused = test
            .get(&format!("/v1/foreign_payments{query}"))
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused["field"], field);
    }
}
