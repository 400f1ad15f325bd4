//! From the provider's ledger lines to ours, and the proof that nothing is missing.

mod audits;
mod commands;
mod expectations;
mod ledger;
mod matching;
pub(crate) mod month;
mod opening;
mod order;
mod reports;

use std::time::Duration;

use quittance::app::reconciliation;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::events::Operator;
use crate::support::{TestApp, eventually, eventually_within, now};

/// What the ledger holds: (account, currency, minor units), by currency and account.
pub(crate) async fn balances(db: &PgPool) -> Vec<(String, String, i64)> {
    sqlx::query_as(
        "select account, currency, sum(amount_minor)::bigint from ledger_entry
         group by account, currency having sum(amount_minor) <> 0 order by currency, account",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

/// Reads the account's lines from a moment on, and waits until all are booked and every payout's are read.
pub(crate) async fn reconcile(test: &TestApp, since: OffsetDateTime) {
    test.stripe
        .wait_until_delivered(Duration::from_mins(1))
        .await
        .unwrap();
    let app = test.application().app();
    reconciliation::reconcile(app, test.merchant, test.account, since)
        .await
        .unwrap();
    eventually_within(Duration::from_mins(1), async || {
        // In the order in which one leads to the next.
        for left in [
            "webhook_event where due_at is not null",
            "payout_reading where read_at is null",
            "balance_transaction where book_at is not null",
        ] {
            let count = test.count(left).await;
            if count > 0 {
                return Err(format!("{count} {left}"));
            }
        }
        Ok(())
    })
    .await;
}

pub(crate) async fn audit(test: &TestApp) -> Value {
    let operator = Operator::of(test).await;
    operator.get("/v1/audit").await.expect(StatusCode::OK)
}

/// The kinds and details of the differences that are open.
fn open(audit: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let open = audit["open"].as_array().unwrap().iter();
    open.map(|each| (word(&each["kind"]), word(&each["detail"])))
        .collect()
}

pub(crate) fn an_hour_ago() -> OffsetDateTime {
    now() - time::Duration::HOUR
}

pub(crate) async fn paid(test: &TestApp, reference: &str, more: Value) -> Value {
    let mut wish = json!({ "payment_method": "pm_card_visa" });
    for (name, value) in more.as_object().unwrap() {
        wish[name] = value.clone();
    }
    let payment = test.create(reference, wish).await.expect(StatusCode::CREATED);
    test.until(payment["id"].as_str().unwrap(), "captured").await
}

/// So many payments, each with its ledger line: Stripe writes that a moment after the payment.
pub(crate) async fn paid_with_lines(test: &TestApp, count: i64) {
    for number in 0..count {
        paid(test, &format!("S{number}"), json!({})).await;
    }
    eventually(
        async || match test.count("balance_transaction where kind = 'charge'").await {
            lines if lines == count => Ok(()),
            other => Err(format!("{other} lines")),
        },
    )
    .await;
}
