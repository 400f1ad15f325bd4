//! What each of Stripe's types of ledger line is booked against: the whole table, in one place.

use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::ledger::{Classified, Counterpart, LedgerAccount};

/// What a line is to a bookkeeper.
pub(super) fn classify(line: &BalanceTransaction) -> Classified {
    Classified {
        counterpart: counterpart(&line.kind, line.reporting_category.as_deref()),
        fees: line
            .fee_details
            .iter()
            .map(|part| fee_account(&part.kind))
            .collect(),
    }
}

/// What a line of this type and reporting category is booked against; none where nobody has said yet.
///
/// Types: <https://docs.stripe.com/reports/balance-transaction-types>; categories:
/// <https://docs.stripe.com/reports/reporting-categories>. An `adjustment` says by its category alone what it adjusts.
fn counterpart(kind: &str, category: Option<&str>) -> Option<Counterpart> {
    use LedgerAccount::{
        Bank, Contributions, Disputes, FeeTax, Fees, Financing, InTransit, Issuing, Reserve, Transfers,
    };
    Some(Counterpart::Account(match kind {
        "charge"
        | "payment"
        | "refund"
        | "payment_refund"
        | "payment_failure_refund"
        | "payment_reversal"
        | "refund_failure" => return Some(Counterpart::Customer),
        "adjustment" => match category? {
            "dispute" | "dispute_reversal" => Disputes,
            "fee" | "network_cost" => Fees,
            "tax" => FeeTax,
            "charge" | "charge_failure" | "refund" | "refund_failure" | "partial_capture_reversal" => {
                return Some(Counterpart::Customer);
            }
            "risk_reserved_funds" | "platform_earning" | "connect_reserved_funds" => Reserve,
            _ => return None,
        },
        "stripe_fee"
        | "stripe_fx_fee"
        | "network_cost"
        | "fee_credit_funding"
        | "application_fee"
        | "application_fee_refund" => Fees,
        "tax_fee" => FeeTax,
        "payout" | "payout_cancel" | "payout_failure" => InTransit,
        "topup" | "topup_reversal" | "inbound_transfer" | "inbound_transfer_reversal" => Bank,
        "transfer"
        | "transfer_cancel"
        | "transfer_failure"
        | "transfer_refund"
        | "connect_collection_transfer"
        | "stripe_balance_payment_debit"
        | "stripe_balance_payment_debit_reversal"
        | "obligation_outbound"
        | "obligation_reversal_inbound"
        | "tax_fund" => Transfers,
        "reserve_transaction"
        | "reserved_funds"
        | "reserve_hold"
        | "reserve_release"
        | "payment_network_reserve_hold"
        | "payment_network_reserve_release"
        | "payout_minimum_balance_hold"
        | "payout_minimum_balance_release" => Reserve,
        "contribution" | "climate_order_purchase" | "climate_order_refund" => Contributions,
        "advance" | "advance_funding" | "anticipation_repayment" => Financing,
        "issuing_authorization_hold"
        | "issuing_authorization_release"
        | "issuing_dispute"
        | "issuing_dispute_provisional_credit"
        | "issuing_dispute_provisional_credit_reversal"
        | "issuing_transaction" => Issuing,
        _ => return None,
    }))
}

/// The account of one part of a fee; none where nobody has said yet.
fn fee_account(part: &str) -> Option<LedgerAccount> {
    match part {
        "stripe_fee" | "application_fee" | "payment_method_passthrough_fee" => Some(LedgerAccount::Fees),
        "tax" | "withheld_tax" => Some(LedgerAccount::FeeTax),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
