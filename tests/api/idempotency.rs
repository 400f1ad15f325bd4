//! The same key is the same request, whatever happens to its answers.

use std::time::Duration;

use futures::future::join_all;
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{TestApp, Wishes, eventually, payment};

fn intents() -> Matcher {
    Matcher::method_path("POST", "/v1/payment_intents")
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_byte_for_byte() {
    let test = TestApp::spawn().await;
    let first = test.create("S1", json!({})).await;
    let second = test.create("S1", json!({})).await;
    assert_eq!(
        (first.status, second.status),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(
        (
            first.header("Idempotency-Replayed"),
            second.header("Idempotency-Replayed")
        ),
        (None, Some("true"))
    );
    assert_eq!(test.stripe.payment_intents().len(), 1);
}

#[tokio::test]
async fn the_quoted_key_and_other_spacing_are_the_same_request_and_another_body_is_not() {
    let test = TestApp::spawn().await;
    test.post("/v1/payments", "k", &payment("S1", json!({})))
        .await
        .expect(StatusCode::CREATED);
    let quoted = test
        .post("/v1/payments", "\"k\"", &payment("S1", json!({})))
        .await;
    assert_eq!(quoted.header("Idempotency-Replayed"), Some("true"));
    let other = test
        .post("/v1/payments", "k", &payment("S2", json!({})))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn the_same_key_at_the_same_time_makes_one_payment() {
    let test = TestApp::spawn().await;
    let replies =
        join_all((0..16).map(|_| test.create("S1", json!({ "payment_method": "pm_card_visa" })))).await;
    for reply in &replies {
        assert!(
            matches!(reply.status, StatusCode::CREATED | StatusCode::CONFLICT),
            "{reply:?}"
        );
        if reply.status == StatusCode::CONFLICT {
            assert_eq!(reply.json()["code"], "in_flight");
            assert!(reply.header("Retry-After").is_some());
        }
    }
    assert_eq!(test.count("payment").await, 1);
    assert_eq!(test.stripe.charges_made(), 1);
    let after = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    assert_eq!(after.header("Idempotency-Replayed"), Some("true"));
}

#[tokio::test]
async fn the_same_reference_under_different_keys_makes_one_payment_and_names_it() {
    let test = TestApp::spawn().await;
    let body = payment("S1", json!({}));
    let keys: Vec<String> = (0..8).map(|number| format!("k{number}")).collect();
    let replies = join_all(keys.iter().map(|key| test.post("/v1/payments", key, &body))).await;
    let made: Vec<_> = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::CREATED)
        .collect();
    assert_eq!(made.len(), 1);
    let id = made[0].json()["id"].clone();
    for reply in replies.iter().filter(|reply| reply.status != StatusCode::CREATED) {
        let conflict = reply.expect(StatusCode::CONFLICT);
        assert_eq!(
            (&conflict["code"], &conflict["payment"]),
            (&json!("reference_in_use"), &id)
        );
    }
    assert_eq!(test.stripe.payment_intents().len(), 1);
}

#[tokio::test]
async fn what_we_refuse_ourselves_is_not_kept_under_the_key() {
    let test = TestApp::spawn().await;
    test.post("/v1/payments", "k", &payment("S1", json!({ "amount_minor": 0 })))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(test.count("idempotency_record").await, 0);
    test.post("/v1/payments", "k", &payment("S1", json!({})))
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn what_the_provider_refuses_is_kept_and_leaves_the_reference_free() {
    let test = TestApp::spawn().await;
    let wrong = json!({ "payment_method": "pm_doesnotexist" });
    let refused = test.create("S1", wrong.clone()).await;
    assert_eq!(
        refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
        "provider_refused"
    );
    let again = test.create("S1", wrong).await;
    assert_eq!(again.bytes, refused.bytes);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    test.post("/v1/payments", "k2", &payment("S1", json!({})))
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_provider_that_turns_us_away_at_the_door_leaves_the_key_to_be_repeated() {
    let test = TestApp::spawn_with(Wishes {
        provider_timeout: Duration::from_millis(300),
        ..Wishes::default()
    })
    .await;
    test.stripe.faults().always(
        intents(),
        Fault::TooManyRequests {
            retry_after_secs: None,
        },
    );
    let turned_away = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    assert_eq!(
        turned_away.expect(StatusCode::TOO_MANY_REQUESTS)["code"],
        "provider_rate_limited"
    );
    assert!(turned_away.header("Retry-After").is_some());

    test.stripe.faults().clear();
    let made = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    assert_eq!(made.expect(StatusCode::CREATED)["state"], "captured");
    assert_eq!(made.header("Idempotency-Replayed"), None);
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn an_answer_lost_after_the_charge_is_found_again_under_the_same_key() {
    let quick = Duration::from_millis(300);
    let test = TestApp::spawn_with(Wishes {
        provider_timeout: quick,
        provider_attempt_timeout: quick,
        ..Wishes::default()
    })
    .await;
    test.stripe.faults().next(intents(), Fault::TimeoutAfter);
    let lost = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    let accepted = lost.expect(StatusCode::ACCEPTED);
    assert!(
        lost.header("Location")
            .unwrap()
            .ends_with(accepted["id"].as_str().unwrap())
    );

    let told = eventually(async || {
        let again = test
            .create("S1", json!({ "payment_method": "pm_card_visa" }))
            .await;
        if again.status == StatusCode::CREATED {
            Ok(again)
        } else {
            Err(format!("{again:?}"))
        }
    })
    .await;
    assert_eq!(told.json()["state"], "captured");
    assert_eq!(test.stripe.charges_made(), 1);
    let keys = test.stripe.keys_seen();
    assert!(
        keys.windows(2).all(|pair| pair[0] == pair[1]),
        "one key for all attempts: {keys:?}"
    );
}

#[tokio::test]
async fn a_failure_that_the_provider_stored_is_looked_up_and_never_repeated_for_ever() {
    let test = TestApp::spawn().await;
    test.stripe.faults().next(intents(), Fault::ErrorAfter);
    let accepted = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::ACCEPTED);
    let paid = test.until(accepted["id"].as_str().unwrap(), "captured").await;
    eventually(async || {
        let payment = test.payment(paid["id"].as_str().unwrap()).await;
        if payment["operations"][0]["state"] == "succeeded" {
            Ok(())
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_caller_who_has_waited_long_enough_gets_202_and_the_work_goes_on() {
    let timing = quittance::app::Timing {
        answer_within: Duration::from_millis(200),
        ..Wishes::default().timing
    };
    let test = TestApp::spawn_with(Wishes {
        timing,
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    test.stripe
        .faults()
        .next(intents(), Fault::Delay(Duration::from_millis(800)));
    let accepted = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(accepted["operations"][0]["state"], "pending");
    let meanwhile = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    assert_eq!(
        meanwhile.status,
        StatusCode::ACCEPTED,
        "the first caller has left, the work has not"
    );
    test.until(accepted["id"].as_str().unwrap(), "captured").await;
    assert_eq!(
        test.stripe
            .requests()
            .iter()
            .filter(|request| request.method == "POST")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_provider_that_turns_us_away_after_the_caller_has_left_is_asked_again_without_them() {
    let timing = quittance::app::Timing {
        answer_within: Duration::from_millis(100),
        ..Wishes::default().timing
    };
    let provider_timeout = Duration::from_millis(800);
    let test = TestApp::spawn_with(Wishes {
        timing,
        provider_timeout,
        ..Wishes::default()
    })
    .await;
    let limited = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    test.stripe.faults().always(intents(), limited);
    let accepted = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::ACCEPTED);
    eventually(
        async || match test.count("operation where state = 'unknown'").await {
            1 => Ok(()),
            _ => Err("the operation is not unknown".to_owned()),
        },
    )
    .await;
    test.stripe.faults().clear();
    test.until(accepted["id"].as_str().unwrap(), "captured").await;
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_key_that_is_repeated_all_the_time_while_its_outcome_is_sought_charges_once_and_fails_nobody() {
    let timing = quittance::app::Timing {
        answer_within: Duration::from_millis(1),
        ..Wishes::default().timing
    };
    let test = TestApp::spawn_with(Wishes {
        timing,
        ..Wishes::default()
    })
    .await;
    for number in 0..5 {
        let reference = format!("S{number}");
        let slow = Fault::Delay(Duration::from_millis(30));
        test.stripe.faults().next(intents(), slow);
        let repeat = async || {
            loop {
                let reply = test
                    .create(&reference, json!({ "payment_method": "pm_card_visa" }))
                    .await;
                match reply.status {
                    StatusCode::CREATED => break,
                    StatusCode::ACCEPTED | StatusCode::CONFLICT => {}
                    status => panic!("{status}: {reply:?}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), join_all((0..8).map(|_| repeat())))
            .await
            .unwrap();
    }
    assert_eq!(test.stripe.charges_made(), 5);
}
