//! Connect: the key is a platform's, the account one of those that are connected to it.

use std::time::Duration;

use quittance_sandbox::stripe::Options;
use reqwest::StatusCode;
use serde_json::json;

use super::{connect, paid_in_the_browser, rotate, unconnected_with};
use crate::support::{TestApp, Wishes};

const ACCOUNT: &str = "acct_1Sandbox";

/// A service with a connected account, which the platform does not tell of yet.
async fn unconnected() -> TestApp {
    let test = unconnected_with(Wishes {
        stripe: Options {
            connected: true,
            account_id: ACCOUNT.to_owned(),
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    sqlx::query("update provider_account set external_account = $1")
        .bind(ACCOUNT)
        .execute(&test.db)
        .await
        .unwrap();
    test
}

#[tokio::test]
async fn calls_name_the_account_and_the_endpoint_is_the_platforms() {
    let test = unconnected().await;
    connect(&test).await.unwrap();
    let paid = paid_in_the_browser(&test, "S1").await;
    let refund = test
        .post(
            &format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap()),
            "r",
            &json!({}),
        )
        .await;
    refund.expect(StatusCode::CREATED);
    let requests = test.stripe.requests();
    assert!(requests.len() > 4);
    for request in requests {
        let of_the_platform = request.path.starts_with("/v1/webhook_endpoints");
        let named = request.stripe_account.as_deref();
        assert_eq!(named, (!of_the_platform).then_some(ACCOUNT), "{request:?}");
    }
    test.stripe
        .wait_until_delivered(Duration::from_secs(20))
        .await
        .unwrap();
    let events = i64::try_from(test.stripe.events().len()).unwrap();
    assert_eq!(test.count("webhook_event").await, events);
    rotate(&test, time::Duration::ZERO).await;
    paid_in_the_browser(&test, "S2").await;
}

#[tokio::test]
async fn what_the_other_accounts_of_the_platform_do_is_acknowledged_and_left_out() {
    let test = unconnected().await;
    connect(&test).await.unwrap();
    let charge = json!({ "id": "ch_other", "object": "charge", "payment_intent": "pi_other" });
    test.stripe
        .tell_of_account("acct_1Other", "charge.succeeded", &charge);
    test.stripe.tell_of_account(ACCOUNT, "charge.succeeded", &charge);
    test.stripe
        .wait_until_delivered(Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(test.stripe.acknowledged(), 2);
    assert_eq!(test.count("webhook_event").await, 1, "only ours is kept");
}
