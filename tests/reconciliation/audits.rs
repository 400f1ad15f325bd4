//! Audits of much, and of payouts.

use quittance::app::audit::{Depth, audit as run_audit};
use quittance::app::auth::Operator;
use quittance_sandbox::stripe::{Extra, PayoutKind};
use serde_json::json;

use super::{an_hour_ago, audit, paid_with_lines, reconcile};
use crate::support::TestApp;

#[tokio::test]
async fn an_audit_counts_the_payouts_that_are_explained_and_names_the_others_with_what_differs() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 1).await;
    let even = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&even).unwrap();
    test.stripe.write_line(Extra::Topup, 500, "eur");
    let odd = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&odd).unwrap();
    test.stripe.write_line(Extra::Topup, 300, "eur");
    let by_hand = test.stripe.pay_out_all("eur", PayoutKind::Manual).unwrap();
    test.stripe.land_payout(&by_hand).unwrap();
    reconcile(&test, an_hour_ago()).await;
    let payouts = audit(&test).await["payouts"].clone();
    assert_eq!(
        payouts,
        json!({ "explained_count": 2, "unexplained_count": 0, "by_hand_count": 1, "unexplained": [] })
    );
    sqlx::query("update payout_reading set net_minor = net_minor - 7 where payout = $1")
        .bind(&odd)
        .execute(&test.db)
        .await
        .unwrap();
    sqlx::query("update payout_reading set read_at = null, due_at = 'infinity' where payout = $1")
        .bind(&even)
        .execute(&test.db)
        .await
        .unwrap();
    let audited = audit(&test).await;
    assert_eq!(audited["explained"], false, "{audited:#}");
    let payouts = &audited["payouts"];
    assert_eq!(
        (&payouts["explained_count"], &payouts["unexplained_count"]),
        (&json!(0), &json!(2))
    );
    let named = payouts["unexplained"].as_array().unwrap();
    let of = |reference: &str| {
        named
            .iter()
            .find(|payout| payout["provider_reference"] == reference)
            .unwrap()
    };
    assert_eq!(
        (
            &of(&odd)["amount_minor"],
            &of(&odd)["net_minor"],
            &of(&odd)["difference_minor"]
        ),
        (&json!(500), &json!(493), &json!(-7))
    );
    assert_eq!(of(&even)["net_minor"], json!(null), "its lines are not read");
}

#[tokio::test]
async fn an_audit_sums_what_was_booked_since_the_last_checkpoint_and_a_full_one_finds_a_changed_past() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 1).await;
    reconcile(&test, an_hour_ago()).await;
    let app = test.application().app();
    let operator = Operator::at_the_command_line(test.merchant, false);
    let ledger = async |depth| {
        let audit = run_audit(app, &operator, depth).await.unwrap();
        (
            audit.balances[0].ledger_minor,
            audit.balances[0].checkpoint_off_minor,
        )
    };
    let (first, _) = ledger(Depth::SinceCheckpoint).await;
    assert_eq!(test.count("ledger_checkpoint").await, 0, "there is little to sum");
    // As many transactions as make one due; some are of a cent.
    for sql in [
        "insert into ledger_transaction (merchant_id, provider_account_id, id, source, occurred_at)
         select merchant_id, id, gen_random_uuid(), 'x' || n, now() from provider_account, generate_series(1, 10001) n",
        "analyze ledger_transaction",
        "insert into ledger_entry (merchant_id, provider_account_id, transaction_id, line, account, currency, amount_minor)
         select t.merchant_id, t.provider_account_id, t.id, e.line, e.account, 'EUR', e.amount
         from ledger_transaction t, (values (0, 'provider_balance', 1), (1, 'suspense', -1)) e (line, account, amount)
         where t.source like 'x_'",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    let second = first + 9;
    assert_eq!(ledger(Depth::SinceCheckpoint).await, (second, 0));
    assert_eq!(
        test.count("ledger_checkpoint").await,
        4,
        "one row for each account of the ledger"
    );
    test.stripe.write_line(Extra::Topup, 500, "eur");
    reconcile(&test, an_hour_ago()).await;
    assert_eq!(
        ledger(Depth::SinceCheckpoint).await,
        (second + 500, 0),
        "and what came since"
    );
    assert_eq!(
        ledger(Depth::Full).await,
        (second + 500, 0),
        "all of it comes to the same"
    );

    // Somebody with the database in hand changes the past.
    for sql in [
        "alter table ledger_entry disable trigger user",
        "update ledger_entry set amount_minor = amount_minor * 3
         where transaction_id = (select id from ledger_transaction where source = 'x1')",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    assert_eq!(
        ledger(Depth::SinceCheckpoint).await,
        (second + 500, 0),
        "what was summed is not read again"
    );
    let audit = run_audit(app, &operator, Depth::Full).await.unwrap();
    assert_eq!(audit.balances[0].checkpoint_off_minor, 4, "two on either side");
    assert!(!audit.is_explained());
}
