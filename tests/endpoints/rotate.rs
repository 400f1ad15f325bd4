//! A secret is rolled without a gap: two endpoints overlap.

use std::sync::Arc;

use quittance::app::AppError;
use quittance::app::endpoints::{self, OVERLAP};
use quittance::domain::audit_log::Actor;
use quittance::startup::Role;
use quittance::worker;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::Options;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::{connect, end_overlap, paid_in_the_browser, references, rotate, unconnected, unconnected_with};
use crate::support::{Wishes, eventually};

#[tokio::test]
async fn while_a_secret_is_rolled_both_prove_and_afterwards_the_old_one_is_gone() {
    let test = unconnected().await;
    let old = connect(&test).await.unwrap().provider_reference;
    let new = rotate(&test, OVERLAP).await;
    assert!(new.old_until.is_some());
    assert_eq!(references(&test), [old.clone(), new.provider_reference.clone()]);

    paid_in_the_browser(&test, "S1").await;
    test.stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let events = i64::try_from(test.stripe.events().len()).unwrap();
    assert_eq!(
        test.count("webhook_event").await,
        events,
        "each came twice and is kept once"
    );
    assert!(test.stripe.acknowledged() >= 2 * test.stripe.events().len() as u64);

    assert_eq!(endpoints::retire_due(test.application().app()).await.unwrap(), 0);
    assert_eq!(end_overlap(&test).await, 1);
    assert_eq!(references(&test), [new.provider_reference]);
    assert_eq!(test.count("webhook_secret").await, 1);
    paid_in_the_browser(&test, "S2").await;
    test.stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let events = i64::try_from(test.stripe.events().len()).unwrap();
    assert_eq!(test.count("webhook_event").await, events);
}

#[tokio::test]
async fn what_the_new_endpoint_delivers_before_its_secret_is_stored_comes_again() {
    let test = unconnected_with(Wishes {
        stripe: Options {
            webhook_retries: vec![std::time::Duration::from_millis(200); 20],
            ..Options::default()
        },
        provider_attempt_timeout: std::time::Duration::from_millis(300),
        provider_timeout: std::time::Duration::from_millis(700),
        ..Wishes::default()
    })
    .await;
    connect(&test).await.unwrap();
    let create = Matcher::method_path("POST", "/v1/webhook_endpoints");
    test.stripe.faults().always(create, Fault::TimeoutAfter);
    let app = test.application().app();
    let lost = endpoints::rotate(
        app,
        test.merchant,
        test.account,
        OVERLAP,
        &Actor::at_the_command_line(),
    )
    .await;
    assert!(matches!(lost, Err(AppError::Provider(_))), "{lost:?}");
    assert_eq!(
        references(&test).len(),
        2,
        "the new one is there, and nobody has its secret"
    );
    paid_in_the_browser(&test, "S1").await;
    assert!(test.stripe.undelivered() > 0);
    test.stripe.faults().clear();
    rotate(&test, OVERLAP).await;
    assert_eq!(references(&test).len(), 2);
    test.stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let events = i64::try_from(test.stripe.events().len()).unwrap();
    assert_eq!(test.count("webhook_event").await, events);
}

#[tokio::test]
async fn a_secret_that_leaked_is_dropped_at_once() {
    let test = unconnected().await;
    let old = connect(&test).await.unwrap().provider_reference;
    let new = rotate(&test, Duration::ZERO).await;
    assert_ne!(old, new.provider_reference);
    assert_eq!(references(&test), [new.provider_reference]);
    assert_eq!(test.count("webhook_secret").await, 1);
    paid_in_the_browser(&test, "S1").await;
}

#[tokio::test]
async fn an_old_endpoint_that_cannot_be_deleted_now_keeps_its_secret_until_it_can() {
    let test = unconnected().await;
    connect(&test).await.unwrap();
    rotate(&test, OVERLAP).await;
    let delete = Matcher::method_path("DELETE", "/v1/webhook_endpoints/*");
    test.stripe.faults().always(delete, Fault::ErrorBefore);
    assert_eq!(end_overlap(&test).await, 0);
    assert_eq!(
        (references(&test).len(), test.count("webhook_secret").await),
        (2, 2)
    );
    test.stripe.faults().clear();
    assert_eq!(end_overlap(&test).await, 1);
    assert_eq!(
        (references(&test).len(), test.count("webhook_secret").await),
        (1, 1)
    );
}

#[tokio::test]
async fn an_account_that_was_never_connected_has_nothing_to_roll() {
    let test = unconnected().await;
    let app = test.application().app();
    let refused = endpoints::rotate(
        app,
        test.merchant,
        test.account,
        OVERLAP,
        &Actor::at_the_command_line(),
    )
    .await;
    assert!(matches!(refused, Err(AppError::NotFound(_))), "{refused:?}");
}

#[tokio::test]
async fn a_worker_ends_an_overlap_by_itself() {
    let test = unconnected_with(Wishes {
        role: Role::Serve,
        ..Wishes::default()
    })
    .await;
    connect(&test).await.unwrap();
    let new = rotate(&test, Duration::milliseconds(1)).await;
    let app = Arc::clone(test.application().app());
    let (poll, stop) = (std::time::Duration::from_millis(20), CancellationToken::new());
    tokio::join!(worker::run(app, poll, stop.clone()), async {
        eventually(async || match references(&test) {
            there if there == [new.provider_reference.clone()] => Ok(()),
            others => Err(format!("{others:?}")),
        })
        .await;
        stop.cancel();
    });
}
