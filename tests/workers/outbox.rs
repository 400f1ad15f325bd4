//! Odoo hears at least once and acts exactly once, and one that does not listen holds nobody else up.

use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::odoo::PretendOdoo;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::macros::date;

use crate::support::{TestApp, Wishes, eventually};

/// An invoice of EUR 121.00 in the pretend Odoo.
fn invoice(test: &TestApp) -> i64 {
    odoo(test)
        .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
        .unwrap()
}

fn odoo(test: &TestApp) -> &PretendOdoo {
    test.odoo.as_ref().unwrap()
}

/// A payment of an invoice, charged at once.
async fn paid(test: &TestApp, reference: &str, invoice: i64) -> Value {
    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_visa", "settles": settles });
    test.create(reference, wish).await.expect(StatusCode::CREATED)
}

/// Waits until Odoo has so many postings of a payment, and shows the payment.
async fn posted(test: &TestApp, payment: &Value, count: usize) -> Value {
    eventually(async || {
        let payment = test.payment(payment["id"].as_str().unwrap()).await;
        let postings = payment["postings"].as_array().unwrap();
        let sent = postings
            .iter()
            .filter(|posting| posting["state"] == "sent")
            .count();
        if sent == count && postings.len() == count {
            Ok(payment)
        } else {
            Err(format!("{:#}", payment["postings"]))
        }
    })
    .await
}

/// What the books must show once everything is paid, settled and posted.
fn assert_balanced(test: &TestApp) {
    let odoo = odoo(test);
    assert_eq!(odoo.account_balance("101403"), 0, "Outstanding");
    assert_eq!(
        odoo.journal_balance("STRP"),
        test.stripe.balance("eur"),
        "the Stripe journal is Stripe's balance"
    );
    assert_eq!(odoo.trial_balance().values().sum::<i64>(), 0);
}

#[tokio::test]
async fn a_paid_invoice_is_paid_in_odoo_and_the_fee_is_a_line() {
    let test = TestApp::spawn_with_odoo().await;
    let invoice = invoice(&test);
    let payment = paid(&test, "S1", invoice).await;
    let payment = posted(&test, &payment, 2).await;
    let kinds: Vec<_> = payment["postings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|posting| &posting["kind"])
        .collect();
    assert_eq!(kinds, ["customer_payment", "booking"]);
    assert_eq!(odoo(&test).invoices()[0].payment_state, "paid");
    let mut lines: Vec<i64> = odoo(&test)
        .statement_lines()
        .iter()
        .map(|line| line.amount_minor)
        .collect();
    lines.sort_unstable();
    let fee = 12_100 - test.stripe.balance("eur");
    assert_eq!(lines, [12_100 - fee]);
    assert_balanced(&test);
}

#[tokio::test]
async fn a_refund_leaves_outstanding_at_zero_and_the_journal_at_stripes_balance() {
    let test = TestApp::spawn_with_odoo().await;
    let invoice = invoice(&test);
    let payment = paid(&test, "S1", invoice).await;
    let path = format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap());
    test.post(&path, "refund", &json!({}))
        .await
        .expect(StatusCode::CREATED);
    posted(&test, &payment, 4).await;
    assert_balanced(&test);
}

#[tokio::test]
async fn an_answer_of_odoo_that_is_lost_after_the_effect_leaves_one_trace() {
    let test = TestApp::spawn_with_odoo().await;
    let faults = odoo(&test).faults();
    faults.times(
        2,
        Matcher::method_path("POST", "/json/2/account.payment/load"),
        Fault::ResetAfter,
    );
    faults.times(
        2,
        Matcher::method_path("POST", "/json/2/account.payment/action_post"),
        Fault::ResetAfter,
    );
    faults.times(
        2,
        Matcher::method_path("POST", "/json/2/account.move.line/reconcile"),
        Fault::ResetAfter,
    );
    faults.times(
        2,
        Matcher::method_path("POST", "/json/2/account.bank.statement.line/load"),
        Fault::ErrorAfter,
    );
    let invoice = invoice(&test);
    let payment = paid(&test, "S1", invoice).await;
    posted(&test, &payment, 2).await;
    assert_eq!(
        (odoo(&test).payments().len(), odoo(&test).statement_lines().len()),
        (1, 1)
    );
    assert_eq!(odoo(&test).invoices()[0].payment_state, "paid");
    assert_balanced(&test);
}

#[tokio::test]
async fn a_posting_that_odoo_refuses_is_seen_backs_off_and_holds_no_other_payment() {
    let test = TestApp::spawn_with_odoo().await;
    let nowhere = 999_999;
    let refused = paid(&test, "S1", nowhere).await;
    let invoice = invoice(&test);
    let fine = paid(&test, "S2", invoice).await;
    posted(&test, &fine, 2).await;
    let shown = eventually(async || {
        let payment = test.payment(refused["id"].as_str().unwrap()).await;
        let posting = payment["postings"][0].clone();
        if posting["attempts"].as_i64().unwrap() > 1 && payment["postings"][1].is_object() {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert!(
        shown["postings"][0]["last_error"]
            .as_str()
            .unwrap()
            .contains("odoo"),
        "{shown:#}"
    );
    assert_eq!(
        shown["postings"][1]["attempts"], 0,
        "the fee waits behind its payment"
    );
}

#[tokio::test]
async fn an_expired_key_rests_the_instance_without_spending_attempts() {
    let test = TestApp::spawn_with_odoo().await;
    let key = odoo(&test).api_key();
    odoo(&test).replace_api_key("another");
    let invoice = invoice(&test);
    let payment = paid(&test, "S1", invoice).await;
    let shown = eventually(async || {
        let payment = test.payment(payment["id"].as_str().unwrap()).await;
        if payment["postings"][0]["last_error"].is_string() {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(shown["postings"][0]["attempts"], 0);
    assert_eq!(
        test.count("odoo_instance where paused_until is not null").await,
        1
    );
    odoo(&test).replace_api_key(&key);
    posted(&test, &payment, 2).await;
    assert_balanced(&test);
}

#[tokio::test]
async fn an_odoo_that_is_down_for_a_while_misses_nothing() {
    let test = TestApp::spawn_with_odoo().await;
    odoo(&test).faults().always(Matcher::any(), Fault::ResetBefore);
    let invoices: Vec<i64> = (0..4).map(|_| invoice(&test)).collect();
    let mut payments = Vec::new();
    for (number, invoice) in invoices.iter().enumerate() {
        payments.push(paid(&test, &format!("S{number}"), *invoice).await);
    }
    eventually(
        async || match test.count("odoo_instance where paused_until is not null").await {
            1 => Ok(()),
            _ => Err("not paused".to_owned()),
        },
    )
    .await;
    odoo(&test).faults().clear();
    for payment in &payments {
        posted(&test, payment, 2).await;
    }
    assert!(
        odoo(&test)
            .invoices()
            .iter()
            .all(|invoice| invoice.payment_state == "paid")
    );
    assert_eq!(test.count("outbox_message where attempts > 0").await, 0);
    assert_balanced(&test);
}

#[tokio::test]
async fn what_is_only_authorized_is_not_booked_and_what_is_captured_is() {
    let test = TestApp::spawn_with_odoo().await;
    let invoice = invoice(&test);
    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_visa", "capture_method": "manual", "settles": settles });
    let held = test.create("S1", wish.clone()).await.expect(StatusCode::CREATED);
    let mut again = wish;
    again["allow_double"] = json!(true);
    let let_go = test.create("S2", again).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}/cancel", let_go["id"].as_str().unwrap());
    test.post(&path, "cancel", &json!({}))
        .await
        .expect(StatusCode::OK);
    test.stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    eventually(
        async || match test.count("webhook_event where due_at is not null").await {
            0 => Ok(()),
            left => Err(format!("{left} events are left")),
        },
    )
    .await;
    assert_eq!(test.count("outbox_message").await, 0);

    let path = format!("/v1/payments/{}/capture", held["id"].as_str().unwrap());
    test.post(&path, "capture", &json!({}))
        .await
        .expect(StatusCode::OK);
    posted(&test, &held, 2).await;
    assert_eq!(odoo(&test).invoices()[0].payment_state, "paid");
    assert_balanced(&test);
}

#[tokio::test]
async fn a_message_out_of_attempts_is_dead_and_holds_its_payments_later_ones_under_one_exception() {
    let timing = quittance::app::Timing {
        retry_divisor: 1_000_000,
        ..Wishes::default().timing
    };
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        timing,
        ..Wishes::default()
    })
    .await;
    odoo(&test).refuse(Some("The period is closed."));
    let (first, second) = (invoice(&test), invoice(&test));
    let payment = paid(&test, "S1", first).await;
    let dead = eventually(async || {
        let payment = test.payment(payment["id"].as_str().unwrap()).await;
        if payment["postings"][0]["state"] == "dead" {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(dead["exceptions"].as_array().unwrap().len(), 1);
    assert_eq!(dead["exceptions"][0]["kind"], "message_dead");
    let detail = dead["exceptions"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("The period is closed."), "{detail}");

    odoo(&test).refuse(None);
    let other = paid(&test, "S2", second).await;
    posted(&test, &other, 2).await;
    let still = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(still["postings"][1]["state"], "pending", "it waits for a person");
    let unsent = test.get("/v1/outbox?state=dead").await.expect(StatusCode::OK);
    assert_eq!(
        unsent["data"].as_array().unwrap().len(),
        1,
        "those behind it are not dead"
    );
}

#[tokio::test]
async fn a_refund_that_fails_later_lowers_refunded_and_is_a_persons() {
    let test = TestApp::spawn_with_odoo().await;
    let invoice = invoice(&test);
    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_refundFail", "settles": settles });
    let payment = test.create("S1", wish).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap());
    let refunded = test
        .post(&path, "refund", &json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(refunded["refunded_minor"], 12_100);
    let failed = eventually(async || {
        let payment = test.payment(payment["id"].as_str().unwrap()).await;
        if payment["refunded_minor"] == 0 {
            Ok(payment)
        } else {
            Err(payment.to_string())
        }
    })
    .await;
    assert_eq!(
        (&failed["state"], &failed["captured_minor"]),
        (&json!("captured"), &json!(12_100))
    );
    assert_eq!(failed["refunds"][0]["state"], "failed");
    assert_eq!(failed["exceptions"][0]["kind"], "refund_failed");
}
