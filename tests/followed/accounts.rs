//! What accounts may do, as events tell.

use quittance::app::setup;
use quittance::domain::ids::ProviderAccountId;
use quittance::provider::ProviderAccount;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{all_ended, deliver, event, example, thin, unheard};
use crate::support::{Reply, TestApp, WEBHOOK_SECRET, eventually, payment, signed};

/// Whether charges and payouts are on, how much is due and why it is off.
async fn standing(test: &TestApp) -> (Option<bool>, Option<bool>, Option<i32>, Option<String>) {
    sqlx::query_as(
        "select charges_enabled, payouts_enabled, due_count, disabled_reason from account_standing",
    )
    .fetch_one(&test.db)
    .await
    .unwrap()
}

fn enabled(charges: bool) -> Value {
    let requirements = if charges {
        json!({ "currently_due": [], "disabled_reason": null })
    } else {
        json!({ "currently_due": ["external_account"], "disabled_reason": "requirements.past_due" })
    };
    example(
        "account",
        json!({ "charges_enabled": charges, "payouts_enabled": charges, "requirements": requirements }),
    )
}

#[tokio::test]
async fn an_older_word_never_overwrites_a_newer_one_and_each_restriction_is_told_of_once() {
    let test = unheard().await;
    let told = async |id: &str, created: i64, charges: bool| {
        deliver(&test, &event(id, "account.updated", created, &enabled(charges))).await;
        all_ended(&test).await;
    };
    let exceptions = async || test.count("exception where kind = 'account_restricted'").await;
    told("evt_1", 10, true).await;
    assert_eq!(standing(&test).await, (Some(true), Some(true), Some(0), None));
    told("evt_3", 30, false).await;
    let restricted = (
        Some(false),
        Some(false),
        Some(1),
        Some("requirements.past_due".to_owned()),
    );
    assert_eq!(standing(&test).await, restricted);
    assert_eq!(exceptions().await, 1);
    told("evt_2", 20, true).await;
    assert_eq!(standing(&test).await, restricted, "it is old");
    told("evt_4", 40, false).await;
    assert_eq!(exceptions().await, 1, "it is told of already");
    told("evt_5", 50, true).await;
    told("evt_6", 60, false).await;
    assert_eq!(exceptions().await, 2, "it happened again");
}

#[tokio::test]
async fn two_words_of_one_second_are_settled_by_reading_the_account() {
    let test = unheard().await;
    deliver(&test, &event("evt_1", "account.updated", 10, &enabled(true))).await;
    all_ended(&test).await;
    test.stripe.enable_charges(false);
    deliver(&test, &event("evt_2", "account.updated", 10, &enabled(false))).await;
    all_ended(&test).await;
    let (charges, _, due_count, _) = standing(&test).await;
    assert_eq!(
        (charges, due_count),
        (Some(false), Some(2)),
        "as the provider says"
    );
    test.stripe.enable_charges(true);
    deliver(&test, &event("evt_3", "account.updated", 10, &enabled(false))).await;
    all_ended(&test).await;
    let reads = test.stripe.requests();
    let reads = reads
        .iter()
        .filter(|request| request.path == "/v1/account")
        .count();
    assert!((1..=2).contains(&reads), "{reads} reads");
}

#[tokio::test]
async fn a_thin_event_of_an_account_has_the_account_read() {
    let test = unheard().await;
    let account = ("account", test.stripe.account_id());
    deliver(&test, &thin("evt_test_1", "v1.account.updated", account)).await;
    all_ended(&test).await;
    assert_eq!(standing(&test).await, (Some(true), Some(true), Some(0), None));
    test.stripe.enable_charges(false);
    deliver(&test, &thin("evt_test_2", "v1.account.updated", account)).await;
    all_ended(&test).await;
    let (charges, _, due_count, _) = standing(&test).await;
    assert_eq!(
        (charges, due_count),
        (Some(false), Some(2)),
        "as the provider says"
    );
    assert_eq!(test.count("exception where kind = 'account_restricted'").await, 1);
    assert_eq!(test.count("webhook_event where state = 'applied'").await, 2);
}

#[tokio::test]
async fn an_account_that_shuts_us_out_is_told_of_and_no_call_is_begun_until_it_lets_us_in() {
    let test = unheard().await;
    let app = test.application().app();
    let account = ProviderAccount {
        merchant_id: test.merchant,
        id: ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: Some("acct_1PgafTB7WZ01zgkW".to_owned()),
        api_base: test.stripe.url().parse().unwrap(),
        secret_key: test.stripe.secret_key().to_owned().into(),
        publishable_key: None,
    };
    let secret = WEBHOOK_SECRET.to_owned().into();
    setup::add_provider_account(app, &account, Some(&secret))
        .await
        .unwrap();
    let told = async |mut event: Value| {
        event["account"] = json!("acct_1PgafTB7WZ01zgkW");
        let (signature, body) = signed(&event);
        let request = test
            .request(Method::POST, &format!("/webhooks/stripe/{}", account.id))
            .header("Stripe-Signature", signature)
            .body(body);
        assert_eq!(Reply::of(request).await.status, StatusCode::OK);
        all_ended(&test).await;
    };
    let application = json!({ "id": "ca_1", "object": "application", "name": "Quittance" });
    told(event(
        "evt_1",
        "account.application.deauthorized",
        20,
        &application,
    ))
    .await;
    assert_eq!(
        test.count("exception where kind = 'account_deauthorized'").await,
        1
    );
    let ask = async |key: &str| {
        let body = payment(key, json!({ "provider_account": account.id }));
        test.post("/v1/payments", key, &body).await
    };
    let before = test.stripe.requests().len();
    let refused = ask("S1").await.expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "account_deauthorized");
    assert_eq!(test.stripe.requests().len(), before, "nothing was sent");

    told(event("evt_0", "account.updated", 10, &enabled(true))).await;
    assert_eq!(ask("S2").await.status, StatusCode::CONFLICT, "that was before");
    told(event("evt_2", "account.updated", 30, &enabled(true))).await;
    eventually(async || {
        let reply = ask("S3").await;
        if reply.status == StatusCode::CONFLICT {
            Err(format!("{:?}", reply.json()))
        } else {
            Ok(())
        }
    })
    .await;
}
