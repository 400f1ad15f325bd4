//! What the books hold, and what they refuse.

use std::collections::BTreeMap;

use futures::future::join_all;
use quittance_sandbox::odoo::Options;
use serde_json::{Value, json};
use time::macros::date;

use super::client::{Odoo, once};

#[tokio::test]
async fn eight_imports_at_once_make_one_record_and_tell_the_losers_with_200() {
    let odoo = Odoo::start(Options {
        work: std::time::Duration::from_millis(20),
        ..Options::default()
    })
    .await;

    let answers = join_all((0..8).map(|_| odoo.load_line("q.txn_1", "121.00", "-121.00", once()))).await;
    let again = odoo.load_line("q.txn_1", "5.00", "-5.00", once()).await;

    let lost: Vec<&Value> = answers.iter().filter(|answer| answer["ids"] == false).collect();
    assert_eq!(lost.len(), 7, "all began before the first ended");
    assert!(
        lost[0]["messages"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("could not serialize")
    );
    assert!(again["ids"].is_array());
    let lines = odoo.pretend.statement_lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].amount_minor, lines[0].name.as_str()),
        (12_100, "STRP/2026/00001")
    );
}

#[tokio::test]
async fn an_import_that_would_rewrite_is_refused() {
    let odoo = Odoo::start(Options::default()).await;
    odoo.load_line("q.txn_1", "121.00", "-121.00", once()).await;

    let answer = odoo.load_line("q.txn_1", "5.00", "-5.00", json!({})).await;

    assert_eq!(answer["ids"], false);
    assert_eq!(odoo.pretend.journal_balance("STRP"), 12_100);
}

#[tokio::test]
async fn what_does_not_balance_or_is_no_money_leaves_nothing() {
    let odoo = Odoo::start(Options::default()).await;

    for (amount, counter) in [
        ("121.00", "-120.99"),
        ("abc", "-1"),
        ("1.005", "-1.005"),
        ("", ""),
    ] {
        let answer = odoo.load_line("q.txn_1", amount, counter, once()).await;
        assert_eq!(answer["ids"], false, "{amount} {counter}");
    }

    assert!(odoo.pretend.statement_lines().is_empty());
    assert!(odoo.pretend.trial_balance().is_empty());
}

#[tokio::test]
async fn an_invoice_is_owed_until_it_is_reconciled_and_reconciled_once() {
    let odoo = Odoo::start(Options::default()).await;
    let invoice = odoo
        .pretend
        .add_invoice("Ada", 12_100, "EUR", date!(2026 - 11 - 20))
        .unwrap();
    let owed = odoo
        .id(
            "account.move.line",
            json!([
                ["move_id", "=", invoice],
                ["account_type", "=", "asset_receivable"]
            ]),
        )
        .await;
    let payment = pay(&odoo, "121.00").await;
    let paid = odoo
        .id(
            "account.move.line",
            json!([
                ["payment_id", "=", payment],
                ["account_type", "=", "asset_receivable"]
            ]),
        )
        .await;

    let first = odoo
        .call("account.move.line/reconcile", json!({ "ids": [owed, paid] }))
        .await;
    let second = odoo
        .call("account.move.line/reconcile", json!({ "ids": [owed, paid] }))
        .await;

    assert_eq!(first, (200, Value::Null));
    assert_eq!(
        (second.0, &second.1["name"]),
        (422, &json!("odoo.exceptions.UserError"))
    );
    assert_eq!(odoo.pretend.invoices()[0].payment_state, "paid");
    let expected = [("101403", 12_100), ("121000", 0), ("400000", -12_100)];
    let expected: BTreeMap<String, i64> = expected.map(|(code, minor)| (code.to_owned(), minor)).into();
    assert_eq!(odoo.pretend.trial_balance(), expected);
}

#[tokio::test]
async fn a_payment_posted_twice_has_one_entry_and_its_own_numbers() {
    let odoo = Odoo::start(Options::default()).await;
    let payment = pay(&odoo, "60.00").await;

    odoo.ok("account.payment/action_post", json!({ "ids": [payment] }))
        .await;
    odoo.load_line("q.txn_1", "1.00", "-1.00", once()).await;

    let read = odoo
        .ok(
            "account.payment/read",
            json!({"ids": [payment], "fields": ["name", "state", "amount"]}),
        )
        .await;
    assert_eq!(
        read,
        json!([{"id": payment, "name": "PSTRP/2026/00001", "state": "in_process", "amount": 60.0}])
    );
    assert_eq!(odoo.pretend.account_balance("101403"), 6_000 - 100);
    assert_eq!(odoo.pretend.statement_lines()[0].name, "STRP/2026/00001");
}

#[tokio::test]
async fn a_locked_date_is_moved_without_a_word() {
    let odoo = Odoo::start(Options::default()).await;
    odoo.ok(
        "res.company/write",
        json!({"ids": [1], "vals": {"fiscalyear_lock_date": "2026-11-21"}}),
    )
    .await;

    let answer = odoo.load_line("q.txn_1", "1.00", "-1.00", once()).await;

    assert!(answer["ids"].is_array());
    assert_ne!(odoo.pretend.statement_lines()[0].date, date!(2026 - 11 - 20));
}

#[tokio::test]
async fn a_refusal_on_demand_ends_when_it_is_taken_back() {
    let odoo = Odoo::start(Options::default()).await;

    odoo.pretend.refuse(Some("The period is closed."));
    let refused = odoo.load_line("q.txn_1", "1.00", "-1.00", once()).await;
    odoo.pretend.refuse(None);
    let taken = odoo.load_line("q.txn_1", "1.00", "-1.00", once()).await;

    assert_eq!(refused["messages"][0]["message"], "The period is closed.");
    assert!(taken["ids"].is_array());
}

/// A posted payment that a customer made.
async fn pay(odoo: &Odoo, amount: &str) -> i64 {
    let journal = odoo.id("account.journal", json!([["code", "=", "STRP"]])).await;
    let domain = json!([["journal_id", "=", journal], ["payment_type", "=", "inbound"]]);
    let method = odoo.id("account.payment.method.line", domain).await.to_string();
    let fields = [
        "id",
        "payment_type",
        "partner_type",
        "amount",
        "date",
        "journal_id/.id",
        "payment_method_line_id/.id",
    ];
    let row = json!([
        "q.ch_1",
        "inbound",
        "customer",
        amount,
        "2026-11-20",
        journal.to_string(),
        method
    ]);
    let arguments = json!({ "fields": fields, "data": [row], "context": once() });
    let loaded = odoo.ok("account.payment/load", arguments).await;
    let id = loaded["ids"][0].as_i64().unwrap();
    odoo.ok("account.payment/action_post", json!({ "ids": [id] }))
        .await;
    id
}
