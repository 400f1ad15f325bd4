//! What a crash left is finished from what is on disk, with the same provider key; what nobody can find out is a person's.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quittance::app::Timing;
use quittance::startup::Role;
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{TestApp, Wishes, eventually};

/// No worker, no webhooks, short calls: what happens is what the test makes happen.
fn by_hand() -> Wishes {
    let quick = Duration::from_millis(300);
    Wishes {
        role: Role::Serve,
        webhooks: false,
        provider_timeout: quick,
        provider_attempt_timeout: quick,
        timing: Timing {
            retry_divisor: 100_000,
            ..Wishes::default().timing
        },
        ..Wishes::default()
    }
}

async fn sweep(test: &TestApp) -> usize {
    quittance::app::sweep::work(test.application().app())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_operation_without_an_outcome_at_the_end_of_its_schedule_is_a_persons() {
    let test = TestApp::spawn_with(by_hand()).await;
    test.stripe.faults().always(
        Matcher::method_path("POST", "/v1/payment_intents"),
        Fault::TimeoutBefore,
    );
    let accepted = test.create("S1", json!({})).await.expect(StatusCode::ACCEPTED);
    assert_eq!(accepted["state"], "unknown");
    let id = accepted["id"].as_str().unwrap();
    // The outcome is sought by looking up from here on, as it is 20 hours after the first sending.
    sqlx::query("update operation set first_sent_at = now() - interval '21 hours'")
        .execute(&test.db)
        .await
        .unwrap();
    let shown = eventually(async || {
        sweep(&test).await;
        let payment = test.payment(id).await;
        if payment["exceptions"][0].is_object() {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(shown["exceptions"][0]["kind"], "outcome_unknown");
    assert_eq!(shown["state"], "unknown", "time alone never makes it failed");
    let sent = test.stripe.requests();
    assert_eq!(
        sent.iter().filter(|request| request.method == "POST").count(),
        1,
        "it is looked up, never repeated"
    );
}

#[tokio::test]
async fn an_answer_in_an_unknown_word_is_read_before_it_is_believed_and_then_is_a_persons() {
    let anything = || Matcher::path("/v1/**");
    for (always, state, exceptions) in [(false, "captured", 0), (true, "unknown", 1)] {
        let test = TestApp::spawn_with(by_hand()).await;
        if always {
            test.stripe.faults().always(anything(), Fault::StrangeStatus);
        } else {
            test.stripe.faults().next(anything(), Fault::StrangeStatus);
        }
        let wish = json!({ "payment_method": "pm_card_visa" });
        let accepted = test.create("S1", wish).await.expect(StatusCode::ACCEPTED);
        assert_eq!(accepted["operations"][0]["state"], "unknown");
        let intent = &test.stripe.payment_intents()[0];
        assert_eq!(
            accepted["provider_reference"], intent["id"],
            "what the provider calls it is known"
        );
        let id = accepted["id"].as_str().unwrap();
        let done = eventually(async || {
            sweep(&test).await;
            let payment = test.payment(id).await;
            if payment["operations"][0]["state"] == "succeeded" {
                Ok(payment)
            } else {
                Err(payment.to_string())
            }
        })
        .await;
        assert_eq!(done["state"], state);
        assert_eq!(done["exceptions"].as_array().unwrap().len(), exceptions);
        assert_eq!(test.stripe.charges_made(), 1);
        let sent = test.stripe.requests();
        let posts = sent.iter().filter(|request| request.method == "POST");
        assert_eq!(posts.count(), 1, "it is read, not repeated");
    }
}

#[tokio::test]
async fn a_worker_whose_lease_was_taken_over_writes_nothing() {
    let test = TestApp::spawn_with(by_hand()).await;
    test.stripe.faults().next(
        Matcher::method_path("POST", "/v1/payment_intents"),
        Fault::Delay(Duration::from_millis(200)),
    );
    let (reply, ()) = tokio::join!(
        test.create("S1", json!({ "payment_method": "pm_card_visa" })),
        async {
            eventually(async || match test.count("operation").await {
                1 => Ok(()),
                _ => Err("no operation yet".to_owned()),
            })
            .await;
            sqlx::query("update operation set fence = fence + 1")
                .execute(&test.db)
                .await
                .unwrap();
        }
    );
    assert_eq!(
        reply.expect(StatusCode::ACCEPTED)["operations"][0]["state"],
        "pending"
    );
    sqlx::query("update operation set due_at = now()")
        .execute(&test.db)
        .await
        .unwrap();
    sweep(&test).await;
    let listed = test.get("/v1/payments?reference=S1").await.json();
    assert_eq!(listed["data"][0]["state"], "captured");
    assert_eq!(test.stripe.charges_made(), 1);
}

#[tokio::test]
async fn an_orderly_stop_refuses_who_comes_and_finishes_what_was_begun() {
    let wishes = Wishes {
        webhooks: false,
        ..Wishes::default()
    };
    let mut test = TestApp::spawn_with(wishes).await;
    let slow = Fault::Delay(Duration::from_secs(2));
    test.stripe
        .faults()
        .next(Matcher::method_path("POST", "/v1/payment_intents"), slow);
    let address = test.application().address().unwrap();
    let answered = AtomicBool::new(false);
    let request = test
        .request(reqwest::Method::POST, "/v1/payments")
        .header("Idempotency-Key", "k")
        .json(&crate::support::payment(
            "S1",
            json!({ "payment_method": "pm_card_visa" }),
        ));
    let answer = async {
        let answer = crate::support::Reply::of(request).await;
        answered.store(true, Ordering::Relaxed);
        answer
    };
    let (answer, ((), refused)) = tokio::join!(answer, async {
        eventually(async || match test.stripe.faults().fired().len() {
            0 => Err("nothing was sent".to_owned()),
            _ => Ok(()),
        })
        .await;
        let refused = eventually(async || match std::net::TcpStream::connect(address) {
            Ok(_) => Err("somebody listens".to_owned()),
            Err(error) => Ok((error.kind(), answered.load(Ordering::Relaxed))),
        });
        tokio::join!(test.stop(), refused)
    });
    assert_eq!(answer.expect(StatusCode::CREATED)["state"], "captured");
    assert_eq!(refused, (ErrorKind::ConnectionRefused, false));
}

#[tokio::test]
async fn an_idempotency_key_is_kept_for_thirty_days_and_then_forgotten() {
    let test = TestApp::spawn_with(by_hand()).await;
    for reference in ["S1", "S2"] {
        test.create(reference, json!({}))
            .await
            .expect(StatusCode::CREATED);
    }
    let age = "update idempotency_record set created_at = now() - interval '30 days 1 minute'
               where key_hash = (select min(key_hash::text)::bytea from idempotency_record)";
    sqlx::query(age).execute(&test.db).await.unwrap();
    let forgotten = quittance::app::sweep::forget_old_keys(test.application().app()).await;
    assert_eq!(forgotten.unwrap(), 1);
    assert_eq!(test.count("idempotency_record").await, 1);
}
