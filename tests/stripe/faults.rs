//! What each bad day at Stripe is told as, and how much money moved.

use std::time::{Duration, Instant};

use futures::future::join_all;
use quittance::domain::payment::CaptureMethod;
use quittance::provider::{Ambiguity, ObjectRef, Provider, ProviderError};
use quittance::stripe::Timeouts;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::Options;

use super::{HASTY, PATIENT, Test, authorize, confirmed_with, payment};

const CARD: &str = "pm_card_visa";

fn creating() -> Matcher {
    Matcher::method_path("POST", "/v1/payment_intents")
}

/// What a payment ends in when every attempt meets the same fault; and how many charges were made.
async fn always(fault: Fault, timeouts: Timeouts) -> (ProviderError, usize) {
    let test = Test::with(timeouts, Options::default()).await;
    test.pretend.faults().always(creating(), fault);
    let payment = payment(CaptureMethod::Automatic);
    let error = test
        .execute(&payment, &confirmed_with(&payment, CARD))
        .await
        .unwrap_err();
    (error, test.pretend.charges_made())
}

const fn is_unanswered(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::Ambiguous {
            ambiguity: Ambiguity::NoAnswer,
            ..
        }
    )
}

#[tokio::test]
async fn where_no_answer_comes_nobody_knows_whether_it_happened() {
    let cases = [
        (Fault::TimeoutBefore, 0),
        (Fault::TimeoutAfter, 1),
        (Fault::ResetBefore, 0),
        (Fault::ResetAfter, 1),
        (Fault::CutAfter, 1),
        (Fault::Garbage, 1),
        (Fault::ErrorBefore, 0),
        (Fault::Unavailable, 0),
        (Fault::Conflict, 0),
    ];
    join_all(cases.map(async |(fault, charges)| {
        let (error, made) = always(fault, HASTY).await;
        assert!(is_unanswered(&error), "{fault:?}: {error}");
        assert_eq!(made, charges, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn one_lost_answer_is_healed_by_asking_again_under_the_same_key() {
    let faults = [
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutAfter,
        Fault::Garbage,
        Fault::Unavailable,
        Fault::Conflict,
        Fault::TooManyRequests {
            retry_after_secs: None,
        },
    ];
    join_all(faults.map(async |fault| {
        let timeouts = Timeouts {
            per_attempt: Duration::from_secs(2),
            ..PATIENT
        };
        let test = Test::with(timeouts, Options::default()).await;
        test.pretend.faults().next(creating(), fault);
        let payment = payment(CaptureMethod::Automatic);
        let outcome = test.execute(&payment, &confirmed_with(&payment, CARD)).await;
        assert!(outcome.is_ok(), "{fault:?}: {outcome:?}");
        assert_eq!(test.pretend.charges_made(), 1, "{fault:?}");
        assert_eq!(test.pretend.keys_seen().len(), 2, "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_failure_that_stripe_stored_is_looked_up_and_found() {
    let test = Test::new().await;
    test.pretend.faults().next(creating(), Fault::ErrorAfter);
    let payment = payment(CaptureMethod::Automatic);
    let operation = confirmed_with(&payment, CARD);
    assert!(is_unanswered(
        &test.execute(&payment, &operation).await.unwrap_err()
    ));

    let before = test.pretend.requests().len();
    let error = test.execute(&payment, &operation).await.unwrap_err();
    assert!(
        matches!(
            error,
            ProviderError::Ambiguous {
                ambiguity: Ambiguity::Stored,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        test.pretend.requests().len(),
        before + 1,
        "a stored failure is asked for once"
    );
    assert!(test.find(&payment, &operation).await.unwrap().is_some());
    assert_eq!(test.pretend.charges_made(), 1);
}

#[tokio::test]
async fn what_never_left_did_not_happen() {
    let mut test = Test::with(HASTY, Options::default()).await;
    // Nothing listens on the port of a listener that is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let payment = payment(CaptureMethod::Automatic);
    for base in [
        format!("http://{gone}"),
        "http://host.invalid".to_owned(),
        format!("https://{gone}"),
    ] {
        test.account.api_base = base.parse().unwrap();
        let error = test.execute(&payment, &authorize(&payment)).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Unavailable { .. }),
            "{base}: {error}"
        );
    }
}

#[tokio::test]
async fn what_was_lost_once_is_not_made_certain_by_a_door_that_is_shut_later() {
    let test = Test::with(HASTY, Options::default()).await;
    test.pretend.faults().next(creating(), Fault::ResetAfter);
    test.pretend.faults().always(
        creating(),
        Fault::TooManyRequests {
            retry_after_secs: Some(60),
        },
    );
    let payment = payment(CaptureMethod::Automatic);
    let error = test
        .execute(&payment, &confirmed_with(&payment, CARD))
        .await
        .unwrap_err();
    assert!(is_unanswered(&error), "{error}");
    assert_eq!(test.pretend.charges_made(), 1);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_there_is_time_and_then_told() {
    let (error, made) = always(
        Fault::TooManyRequests {
            retry_after_secs: Some(60),
        },
        PATIENT,
    )
    .await;
    assert!(
        matches!(error, ProviderError::RateLimited { after: Some(after) } if after == Duration::from_mins(1)),
        "{error}"
    );
    assert_eq!(made, 0);
    let (error, made) = always(
        Fault::TooManyRequests {
            retry_after_secs: None,
        },
        HASTY,
    )
    .await;
    assert!(
        matches!(error, ProviderError::RateLimited { after: None }),
        "{error}"
    );
    assert_eq!(made, 0);

    let test = Test::new().await;
    test.pretend.faults().next(
        creating(),
        Fault::TooManyRequests {
            retry_after_secs: Some(2),
        },
    );
    let payment = payment(CaptureMethod::Automatic);
    let started = Instant::now();
    test.execute(&payment, &authorize(&payment)).await.unwrap();
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "sooner than it was asked to"
    );
}

#[tokio::test]
async fn a_call_ends_in_its_time_whatever_stripe_does() {
    for fault in [
        Fault::TimeoutBefore,
        Fault::ResetBefore,
        Fault::Delay(Duration::from_secs(30)),
    ] {
        let started = Instant::now();
        always(fault, HASTY).await;
        assert!(
            started.elapsed() < HASTY.total + Duration::from_secs(1),
            "{fault:?}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_read_that_fails_says_nothing_about_money() {
    let test = Test::with(HASTY, Options::default()).await;
    let reading = Matcher::method_path("GET", "/v1/**");
    for fault in [
        Fault::TimeoutBefore,
        Fault::ResetBefore,
        Fault::ErrorBefore,
        Fault::Garbage,
    ] {
        test.pretend.faults().clear();
        test.pretend.faults().always(reading.clone(), fault);
        let object = ObjectRef::Payment("pi_1".to_owned());
        let error = test.stripe.fetch(&test.account, &object).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Unavailable { .. }),
            "{fault:?}: {error}"
        );
    }
}
