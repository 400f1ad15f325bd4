//! Amounts in parts, and what is refused: each rule by its code and the amounts that it weighed.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, eventually};

/// A payment of EUR 121.00 with a card at once.
async fn made(test: &TestApp, reference: &str, capture_method: &str) -> Value {
    let wish = json!({ "capture_method": capture_method, "payment_method": "pm_card_visa" });
    test.create(reference, wish).await.expect(StatusCode::CREATED)
}

async fn ask(test: &TestApp, payment: &Value, what: &str, key: &str, body: Value) -> Reply {
    let path = format!("/v1/payments/{}/{what}", payment["id"].as_str().unwrap());
    test.post(&path, key, &body).await
}

/// A conflict's code and amounts.
fn conflict(reply: &Reply) -> (String, Value) {
    let problem = reply.expect(StatusCode::CONFLICT);
    (
        problem["code"].as_str().unwrap().to_owned(),
        problem["amounts"].clone(),
    )
}

#[tokio::test]
async fn a_part_is_captured_and_the_rest_is_let_go() {
    let test = TestApp::spawn().await;
    let held = made(&test, "S1", "manual").await;
    assert_eq!(held["capturable_minor"], 12_100);

    let too_much = ask(&test, &held, "capture", "k1", json!({ "amount_minor": 12_101 })).await;
    let amounts = json!({ "asked_minor": 12_101, "capturable_minor": 12_100, "authorized_minor": 12_100,
        "captured_minor": 0 });
    assert_eq!(
        conflict(&too_much),
        ("capture_exceeds_authorized".to_owned(), amounts)
    );

    let body = json!({ "amount_minor": 2_000, "currency": "EUR", "reference": "P-S1" });
    let captured = ask(&test, &held, "capture", "k2", body)
        .await
        .expect(StatusCode::OK);
    assert_eq!(captured["state"], "captured");
    assert_eq!(
        (&captured["captured_minor"], &captured["capturable_minor"]),
        (&json!(2_000), &json!(0))
    );
    assert_eq!(captured["operations"][1]["reference"], "P-S1");

    let again = ask(&test, &held, "capture", "k3", json!({})).await;
    assert_eq!(conflict(&again).0, "nothing_to_capture");
}

#[tokio::test]
async fn refunds_in_parts_never_give_back_more_than_was_taken() {
    let test = TestApp::spawn().await;
    let paid = made(&test, "S1", "automatic").await;
    let mut left = 12_100;
    for (key, part) in [("r1", 100), ("r2", 2_000), ("r3", 10_000)] {
        left -= part;
        let body = json!({ "amount_minor": part, "reason": "requested_by_customer" });
        let refunded = ask(&test, &paid, "refunds", key, body)
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(refunded["refunded_minor"], 12_100 - left);
        assert_eq!(
            refunded["state"], "captured",
            "a refund is an amount, not a state"
        );
    }
    let amounts = json!({ "captured_minor": 12_100, "refunded_minor": 12_100 });
    let more = ask(&test, &paid, "refunds", "r4", json!({ "amount_minor": 1 })).await;
    assert_eq!(conflict(&more), ("nothing_to_refund".to_owned(), amounts));
    assert_eq!(test.stripe.refunds().len(), 3);
}

#[tokio::test]
async fn a_refund_of_more_than_is_left_says_how_much_is() {
    let test = TestApp::spawn().await;
    let paid = made(&test, "S1", "automatic").await;
    ask(&test, &paid, "refunds", "r1", json!({ "amount_minor": 12_000 }))
        .await
        .expect(StatusCode::CREATED);
    let more = ask(&test, &paid, "refunds", "r2", json!({ "amount_minor": 101 })).await;
    let amounts = json!({ "asked_minor": 101, "refundable_minor": 100, "captured_minor": 12_100,
        "refunded_minor": 12_000 });
    assert_eq!(conflict(&more), ("refund_exceeds_captured".to_owned(), amounts));
}

#[tokio::test]
async fn a_refund_whose_outcome_is_unknown_reserves_its_amount() {
    let test = TestApp::spawn_with(crate::support::Wishes {
        provider_timeout: std::time::Duration::from_millis(300),
        provider_attempt_timeout: std::time::Duration::from_millis(300),
        role: quittance::startup::Role::Serve,
        ..Default::default()
    })
    .await;
    let paid = made(&test, "S1", "automatic").await;
    let refunds = Matcher::method_path("POST", "/v1/refunds");
    test.stripe.faults().next(refunds, Fault::TimeoutBefore);
    ask(&test, &paid, "refunds", "r1", json!({ "amount_minor": 12_000 }))
        .await
        .expect(StatusCode::ACCEPTED);
    let more = ask(&test, &paid, "refunds", "r2", json!({ "amount_minor": 101 })).await;
    assert_eq!(conflict(&more).0, "refund_exceeds_captured");
    ask(&test, &paid, "refunds", "r3", json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn what_a_payment_does_not_allow_is_a_conflict_that_names_the_rule() {
    let test = TestApp::spawn().await;
    let (held, paid) = (
        made(&test, "S1", "manual").await,
        made(&test, "S2", "automatic").await,
    );
    let open = test.create("S3", json!({})).await.expect(StatusCode::CREATED);
    let canceled = test.create("S4", json!({})).await.expect(StatusCode::CREATED);
    ask(&test, &canceled, "cancel", "c", json!({ "reason": "duplicate" }))
        .await
        .expect(StatusCode::OK);
    let card = json!({ "payment_method": "pm_card_visa" });
    let cases = [
        (&canceled, "capture", json!({}), "nothing_to_capture"),
        (&canceled, "cancel", json!({}), "not_cancelable"),
        (&canceled, "confirm", card.clone(), "not_confirmable"),
        (&canceled, "refunds", json!({}), "nothing_to_refund"),
        (&paid, "capture", json!({}), "nothing_to_capture"),
        (&paid, "cancel", json!({}), "not_cancelable"),
        (&paid, "confirm", card, "not_confirmable"),
        (&held, "refunds", json!({}), "nothing_to_refund"),
        (
            &open,
            "refunds",
            json!({ "amount_minor": 1 }),
            "nothing_to_refund",
        ),
        (
            &held,
            "capture",
            json!({ "amount_minor": 1, "currency": "USD" }),
            "currency_mismatch",
        ),
        (
            &paid,
            "refunds",
            json!({ "amount_minor": 1, "currency": "USD" }),
            "currency_mismatch",
        ),
    ];
    for (number, (payment, what, body, code)) in cases.into_iter().enumerate() {
        let reply = ask(&test, payment, what, &format!("case-{number}"), body).await;
        assert_eq!(conflict(&reply).0, code, "{what} of {}", payment["state"]);
    }
    assert_eq!(test.stripe.refunds().len(), 0);
}

#[tokio::test]
async fn after_a_decline_another_method_is_confirmed_from_our_side() {
    let test = TestApp::spawn().await;
    let wish = json!({ "payment_method": "pm_card_chargeDeclined" });
    let declined = test.create("S1", wish).await.expect(StatusCode::CREATED);
    assert_eq!(declined["state"], "created");

    let again = ask(
        &test,
        &declined,
        "confirm",
        "k1",
        json!({ "payment_method": "pm_card_chargeDeclinedLostCard" }),
    )
    .await;
    assert_eq!(
        again.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "no such card: {again:?}"
    );
    let again = ask(
        &test,
        &declined,
        "confirm",
        "k2",
        json!({ "payment_method": "pm_card_chargeDeclinedInsufficientFunds" }),
    )
    .await
    .expect(StatusCode::OK);
    assert_eq!(again["decline"]["code"], "insufficient_funds");
    assert_eq!(again["operations"][2]["state"], "declined");

    let paid = ask(
        &test,
        &declined,
        "confirm",
        "k3",
        json!({ "payment_method": "pm_card_visa" }),
    )
    .await
    .expect(StatusCode::OK);
    assert_eq!(
        (&paid["state"], &paid["decline"]),
        (&json!("captured"), &json!(null))
    );
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn a_confirmation_whose_answer_is_lost_is_found_by_looking() {
    for fault in [Fault::ErrorAfter, Fault::TimeoutAfter, Fault::Garbage] {
        let test = TestApp::spawn_with(crate::support::Wishes {
            provider_timeout: std::time::Duration::from_millis(400),
            provider_attempt_timeout: std::time::Duration::from_millis(400),
            webhooks: false,
            ..Default::default()
        })
        .await;
        let open = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
        let route = Matcher::method_path("POST", "/v1/payment_intents/*/confirm");
        test.stripe.faults().next(route, fault);
        let card = json!({ "payment_method": "pm_card_visa" });
        let first = ask(&test, &open, "confirm", "k", card.clone()).await;
        assert!(
            [StatusCode::OK, StatusCode::ACCEPTED].contains(&first.status),
            "{fault:?}: {first:?}"
        );
        let told = eventually(
            async || match ask(&test, &open, "confirm", "k", card.clone()).await {
                reply if reply.status == StatusCode::OK => Ok(reply.json()),
                reply => Err(format!("{reply:?}")),
            },
        )
        .await;
        assert_eq!(told["state"], "captured", "{fault:?}");
        assert_eq!(test.stripe.charges_made(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_the_provider_never_took_holds_nothing_up_and_is_weighed_again_when_it_is_repeated() {
    let test = TestApp::spawn_with(crate::support::Wishes {
        provider_timeout: std::time::Duration::from_millis(300),
        ..Default::default()
    })
    .await;
    let held = made(&test, "S1", "manual").await;
    let captures = Matcher::method_path("POST", "/v1/payment_intents/*/capture");
    let busy = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    test.stripe.faults().always(captures, busy);
    let refused = ask(&test, &held, "capture", "k1", json!({})).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    test.stripe.faults().clear();

    ask(&test, &held, "capture", "k2", json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::OK);
    let late = ask(&test, &held, "capture", "k1", json!({})).await;
    assert_eq!(conflict(&late).0, "nothing_to_capture");
}

#[tokio::test]
async fn a_payment_that_the_provider_never_took_is_canceled_here() {
    let test = TestApp::spawn_with(crate::support::Wishes {
        provider_timeout: std::time::Duration::from_millis(300),
        ..Default::default()
    })
    .await;
    let creates = Matcher::method_path("POST", "/v1/payment_intents");
    let busy = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    test.stripe.faults().always(creates, busy);
    let refused = test.create("S1", json!({})).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let listed = test.get("/v1/payments?reference=S1").await.expect(StatusCode::OK);
    let canceled = ask(&test, &listed["data"][0], "cancel", "c", json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(test.stripe.payment_intents().len(), 0);

    test.stripe.faults().clear();
    let late = test
        .create("S1", json!({}))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(late["code"], "provider_refused");
    assert_eq!(test.stripe.payment_intents().len(), 0, "it stays canceled");
}

#[tokio::test]
async fn an_unpaid_payment_is_canceled_when_its_time_is_over_and_a_paid_one_is_not() {
    let test = TestApp::spawn().await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let soon = time::OffsetDateTime::from_unix_timestamp(i64::try_from(now + 3).unwrap())
        .unwrap()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let wish = json!({ "expires_at": soon });
    let unpaid = test.create("S1", wish.clone()).await.expect(StatusCode::CREATED);
    let paid = test.create("S2", wish).await.expect(StatusCode::CREATED);
    test.pay(&paid, "pm_card_visa").await;
    test.until(paid["id"].as_str().unwrap(), "captured").await;

    let gone = test.until(unpaid["id"].as_str().unwrap(), "canceled").await;
    assert_eq!(gone["operations"][1]["kind"], "cancel");
    assert_eq!(gone["operations"][1]["reason"], "abandoned");
    assert_eq!(
        test.payment(paid["id"].as_str().unwrap()).await["state"],
        "captured"
    );
}
