//! Faults, where Stripe itself gives them a meaning of its own.

use std::time::Duration;

use axum::http::StatusCode;
use quittance_sandbox::faults::{Fault, Matcher};

use super::support::{Answered, Desk, paying};

const INTENTS: &str = "/v1/payment_intents";

/// Pays once under a fault and once more with the same key.
async fn twice(fault: Fault) -> (Desk, reqwest::Result<Answered>, Answered) {
    let desk = Desk::open().await;
    desk.stripe
        .faults()
        .next(Matcher::method_path("POST", INTENTS), fault);
    let form = paying("visa", "");
    let first = desk.try_post(INTENTS, &form, Some("k-1")).await;
    let second = desk.post_with_key(INTENTS, &form, "k-1").await;
    (desk, first, second)
}

fn replayed(answer: &Answered) -> bool {
    answer.header("idempotent-replayed").is_some()
}

#[tokio::test]
async fn after_an_answer_that_got_lost_the_key_brings_it_back() {
    for fault in [
        Fault::TimeoutAfter,
        Fault::ResetAfter,
        Fault::CutAfter,
        Fault::Garbage,
    ] {
        let (desk, first, second) = twice(fault).await;
        assert!(first.is_err(), "{fault:?}");
        assert_eq!(
            (second.status, replayed(&second)),
            (StatusCode::OK, true),
            "{fault:?}"
        );
        assert_eq!(desk.stripe.charges_made(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn after_a_fault_before_the_effect_the_key_is_still_fresh() {
    for fault in [Fault::TimeoutBefore, Fault::ResetBefore] {
        let (desk, first, second) = twice(fault).await;
        assert!(first.is_err(), "{fault:?}");
        assert_eq!(
            (second.status, replayed(&second)),
            (StatusCode::OK, false),
            "{fault:?}"
        );
        assert_eq!(desk.stripe.charges_made(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_effect_says_why_and_keeps_nothing() {
    let cases = [
        (
            Fault::TooManyRequests {
                retry_after_secs: Some(2),
            },
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit",
        ),
        (Fault::Conflict, StatusCode::CONFLICT, "idempotency_key_in_use"),
        (Fault::ErrorBefore, StatusCode::INTERNAL_SERVER_ERROR, ""),
        (Fault::Unavailable, StatusCode::SERVICE_UNAVAILABLE, ""),
    ];
    for (fault, status, code) in cases {
        let (desk, first, second) = twice(fault).await;
        let first = first.unwrap();
        assert_eq!(
            (first.status, first.code().as_str().unwrap_or_default()),
            (status, code),
            "{fault:?}"
        );
        let wait = (status == StatusCode::TOO_MANY_REQUESTS).then_some("2");
        assert_eq!(first.header("retry-after"), wait, "{fault:?}");
        assert_eq!(
            (second.status, replayed(&second)),
            (StatusCode::OK, false),
            "{fault:?}"
        );
        assert_eq!(desk.stripe.charges_made(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_500_after_the_effect_stays_under_its_key_for_ever() {
    let (desk, first, second) = twice(Fault::ErrorAfter).await;
    let first = first.unwrap();
    assert_eq!(
        (first.status, replayed(&first)),
        (StatusCode::INTERNAL_SERVER_ERROR, false)
    );
    assert_eq!(
        (second.status, replayed(&second)),
        (StatusCode::INTERNAL_SERVER_ERROR, true)
    );
    assert_eq!(
        (&first.body["error"]["type"], &first.body),
        (&"api_error".into(), &second.body)
    );
    assert_eq!(second.header("stripe-should-retry"), Some("false"));
    assert_eq!(desk.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_delayed_payment_holds_its_key_and_happens_after_its_caller_left() {
    let desk = Desk::open().await;
    desk.stripe.faults().next(
        Matcher::method_path("POST", INTENTS),
        Fault::Delay(Duration::from_millis(900)),
    );
    let form = paying("visa", "");
    assert!(
        desk.try_post(INTENTS, &form, Some("k-1"))
            .await
            .unwrap_err()
            .is_timeout()
    );
    assert_eq!(
        desk.post_with_key(INTENTS, &form, "k-1").await.code(),
        "idempotency_key_in_use"
    );
    assert_eq!(desk.stripe.charges_made(), 0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(desk.stripe.charges_made(), 1);
    assert!(replayed(&desk.post_with_key(INTENTS, &form, "k-1").await));
}

#[tokio::test]
async fn a_strange_answer_hides_what_happened_and_the_key_brings_the_plain_one_back() {
    for (fault, status) in [
        (Fault::Strange, "succeeded"),
        (Fault::StrangeStatus, "unheard_of"),
    ] {
        let (desk, first, second) = twice(fault).await;
        let first = first.unwrap();
        assert_eq!(first.status, StatusCode::OK, "{fault:?}");
        let plain = &second.body;
        for name in [
            "id",
            "object",
            "amount",
            "amount_capturable",
            "amount_received",
            "currency",
        ] {
            assert_eq!(first.body[name], plain[name], "{fault:?} {name}");
        }
        assert_eq!(first.body["status"], status, "{fault:?}");
        assert_eq!(first.body["capture_method"], "unheard_of", "{fault:?}");
        assert!(first.body.get("amount_details").is_none(), "{fault:?}");
        assert!(first.header("request-id").is_some(), "{fault:?}");
        assert_eq!(
            (&plain["status"], replayed(&second)),
            (&"succeeded".into(), true),
            "{fault:?}"
        );
        assert_eq!(desk.stripe.charges_made(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_strange_answer_leaves_a_decline_as_it_is() {
    let desk = Desk::open().await;
    desk.stripe.faults().next(Matcher::any(), Fault::StrangeStatus);
    let declined = desk.pay("chargeDeclined", "").await;
    assert_eq!(
        (declined.status, declined.code()),
        (StatusCode::PAYMENT_REQUIRED, &"card_declined".into())
    );
}

#[tokio::test]
async fn a_forgotten_key_pays_again() {
    let desk = Desk::open().await;
    let form = paying("visa", "");
    for forgotten in [false, true] {
        if forgotten {
            desk.stripe.forget_keys();
        }
        let paid = desk.post_with_key(INTENTS, &form, "k-1").await;
        assert!(!replayed(&paid));
        assert!(replayed(&desk.post_with_key(INTENTS, &form, "k-1").await));
    }
    assert_eq!(desk.stripe.charges_made(), 2);
}
