//! Transactions of the ledger in Odoo's journals.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use quittance::domain::ledger::LedgerAccount::{
    Bank, Contributions, DisputeFees, DisputeLosses, Disputes, FeeTax, Fees, InTransit, ProviderBalance,
    ReceivableClearing,
};
use quittance::domain::posting::Posting;
use quittance::sink::{Access, BankJournal, Books, Journals, LostDisputes, Sink, SinkError};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::odoo::Version;
use serde_json::{Value, json};

use super::VERSION;
use super::support::{Balances, Odoo, Sale, booking, first, send, send_all, sink};

/// An Odoo whose journal has every account that these bookings need. What set-up would make stands in for itself here: the
/// account of outstanding payments, which nothing else in these tests uses, takes in what is on its way.
async fn open() -> Odoo {
    let mut odoo = Odoo::open().await;
    let account = async |code: &str| -> i64 {
        let found = odoo
            .search("account.account", json!([["code", "=", code]]), &["code"])
            .await;
        found[0]["id"].as_i64().unwrap()
    };
    let (waiting, fees) = (account("101404").await, account("621000").await);
    let journal = async |code: &str| -> Value {
        let fields = ["default_account_id"];
        odoo.search("account.journal", json!([["code", "=", code]]), &fields)
            .await[0]
            .clone()
    };
    let (bank, general) = (journal("BNK1").await, journal("MISC").await);
    let books = Books {
        accounts: BTreeMap::from([
            (Disputes, waiting),
            (InTransit, waiting),
            (FeeTax, fees),
            (DisputeFees, fees),
            (DisputeLosses, fees),
        ]),
        general_journal_id: general["id"].as_i64(),
        bank: Some(BankJournal {
            journal_id: bank["id"].as_i64().unwrap(),
            account_id: first(&bank["default_account_id"]),
        }),
        ..odoo.books().clone()
    };
    odoo.instance.access = Access::Rpc(quittance::sink::RpcAccess {
        journals: Journals::new([], Some(books)),
        ..odoo.access().clone()
    });
    odoo
}

fn written_off(odoo: &mut Odoo) {
    let books = Books {
        lost_disputes: LostDisputes::WriteOff,
        ..odoo.books().clone()
    };
    odoo.instance.access = Access::Rpc(quittance::sink::RpcAccess {
        journals: Journals::new([], Some(books)),
        ..odoo.access().clone()
    });
}

/// What is left on an account of the items that a source left there.
async fn left(odoo: &Odoo, sources: &[&str], code: &str) -> (usize, i64) {
    let domain = json!([
        ["account_id.code", "=", code],
        ["parent_state", "=", "posted"],
        "|",
        ["name", "in", sources],
        ["move_id.ref", "in", sources],
    ]);
    let items = odoo
        .search("account.move.line", domain, &["balance", "reconciled"])
        .await;
    let open = items.iter().filter(|item| item["reconciled"] == false).count();
    (
        open,
        items
            .iter()
            .map(|item| super::support::cents(&item["balance"]))
            .sum(),
    )
}

/// A dispute over some of the sale, which the bank decided for the customer.
fn lost(sale: &Sale, minor: i64) -> [Posting; 2] {
    let dispute = sale.source("dp");
    let taken = [
        (ProviderBalance, -minor - 1_500),
        (Disputes, minor),
        (DisputeFees, 1_500),
    ];
    [
        named(booking(&sale.transaction("dispute"), &taken, None), &dispute),
        named(
            booking(
                &format!("lost:{dispute}:1"),
                &[(DisputeLosses, minor), (Disputes, -minor)],
                Some(sale.source("ch")),
            ),
            &dispute,
        ),
    ]
}

/// The same with what people read beside it.
fn named(mut posting: Posting, name: &str) -> Posting {
    if let Posting::Booking { label, .. } = &mut posting {
        name.clone_into(label);
    }
    posting
}

/// Everything twice, each time in order.
async fn send_twice(odoo: &Odoo, postings: &[Posting]) {
    for posting in postings.iter().chain(postings) {
        odoo.send(posting).await.unwrap();
    }
}

#[tokio::test]
async fn one_that_is_refused_holds_up_none_of_those_it_travels_with() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    odoo.send(&sale.payment()).await.unwrap();
    let fee = |what: &str, account| {
        booking(
            &sale.transaction(what),
            &[(ProviderBalance, -99), (account, 99)],
            None,
        )
    };
    let mut unbalanced = fee("unbalanced", Fees);
    if let Posting::Booking { parts, .. } = &mut unbalanced {
        parts[0].amount.minor = -98;
        parts[0].value_minor = -98;
    }
    let batch = [
        fee("first", Fees),
        fee("unmapped", Contributions),
        sale.charge_line(),
        unbalanced,
        fee("last", FeeTax),
    ];

    let became = send_all(&odoo, &batch).await;
    let again = send_all(&odoo, &batch).await;

    let kept: Vec<bool> = became.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, false, true, false, true], "{became:#?}");
    // Odoo 18 says no more of an entry that does not balance than that an error has occurred.
    let unbalanced = if VERSION < Version::V19 { "" } else { "balance" };
    for (place, word) in [(1, "contributions"), (3, unbalanced)] {
        let refusal = became[place].as_ref().unwrap_err();
        assert!(
            matches!(refusal, SinkError::Refused { message } if message.told().contains(word)),
            "{refusal}"
        );
    }
    for (one, other) in became.iter().zip(&again).filter(|(one, _)| one.is_ok()) {
        assert_eq!(one.as_ref().unwrap(), other.as_ref().unwrap(), "no second record");
    }
    let sources = ["first", "last"].map(|what| sale.transaction(what));
    assert_eq!(left(&odoo, &[&sources[0], &sources[1]], "621000").await.1, 198);
    assert_eq!(odoo.balances(&sale).await.outstanding, 0);
}

#[tokio::test]
async fn bookings_whose_answer_is_lost_are_there_once() {
    let odoo = open().await;
    let Some(pretend) = odoo.pretend() else { return };
    let sale = odoo.sale().await;
    let batch: Vec<Posting> = (0..50)
        .map(|number| {
            let source = sale.transaction(&number.to_string());
            booking(&source, &[(ProviderBalance, -1), (Fees, 1)], None)
        })
        .collect();
    pretend.faults().times(
        1,
        Matcher::method_path("POST", "/*/*/account.bank.statement.line/load"),
        Fault::ResetAfter,
    );

    assert!(send_all(&odoo, &batch).await.iter().all(Result::is_err));
    assert!(send_all(&odoo, &batch).await.iter().all(Result::is_ok));

    assert_eq!(pretend.statement_lines().len(), 50);
    assert_eq!(pretend.journal_balance("STRP"), -50);
}

#[tokio::test]
async fn a_dispute_that_is_lost_opens_the_invoice_again_and_leaves_nothing_on_disputes() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    send_twice(&odoo, &[sale.payment(), sale.charge_line()]).await;
    let [taken, gone] = lost(&sale, 12_100);

    send_twice(&odoo, &[taken]).await;
    let paid = odoo.balances(&sale).await;
    send_twice(&odoo, &[gone]).await;

    let dispute = sale.source("dp");
    assert_eq!((paid.invoice.as_str(), paid.receivable), ("paid", 0));
    let owed = odoo.balances(&sale).await;
    assert_eq!((owed.invoice.as_str(), owed.receivable), ("not_paid", 12_100));
    assert_eq!(owed.outstanding, 0);
    assert_eq!(
        left(&odoo, &[&dispute], "101404").await,
        (0, 0),
        "the two on Disputes met"
    );
}

/// The books after a sale was paid and lost: the pretend Odoo's trial balance, and how many items wait on the customer's account.
async fn books(odoo: &Odoo, sale: &Sale) -> (BTreeMap<String, i64>, usize) {
    let domain = json!([
        ["partner_id", "=", sale.partner],
        ["account_type", "=", "asset_receivable"],
        ["reconciled", "=", false],
    ]);
    let open = odoo.search("account.move.line", domain, &["name"]).await;
    (odoo.pretend().unwrap().trial_balance(), open.len())
}

/// Has a worker send each posting whose call of that method goes wrong, and another send it after that one was killed.
async fn taken_over(method: &str, fault: Option<Fault>) -> (BTreeMap<String, i64>, usize) {
    let odoo = open().await;
    let sale = odoo.sale().await;
    let killed = sink(Duration::from_millis(300));
    let [taken, gone] = lost(&sale, 12_100);
    let faults = odoo.pretend().unwrap().faults();
    for posting in [sale.payment(), sale.charge_line(), taken, gone] {
        if let Some(fault) = fault {
            faults.next(Matcher::path(&format!("/*/*/*/{method}")), fault);
            send(&killed, &odoo.instance, &posting).await.ok();
            faults.clear();
        }
        odoo.send(&posting).await.unwrap();
        faults.caught_up().await;
    }
    books(&odoo, &sale).await
}

#[tokio::test]
async fn what_odoo_does_for_a_killed_worker_after_another_went_on_changes_nothing() {
    if open().await.pretend().is_none() {
        return;
    }
    let undisturbed = taken_over("", None).await;
    assert_eq!(undisturbed.1, 1, "the invoice waits alone");

    let late = Fault::Delay(Duration::from_secs(1));
    for fault in [Fault::ResetAfter, late] {
        let methods = ["load", "action_post", "reconcile", "unlink"];
        let became = join_all(methods.map(|method| taken_over(method, Some(fault)))).await;

        for (method, became) in methods.iter().zip(became) {
            assert_eq!(became, undisturbed, "{method} {fault:?}");
        }
    }
}

#[tokio::test]
async fn of_a_part_that_is_lost_the_customer_owes_that_part_and_the_invoice_stays_paid() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    send_twice(&odoo, &[sale.payment(), sale.charge_line()]).await;

    send_twice(&odoo, &lost(&sale, 5_000)).await;

    let owed = odoo.balances(&sale).await;
    assert_eq!((owed.invoice.as_str(), owed.receivable), ("paid", 5_000));
}

#[tokio::test]
async fn a_loss_that_is_written_off_is_an_expense_and_the_invoice_stays_paid() {
    let mut odoo = open().await;
    written_off(&mut odoo);
    let sale = odoo.sale().await;
    send_twice(&odoo, &[sale.payment(), sale.charge_line()]).await;

    send_twice(&odoo, &lost(&sale, 12_100)).await;

    let after = odoo.balances(&sale).await;
    assert_eq!((after.invoice.as_str(), after.receivable), ("paid", 0));
    assert_eq!(left(&odoo, &[&sale.source("dp")], "621000").await.1, 13_600);
}

#[tokio::test]
async fn a_refund_that_comes_back_leaves_nothing_open() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    let (refund, reference) = (sale.source("re"), sale.source("S"));
    let Posting::CustomerRefund { amount, date, .. } = sale.refund() else {
        panic!("a refund is no refund");
    };
    let back = Posting::RefundReturned {
        refund: refund.clone(),
        reference,
        amount,
        date,
    };
    let line = booking(
        &sale.transaction("failure"),
        &[(ProviderBalance, 12_100), (ReceivableClearing, -12_100)],
        Some(format!("{refund}_returned")),
    );

    send_twice(&odoo, &sale.whole()).await;
    send_twice(&odoo, &[back, line]).await;

    let after = odoo.balances(&sale).await;
    let open = Balances {
        payments: 2,
        lines: 2,
        outstanding: 0,
        journal: 11_893,
        fees: 207,
        receivable: 0,
        invoice: "paid".to_owned(),
    };
    assert_eq!(after, open, "the third payment has another name");
}

#[tokio::test]
async fn a_payout_goes_from_the_journal_to_the_bank_and_nothing_stays_on_the_way() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    let payout = sale.source("po");
    let left_stripe = named(
        booking(
            &sale.transaction("payout"),
            &[(ProviderBalance, -9_000), (InTransit, 9_000)],
            None,
        ),
        &payout,
    );
    let reached_bank = named(
        booking(
            &format!("paid:{payout}"),
            &[(Bank, 9_000), (InTransit, -9_000)],
            Some(payout.clone()),
        ),
        &payout,
    );

    let early = odoo.send(&reached_bank).await;
    send_twice(&odoo, &[left_stripe, reached_bank]).await;

    assert!(matches!(early, Err(SinkError::Refused { .. })), "{early:?}");
    assert_eq!(left(&odoo, &[&payout], "101404").await, (0, 0));
    let bank = odoo.books().bank.clone().unwrap().journal_id;
    let lines = json!([["journal_id", "=", bank], ["payment_ref", "=", payout]]);
    let lines = odoo
        .search("account.bank.statement.line", lines, &["amount"])
        .await;
    assert_eq!(lines.len(), 1);
    assert_eq!(super::support::cents(&lines[0]["amount"]), 9_000);
}

#[tokio::test]
async fn what_the_journal_holds_is_read_in_one_sum() {
    let odoo = open().await;
    let sale = odoo.sale().await;
    let account = quittance::domain::ids::ProviderAccountId::generate();
    let held = async || {
        let currency = "EUR".parse().unwrap();
        let found = odoo.sink.fetch_held(&odoo.instance, account, currency).await;
        found.unwrap().minor
    };
    let before = held().await;

    send_twice(&odoo, &[sale.payment(), sale.charge_line()]).await;

    if odoo.pretend().is_some() {
        assert_eq!(held().await - before, 11_893);
    } else {
        assert_ne!(held().await, before, "others post at the same time");
    }
}
