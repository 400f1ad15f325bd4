//! What is not final is read every night, whatever became of the events about it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quittance::app::nightly;
use quittance::provider::Registry;
use quittance::stripe::{Limits, Stripe, Timeouts, http_client};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::{Options, Settlement, Verdict};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{apply, by_hand, paid_unheard, posted_once, run};
use crate::support::{TestApp, Wishes, eventually};

/// Brings the night.
async fn nightfall(test: &TestApp) {
    nightly::work(test.application().app()).await.unwrap();
    run(test, "update account_sweep set due_at = clock_timestamp()").await;
}

/// Sweeps until the sweep has come to its end.
async fn sweep(test: &TestApp) {
    nightfall(test).await;
    finish(test).await;
}

async fn finish(test: &TestApp) {
    eventually(async || {
        nightly::work(test.application().app()).await.unwrap();
        match test
            .count("account_sweep where due_at > now() + interval '1 hour'")
            .await
        {
            1 => Ok(()),
            _ => Err("the sweep has not ended".to_owned()),
        }
    })
    .await;
}

/// Makes everything so old that a sweep looks at it.
async fn age(test: &TestApp) {
    run(
        test,
        "update payment set created_at = created_at - interval '2 days', captured_at = captured_at - interval '2 days',
             read_at = read_at - interval '2 days'",
    )
    .await;
    run(test, "update dispute set read_at = read_at - interval '2 days'").await;
}

/// How often payments were read.
fn reads(test: &TestApp) -> usize {
    let requests = test.stripe.requests();
    let reads = requests
        .iter()
        .filter(|request| request.method == "GET" && request.path.starts_with("/v1/payment_intents/"));
    reads.count()
}

async fn state(test: &TestApp, payment: &Value) -> Value {
    test.payment(payment["id"].as_str().unwrap()).await["state"].clone()
}

#[tokio::test]
async fn a_payment_all_of_whose_events_were_lost_is_found_at_night() {
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        ..by_hand()
    })
    .await;
    let payment = paid_unheard(&test, "S1", json!({})).await;
    test.stripe.settle();
    test.stripe.forget_events();
    sweep(&test).await;
    assert_eq!(state(&test, &payment).await, "created", "it is not an hour old");

    age(&test).await;
    sweep(&test).await;
    assert_eq!(state(&test, &payment).await, "captured");
    posted_once(&test, &payment).await;
    assert_eq!(test.count("webhook_event").await, 0);
}

#[tokio::test]
async fn a_charge_without_its_ledger_line_is_read_until_it_has_one() {
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..by_hand()
    })
    .await;
    let wish = json!({ "payment_method": "pm_card_visa" });
    let payment = test.create("S1", wish).await.expect(StatusCode::CREATED);
    age(&test).await;
    sweep(&test).await;
    let read = reads(&test);
    assert!(read > 0);
    test.stripe.settle();
    age(&test).await;
    sweep(&test).await;
    posted_once(&test, &payment).await;
    let read = reads(&test);
    age(&test).await;
    sweep(&test).await;
    assert_eq!(reads(&test), read, "what is settled is not read any more");
}

#[tokio::test]
async fn a_refund_on_its_way_is_read_until_it_has_arrived() {
    let test = TestApp::spawn_with(by_hand()).await;
    let wish = json!({ "payment_method": "pm_card_pendingRefund" });
    let payment = test.create("S1", wish).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap());
    let refunded = test
        .post(&path, "refund", &json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(refunded["refunds"][0]["state"], "pending");
    test.stripe.settle();
    test.stripe.forget_events();
    age(&test).await;
    sweep(&test).await;
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(shown["refunds"][0]["state"], "succeeded");
}

#[tokio::test]
async fn a_sweep_comes_once_a_day_and_reads_nothing_twice_in_one() {
    let test = TestApp::spawn_with(by_hand()).await;
    for number in 0..40 {
        test.create(&format!("S{number}"), json!({}))
            .await
            .expect(StatusCode::CREATED);
    }
    age(&test).await;
    sweep(&test).await;
    assert_eq!(reads(&test), 40, "in more than one batch");
    assert_eq!(
        test.count(
            "account_sweep where due_at between now() + interval '23 hours' and now() + interval '24 hours'"
        )
        .await,
        1
    );
    nightly::work(test.application().app()).await.unwrap();
    sweep(&test).await;
    assert_eq!(reads(&test), 40, "what was read today is not read again");
}

#[tokio::test]
async fn a_sweep_stops_at_a_rate_limit_and_goes_on_where_it_stood() {
    let quick = Duration::from_millis(300);
    let test = TestApp::spawn_with(Wishes {
        provider_timeout: quick,
        provider_attempt_timeout: quick,
        ..by_hand()
    })
    .await;
    let mut payments = Vec::new();
    for number in 0..6 {
        payments.push(paid_unheard(&test, &format!("S{number}"), json!({})).await);
    }
    test.stripe.forget_events();
    age(&test).await;
    nightfall(&test).await;
    let fault = Fault::TooManyRequests {
        retry_after_secs: Some(1),
    };
    let third = payments[2]["provider_reference"].as_str().unwrap();
    let of_third = Matcher::method_path("GET", &format!("/v1/payment_intents/{third}"));
    test.stripe.faults().always(of_third, fault);
    nightly::work(test.application().app()).await.unwrap();
    let mut states = Vec::new();
    for payment in &payments {
        states.push(state(&test, payment).await);
    }
    assert_eq!(states[..2], ["captured", "captured"]);
    assert_eq!(states[4..], ["created", "created"], "it stopped");

    test.stripe.faults().clear();
    finish(&test).await;
    for payment in &payments {
        assert_eq!(state(&test, payment).await, "captured");
    }
}

#[tokio::test]
async fn a_payment_that_cannot_be_read_keeps_no_other_from_being_swept() {
    let test = TestApp::spawn_with(by_hand()).await;
    let lost = paid_unheard(&test, "S1", json!({})).await;
    let found = paid_unheard(&test, "S2", json!({})).await;
    run(
        &test,
        "update payment set provider_reference = 'pi_of_nobody' where reference = 'S1'",
    )
    .await;
    age(&test).await;
    sweep(&test).await;
    assert_eq!(state(&test, &lost).await, "created");
    assert_eq!(state(&test, &found).await, "captured");
}

#[tokio::test]
async fn what_nobody_begins_to_pay_is_read_ever_more_rarely_and_what_holds_money_every_night() {
    let test = TestApp::spawn_with(by_hand()).await;
    test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let held = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    test.create("S2", held).await.expect(StatusCode::CREATED);
    run(
        &test,
        "update payment set created_at = now() - interval '40 days', read_at = now() - interval '2 days'",
    )
    .await;
    sweep(&test).await;
    assert_eq!(reads(&test), 1);
    assert_eq!(
        test.count("payment where state = 'authorized' and read_at > now() - interval '1 minute'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_sweep_holds_back_nothing_that_moves_money() {
    let limit = |rate| NonZeroU32::new(rate).unwrap();
    let limits = Limits {
        live: limit(10),
        test: limit(10),
        endpoint: limit(10),
    };
    let stripe = Stripe::new(http_client().unwrap(), Timeouts::default(), limits);
    let test = TestApp::spawn_with(Wishes {
        providers: Registry::default().with(Stripe::NAME, Arc::new(stripe)),
        ..by_hand()
    })
    .await;
    // Written by hand, for these would not be made quickly at that rate.
    test.create("S0", json!({})).await.expect(StatusCode::CREATED);
    sqlx::query(
        "insert into payment (merchant_id, id, provider_account_id, reference, amount_minor, currency, capture_method, state,
             provider_reference, created_at, updated_at)
         select merchant_id, gen_random_uuid(), provider_account_id, 'old-' || number, 100, 'EUR', 'automatic', 'processing',
             'pi_old' || number, now() - interval '2 days', now()
         from payment, generate_series(1, 60) number",
    )
    .execute(&test.db)
    .await
    .unwrap();
    nightfall(&test).await;
    let app = Arc::clone(test.application().app());
    let sweeping = test
        .application()
        .app()
        .tasks
        .spawn(async move { nightly::work(&app).await });
    eventually(async || match reads(&test) {
        0..4 => Err("the sweep has not begun".to_owned()),
        _ => Ok(()),
    })
    .await;
    let (started, before) = (Instant::now(), reads(&test));
    for number in 1..=5 {
        let wish = json!({ "payment_method": "pm_card_visa" });
        test.create(&format!("S{number}"), wish)
            .await
            .expect(StatusCode::CREATED);
    }
    let took = started.elapsed();
    assert!(!sweeping.is_finished(), "the sweep was at work all the time");
    // At ten in a second five go out in half of one; the sweep has at most half of the rate beside them.
    assert!(took < Duration::from_secs(2), "{took:?}");
    let meanwhile = reads(&test) - before;
    assert!(
        meanwhile <= 2 + usize::try_from(took.as_millis()).unwrap() / 200,
        "{meanwhile} reads in {took:?}"
    );
    sweeping.abort();
}

#[tokio::test]
async fn a_dispute_that_nobody_told_of_is_found_at_night_and_followed_to_its_end() {
    let test = TestApp::spawn_with(by_hand()).await;
    let wish = json!({ "payment_method": "pm_card_visa" });
    let payment = test.create("S1", wish).await.expect(StatusCode::CREATED);
    let intent = payment["provider_reference"].as_str().unwrap();
    let dispute = test.stripe.dispute(intent, "fraudulent").unwrap();
    test.stripe.forget_events();
    sweep(&test).await;
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(shown["disputed_minor"], 12_100);
    assert_eq!(shown["exceptions"][0]["kind"], "dispute_opened");

    test.stripe.decide_dispute(&dispute, Verdict::Won).unwrap();
    test.stripe.forget_events();
    // So long ago that it is found by itself, not in the list of those that were opened lately.
    run(
        &test,
        "update account_sweep set swept_at = now() + interval '30 days'",
    )
    .await;
    age(&test).await;
    sweep(&test).await;
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(shown["disputed_minor"], 0);
    assert_eq!(test.count("dispute where state = 'won'").await, 1);
    apply(&test).await;
    assert_eq!(test.count("webhook_event").await, 0);
}
