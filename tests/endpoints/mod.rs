//! Webhook endpoints at the provider: registered once, rolled without a gap, checked; and the two forms in which they tell.

mod check;
mod connect;
mod connected;
mod rights;
mod rotate;
mod thin;

use quittance::app::AppError;
use quittance::app::endpoints::{self, Connected};
use quittance::domain::audit_log::Actor;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::Duration;
use url::Url;

use crate::support::{TestApp, Wishes};

/// A service that the pretend Stripe does not know of, and that can prove nothing yet.
async fn unconnected() -> TestApp {
    unconnected_with(Wishes::default()).await
}

async fn unconnected_with(wishes: Wishes) -> TestApp {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..wishes
    })
    .await;
    sqlx::query("delete from webhook_secret")
        .execute(&test.db)
        .await
        .unwrap();
    test
}

/// What the `connect` command does.
async fn connect(test: &TestApp) -> Result<Connected, AppError> {
    connect_at(test, &test.url).await
}

async fn connect_at(test: &TestApp, base: &str) -> Result<Connected, AppError> {
    let base: Url = base.parse().unwrap();
    endpoints::connect(
        test.application().app(),
        test.merchant,
        test.account,
        &base,
        &Actor::at_the_command_line(),
    )
    .await
}

/// What the `rotate-webhook-secret` command does.
async fn rotate(test: &TestApp, overlap: Duration) -> Connected {
    let app = test.application().app();
    endpoints::rotate(
        app,
        test.merchant,
        test.account,
        overlap,
        &Actor::at_the_command_line(),
    )
    .await
    .unwrap()
}

/// What a worker does once the overlap of an endpoint is over.
async fn end_overlap(test: &TestApp) -> usize {
    sqlx::query(
        "update webhook_endpoint set retire_at = now() - interval '1 second' where state = 'retiring'",
    )
    .execute(&test.db)
    .await
    .unwrap();
    endpoints::retire_due(test.application().app()).await.unwrap()
}

/// The pretend Stripe's ids of its endpoints, oldest first.
fn references(test: &TestApp) -> Vec<String> {
    let shown = test.stripe.endpoints();
    let ids = shown.iter().rev().map(|endpoint| endpoint["id"].as_str());
    ids.map(|id| id.unwrap().to_owned()).collect()
}

/// A payment that its customer makes in the browser: what we know of its end, we were told.
async fn paid_in_the_browser(test: &TestApp, reference: &str) -> Value {
    let payment = test
        .create(reference, json!({}))
        .await
        .expect(StatusCode::CREATED);
    test.pay(&payment, "pm_card_visa").await;
    test.until(payment["id"].as_str().unwrap(), "captured").await
}
