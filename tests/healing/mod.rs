//! What nobody told us of is found: events by reading the provider's list, and what is not final by reading it every night.

mod nightly;
mod poller;

use quittance::app::{history, queue, reconciliation};
use quittance::startup::Role;
use quittance_sandbox::faults::Matcher;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, Wishes, eventually};

/// No worker and no webhooks: what happens is what the test makes happen.
fn by_hand() -> Wishes {
    Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    }
}

/// Requests for a page of the list.
fn list() -> Matcher {
    Matcher::method_path("GET", "/v1/events")
}

/// How many pages were asked for.
fn pages(test: &TestApp) -> usize {
    let requests = test.stripe.requests();
    requests
        .iter()
        .filter(|request| request.path == "/v1/events")
        .count()
}

/// Brings the accounts' turn, without taking it.
async fn call_turn(test: &TestApp) {
    // The first look notes that the account is there.
    history::work(test.application().app()).await.unwrap();
    run(test, "update event_cursor set due_at = clock_timestamp()").await;
}

/// Reads what is listed, now, until there is nothing more to read for the moment.
async fn poll(test: &TestApp) {
    call_turn(test).await;
    while history::work(test.application().app()).await.unwrap() > 0 {}
}

/// Applies what is kept.
async fn apply(test: &TestApp) {
    eventually(async || {
        queue::work(test.application().app()).await.unwrap();
        match test.count("webhook_event where due_at is not null").await {
            0 => Ok(()),
            due => Err(format!("{due} events are not ended")),
        }
    })
    .await;
}

async fn run(test: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(&test.db).await.unwrap();
}

/// A payment that its customer pays in a browser, so that only events tell of it; all of them have happened.
async fn paid_unheard(test: &TestApp, reference: &str, more: Value) -> Value {
    let payment = test.create(reference, more).await.expect(StatusCode::CREATED);
    test.pay(&payment, "pm_card_visa").await;
    test.stripe.settle();
    payment
}

/// Waits until a payment has both of its postings, and shows that each is there once.
async fn posted_once(test: &TestApp, payment: &Value) {
    let postings = eventually(async || {
        reconciliation::book_due(test.application().app()).await.unwrap();
        let payment = test.payment(payment["id"].as_str().unwrap()).await;
        let postings = payment["postings"].as_array().unwrap().clone();
        if postings.len() >= 2 {
            Ok(postings)
        } else {
            Err(format!("{payment:#}"))
        }
    })
    .await;
    let kinds: Vec<&Value> = postings.iter().map(|posting| &posting["kind"]).collect();
    assert_eq!(kinds, [&json!("customer_payment"), &json!("booking")]);
}
