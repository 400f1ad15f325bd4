//! Idempotency keys, by Stripe's rules.

use std::time::Duration;

use axum::http::StatusCode;
use quittance_sandbox::stripe::{Options, Settlement};

use super::support::{Desk, paying};

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn the_same_key_and_parameters_bring_the_first_answer_back() {
    let desk = Desk::open().await;
    let first = desk
        .post_with_key(INTENTS, &paying("visa", "description=a"), "k-1")
        .await;
    let reordered = format!("description=a&{}", paying("visa", ""));
    let second = desk.post_with_key(INTENTS, &reordered, "k-1").await;
    assert_eq!(first.body, second.body);
    assert_eq!(
        (
            first.header("idempotent-replayed"),
            second.header("idempotent-replayed")
        ),
        (None, Some("true"))
    );
    assert_eq!(second.header("original-request"), first.header("request-id"));
    assert_eq!(second.header("idempotency-key"), Some("k-1"));
    assert_eq!(desk.stripe.charges_made(), 1);
    assert_eq!(desk.stripe.keys_seen(), ["k-1", "k-1"]);
}

#[tokio::test]
async fn the_same_key_with_other_parameters_or_another_path_is_an_error() {
    let desk = Desk::open().await;
    let paid = desk.post_with_key(INTENTS, &paying("visa", ""), "k-1").await;
    let other = desk
        .post_with_key(INTENTS, &paying("visa", "description=b"), "k-1")
        .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    let refund = format!("payment_intent={}", paid.id());
    let elsewhere = desk.post_with_key("/v1/refunds", &refund, "k-1").await;
    assert_eq!(elsewhere.body["error"]["type"], "idempotency_error");
    assert_eq!((desk.stripe.charges_made(), desk.stripe.refunds().len()), (1, 0));
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict_until_its_first_request_is_answered() {
    let latency = Duration::from_millis(100);
    let desk = Desk::with(Options {
        latency,
        settlement: Settlement::OnDemand,
        ..Options::default()
    })
    .await;
    let form = paying("visa", "");
    let once = || desk.post_with_key(INTENTS, &form, "k-1");
    let (first, second) = tokio::join!(once(), once());
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let conflict = if first.status == StatusCode::CONFLICT {
        first
    } else {
        second
    };
    assert_eq!(conflict.code(), "idempotency_key_in_use");
    assert_eq!(conflict.header("stripe-should-retry"), Some("true"));
    assert_eq!(once().await.header("idempotent-replayed"), Some("true"));
    assert_eq!(desk.stripe.charges_made(), 1);
}

#[tokio::test]
async fn what_fails_validation_leaves_the_key_free() {
    let desk = Desk::open().await;
    let refused = desk
        .post_with_key(INTENTS, "amount=abc&currency=eur", "k-1")
        .await;
    assert_eq!(refused.code(), "parameter_invalid_integer");
    let made = desk
        .post_with_key(INTENTS, "amount=100&currency=eur", "k-1")
        .await;
    assert_eq!(
        (made.status, made.header("idempotent-replayed")),
        (StatusCode::OK, None)
    );
}

#[tokio::test]
async fn a_decline_and_a_refusal_by_state_are_kept_under_their_key() {
    let desk = Desk::open().await;
    for _ in 0..2 {
        let declined = desk
            .post_with_key(INTENTS, &paying("visa_chargeDeclined", ""), "k-1")
            .await;
        assert_eq!(
            (declined.status, declined.code()),
            (StatusCode::PAYMENT_REQUIRED, &"card_declined".into())
        );
    }
    assert_eq!(desk.stripe.charges().len(), 1);
    let intent = desk.stripe.payment_intents()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let capture = format!("{INTENTS}/{intent}/capture");
    let refused = desk.post_with_key(&capture, "", "k-2").await;
    let again = desk.post_with_key(&capture, "", "k-2").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(refused.body, again.body);
}
