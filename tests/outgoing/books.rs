//! What the ledger books, told to the Odoo that keeps the account's books.

use quittance::app::postings;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::PayoutKind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::World;
use crate::events::Operator;
use crate::reconciliation::{an_hour_ago, reconcile};

/// The bookings that were applied, in order.
fn bookings(world: &World) -> Vec<Value> {
    let applied = world.addon.applied();
    applied
        .iter()
        .map(|message| message["booking"].clone())
        .filter(Value::is_object)
        .collect()
}

/// What an account holds after all bookings, in minor units.
fn held(world: &World, account: &str) -> i64 {
    let of_account = |booking: &Value| {
        let parts = booking["parts"].as_array().unwrap().iter();
        let of_it = parts.filter(|part| part["account"] == account);
        of_it
            .map(|part| part["value_minor"].as_i64().unwrap())
            .sum::<i64>()
    };
    bookings(world).iter().map(of_account).sum()
}

async fn held_for_parts(world: &World, reference: &str) -> Value {
    let wish = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    world
        .test
        .create(reference, wish)
        .await
        .expect(StatusCode::CREATED)
}

async fn capture(world: &World, payment: &Value, key: &str, body: Value) {
    let path = format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap());
    world.test.post(&path, key, &body).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn bookings_follow_their_payment_and_sum_to_what_the_provider_holds() {
    let world = World::keeping().await;
    let paid = world.pay("S1").await;
    let payout = world
        .test
        .stripe
        .pay_out_all("eur", PayoutKind::Automatic)
        .unwrap();
    world.test.stripe.land_payout(&payout).unwrap();
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    assert_eq!(world.addon.broken(), Vec::<String>::new());
    let told = world.addon.payment("S1").unwrap();
    let applied = world.addon.applied();
    let place = |is: &dyn Fn(&Value) -> bool| applied.iter().position(is).unwrap();
    for (source, list) in [("captures", "captures"), ("refunds", "refunds")] {
        let source = &told[source][0]["source"];
        let news = place(&|message: &Value| {
            let listed = message["payment"][list].as_array();
            listed.is_some_and(|listed| listed.iter().any(|one| one["source"] == *source))
        });
        let booking = place(&|message: &Value| message["booking"]["meets"] == *source);
        assert!(news < booking, "{source} is booked before it is told");
    }
    assert_eq!(told["captures"][0]["amount_minor"], 12_100);
    assert_eq!(told["refunds"][0]["amount_minor"], 2_100);
    assert_eq!(told["id"], paid["id"]);
    for booking in bookings(&world) {
        let parts = booking["parts"].as_array().unwrap().iter();
        let sum: i64 = parts.map(|part| part["value_minor"].as_i64().unwrap()).sum();
        assert_eq!(sum, 0, "{booking:#}");
    }
    assert_eq!(held(&world, "provider_balance"), world.test.stripe.balance("eur"));
    assert_eq!(held(&world, "receivable_clearing"), -10_000);
    assert_eq!(world.test.count("exception where closed_at is null").await, 0);
}

#[tokio::test]
async fn each_of_several_captures_is_met_by_its_own_line_and_names_what_asked_for_it() {
    let world = World::keeping().await;
    let payment = held_for_parts(&world, "S1").await;
    capture(
        &world,
        &payment,
        "c1",
        json!({ "amount_minor": 5_000, "final": false, "reference": "P1" }),
    )
    .await;
    capture(
        &world,
        &payment,
        "c2",
        json!({ "amount_minor": 7_100, "reference": "P2" }),
    )
    .await;
    world
        .told(payment["id"].as_str().unwrap(), |told| {
            told["captures"].as_array().unwrap().len() == 2
        })
        .await;
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    let told = world.addon.payment("S1").unwrap();
    let captures: Vec<_> = told["captures"].as_array().unwrap().iter().collect();
    let references: Vec<&Value> = captures.iter().map(|capture| &capture["reference"]).collect();
    assert_eq!(references, [&json!("P1"), &json!("P2")]);
    for (capture, amount) in captures.iter().zip([5_000, 7_100]) {
        assert_eq!(capture["amount_minor"], amount);
        let met: Vec<Value> = bookings(&world)
            .into_iter()
            .filter(|booking| booking["meets"] == capture["source"])
            .collect();
        assert_eq!(met.len(), 1, "{capture}");
        let parts = met[0]["parts"].as_array().unwrap().iter();
        let clearing = parts.filter(|part| part["account"] == "receivable_clearing");
        assert_eq!(
            clearing
                .map(|part| part["amount_minor"].as_i64().unwrap())
                .sum::<i64>(),
            -amount
        );
    }
}

#[tokio::test]
async fn captures_that_were_heard_of_together_are_told_apart() {
    let world = World::keeping().await;
    let payment = held_for_parts(&world, "S1").await;
    world.test.stripe.hold();
    let faults = world.test.stripe.faults();
    let captures = Matcher::method_path("POST", "/v1/payment_intents/*/capture");
    faults.next(captures, Fault::ResetAfter);
    let path = format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap());
    let first = json!({ "amount_minor": 5_000, "final": false, "reference": "P1" });
    world.test.post(&path, "c1", &first).await;
    capture(
        &world,
        &payment,
        "c2",
        json!({ "amount_minor": 7_100, "reference": "P2" }),
    )
    .await;
    world.test.stripe.release();
    let told = world
        .told(payment["id"].as_str().unwrap(), |told| {
            told["captured_minor"] == 12_100
        })
        .await;
    let parts: Vec<(i64, &Value)> = told["captures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|capture| (capture["amount_minor"].as_i64().unwrap(), &capture["reference"]))
        .collect();
    assert_eq!(parts, [(5_000, &json!("P1")), (7_100, &json!("P2"))]);
}

#[tokio::test]
async fn a_refund_that_came_back_is_told_as_such_and_its_line_meets_that() {
    let world = World::keeping().await;
    let wish = json!({ "payment_method": "pm_card_refundFail" });
    let paid = world.test.create("S1", wish).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
    let body = json!({ "reference": "R-S1" });
    world
        .test
        .post(&path, "refund", &body)
        .await
        .expect(StatusCode::CREATED);
    let told = world
        .told(paid["id"].as_str().unwrap(), |told| {
            told["refunds"][0]["state"] == "failed"
        })
        .await;
    let refund = &told["refunds"][0];
    assert_eq!(refund["reference"], "R-S1");
    assert!(refund["refunded_on"].is_string(), "{refund:#}");
    assert_eq!(told["refunded_minor"], 0);
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    let met: Vec<String> = bookings(&world)
        .iter()
        .filter_map(|booking| booking["meets"].as_str().map(str::to_owned))
        .collect();
    for source in [&refund["source"], &refund["returned"]["source"]] {
        assert!(
            met.contains(&source.as_str().unwrap().to_owned()),
            "{source} in {met:?}"
        );
    }
}

#[tokio::test]
async fn a_payment_of_the_dashboard_that_is_linked_by_hand_is_told_and_then_booked() {
    let world = World::keeping().await;
    world.test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    let operator = Operator::of(&world.test).await;
    let list = operator
        .get("/v1/exceptions?kind=foreign_line")
        .await
        .expect(StatusCode::OK);
    let exception = &list["data"][0];
    let settles = json!([{ "model": "account.move", "id": 17, "amount_minor": 5_000 }]);
    let link =
        json!({ "reference": "S00042", "settles": settles, "odoo_instance": world.instance.to_string() });
    let path = format!("/v1/exceptions/{}/link", exception["id"].as_str().unwrap());
    world
        .addon
        .put_off(&format!("link_{}", exception["subject"].as_str().unwrap()), 3);
    operator.post(&path, &link).await.expect(StatusCode::OK);
    world.settled().await;
    let applied = world.addon.applied();
    let place = |is: &dyn Fn(&Value) -> bool| applied.iter().position(is).unwrap();
    let told = place(&|message: &Value| message["type"] == "payment.linked");
    let news = &applied[told]["link"];
    assert_eq!(
        (&news["reference"], &news["amount_minor"], &news["settles"]),
        (&json!("S00042"), &json!(5_000), &settles)
    );
    let booked = place(&|message: &Value| message["booking"]["meets"] == news["source"]);
    assert!(told < booked);
    assert_eq!(
        (held(&world, "suspense"), held(&world, "receivable_clearing")),
        (0, -5_000)
    );
}

#[tokio::test]
async fn who_keeps_the_books_from_now_on_is_told_what_was_booked_before() {
    let world = World::new().await;
    world.pay("S1").await;
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    assert_eq!(bookings(&world), Vec::<Value>::new());
    world.keep().await;
    let app = world.test.application().app();
    let queued = postings::catch_up(app, world.test.merchant, world.test.account)
        .await
        .unwrap();
    assert!(queued > 0);
    world.settled().await;
    assert_eq!(held(&world, "provider_balance"), world.test.stripe.balance("eur"));
}

#[tokio::test]
async fn a_booking_that_is_rejected_holds_up_no_other_and_tells_a_person() {
    let world = World::keeping().await;
    world.pay("S1").await;
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
    world.addon.reject("txn_locked", "the period is locked");
    sqlx::query(
        "insert into outbox_message (merchant_id, id, odoo_instance_id, provider_account_id, journal_currency, posting_key, posting,
             due_at, created_at)
         select merchant_id, gen_random_uuid(), odoo_instance_id, provider_account_id, journal_currency, 'txn_locked',
             jsonb_set(posting, '{source}', '\"txn_locked\"') - 'meets' || '{\"meets\": null}', now(), now()
         from outbox_message where sequence is null limit 1",
    )
    .execute(&world.test.db)
    .await
    .unwrap();
    world
        .until("a person is told", async || {
            world
                .test
                .count("exception where kind = 'message_rejected' and closed_at is null")
                .await
                == 1
        })
        .await;
    world.pay("S2").await;
    reconcile(&world.test, an_hour_ago()).await;
    world
        .until("the others are booked", async || {
            world.test.count("outbox_message where state <> 'sent'").await == 1
        })
        .await;
    world.addon.reject_none();
    world.settled().await;
    assert_eq!(world.test.count("exception where closed_at is null").await, 0);
}
