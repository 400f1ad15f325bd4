#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use time::OffsetDateTime;

use super::{
    Booking, Classified, Counterpart, Entry, LedgerAccount, Unbalanced, Unexplained, book_paid_out,
    book_returned,
};
use crate::domain::balance_transaction::{BalanceTransaction, FeePart};
use crate::domain::money::Money;

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

/// What a provider would make of a line.
fn classified(line: &BalanceTransaction) -> Classified {
    let counterpart = match (line.kind.as_str(), line.reporting_category.as_deref()) {
        ("charge" | "refund", _) => Some(Counterpart::Customer),
        ("adjustment", Some("dispute")) => Some(Counterpart::Account(LedgerAccount::Disputes)),
        ("payout" | "payout_failure", _) => Some(Counterpart::Account(LedgerAccount::InTransit)),
        _ => None,
    };
    let fees = line.fee_details.iter().map(|part| match part.kind.as_str() {
        "stripe_fee" => Some(LedgerAccount::Fees),
        "tax" => Some(LedgerAccount::FeeTax),
        _ => None,
    });
    Classified {
        counterpart,
        fees: fees.collect(),
    }
}

fn book(line: &BalanceTransaction, presented: Option<Money>) -> Result<Booking, Unbalanced> {
    super::book(line, &classified(line), presented)
}

/// The entries as (account, minor units, currency).
fn entries(booking: &Booking) -> Vec<(LedgerAccount, i64, &'static str)> {
    let entries = booking.entries.iter();
    entries
        .map(|Entry { account, amount }| (*account, amount.minor, amount.currency.code()))
        .collect()
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
        kind in prop::sample::select(vec!["charge", "refund", "adjustment", "payout", "x"]),
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
