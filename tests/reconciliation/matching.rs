//! Whose a line is where neither it nor the provider's ids say, and what was paid for each part of a payment.

use quittance::domain::balance_transaction::{About, BalanceTransaction, Line};
use quittance::domain::ids::PaymentId;
use quittance::domain::money::Money;
use quittance::startup::Role;
use quittance::store;
use quittance_sandbox::stripe::Rate;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::expectations::on_demand;
use super::paid;
use super::{an_hour_ago, audit, balances, open, reconcile};
use crate::support::{TestApp, Wishes, eventually, now};

/// A line that says what it is for in words alone.
fn told(id: &str, minor: i64, currency: &str, words: &str) -> Line {
    let amount = (Money::new(minor, currency.parse().unwrap()), 0);
    let mut fact = BalanceTransaction::plain(id.to_owned(), "payment".to_owned(), None, amount, now());
    fact.description = Some(words.to_owned());
    Line {
        fact,
        about: About::default(),
    }
}

async fn keep(test: &TestApp, lines: &[Line]) {
    let mut conn = test.db.acquire().await.unwrap();
    store::balance_transactions::insert(&mut conn, test.merchant, test.account, None, lines)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_line_is_matched_by_its_words_only_where_nothing_else_can_be_meant() {
    let test = on_demand().await;
    for number in 1..=8 {
        paid(&test, &format!("S{number}"), json!({})).await;
    }
    test.create("S9", json!({})).await.expect(StatusCode::CREATED);
    let mut lines = vec![
        told("txn_fits", 12_100, "EUR", "Order S1, thank you"),
        told("txn_amount", 12_101, "EUR", "S2"),
        told("txn_currency", 12_100, "USD", "S3"),
        told("txn_two_orders", 12_100, "EUR", "S4 and S5"),
        told("txn_another_charge", 12_100, "EUR", "S6"),
        told("txn_named", 12_100, "EUR", "S7"),
        told("txn_once", 12_100, "EUR", "S8"),
        told("txn_twice", 12_100, "EUR", "S8"),
        told("txn_unpaid", 12_100, "EUR", "S9"),
        told("txn_unknown", 12_100, "EUR", "S10"),
        told("txn_back", -12_100, "EUR", "S2"),
        told("txn_no_word", 12_100, "EUR", "XS2"),
    ];
    lines[4].fact.source = Some("ch_another".to_owned());
    lines[5].about.payment = Some(PaymentId::generate());
    lines[5].about.is_named = true;
    lines[0].about.notes = vec!["S1".to_owned()];
    keep(&test, &lines).await;
    reconcile(&test, an_hour_ago()).await;
    // One whose payment is being judged at that moment is matched a little later.
    let matched = eventually(async || {
        let matched: Vec<(String, String)> = sqlx::query_as(
            "select b.id, p.reference from balance_transaction b join payment p on p.id = b.payment_id order by p.reference",
        )
        .fetch_all(&test.db)
        .await
        .unwrap();
        if matched.len() == 2 { Ok(matched) } else { Err(format!("{matched:?}")) }
    })
    .await;
    assert_eq!(matched[0], ("txn_fits".to_owned(), "S1".to_owned()));
    assert!(
        ["txn_once", "txn_twice"].contains(&matched[1].0.as_str()),
        "one of the two: {matched:?}"
    );
    let audit = audit(&test).await;
    assert_eq!(open(&audit).len(), 10, "{audit:#}");
    assert!(open(&audit).iter().all(|(kind, _)| kind == "foreign_line"));
}

/// A payment of USD 100.00 that is held, and the lines of which arrive in euros.
async fn held_in_dollars(test: &TestApp) -> String {
    let wish = json!({
        "payment_method": "pm_card_visa", "capture_method": "manual", "currency": "USD", "amount_minor": 10_000,
    });
    let payment = test.create("S1", wish).await.expect(StatusCode::CREATED);
    format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap())
}

async fn capture(test: &TestApp, path: &str, body: Value, millionths: i64) {
    test.stripe.settle_at(
        "usd",
        Some(Rate {
            currency: "eur".to_owned(),
            millionths,
        }),
    );
    let key = format!("capture-{}", body["amount_minor"]);
    test.post(path, &key, &body).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn each_part_of_a_payment_in_another_currency_is_matched_with_its_capture() {
    let test = TestApp::spawn().await;
    let path = held_in_dollars(&test).await;
    capture(
        &test,
        &path,
        json!({ "amount_minor": 6_000, "final": false }),
        920_000,
    )
    .await;
    capture(
        &test,
        &path,
        json!({ "amount_minor": 3_000, "final": false }),
        915_500,
    )
    .await;
    capture(&test, &path, json!({}), 931_000).await;
    reconcile(&test, an_hour_ago()).await;
    eventually(async || {
        let booked = balances(&test.db).await;
        let of = |account: &str, currency: &str| {
            let found = booked
                .iter()
                .find(|(held, code, _)| held == account && code == currency);
            found.map_or(0, |(.., minor)| *minor)
        };
        let seen = (
            of("receivable_clearing", "USD"),
            of("fx", "USD"),
            of("fx", "EUR"),
            of("suspense", "EUR"),
        );
        // 6000 at 0.92, 3000 at 0.9155 and 1000 at 0.931.
        if seen == (-10_000, 10_000, -(5_520 + 2_747 + 931), 0) {
            Ok(())
        } else {
            Err(format!("{booked:?}"))
        }
    })
    .await;
    let audit = audit(&test).await;
    assert_eq!(audit["explained"], true, "{audit:#}");
}

#[tokio::test]
async fn parts_that_are_alike_come_to_what_was_captured() {
    let test = TestApp::spawn().await;
    let path = held_in_dollars(&test).await;
    capture(
        &test,
        &path,
        json!({ "amount_minor": 5_000, "final": false }),
        920_000,
    )
    .await;
    capture(&test, &path, json!({ "amount_minor": 4_999 }), 920_000).await;
    eventually(async || {
        reconcile(&test, an_hour_ago()).await;
        let booked = balances(&test.db).await;
        if booked.contains(&("receivable_clearing".to_owned(), "USD".to_owned(), -9_999)) {
            Ok(())
        } else {
            Err(format!("{booked:?}"))
        }
    })
    .await;
    assert_eq!(audit(&test).await["explained"], true);
}

#[tokio::test]
async fn parts_of_captures_that_are_not_known_wait_under_an_exception_and_are_not_missing() {
    let test = TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let path = held_in_dollars(&test).await;
    capture(
        &test,
        &path,
        json!({ "amount_minor": 5_000, "final": false }),
        920_000,
    )
    .await;
    capture(&test, &path, json!({ "amount_minor": 3_000 }), 920_000).await;
    // One of the two was made at the provider.
    sqlx::query("update operation set state = 'declined' where kind = 'capture' and amount_minor = 3000")
        .execute(&test.db)
        .await
        .unwrap();
    reconcile(&test, an_hour_ago()).await;
    for sql in [
        "update balance_transaction set match_at = now()",
        "update expectation set due_at = now(), differs_since = now() - interval '2 days'",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    reconcile(&test, an_hour_ago()).await;
    let open = open(&audit(&test).await);
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(
        open.iter().all(|(kind, _)| kind == "currency_differs"),
        "{open:?}"
    );
}
