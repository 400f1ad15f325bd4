//! One document is paid once, however many attempts Odoo makes at it.

use std::time::Duration;

use futures::future::join_all;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::{Options, Settlement};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually};

/// An attempt at invoice 7.
async fn attempt(test: &TestApp, reference: &str, more: Value) -> Reply {
    let mut wish = json!({ "settles": [{ "model": "account.move", "id": 7, "amount_minor": 12_100 }] });
    if let (Some(wish), Value::Object(more)) = (wish.as_object_mut(), more) {
        wish.extend(more);
    }
    test.create(reference, wish).await
}

fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

/// A conflict that names the payment in the way.
fn stopped_by(reply: &Reply, code: &str, payment: &Value) {
    let problem = reply.expect(StatusCode::CONFLICT);
    assert_eq!(
        (&problem["code"], &problem["payment"]),
        (&json!(code), &payment["id"])
    );
}

#[tokio::test]
async fn an_open_attempt_is_called_off_before_the_next_begins() {
    let test = TestApp::spawn().await;
    let first = attempt(&test, "S1-1", json!({}))
        .await
        .expect(StatusCode::CREATED);
    let second = attempt(&test, "S1-2", json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(test.payment(id(&first)).await["state"], "canceled");
    assert_eq!(second["state"], "created");
    let intents = test.stripe.payment_intents();
    let open = intents
        .iter()
        .filter(|intent| intent["status"] != "canceled")
        .count();
    assert_eq!(open, 1, "only one can be paid");
    let replayed = attempt(&test, "S1-1", json!({})).await;
    assert_eq!(
        replayed.header("Idempotency-Replayed"),
        Some("true"),
        "its own answer stays"
    );
}

#[tokio::test]
async fn an_attempt_that_holds_has_or_may_get_the_money_stops_the_next() {
    let bank = Options {
        settlement: Settlement::OnDemand,
        ..Options::default()
    };
    let test = TestApp::spawn_with(Wishes {
        stripe: bank,
        ..Wishes::default()
    })
    .await;
    let cases = [
        json!({ "payment_method": "pm_card_visa" }),
        json!({ "payment_method": "pm_card_visa", "capture_method": "manual" }),
        json!({ "payment_method": "pm_sepaDebit_success", "off_session": false, "mandate": {
            "accepted_at": "2026-11-20T12:00:00Z", "ip_address": "192.0.2.1", "user_agent": "Firefox" } }),
    ];
    for (number, how) in cases.into_iter().enumerate() {
        let document = i64::try_from(number).unwrap() + 100;
        let settles = json!([{ "model": "account.move", "id": document, "amount_minor": 12_100 }]);
        let with = |mut more: Value| {
            more["settles"] = settles.clone();
            more
        };
        let first = test
            .create(&format!("S{number}-1"), with(how))
            .await
            .expect(StatusCode::CREATED);
        let state = first["state"].as_str().unwrap();
        let wanted = ["captured", "authorized", "processing"][number];
        assert_eq!(state, wanted);
        let second = test.create(&format!("S{number}-2"), with(json!({}))).await;
        stopped_by(&second, "document_in_payment", &first);
        let meant = with(json!({ "allow_double": true }));
        test.create(&format!("S{number}-3"), meant)
            .await
            .expect(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn an_attempt_whose_outcome_is_unknown_stops_the_next() {
    let test = TestApp::spawn_with(Wishes {
        provider_timeout: Duration::from_millis(300),
        provider_attempt_timeout: Duration::from_millis(300),
        role: quittance::startup::Role::Serve,
        ..Wishes::default()
    })
    .await;
    let creates = Matcher::method_path("POST", "/v1/payment_intents");
    test.stripe.faults().next(creates, Fault::TimeoutBefore);
    let first = attempt(&test, "S1-1", json!({}))
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(first["state"], "unknown");
    stopped_by(
        &attempt(&test, "S1-2", json!({})).await,
        "document_in_payment",
        &first,
    );
}

#[tokio::test]
async fn what_was_given_back_in_full_no_longer_counts_and_what_was_given_back_in_part_does() {
    let test = TestApp::spawn().await;
    let card = json!({ "payment_method": "pm_card_visa" });
    let first = attempt(&test, "S1-1", card.clone())
        .await
        .expect(StatusCode::CREATED);
    let refunds = format!("/v1/payments/{}/refunds", id(&first));
    test.post(&refunds, "r1", &json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::CREATED);
    stopped_by(
        &attempt(&test, "S1-2", json!({})).await,
        "document_in_payment",
        &first,
    );
    test.post(&refunds, "r2", &json!({}))
        .await
        .expect(StatusCode::CREATED);
    attempt(&test, "S1-3", card).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn sixteen_tabs_at_once_leave_one_payment_that_can_be_paid() {
    let test = TestApp::spawn().await;
    let references: Vec<String> = (0..16).map(|number| format!("S1-{number}")).collect();
    // Who is told to come back comes back, as Odoo does.
    join_all(references.iter().map(async |reference| {
        eventually(async || match attempt(&test, reference, json!({})).await {
            reply if reply.status == StatusCode::CREATED => Ok(()),
            reply => {
                assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
                Err(format!("{reply:?}"))
            }
        })
        .await;
    }))
    .await;
    let intents = test.stripe.payment_intents();
    let open = intents
        .iter()
        .filter(|intent| intent["status"] != "canceled")
        .count();
    assert_eq!(open, 1, "{} intents", intents.len());
    assert_eq!(test.count("payment where state = 'created'").await, 1);
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn two_payments_of_one_document_that_were_both_paid_are_an_exception_that_offers_the_refund() {
    let test = TestApp::spawn().await;
    let held = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    let first = attempt(&test, "S1-1", held).await.expect(StatusCode::CREATED);
    let meant = json!({ "payment_method": "pm_card_visa", "allow_double": true });
    let second = attempt(&test, "S1-2", meant).await.expect(StatusCode::CREATED);
    assert_eq!(test.count("exception").await, 0, "one of them is only held");
    test.post(&format!("/v1/payments/{}/capture", id(&first)), "c", &json!({}))
        .await
        .expect(StatusCode::OK);
    let told = test.payment(id(&first)).await;
    assert_eq!(told["exceptions"][0]["kind"], "double_payment");
    let detail = told["exceptions"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(id(&second)), "{detail}");
    assert!(
        detail.contains(&format!("POST /v1/payments/{}/refunds", id(&first))),
        "{detail}"
    );
}

#[tokio::test]
async fn a_further_payment_of_a_document_that_was_paid_before_is_no_double() {
    let test = TestApp::spawn().await;
    let deposit = json!({ "payment_method": "pm_card_visa" });
    attempt(&test, "S1-1", deposit).await.expect(StatusCode::CREATED);
    let rest = json!({ "payment_method": "pm_card_visa", "allow_double": true });
    attempt(&test, "S1-2", rest).await.expect(StatusCode::CREATED);
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn a_reference_with_another_amount_replaces_an_unpaid_payment() {
    let test = TestApp::spawn().await;
    let first = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let body = crate::support::payment("S1", json!({ "amount_minor": 5_000 }));
    let second = test
        .post("/v1/payments", "another", &body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(second["amount_minor"], 5_000);
    assert_eq!(test.payment(id(&first)).await["state"], "canceled");
    let same = test.post("/v1/payments", "third", &body).await;
    stopped_by(&same, "reference_in_use", &second);
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn a_reference_with_another_amount_is_raised_where_the_first_was_paid() {
    let test = TestApp::spawn().await;
    let card = json!({ "payment_method": "pm_card_visa" });
    let first = test.create("S1", card).await.expect(StatusCode::CREATED);
    let body = crate::support::payment("S1", json!({ "amount_minor": 5_000 }));
    for key in ["another", "once-more"] {
        let second = test.post("/v1/payments", key, &body).await;
        stopped_by(&second, "reference_in_use", &first);
    }
    let told = test.payment(id(&first)).await;
    assert_eq!(told["exceptions"].as_array().unwrap().len(), 1);
    assert_eq!(told["exceptions"][0]["kind"], "reference_amount_differs");
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn one_reference_under_many_keys_at_once_is_one_payment_that_the_others_are_told_of() {
    let test = TestApp::spawn().await;
    let body = crate::support::payment("S1", json!({ "payment_method": "pm_card_visa" }));
    let keys: Vec<String> = (0..64).map(|number| format!("key-{number}")).collect();
    let replies = join_all(keys.iter().map(|key| test.post("/v1/payments", key, &body))).await;
    let (made, others): (Vec<&Reply>, Vec<&Reply>) = replies
        .iter()
        .partition(|reply| reply.status == StatusCode::CREATED);
    assert_eq!(made.len(), 1);
    for other in others {
        stopped_by(other, "reference_in_use", &made[0].json());
    }
    assert_eq!(test.stripe.charges_made(), 1);
}
