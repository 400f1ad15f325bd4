//! Differences that a person must see: listed, resolved, reopened, over HTTP and at the command line.

mod bad_input;
mod changes;
mod commands;
mod earlier;
mod lists;
mod suspense;

use quittance::domain::exception::{ExceptionKind, NewException};
use quittance::domain::ids::PaymentId;
use quittance::domain::money::Money;
use quittance::store;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::events::Operator;
use crate::support::{TestApp, Wishes, now};

/// Opens what only the tests saw.
async fn quiet() -> TestApp {
    TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

/// A difference as reconciliation would see it. Whether a person must look who need not have before.
async fn open(test: &TestApp, new: &NewException<'_>) -> bool {
    let mut tx = test.db.begin().await.unwrap();
    let opened = store::exceptions::open(&mut tx, new, now()).await.unwrap();
    tx.commit().await.unwrap();
    opened
}

/// So many cents less than ten euros.
fn short<'a>(test: &TestApp, subject: &'a str, detail: &'a str, found_minor: i64) -> NewException<'a> {
    let eur = |minor| Money::new(minor, "EUR".parse().unwrap());
    NewException::new(test.merchant, ExceptionKind::AmountUnder, subject, detail)
        .at(test.account)
        .between(Some(eur(1_000)), Some(eur(found_minor)))
}

/// A payment that nothing happened to.
async fn payment(test: &TestApp) -> PaymentId {
    let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    payment["id"].as_str().unwrap().parse().unwrap()
}

/// The newest exception, with its history.
async fn newest(operator: &Operator<'_>) -> Value {
    let list = operator
        .get("/v1/exceptions?limit=1")
        .await
        .expect(StatusCode::OK);
    shown(operator, list["data"][0]["id"].as_str().unwrap()).await
}

async fn shown(operator: &Operator<'_>, id: &str) -> Value {
    operator
        .get(&format!("/v1/exceptions/{id}"))
        .await
        .expect(StatusCode::OK)
}

/// What became of an exception: by whom each time, from and to which state, and why.
fn became(exception: &Value) -> Vec<[&str; 4]> {
    let history = exception["history"].as_array().unwrap().iter();
    history
        .map(|change| ["by", "from", "to", "reason"].map(|field| change[field].as_str().unwrap_or_default()))
        .collect()
}

/// The path of what is done to an exception.
fn path(exception: &Value, what: &str) -> String {
    format!("/v1/exceptions/{}/{what}", exception["id"].as_str().unwrap())
}
