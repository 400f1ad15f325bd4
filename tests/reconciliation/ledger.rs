//! What is booked of single payments, and what the database refuses.

use quittance_sandbox::stripe::{Extra, Options, PayoutKind, Rate, Settlement};
use reqwest::StatusCode;
use serde_json::json;

use super::{an_hour_ago, audit, balances, open, reconcile};
use crate::support::{TestApp, Wishes, eventually};

fn held(account: &str, currency: &str, minor: i64) -> (String, String, i64) {
    (account.to_owned(), currency.to_owned(), minor)
}

pub(super) async fn paid(test: &TestApp, reference: &str, more: serde_json::Value) -> serde_json::Value {
    let mut wish = json!({ "payment_method": "pm_card_visa" });
    for (name, value) in more.as_object().unwrap() {
        wish[name] = value.clone();
    }
    let payment = test.create(reference, wish).await.expect(StatusCode::CREATED);
    test.until(payment["id"].as_str().unwrap(), "captured").await
}

/// So many payments, each with its ledger line: Stripe writes that a moment after the payment.
async fn paid_with_lines(test: &TestApp, count: i64) {
    for number in 0..count {
        paid(test, &format!("S{number}"), json!({})).await;
    }
    eventually(
        async || match test.count("balance_transaction where kind = 'charge'").await {
            lines if lines == count => Ok(()),
            other => Err(format!("{other} lines")),
        },
    )
    .await;
}

#[tokio::test]
async fn a_payment_is_booked_once_wherever_its_line_was_read_and_the_audit_says_so() {
    let test = TestApp::spawn().await;
    paid(&test, "S1", json!({})).await;
    eventually(async || match balances(&test.db).await {
        booked if booked.len() == 3 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let booked = balances(&test.db).await;
    reconcile(&test, an_hour_ago()).await;
    reconcile(&test, an_hour_ago()).await;
    assert_eq!(
        balances(&test.db).await,
        booked,
        "read three times, it is booked once"
    );
    let line: (i64, i64) = sqlx::query_as("select fee_minor, net_minor from balance_transaction")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(
        booked,
        [
            held("fees", "EUR", line.0),
            held("provider_balance", "EUR", line.1),
            held("receivable_clearing", "EUR", -12_100),
        ]
    );
    let audit = audit(&test).await;
    assert_eq!(audit["explained"], true, "{audit:#}");
    assert_eq!(audit["balances"][0]["provider_minor"], line.1);
    assert_eq!(audit["balances"][0]["ledger_minor"], line.1);
}

#[tokio::test]
async fn what_settles_in_another_currency_balances_in_both() {
    let test = TestApp::spawn_with(Wishes {
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    test.stripe.settle_at(
        "usd",
        Some(Rate {
            currency: "eur".to_owned(),
            millionths: 920_000,
        }),
    );
    let payment = paid(&test, "S1", json!({ "currency": "USD", "amount_minor": 10_000 })).await;
    test.stripe.settle();
    reconcile(&test, an_hour_ago()).await;
    let booked = balances(&test.db).await;
    let of = |account: &str, currency: &str| {
        booked
            .iter()
            .find(|(found, code, _)| found == account && code == currency)
            .map_or(0, |(.., minor)| *minor)
    };
    assert_eq!(of("receivable_clearing", "USD"), -10_000, "{booked:?}");
    assert_eq!(of("fx", "USD"), 10_000);
    assert_eq!(of("fx", "EUR"), -9_200);
    assert_eq!(of("provider_balance", "EUR") + of("fees", "EUR"), 9_200);
    let audit = audit(&test).await;
    assert_eq!(audit["explained"], true, "{audit:#} {payment:#}");
}

#[tokio::test]
async fn what_nobody_knows_waits_in_suspense_under_its_name() {
    let test = TestApp::spawn().await;
    let line = test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    let charge = test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&test, an_hour_ago()).await;
    let audit = audit(&test).await;
    assert_eq!(audit["explained"], false);
    assert_eq!(audit["balances"][0]["difference_minor"], 0, "{audit:#}");
    assert_eq!(audit["balances"][0]["suspense_minor"], -5_700);
    let mut open = open(&audit);
    open.sort();
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(
        open[0].0 == "foreign_line" && open[0].1.contains(&charge),
        "{open:?}"
    );
    assert!(
        open[1].0 == "unmapped_line" && open[1].1.contains(&line),
        "{open:?}"
    );
}

#[tokio::test]
async fn a_payout_is_explained_line_by_line_and_followed_to_the_bank_and_back() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 3).await;
    let payout = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&payout).unwrap();
    reconcile(&test, an_hour_ago()).await;
    let net: i64 =
        sqlx::query_scalar("select sum(net_minor)::bigint from balance_transaction where kind = 'charge'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    assert!(balances(&test.db).await.contains(&held("bank", "EUR", net)));
    assert_eq!(test.count("payout_line").await, 4, "three charges and its own");
    let read = format!("payout_reading where line_count = 3 and net_minor = {net} and read_at is not null");
    assert_eq!(test.count(&read).await, 1);
    assert_eq!(audit(&test).await["explained"], true);

    test.stripe.fail_payout(&payout).unwrap();
    eventually(async || {
        match test
            .count("ledger_transaction where source like 'returned:%'")
            .await
        {
            1 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    reconcile(&test, an_hour_ago()).await;
    let after = balances(&test.db).await;
    assert!(
        after
            .iter()
            .all(|(account, ..)| account != "bank" && account != "in_transit"),
        "{after:?}"
    );
    assert!(after.contains(&held("provider_balance", "EUR", net)));
}

#[tokio::test]
async fn a_payout_is_shown_with_its_sums_and_its_lines_page_by_page() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 3).await;
    let payout = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&payout).unwrap();
    reconcile(&test, an_hour_ago()).await;
    let net: i64 = sqlx::query_scalar("select amount_minor from payout")
        .fetch_one(&test.db)
        .await
        .unwrap();
    let listed = test.get("/v1/payouts?state=paid").await.expect(StatusCode::OK);
    assert_eq!(listed["data"][0]["provider_reference"], payout.as_str());
    let path = format!("/v1/payouts/{}", listed["data"][0]["id"].as_str().unwrap());
    assert_eq!(test.get(&path).await.expect(StatusCode::OK), listed["data"][0]);
    let mut lines = Vec::new();
    let mut query = "?limit=3".to_owned();
    let report = loop {
        let report = test
            .get(&format!("{path}/reconciliation{query}"))
            .await
            .expect(StatusCode::OK);
        lines.extend(report["lines"].as_array().unwrap().clone());
        let Some(cursor) = report["next_cursor"].as_str() else {
            break report;
        };
        query = format!("?limit=3&cursor={cursor}");
    };
    assert_eq!(
        (
            &report["explained"],
            &report["net_minor"],
            &report["difference_minor"]
        ),
        (&json!(true), &json!(net), &json!(0)),
        "{report:#}"
    );
    assert_eq!(lines.len(), 4);
    assert_eq!(lines.iter().filter(|line| line["payment"].is_string()).count(), 3);
    assert_eq!(report["sums"][0]["count"], 3);
    assert_eq!(report["sums"][1]["net_minor"], -net);
    for (path, code) in [
        ("/v1/payouts?state=lost", "invalid_state"),
        ("/v1/payouts?cursor=x", "invalid_cursor"),
        ("/v1/payouts/pyt_1", "not_found"),
        (
            "/v1/payouts/pyt_01h455vb4pex5vsknk084sn02q/reconciliation",
            "not_found",
        ),
    ] {
        assert_eq!(test.get(path).await.json()["code"], code, "{path}");
    }
}

#[tokio::test]
async fn a_payout_stays_open_while_one_of_its_lines_is_not_explained() {
    let test = TestApp::spawn().await;
    let line = test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    reconcile(&test, an_hour_ago()).await;
    let payout = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&payout).unwrap();
    reconcile(&test, an_hour_ago()).await;
    let listed = test.get("/v1/payouts").await.expect(StatusCode::OK);
    let path = format!(
        "/v1/payouts/{}/reconciliation",
        listed["data"][0]["id"].as_str().unwrap()
    );
    let report = test.get(&path).await.expect(StatusCode::OK);
    assert_eq!(
        (&report["explained"], &report["difference_minor"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(report["open"][0]["kind"], "unmapped_line", "{report:#}");
    assert_eq!(report["open"][0]["subject"], line.as_str());
}

#[tokio::test]
async fn a_payout_whose_lines_are_not_its_amount_is_told_of_with_the_difference() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 1).await;
    let payout = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&payout).unwrap();
    reconcile(&test, an_hour_ago()).await;
    eventually(
        async || match test.count("payout_reading where read_at is not null").await {
            1 => Ok(()),
            other => Err(other.to_string()),
        },
    )
    .await;
    sqlx::query("update payout set amount_minor = amount_minor + 7")
        .execute(&test.db)
        .await
        .unwrap();
    sqlx::query("update payout_reading set read_at = null, due_at = now(), line_count = 0, net_minor = 0")
        .execute(&test.db)
        .await
        .unwrap();
    reconcile(&test, an_hour_ago()).await;
    let open = open(&audit(&test).await);
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(
        open[0].0 == "payout_differs" && open[0].1.contains(&payout),
        "{open:?}"
    );
    assert!(open[0].1.contains("EUR -0.07"), "{open:?}");
}

#[tokio::test]
async fn the_database_refuses_what_does_not_sum_to_zero_and_what_would_change_the_past() {
    let test = TestApp::spawn().await;
    paid(&test, "S1", json!({})).await;
    reconcile(&test, an_hour_ago()).await;
    let add = |amounts: [i64; 2]| {
        format!(
            "with t as (insert into ledger_transaction (merchant_id, provider_account_id, id, source, occurred_at)
                 select merchant_id, id, gen_random_uuid(), 'x', now() from provider_account returning *)
             insert into ledger_entry (merchant_id, provider_account_id, transaction_id, line, account, currency, amount_minor)
             select t.merchant_id, t.provider_account_id, t.id, e.line, 'fees', 'EUR', e.amount
             from t, (values (0, {}), (1, {})) e (line, amount)",
            amounts[0], amounts[1]
        )
    };
    for (refused, sql) in [
        ("does not sum to zero", add([5, -4])),
        (
            "does not sum to zero",
            "insert into ledger_entry select merchant_id, provider_account_id, transaction_id, 9, 'fees', 'EUR', 1
             from ledger_entry limit 1"
                .to_owned(),
        ),
        ("written once", "update ledger_entry set amount_minor = amount_minor * 2".to_owned()),
        ("written once", "delete from ledger_entry".to_owned()),
        ("written once", "truncate ledger_transaction cascade".to_owned()),
        ("written once", "update balance_transaction set net_minor = 0, amount_minor = fee_minor".to_owned()),
        ("written once", "delete from balance_transaction".to_owned()),
    ] {
        let error = sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .execute(&test.db)
            .await
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains(refused), "{sql}: {error}");
    }
    sqlx::query(sqlx::AssertSqlSafe(add([5, -5])))
        .execute(&test.db)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_account_whose_lines_cannot_be_booked_holds_up_no_other() {
    let test = TestApp::spawn().await;
    for sql in [
        "insert into provider_account select (jsonb_populate_record(a,
             jsonb_build_object('id', gen_random_uuid(), 'live', true, 'provider', 'nobody'))).* from provider_account a",
        "insert into balance_transaction (merchant_id, provider_account_id, id, kind, amount_minor, fee_minor, net_minor,
             currency, created_at)
         select merchant_id, id, 'txn_0', 'charge', 1, 0, 1, 'EUR', now() from provider_account where provider = 'nobody'",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    paid(&test, "S1", json!({})).await;
    eventually(async || match balances(&test.db).await {
        booked if booked.len() == 3 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let waits = "balance_transaction where id = 'txn_0' and book_at > now()";
    eventually(async || match test.count(waits).await {
        1 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
}
