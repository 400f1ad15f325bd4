//! One key, sixty-four callers: one effect, and in the end one answer.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, eventually, payment};

const CALLERS: usize = 64;

/// Asks as many callers at once do, and each again until it holds an answer; proves that all hold the same one.
async fn all_get_one_answer(test: &TestApp, path: &str, body: &Value, done: StatusCode) -> Value {
    let first = join_all((0..CALLERS).map(|_| test.post(path, path, body))).await;
    let is_fresh = |reply: &&Reply| reply.status == done && reply.header("Idempotency-Replayed").is_none();
    assert_eq!(first.iter().filter(is_fresh).count(), 1, "{path}");
    for reply in first.iter().filter(|reply| reply.status != done) {
        assert_eq!(reply.expect(StatusCode::CONFLICT)["code"], "in_flight");
        assert!(reply.header("Retry-After").is_some());
    }
    let held = join_all(first.into_iter().map(|reply| async move {
        if reply.status == done {
            return reply;
        }
        let again = eventually(async || match test.post(path, path, body).await {
            reply if reply.status == done => Ok(reply),
            reply => Err(format!("{reply:?}")),
        })
        .await;
        assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
        again
    }))
    .await;
    assert!(
        held.windows(2).all(|pair| pair[0].bytes == pair[1].bytes),
        "{path}"
    );
    held[0].json()
}

#[tokio::test]
async fn sixty_four_callers_with_one_key_move_money_once_whatever_they_ask_for() {
    let test = TestApp::spawn().await;
    let of = |made: &Value, what: &str| format!("/v1/payments/{}/{what}", made["id"].as_str().unwrap());
    let held = |reference: &str| {
        payment(
            reference,
            json!({ "payment_method": "pm_card_visa", "capture_method": "manual" }),
        )
    };
    let made = all_get_one_answer(&test, "/v1/payments", &held("S1"), StatusCode::CREATED).await;
    assert_eq!((test.count("payment").await, test.stripe.charges_made()), (1, 1));

    let (none, part) = (json!({}), json!({ "amount_minor": 100 }));
    let captured = all_get_one_answer(&test, &of(&made, "capture"), &part, StatusCode::OK).await;
    assert_eq!(captured["captured_minor"], 100);

    let refunded = all_get_one_answer(&test, &of(&made, "refunds"), &part, StatusCode::CREATED).await;
    assert_eq!(
        (&refunded["refunded_minor"], test.stripe.refunds().len()),
        (&json!(100), 1)
    );

    let other = test
        .post("/v1/payments", "other", &held("S2"))
        .await
        .expect(StatusCode::CREATED);
    let canceled = all_get_one_answer(&test, &of(&other, "cancel"), &none, StatusCode::OK).await;
    assert_eq!(canceled["state"], "canceled");
    assert_eq!(
        test.count("operation").await,
        5,
        "one for each thing that was asked for"
    );
    assert_eq!(test.count("exception").await, 0);
}
