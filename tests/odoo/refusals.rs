//! What Odoo, its bookkeeper or its network may say instead of yes.

use std::time::Duration;

use quittance::domain::posting::Posting;
use quittance::sink::{Posted, SinkError};
use quittance_sandbox::faults::{Fault, Matcher};
use serde_json::json;
use time::macros::date;

use super::support::{DAY, Odoo, send, sink, with};

fn is_refused(answer: &Result<Posted, SinkError>, words: &str) {
    assert!(
        matches!(answer, Err(SinkError::Refused { message }) if message.told().contains(words)),
        "{answer:?}"
    );
}

fn differs(answer: &Result<Posted, SinkError>, words: &str) {
    assert!(
        matches!(answer, Err(SinkError::Differs { message }) if message.told().contains(words)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn another_amount_under_the_same_key_changes_nothing_and_is_told() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    odoo.send(&sale.payment()).await.unwrap();
    let before = odoo.balances(&sale).await;

    let answer = odoo.send(&sale.payment_of(9_999, DAY)).await;

    differs(&answer, "121.0");
    assert_eq!(odoo.balances(&sale).await, before);
}

#[tokio::test]
async fn a_payment_of_an_invoice_that_is_already_paid_is_told_and_recorded_once() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    odoo.send(&sale.payment()).await.unwrap();
    let Posting::CustomerPayment {
        provider_reference,
        reference,
        amount,
        date,
        settles,
        ..
    } = sale.payment()
    else {
        unreachable!("a payment is a payment");
    };
    let charge = sale.source("re");
    let second = Posting::CustomerPayment {
        charge,
        provider_reference,
        reference,
        amount,
        date,
        settles,
    };

    for _ in 0..2 {
        let answer = odoo.send(&second).await;
        assert!(
            matches!(answer, Err(SinkError::Refused { .. } | SinkError::Differs { .. })),
            "{answer:?}"
        );
    }

    let balances = odoo.balances(&sale).await;
    assert_eq!(
        (balances.payments, balances.receivable, balances.outstanding),
        (2, -12_100, 24_200)
    );
}

#[tokio::test]
async fn a_draft_invoice_is_refused_and_leaves_no_row() {
    let odoo = Odoo::open().await;
    let sale = odoo.draft_sale().await;

    is_refused(&odoo.send(&sale.payment()).await, "draft");

    assert_eq!(odoo.balances(&sale).await.payments, 0);
}

#[tokio::test]
async fn another_currency_and_another_model_are_refused_and_leave_no_row() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let (mut dollars, mut order) = (sale.payment(), sale.payment());
    if let Posting::CustomerPayment { amount, .. } = &mut dollars {
        amount.currency = "USD".parse().unwrap();
    }
    if let Posting::CustomerPayment { settles, .. } = &mut order {
        settles[0].model = "sale.order".to_owned();
    }

    is_refused(&odoo.send(&dollars).await, "the payment is USD");
    is_refused(&odoo.send(&order).await, "sale.order");

    assert_eq!(odoo.balances(&sale).await.payments, 0);
}

#[tokio::test]
async fn a_charge_line_before_its_payment_is_refused_and_leaves_no_row() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;

    is_refused(&odoo.send(&sale.charge_line()).await, "is not in Odoo");

    assert_eq!(odoo.balances(&sale).await.lines, 0);
}

#[tokio::test]
async fn a_date_that_a_lock_moves_is_told() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let lock = |date: serde_json::Value| json!({ "ids": [odoo.books().company_id], "vals": { "fiscalyear_lock_date": date } });

    odoo.call("res.company/write", lock(json!("2019-12-31"))).await;
    let answer = odoo.send(&sale.payment_of(12_100, date!(2019 - 12 - 15))).await;
    odoo.call("res.company/write", lock(json!(false))).await;

    differs(&answer, "2019-12-15");
}

#[tokio::test]
async fn a_wrong_key_makes_the_instance_wait_and_leaves_no_row() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let instance = with(&odoo.instance, |access| {
        access.api_key = "expired".to_owned().into();
    });

    let answer = send(&odoo.sink, &instance, &sale.payment()).await;

    assert!(
        matches!(answer, Err(SinkError::Unauthorized { .. })),
        "{answer:?}"
    );
    assert_eq!(odoo.balances(&sale).await.payments, 0);
}

#[tokio::test]
async fn an_unknown_database_is_refused() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let instance = with(&odoo.instance, |access| access.database = "nowhere".to_owned());

    is_refused(
        &send(&odoo.sink, &instance, &sale.payment()).await,
        "no such database",
    );
}

#[tokio::test]
async fn an_odoo_that_is_down_or_busy_is_unreachable() {
    let odoo = Odoo::open().await;
    let sale = odoo.sale().await;
    let mut nowhere = odoo.instance.clone();
    nowhere.url = "http://127.0.0.1:1".parse().unwrap();
    let sink = sink(Duration::from_secs(2));

    let mut answers = vec![send(&sink, &nowhere, &sale.payment()).await];
    if let Some(pretend) = odoo.pretend() {
        for fault in [
            Fault::ErrorBefore,
            Fault::Conflict,
            Fault::Unavailable,
            Fault::ResetBefore,
        ] {
            pretend
                .faults()
                .next(Matcher::path("/*/*/account.payment/load"), fault);
            answers.push(odoo.send(&sale.payment()).await);
        }
    }

    for answer in answers {
        assert!(matches!(answer, Err(SinkError::Unreachable { .. })), "{answer:?}");
    }
    assert_eq!(odoo.balances(&sale).await.payments, 0);
}
