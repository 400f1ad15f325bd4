//! Payouts, as events tell of them.

use quittance_sandbox::stripe::{DeliveryPlan, PayoutStep};
use serde_json::json;

use super::{all_ended, deliver, ended, event, example, thin, unheard};
use crate::support::{TestApp, eventually};

/// A payout's state and whether its ledger lines are complete.
async fn held(test: &TestApp, reference: &str) -> Option<(String, Option<String>)> {
    sqlx::query_as("select state, reconciliation from payout where provider_reference = $1")
        .bind(reference)
        .fetch_optional(&test.db)
        .await
        .unwrap()
}

async fn until(test: &TestApp, reference: &str, state: &str, reconciliation: &str) {
    let wanted = Some((state.to_owned(), Some(reconciliation.to_owned())));
    eventually(async || {
        let held = held(test, reference).await;
        if held == wanted {
            Ok(())
        } else {
            Err(format!("{held:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_payout_is_followed_to_the_bank_and_back_and_one_that_fails_is_told_of_once() {
    let test = TestApp::spawn().await;
    test.stripe
        .set_delivery(DeliveryPlan::default().twice().shuffled(8));
    let id = test.stripe.pay_out(-1_100, "eur");
    until(&test, &id, "pending", "in_progress").await;
    test.stripe.step_payout(&id, PayoutStep::Send).unwrap();
    test.stripe.step_payout(&id, PayoutStep::Arrive).unwrap();
    test.stripe.step_payout(&id, PayoutStep::Reconcile).unwrap();
    until(&test, &id, "paid", "completed").await;
    assert_eq!(test.count("exception").await, 0);
    test.stripe.step_payout(&id, PayoutStep::Fail).unwrap();
    until(&test, &id, "failed", "completed").await;
    all_ended(&test).await;
    assert_eq!(test.count("exception where kind = 'payout_failed'").await, 1);
    let (amount_minor, code): (i64, String) = sqlx::query_as("select amount_minor, failure_code from payout")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!((amount_minor, code.as_str()), (-1_100, "account_closed"));
}

#[tokio::test]
async fn the_events_of_a_payout_end_the_same_in_any_order_and_twice() {
    let test = unheard().await;
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 4, 0, 3, 2]] {
        let id = test.stripe.pay_out(100, "eur");
        for step in [
            PayoutStep::Send,
            PayoutStep::Arrive,
            PayoutStep::Reconcile,
            PayoutStep::Fail,
        ] {
            test.stripe.step_payout(&id, step).unwrap();
        }
        let events = test.stripe.events();
        let events: Vec<_> = events
            .iter()
            .filter(|event| event["data"]["object"]["id"] == id.as_str())
            .collect();
        for index in order.into_iter().chain(order) {
            deliver(&test, events[index]).await;
        }
        all_ended(&test).await;
        until(&test, &id, "failed", "completed").await;
    }
}

#[tokio::test]
async fn what_cannot_be_placed_or_read_is_settled_by_reading_the_payout() {
    let test = unheard().await;
    let id = test.stripe.pay_out(100, "eur");
    test.stripe.step_payout(&id, PayoutStep::Send).unwrap();
    let odd = json!({ "id": id, "amount": "1.00" });
    deliver(&test, &event("evt_1", "payout.updated", 1, &odd)).await;
    all_ended(&test).await;
    until(&test, &id, "in_transit", "in_progress").await;
    let of_tomorrow = example("payout", json!({ "id": id, "status": "on_a_ship" }));
    deliver(&test, &event("evt_2", "payout.updated", 2, &of_tomorrow)).await;
    all_ended(&test).await;
    until(&test, &id, "in_transit", "in_progress").await;
    assert_eq!(
        test.count("exception").await,
        0,
        "the provider says that it is not so"
    );
}

#[tokio::test]
async fn a_thin_event_of_a_payout_has_the_payout_read() {
    let test = unheard().await;
    let id = test.stripe.pay_out(100, "eur");
    test.stripe.step_payout(&id, PayoutStep::Send).unwrap();
    test.stripe.step_payout(&id, PayoutStep::Arrive).unwrap();
    deliver(&test, &thin("evt_test_1", "v1.payout.paid", ("payout", &id))).await;
    all_ended(&test).await;
    until(&test, &id, "paid", "in_progress").await;
    assert_eq!(ended(&test, "evt_test_1").await, "applied");
}
