//! Answers of the provider's that never came.

use std::time::Duration;

use quittance::app::Timing;
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{all_applied, deliver, event, of_payment, opened, paid, path};
use crate::support::{TestApp, Wishes};

/// How often the pretend Stripe was told to close or update a dispute, and really did.
fn done(test: &TestApp, kind: &str) -> usize {
    let events = test.stripe.events();
    events.iter().filter(|event| event["type"] == kind).count()
}

/// The keys under which requests to a path's end came.
fn keys(test: &TestApp, method: &str, end: &str) -> Vec<String> {
    let mut keys: Vec<String> = test
        .stripe
        .requests()
        .into_iter()
        .filter(|request| request.method == method && request.path.ends_with(end))
        .filter_map(|request| request.idempotency_key)
        .collect();
    keys.dedup();
    keys
}

#[tokio::test]
async fn a_dispute_whose_acceptance_is_never_answered_is_given_up_once() {
    for fault in [
        Fault::ResetAfter,
        Fault::CutAfter,
        Fault::Garbage,
        Fault::ErrorAfter,
        Fault::ErrorBefore,
    ] {
        let test = TestApp::spawn().await;
        let (_, dispute) = opened(&test, "S1").await;
        let close = Matcher::method_path("POST", "/v1/disputes/*/close");
        test.stripe.faults().next(close, fault);
        let reply = test
            .post(&format!("{}/accept", path(&dispute)), "accept", &json!({}))
            .await;
        if fault == Fault::ErrorBefore {
            // Stripe tells of that failure for ever under this key; nothing happened, and the caller hears so.
            reply.expect(StatusCode::SERVICE_UNAVAILABLE);
            continue;
        }
        assert_eq!(reply.expect(StatusCode::OK)["state"], "lost", "{fault:?}");
        assert_eq!(done(&test, "charge.dispute.closed"), 1, "{fault:?}");
        assert_eq!(keys(&test, "POST", "/close").len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn evidence_whose_answer_is_never_given_is_found_at_the_provider() {
    for (fault, submit) in [
        (Fault::ResetAfter, true),
        (Fault::ErrorAfter, true),
        (Fault::ErrorAfter, false),
        (Fault::Garbage, true),
    ] {
        let test = TestApp::spawn().await;
        let (_, dispute) = opened(&test, "S1").await;
        let update = Matcher::method_path("POST", "/v1/disputes/*");
        test.stripe.faults().next(update, fault);
        let body = json!({ "evidence": { "customer_name": "Ada", "receipt": "file_1" }, "submit": submit });
        let answered = test
            .post(&format!("{}/evidence", path(&dispute)), "k", &body)
            .await
            .expect(StatusCode::OK);
        assert_eq!(answered["submission_count"], i64::from(submit), "{fault:?}");
        assert_eq!(done(&test, "charge.dispute.updated"), 1, "{fault:?}");
    }
}

/// A service whose callers wait half a second, and that hears of nothing.
async fn hasty() -> TestApp {
    let wishes = Wishes {
        webhooks: false,
        timing: Timing {
            answer_within: Duration::from_millis(500),
            ..Wishes::default().timing
        },
        ..Wishes::default()
    };
    TestApp::spawn_with(wishes).await
}

async fn told_of(test: &TestApp) -> (Value, Value) {
    let payment = paid(test, "S1").await;
    super::disputed(test, &payment);
    deliver(test, &event("evt_1", &test.stripe.disputes()[0])).await;
    all_applied(test).await;
    let dispute = of_payment(test, &payment).await.remove(0);
    (payment, dispute)
}

#[tokio::test]
async fn a_repeated_acceptance_is_answered_even_where_the_first_one_closed_the_dispute_and_its_key_is_forgotten()
 {
    for forgotten in [false, true] {
        let test = hasty().await;
        let (_, dispute) = told_of(&test).await;
        let close = Matcher::method_path("POST", "/v1/disputes/*/close");
        test.stripe.faults().next(close, Fault::TimeoutAfter);
        let accept = format!("{}/accept", path(&dispute));
        let unknown = test.post(&accept, "accept", &json!({})).await;
        assert_eq!(
            unknown.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
            "provider_unavailable"
        );
        assert!(unknown.header("Retry-After").is_some());
        if forgotten {
            test.stripe.forget_keys();
        }
        // Meanwhile an event tells of it.
        deliver(&test, &event("evt_2", &test.stripe.disputes()[0])).await;
        all_applied(&test).await;
        let held = test.get(&path(&dispute)).await.expect(StatusCode::OK);
        assert_eq!(held["state"], "lost");

        let again = test.post(&accept, "accept", &json!({})).await;
        assert_eq!(
            again.expect(StatusCode::OK)["state"],
            "lost",
            "forgotten: {forgotten}"
        );
        assert_eq!(done(&test, "charge.dispute.closed"), 1);
        assert_eq!(keys(&test, "POST", "/close").len(), 1, "the same key");
        let other = test.post(&accept, "another", &json!({})).await;
        assert_eq!(other.expect(StatusCode::CONFLICT)["code"], "dispute_closed");
    }
}

#[tokio::test]
async fn a_repeated_request_that_is_answered_from_before_takes_nothing_back() {
    let test = hasty().await;
    let (payment, dispute) = told_of(&test).await;
    let update = Matcher::method_path("POST", "/v1/disputes/*");
    test.stripe.faults().next(update, Fault::TimeoutAfter);
    let evidence = format!("{}/evidence", path(&dispute));
    let body = json!({ "evidence": { "customer_name": "Ada" }, "submit": true });
    test.post(&evidence, "k", &body)
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    let reference = dispute["provider_reference"].as_str().unwrap();
    test.stripe
        .decide_dispute(reference, quittance_sandbox::stripe::Verdict::Won)
        .unwrap();
    deliver(&test, &event("evt_2", &test.stripe.disputes()[0])).await;
    all_applied(&test).await;

    let again = test.post(&evidence, "k", &body).await.expect(StatusCode::OK);
    assert_eq!(again["state"], "won", "Stripe's kept answer says under_review");
    assert_eq!(super::disputed_minor(&test, &payment).await, 0);
    assert_eq!(test.count("exception where kind = 'impossible_state'").await, 0);
}
