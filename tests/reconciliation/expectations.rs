//! What moved is held against the ledger lines of it, and what differs is told of until it does not.

use futures::future::join_all;
use quittance::app::reconciliation;
use quittance::domain::balance_transaction::{About, BalanceTransaction, Line};
use quittance::domain::ids::PaymentId;
use quittance::domain::money::Money;
use quittance::store;
use quittance_sandbox::stripe::{Options, Settlement};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::paid;
use super::{an_hour_ago, reconcile};
use crate::events::Operator;
use crate::support::{TestApp, Wishes, eventually, now};

/// Lines are written when the test says so.
pub(super) async fn on_demand() -> TestApp {
    TestApp::spawn_with(Wishes {
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await
}

/// Lets so much time pass for what is expected.
async fn days_pass(test: &TestApp) {
    sqlx::query(
        "update expectation set differs_since = differs_since - interval '2 days',
             due_at = case when differs_since is not null then now() end",
    )
    .execute(&test.db)
    .await
    .unwrap();
}

/// Waits until everything that is expected is in a state.
async fn until(test: &TestApp, state: &str) {
    eventually(async || {
        let states: Vec<(String, bool)> =
            sqlx::query_as("select state, differs_since is not null from expectation")
                .fetch_all(&test.db)
                .await
                .unwrap();
        // What is expected has been judged once it says since when.
        let settled = |(found, differs): &(String, bool)| found == state && (state != "expected" || *differs);
        if !states.is_empty() && states.iter().all(settled) {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    })
    .await;
}

/// The exceptions of a state, oldest first.
async fn listed(test: &TestApp, state: &str) -> Vec<Value> {
    let operator = Operator::of(test).await;
    let list = operator
        .get(&format!("/v1/exceptions?limit=100&state={state}"))
        .await
        .expect(StatusCode::OK);
    let mut listed = list["data"].as_array().unwrap().clone();
    listed.reverse();
    listed
}

/// Another line of a payment's charge, or of its refund.
async fn add_line(test: &TestApp, payment: &Value, id: &str, source: &str, minor: i64) {
    let payment: PaymentId = payment["id"].as_str().unwrap().parse().unwrap();
    let kind = if minor < 0 { "refund" } else { "charge" };
    let money = Money::new(minor, "EUR".parse().unwrap());
    let fact = BalanceTransaction::plain(
        id.to_owned(),
        kind.to_owned(),
        Some(source.to_owned()),
        (money, 0),
        now(),
    );
    let line = Line {
        fact,
        about: About::default(),
    };
    let mut conn = test.db.acquire().await.unwrap();
    store::balance_transactions::insert(&mut conn, test.merchant, test.account, Some(payment), &[line])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_line_that_does_not_come_is_missing_by_its_deadline_and_ends_that_when_it_comes() {
    let test = on_demand().await;
    let payment = paid(&test, "S1", json!({})).await;
    until(&test, "expected").await;
    assert_eq!(
        listed(&test, "open").await,
        [] as [Value; 0],
        "there is time left"
    );
    days_pass(&test).await;
    until(&test, "missing").await;
    let open = listed(&test, "open").await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["kind"], "line_missing");
    assert_eq!(open[0]["subject"], payment["id"]);
    assert_eq!(open[0]["payment"], payment["id"]);
    assert_eq!(
        (&open[0]["expected_minor"], &open[0]["found_minor"]),
        (&json!(12_100), &json!(0))
    );
    let detail = open[0]["detail"].as_str().unwrap();
    for said in ["EUR 121.00", "S1", "quittance reconcile --since"] {
        assert!(detail.contains(said), "{said}: {detail}");
    }

    test.stripe.settle();
    until(&test, "matched").await;
    assert_eq!(listed(&test, "open").await, [] as [Value; 0]);
    let ended = listed(&test, "resolved").await;
    assert_eq!(ended[0]["id"], open[0]["id"]);
    assert_eq!(ended[0]["resolved_by"], "quittance");
}

#[tokio::test]
async fn what_the_lines_come_to_is_told_of_as_over_and_under_and_ends_with_the_line_that_makes_it_right() {
    let test = TestApp::spawn().await;
    let payment = paid(&test, "S1", json!({})).await;
    until(&test, "matched").await;
    let charge: String = sqlx::query_scalar("select charge_reference from payment")
        .fetch_one(&test.db)
        .await
        .unwrap();
    add_line(&test, &payment, "txn_more", &charge, 700).await;
    until(&test, "expected").await;
    days_pass(&test).await;
    until(&test, "over").await;
    let open = listed(&test, "open").await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["kind"], "amount_over");
    assert_eq!(
        (&open[0]["expected_minor"], &open[0]["found_minor"]),
        (&json!(12_100), &json!(12_800))
    );

    add_line(&test, &payment, "txn_less", &charge, -800).await;
    until(&test, "under").await;
    let open = listed(&test, "open").await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(
        (&open[0]["kind"], &open[0]["difference_minor"]),
        (&json!("amount_under"), &json!(-100))
    );
    add_line(&test, &payment, "txn_right", &charge, 100).await;
    until(&test, "matched").await;
    assert_eq!(listed(&test, "open").await, [] as [Value; 0]);
    assert_eq!(listed(&test, "resolved").await.len(), 2);
}

#[tokio::test]
async fn a_refund_is_held_against_its_own_lines_and_against_the_one_that_brings_it_back() {
    let test = TestApp::spawn().await;
    let payment = paid(&test, "S1", json!({})).await;
    let path = format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap());
    let refund = test
        .post(&path, "refund", &json!({ "amount_minor": 2_100 }))
        .await
        .expect(StatusCode::CREATED);
    reconcile(&test, an_hour_ago()).await;
    until(&test, "matched").await;
    assert_eq!(test.count("expectation").await, 2, "{refund:#}");

    sqlx::query("update refund set amount_minor = 2107")
        .execute(&test.db)
        .await
        .unwrap();
    let again = "update expectation set due_at = now(), differs_since = now() - interval '1 day' where kind = 'refund'";
    sqlx::query(again).execute(&test.db).await.unwrap();
    let open = eventually(async || match listed(&test, "open").await {
        open if open.len() == 1 => Ok(open),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(open[0]["kind"], "amount_under", "{open:?}");
    assert_eq!(
        (&open[0]["expected_minor"], &open[0]["found_minor"]),
        (&json!(-2_107), &json!(-2_100))
    );
    let reference: String = sqlx::query_scalar("select provider_reference from refund")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(open[0]["subject"], reference.as_str());
    add_line(&test, &payment, "txn_rest", &reference, -7).await;
    until(&test, "matched").await;

    sqlx::query("update refund set amount_minor = 2100")
        .execute(&test.db)
        .await
        .unwrap();
    add_line(&test, &payment, "txn_back", &reference, 7).await;
    test.stripe.fail_refund(&reference).unwrap();
    reconcile(&test, an_hour_ago()).await;
    eventually(async || {
        match test
            .count("expectation where kind = 'refund' and state = 'void'")
            .await
        {
            1 => Ok(()),
            _ => Err("the refund is not void".to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn many_who_judge_the_same_at_once_tell_of_each_difference_once() {
    let test = on_demand().await;
    for number in 0..12 {
        paid(&test, &format!("S{number}"), json!({})).await;
    }
    until(&test, "expected").await;
    days_pass(&test).await;
    let app = test.application().app();
    let judged = join_all((0..8).map(|_| reconciliation::judge_due(app))).await;
    assert!(judged.iter().all(Result::is_ok), "{judged:?}");
    until(&test, "missing").await;
    assert_eq!(test.count("exception where kind = 'line_missing'").await, 12);
    assert_eq!(
        test.count("exception_change").await,
        12,
        "each was opened and nothing else"
    );
}
