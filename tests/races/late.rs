//! What comes late or at the same moment: answers that were overtaken, and two who each see only themselves.

use std::time::Duration;

use quittance::app::Timing;
use quittance::startup::Role;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::WebhookEndpoint;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, WEBHOOK_SECRET, Wishes, eventually, payment};

/// No worker, no webhooks, short calls: what happens is what the test makes happen.
fn by_hand() -> Wishes {
    Wishes {
        role: Role::Serve,
        webhooks: false,
        provider_timeout: Duration::from_millis(400),
        timing: Timing {
            retry_divisor: 100_000,
            ..Wishes::default().timing
        },
        ..Wishes::default()
    }
}

/// Who waits for a lock in this database.
const WAITING: &str = "pg_locks where not granted \
                       and database = (select oid from pg_database where datname = current_database())";

fn captures() -> Matcher {
    Matcher::method_path("POST", "/v1/payment_intents/*/capture")
}

fn path(payment: &Value, what: &str) -> String {
    format!("/v1/payments/{}{what}", payment["id"].as_str().unwrap())
}

/// A payment of EUR 121.00 that a card holds.
async fn held(test: &TestApp, reference: &str, more: Value) -> Value {
    let mut wish = json!({ "capture_method": "manual", "payment_method": "pm_card_visa" });
    if let (Some(wish), Value::Object(more)) = (wish.as_object_mut(), more) {
        wish.extend(more);
    }
    test.create(reference, wish).await.expect(StatusCode::CREATED)
}

#[tokio::test]
async fn an_answer_that_is_replayed_after_the_payment_moved_on_contradicts_nothing() {
    let test = TestApp::spawn_with(by_hand()).await;
    let held = held(&test, "S1", json!({})).await;
    test.stripe.faults().next(captures(), Fault::TimeoutAfter);
    let part = json!({ "amount_minor": 100, "final": false });
    test.post(&path(&held, "/capture"), "k", &part)
        .await
        .expect(StatusCode::ACCEPTED);
    test.stripe
        .lapse(held["provider_reference"].as_str().unwrap())
        .unwrap();
    let read = test
        .get(&path(&held, "?refresh=true"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&read["state"], &read["captured_minor"]),
        (&json!("captured"), &json!(100))
    );

    // The key still tells how it stood right after the capture.
    eventually(async || {
        quittance::app::sweep::work(test.application().app())
            .await
            .unwrap();
        match test.count("operation where state = 'unknown'").await {
            0 => Ok(()),
            _ => Err("not found out".to_owned()),
        }
    })
    .await;
    let shown = test.payment(held["id"].as_str().unwrap()).await;
    assert_eq!(
        (&shown["state"], &shown["operations"][1]["state"]),
        (&json!("captured"), &json!("succeeded"))
    );
    assert_eq!(shown["exceptions"], json!([]));
}

#[tokio::test]
async fn what_the_provider_never_took_is_sent_when_it_is_repeated_a_day_later() {
    let test = TestApp::spawn_with(by_hand()).await;
    let held = held(&test, "S1", json!({})).await;
    let busy = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    test.stripe.faults().always(captures(), busy);
    let refused = test.post(&path(&held, "/capture"), "k", &json!({})).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    test.stripe.faults().clear();
    sqlx::query("update operation set first_sent_at = now() - interval '21 hours'")
        .execute(&test.db)
        .await
        .unwrap();
    let taken = test
        .post(&path(&held, "/capture"), "k", &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(taken["captured_minor"], 12_100);
}

#[tokio::test]
async fn two_payments_of_a_document_captured_at_the_same_moment_are_seen_as_a_double() {
    let test = TestApp::spawn_with(Wishes {
        provider_timeout: Duration::from_secs(10),
        ..by_hand()
    })
    .await;
    let settles = json!([{ "model": "account.move", "id": 7, "amount_minor": 12_100 }]);
    let wish = json!({ "settles": settles, "allow_double": true });
    let (one, other) = (
        held(&test, "S1", wish.clone()).await,
        held(&test, "S2", wish).await,
    );
    test.stripe
        .faults()
        .times(2, captures(), Fault::Delay(Duration::from_millis(300)));

    let (one, other) = (path(&one, "/capture"), path(&other, "/capture"));
    let none = json!({});
    let (first, second, ()) = tokio::join!(
        test.post(&one, "1", &none),
        test.post(&other, "2", &none),
        async {
            eventually(async || match test.stripe.faults().fired().len() {
                2 => Ok(()),
                sent => Err(format!("{sent} were sent")),
            })
            .await;
            // Neither can end before the other has got as far.
            let mut tx = test.db.begin().await.unwrap();
            sqlx::query("lock table operation in share mode")
                .execute(&mut *tx)
                .await
                .unwrap();
            eventually(async || match test.count(WAITING).await {
                2 => Ok(()),
                waiting => Err(format!("{waiting} wait")),
            })
            .await;
            tx.commit().await.unwrap();
        }
    );
    first.expect(StatusCode::OK);
    second.expect(StatusCode::OK);
    assert_eq!(test.count("exception where kind = 'double_payment'").await, 1);
}

#[tokio::test]
async fn a_payment_that_was_authorized_on_a_page_is_canceled_although_nobody_told_that_the_page_is_done() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    test.stripe.add_endpoint(WebhookEndpoint {
        events: vec!["payment_intent.*".to_owned()],
        ..WebhookEndpoint::new(test.webhook_url(), WEBHOOK_SECRET)
    });
    let body = json!({ "payment": payment("S1", json!({ "capture_method": "manual" })),
        "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart" });
    let session = test
        .post("/v1/checkout_sessions", "page", &body)
        .await
        .expect(StatusCode::CREATED);
    let page = session["provider_reference"].as_str().unwrap();
    test.stripe
        .customer()
        .check_out(page, "pm_card_visa")
        .await
        .unwrap();
    let held = test
        .until(session["payment"]["id"].as_str().unwrap(), "authorized")
        .await;
    let canceled = test
        .post(&path(&held, "/cancel"), "c", &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(canceled["state"], "canceled");
}

/// Waits until every event was delivered and has come to an end.
async fn all_is_heard(test: &TestApp) {
    let patience = Duration::from_secs(20);
    test.stripe.wait_until_delivered(patience).await.unwrap();
    eventually(async || {
        let left = test.count("webhook_event where due_at is not null").await;
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} events left"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_payment_that_the_provider_has_after_all_is_kept_beside_the_one_that_took_its_reference() {
    let test = TestApp::spawn().await;
    let first = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    all_is_heard(&test).await;
    // What is left where the provider's answer was a refusal, and it was wrong.
    sqlx::query("update payment set state = 'failed', provider_reference = null")
        .execute(&test.db)
        .await
        .unwrap();
    let second = test
        .post("/v1/payments", "again", &payment("S1", json!({})))
        .await
        .expect(StatusCode::CREATED);
    test.pay(&first, "pm_card_visa").await;
    let paid = test.until(first["id"].as_str().unwrap(), "captured").await;
    assert_eq!(
        (&paid["captured_minor"], &paid["exceptions"][0]["kind"]),
        (&json!(12_100), &json!("reference_taken"))
    );
    let detail = paid["exceptions"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(second["id"].as_str().unwrap()), "{detail}");
    all_is_heard(&test).await;
    let spoiled: Vec<String> = sqlx::query_scalar(
        "select format('%s %s: %s', kind, state, last_error) from webhook_event where state <> 'applied'",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    assert!(spoiled.is_empty(), "{spoiled:#?}");

    // The reference is the second one's, which can still be paid: nobody is asked a third time.
    let third = test
        .post("/v1/payments", "third", &payment("S1", json!({})))
        .await;
    assert_eq!(third.status, StatusCode::CONFLICT);
    test.pay(&second, "pm_card_visa").await;
    test.until(second["id"].as_str().unwrap(), "captured").await;
    assert_eq!(test.count("exception").await, 1);
}
