#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;

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
fn a_part_of_a_fee_that_we_do_not_know_has_no_account() {
    assert_eq!(fee_account("stripe_fee"), Some(LedgerAccount::Fees));
    assert_eq!(fee_account("tax"), Some(LedgerAccount::FeeTax));
    assert_eq!(fee_account("a_fee_of_tomorrow"), None);
}
