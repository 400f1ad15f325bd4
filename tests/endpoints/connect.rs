//! An account is connected once, whatever happens in between.

use std::time::Duration;

use quittance::app::AppError;
use quittance_sandbox::faults::{Fault, Matcher};

use super::{connect, connect_at, paid_in_the_browser, references, unconnected, unconnected_with};
use crate::support::{TestApp, Wishes};

const CREATE: &str = "/v1/webhook_endpoints";

/// A service that gives up on the provider soon.
async fn hasty() -> TestApp {
    unconnected_with(Wishes {
        provider_attempt_timeout: Duration::from_millis(300),
        provider_timeout: Duration::from_millis(700),
        ..Wishes::default()
    })
    .await
}

fn lose_the_answer(test: &TestApp) {
    test.stripe
        .faults()
        .always(Matcher::method_path("POST", CREATE), Fault::TimeoutAfter);
}

/// As long ago as Stripe surely remembers no key any more.
async fn a_day_passes(test: &TestApp) {
    test.stripe.forget_keys();
    sqlx::query("update webhook_endpoint set created_at = created_at - interval '25 hours'")
        .execute(&test.db)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_account_that_was_connected_hears_of_its_payments_and_believes_it() {
    let test = unconnected().await;
    let connected = connect(&test).await.unwrap();
    assert!(connected.created);
    let shown = &test.stripe.endpoints()[0];
    assert_eq!(shown["id"], connected.provider_reference);
    assert_eq!(shown["url"], test.webhook_url());
    assert_eq!(shown["api_version"], "2026-09-30.endive");
    assert_eq!(shown["enabled_events"].as_array().unwrap().len(), 43);
    paid_in_the_browser(&test, "S1").await;
    assert!(test.count("webhook_event where state = 'applied'").await > 0);
    let sealed: Vec<u8> = sqlx::query_scalar("select secret_sealed from webhook_secret")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert!(!sealed.windows(6).any(|bytes| bytes == b"whsec_"));
}

#[tokio::test]
async fn connecting_twice_or_at_the_same_time_leaves_one_endpoint() {
    let test = unconnected().await;
    let all = futures::future::join_all((0..6).map(|_| connect(&test))).await;
    let mut made: Vec<String> = all
        .into_iter()
        .map(|connected| connected.unwrap().provider_reference)
        .collect();
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
    let again = connect(&test).await.unwrap();
    assert!(!again.created);
    assert_eq!(references(&test), [again.provider_reference]);
    assert_eq!(test.count("webhook_secret").await, 1);
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn who_died_before_the_secret_was_stored_asks_again_and_is_told_it_again() {
    let test = hasty().await;
    lose_the_answer(&test);
    let lost = connect(&test).await;
    assert!(matches!(lost, Err(AppError::Provider(_))), "{lost:?}");
    assert_eq!(
        (references(&test).len(), test.count("webhook_secret").await),
        (1, 0)
    );
    test.stripe.faults().clear();
    let made = references(&test);
    connect(&test).await.unwrap();
    assert_eq!(references(&test), made, "it is the same endpoint");
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn an_endpoint_whose_secret_is_lost_for_good_is_deleted_and_another_made() {
    let test = hasty().await;
    lose_the_answer(&test);
    assert!(connect(&test).await.is_err());
    test.stripe.faults().clear();
    let orphan = references(&test);
    a_day_passes(&test).await;
    let connected = connect(&test).await.unwrap();
    assert!(!orphan.contains(&connected.provider_reference));
    assert_eq!(references(&test), [connected.provider_reference]);
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn a_failure_that_stripe_keeps_under_the_key_is_no_dead_end() {
    let test = unconnected().await;
    test.stripe
        .faults()
        .next(Matcher::method_path("POST", CREATE), Fault::ErrorAfter);
    assert!(connect(&test).await.is_err());
    let connected = connect(&test).await.unwrap();
    assert_eq!(
        references(&test),
        [connected.provider_reference],
        "what was made under the first key is gone"
    );
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn connecting_again_mends_what_somebody_changed_at_the_provider() {
    let test = unconnected().await;
    let first = connect(&test).await.unwrap().provider_reference;
    test.stripe
        .change_endpoint(&first, |endpoint| {
            endpoint.events = vec!["charge.failed".to_owned()];
        })
        .unwrap();
    test.stripe.disable_endpoint(&first).unwrap();
    assert!(!connect(&test).await.unwrap().created);
    let shown = &test.stripe.endpoints()[0];
    assert_eq!(shown["status"], "enabled");
    assert_eq!(shown["enabled_events"].as_array().unwrap().len(), 43);
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn an_endpoint_that_was_deleted_at_the_provider_is_made_anew() {
    let test = unconnected().await;
    let first = connect(&test).await.unwrap().provider_reference;
    test.stripe.delete_endpoint(&first).unwrap();
    let second = connect(&test).await.unwrap();
    assert!(second.created);
    assert_eq!(references(&test), [second.provider_reference]);
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn after_a_move_the_old_address_goes_on_for_an_overlap() {
    let test = unconnected().await;
    let old = connect(&test).await.unwrap();
    // The same service by another name.
    let new = connect_at(&test, &test.url.replace("127.0.0.1", "localhost"))
        .await
        .unwrap();
    assert!(new.created && new.old_until.is_some());
    assert_eq!(
        references(&test),
        [old.provider_reference, new.provider_reference.clone()]
    );
    assert_eq!(super::end_overlap(&test).await, 1);
    assert_eq!(references(&test), [new.provider_reference]);
}

#[tokio::test]
async fn another_ones_endpoints_are_left_alone() {
    let test = unconnected().await;
    let other = test
        .stripe
        .add_endpoint(quittance_sandbox::stripe::WebhookEndpoint::new(
            test.webhook_url(),
            "whsec_made_by_hand",
        ));
    let ours = connect(&test).await.unwrap().provider_reference;
    assert_eq!(references(&test), [other, ours]);
}

#[tokio::test]
async fn an_address_that_stripe_would_not_send_to_is_refused_before_it_is_asked() {
    let test = unconnected().await;
    for base in [
        "ftp://pay.example",
        "https://pay.example/?a=b",
        "https://me@pay.example",
    ] {
        let refused = connect_at(&test, base).await;
        assert!(
            matches!(
                refused,
                Err(AppError::Invalid {
                    code: "invalid_url",
                    ..
                })
            ),
            "{base}"
        );
    }
    sqlx::query("update provider_account set live = true")
        .execute(&test.db)
        .await
        .unwrap();
    let plain = connect(&test).await;
    assert!(matches!(plain, Err(AppError::Invalid { .. })), "{plain:?}");
    assert!(references(&test).is_empty());
}
