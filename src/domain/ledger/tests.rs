#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::domain::balance_transaction::{BalanceTransaction, FeePart};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap())
}

fn line(kind: &str, category: Option<&str>, minor: i64, fee_minor: i64) -> BalanceTransaction {
    let amount = (money(minor, "EUR"), fee_minor);
    let mut line = BalanceTransaction::plain(
        "txn_1".to_owned(),
        kind.to_owned(),
        None,
        amount,
        OffsetDateTime::UNIX_EPOCH,
    );
    line.reporting_category = category.map(str::to_owned);
    line
}

fn part(kind: &str, amount_minor: i64) -> FeePart {
    FeePart {
        kind: kind.to_owned(),
        amount_minor,
    }
}

/// The entries as (account, minor units, currency).
fn entries(booking: &Booking) -> Vec<(LedgerAccount, i64, &'static str)> {
    let entries = booking.entries.iter();
    entries
        .map(|Entry { account, amount }| (*account, amount.minor, amount.currency.code()))
        .collect()
}

/// Every type that Stripe documents, and where its gross goes; "customer" stands for Receivable clearing or Suspense.
const TYPES: [(&str, &str); 51] = [
    ("adjustment", "none"),
    ("advance", "financing"),
    ("advance_funding", "financing"),
    ("anticipation_repayment", "financing"),
    ("application_fee", "fees"),
    ("application_fee_refund", "fees"),
    ("charge", "customer"),
    ("climate_order_purchase", "contributions"),
    ("climate_order_refund", "contributions"),
    ("connect_collection_transfer", "transfers"),
    ("contribution", "contributions"),
    ("fee_credit_funding", "fees"),
    ("inbound_transfer", "bank"),
    ("inbound_transfer_reversal", "bank"),
    ("issuing_authorization_hold", "issuing"),
    ("issuing_authorization_release", "issuing"),
    ("issuing_dispute", "issuing"),
    ("issuing_dispute_provisional_credit", "issuing"),
    ("issuing_dispute_provisional_credit_reversal", "issuing"),
    ("issuing_transaction", "issuing"),
    ("network_cost", "fees"),
    ("obligation_outbound", "transfers"),
    ("obligation_reversal_inbound", "transfers"),
    ("payment", "customer"),
    ("payment_failure_refund", "customer"),
    ("payment_network_reserve_hold", "reserve"),
    ("payment_network_reserve_release", "reserve"),
    ("payment_refund", "customer"),
    ("payment_reversal", "customer"),
    ("payment_unreconciled", "none"),
    ("payout", "in_transit"),
    ("payout_cancel", "in_transit"),
    ("payout_failure", "in_transit"),
    ("payout_minimum_balance_hold", "reserve"),
    ("payout_minimum_balance_release", "reserve"),
    ("refund", "customer"),
    ("refund_failure", "customer"),
    ("reserve_hold", "reserve"),
    ("reserve_release", "reserve"),
    ("reserve_transaction", "reserve"),
    ("reserved_funds", "reserve"),
    ("stripe_balance_payment_debit", "transfers"),
    ("stripe_balance_payment_debit_reversal", "transfers"),
    ("stripe_fee", "fees"),
    ("stripe_fx_fee", "fees"),
    ("tax_fee", "fee_tax"),
    ("tax_fund", "transfers"),
    ("topup", "bank"),
    ("topup_reversal", "bank"),
    ("transfer", "transfers"),
    ("a_type_of_tomorrow", "none"),
];

#[test]
fn every_type_has_its_account_and_one_that_we_do_not_know_has_none() {
    for (kind, account) in TYPES {
        let found = match counterpart(kind, None) {
            None => "none".to_owned(),
            Some(Counterpart::Customer) => "customer".to_owned(),
            Some(Counterpart::Account(account)) => serde_json::to_value(account)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned(),
        };
        assert_eq!(found, account, "{kind}");
    }
    for kind in ["transfer_cancel", "transfer_failure", "transfer_refund"] {
        let transfers = Some(Counterpart::Account(LedgerAccount::Transfers));
        assert_eq!(counterpart(kind, None), transfers, "{kind}");
    }
}

#[test]
fn an_adjustment_is_what_its_category_says() {
    for (category, found) in [
        ("dispute", Some(Counterpart::Account(LedgerAccount::Disputes))),
        (
            "dispute_reversal",
            Some(Counterpart::Account(LedgerAccount::Disputes)),
        ),
        ("fee", Some(Counterpart::Account(LedgerAccount::Fees))),
        ("refund_failure", Some(Counterpart::Customer)),
        ("other_adjustment", None),
    ] {
        assert_eq!(counterpart("adjustment", Some(category)), found, "{category}");
    }
}

#[test]
fn a_charge_is_gross_net_and_the_parts_of_its_fee() {
    let mut charge = line("charge", Some("charge"), 12_100, 240);
    charge.fee_details = vec![part("stripe_fee", 200), part("tax", 40)];
    let booking = book(&charge, Some(charge.amount)).unwrap();
    assert_eq!(
        entries(&booking),
        [
            (LedgerAccount::ProviderBalance, 11_860, "EUR"),
            (LedgerAccount::Fees, 200, "EUR"),
            (LedgerAccount::FeeTax, 40, "EUR"),
            (LedgerAccount::ReceivableClearing, -12_100, "EUR"),
        ]
    );
    assert_eq!(booking.unexplained, None);
}

#[test]
fn what_was_paid_in_another_currency_is_two_halves_and_no_rate() {
    let charge = line("charge", Some("charge"), 9_200, 300);
    let booking = book(&charge, Some(money(10_000, "USD"))).unwrap();
    assert_eq!(
        entries(&booking),
        [
            (LedgerAccount::ProviderBalance, 8_900, "EUR"),
            (LedgerAccount::Fees, 300, "EUR"),
            (LedgerAccount::Fx, -9_200, "EUR"),
            (LedgerAccount::Fx, 10_000, "USD"),
            (LedgerAccount::ReceivableClearing, -10_000, "USD"),
        ]
    );
}

#[test]
fn what_did_not_start_here_and_what_nobody_knows_wait_in_suspense() {
    for (kind, why) in [
        ("charge", Unexplained::Foreign),
        ("refund", Unexplained::Foreign),
        ("solar_flare", Unexplained::Unmapped),
    ] {
        let booking = book(&line(kind, None, 500, 0), None).unwrap();
        assert_eq!(booking.unexplained, Some(why), "{kind}");
        assert_eq!(
            entries(&booking),
            [
                (LedgerAccount::ProviderBalance, 500, "EUR"),
                (LedgerAccount::Suspense, -500, "EUR")
            ]
        );
    }
    let mut charge = line("charge", None, 500, 20);
    charge.fee_details = vec![part("a_fee_of_tomorrow", 20)];
    let booking = book(&charge, Some(charge.amount)).unwrap();
    assert_eq!(booking.unexplained, Some(Unexplained::Unmapped));
    assert!(entries(&booking).contains(&(LedgerAccount::Suspense, 20, "EUR")));
}

#[test]
fn a_disputes_fee_is_not_one_of_a_payment() {
    let booking = book(&line("adjustment", Some("dispute"), -5_000, 1_500), None).unwrap();
    assert_eq!(
        entries(&booking),
        [
            (LedgerAccount::ProviderBalance, -6_500, "EUR"),
            (LedgerAccount::DisputeFees, 1_500, "EUR"),
            (LedgerAccount::Disputes, 5_000, "EUR"),
        ]
    );
}

#[test]
fn a_payout_is_on_its_way_until_the_bank_has_it_and_again_when_it_comes_back() {
    let left = book(&line("payout", Some("payout"), -700, 0), None).unwrap();
    let back = book(&line("payout_failure", Some("payout_reversal"), 700, 0), None).unwrap();
    let steps = [
        left.entries,
        book_paid_out(money(700, "EUR")).unwrap(),
        book_returned(money(700, "EUR")).unwrap(),
        back.entries,
    ];
    let mut in_transit = 0;
    let after: Vec<i64> = steps
        .iter()
        .map(|step| {
            let of = step
                .iter()
                .filter(|entry| entry.account == LedgerAccount::InTransit);
            in_transit += of.map(|entry| entry.amount.minor).sum::<i64>();
            in_transit
        })
        .collect();
    assert_eq!(after, [700, 0, 700, 0]);
}

#[test]
fn a_line_that_contradicts_itself_is_refused() {
    let mut charge = line("charge", None, 500, 20);
    charge.net_minor = 500;
    assert!(book(&charge, None).is_err());
}

proptest! {
    #[test]
    fn whatever_a_line_is_the_balance_moves_by_its_net_and_all_sums_to_zero(
        kind in prop::sample::select(TYPES.map(|(kind, _)| kind).to_vec()),
        category in prop::option::of(prop::sample::select(vec!["dispute", "fee", "tax", "charge", "x"])),
        minor in -1_000_000_000_000_i64..1_000_000_000_000,
        parts in prop::collection::vec((prop::sample::select(vec!["stripe_fee", "tax", "x"]), -500_i64..5_000), 0..4),
        told_whole: bool,
        presented in prop::option::of((-1_000_000_i64..1_000_000, prop::sample::select(vec!["EUR", "USD", "JPY", "KWD"]))),
    ) {
        let fee_minor = parts.iter().map(|(_, minor)| minor).sum::<i64>() + i64::from(!told_whole);
        let mut line = line(kind, category, minor, fee_minor);
        line.fee_details = parts.iter().map(|(kind, minor)| part(kind, *minor)).collect();
        let booking = book(&line, presented.map(|(minor, code)| money(minor, code))).unwrap();
        let mut sums = std::collections::BTreeMap::<&str, i64>::new();
        let mut balance = 0;
        for (account, minor, code) in entries(&booking) {
            prop_assert_ne!(minor, 0);
            *sums.entry(code).or_default() += minor;
            if account == LedgerAccount::ProviderBalance {
                balance += minor;
            }
        }
        prop_assert_eq!(balance, line.net_minor);
        prop_assert!(sums.values().all(|sum| *sum == 0), "{:?}", sums);
    }
}
