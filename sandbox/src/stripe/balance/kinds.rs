//! What ledger lines are for, and what Stripe takes for them.

use super::super::cards::Rail;

/// Stripe's fee for a dispute in minor units; it does not come back.
const DISPUTE_FEE: i64 = 2_000;

/// What a ledger line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    Charge,
    Payment,
    Refund,
    PaymentRefund,
    RefundFailure,
    Dispute,
    DisputeReversal,
    Payout,
    PayoutFailure,
    PayoutCancel,
    Extra(Extra),
}

/// A ledger line that no payment and no payout stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// What Stripe takes by the month.
    StripeFee,
    /// What the card networks take.
    NetworkCost,
    /// Tax on Stripe's fees.
    TaxFee,
    /// Money that the merchant sends to Stripe.
    Topup,
    /// Money on its way to another account.
    Transfer,
    /// Money that Stripe holds back.
    ReserveHold,
    /// Money that it no longer holds back.
    ReserveRelease,
    /// What goes to the climate.
    Contribution,
    /// Money that Stripe gives early.
    Advance,
    /// A type that nobody knows yet.
    SolarFlare,
}

impl LineKind {
    /// The line of a charge.
    pub(crate) const fn of_charge(rail: Rail) -> Self {
        match rail {
            Rail::Card => Self::Charge,
            Rail::UsBankAccount | Rail::SepaDebit => Self::Payment,
        }
    }

    /// The line of a refund.
    pub(crate) const fn of_refund(rail: Rail) -> Self {
        match rail {
            Rail::Card => Self::Refund,
            Rail::UsBankAccount | Rail::SepaDebit => Self::PaymentRefund,
        }
    }

    /// Its `type` and its `reporting_category`.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Charge => ("charge", "charge"),
            Self::Payment => ("payment", "charge"),
            Self::Refund => ("refund", "refund"),
            Self::PaymentRefund => ("payment_refund", "refund"),
            Self::RefundFailure => ("refund_failure", "refund_failure"),
            Self::Dispute => ("adjustment", "dispute"),
            Self::DisputeReversal => ("adjustment", "dispute_reversal"),
            Self::Payout => ("payout", "payout"),
            Self::PayoutFailure => ("payout_failure", "payout_reversal"),
            Self::PayoutCancel => ("payout_cancel", "payout_reversal"),
            Self::Extra(extra) => extra.words(),
        }
    }

    /// What Stripe takes for it.
    pub(super) fn fee(self, amount: i64, currency: &str) -> i64 {
        match self {
            Self::Charge | Self::Payment => charge_fee(amount, currency),
            Self::Dispute => dispute_fee(currency),
            Self::Refund
            | Self::PaymentRefund
            | Self::RefundFailure
            | Self::DisputeReversal
            | Self::Payout
            | Self::PayoutFailure
            | Self::PayoutCancel
            | Self::Extra(_) => 0,
        }
    }

    /// Whether it is money of customers, which Stripe keeps for some days.
    pub(super) const fn matures(self) -> bool {
        matches!(self, Self::Charge | Self::Payment)
    }
}

impl Extra {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::StripeFee => ("stripe_fee", "fee"),
            Self::NetworkCost => ("network_cost", "network_cost"),
            Self::TaxFee => ("tax_fee", "tax"),
            Self::Topup => ("topup", "topup"),
            Self::Transfer => ("transfer", "transfer"),
            Self::ReserveHold => ("reserve_hold", "risk_reserved_funds"),
            Self::ReserveRelease => ("reserve_release", "risk_reserved_funds"),
            Self::Contribution => ("contribution", "contribution"),
            Self::Advance => ("advance", "advance"),
            Self::SolarFlare => ("solar_flare", "space_weather"),
        }
    }

    /// What the line says.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::StripeFee => "Billing - Usage Fee",
            Self::NetworkCost => "Card network costs",
            Self::TaxFee => "VAT on Stripe fees",
            Self::Topup => "Top-up from bank account",
            Self::Transfer => "Transfer to another account",
            Self::ReserveHold => "Funds held in reserve",
            Self::ReserveRelease => "Funds released from reserve",
            Self::Contribution => "Climate contribution",
            Self::Advance => "Advance on future payouts",
            Self::SolarFlare => "Solar flare",
        }
    }
}

/// Stripe's fee for a charge in minor units: 1.5 %, rounded half up, and a fixed part of 25 (250 in three-decimal
/// currencies, where the whole is a multiple of ten, as all amounts there).
pub(crate) fn charge_fee(amount: i64, currency: &str) -> i64 {
    if is_three_decimal(currency) {
        return (amount * 15 + 5_000) / 10_000 * 10 + 250;
    }
    (amount * 15 + 500) / 1_000 + 25
}

/// Stripe's fee for a dispute in minor units.
pub(crate) fn dispute_fee(currency: &str) -> i64 {
    if is_three_decimal(currency) {
        10 * DISPUTE_FEE
    } else {
        DISPUTE_FEE
    }
}

/// Whether Stripe counts a currency in thousandths.
pub(crate) fn is_three_decimal(currency: &str) -> bool {
    matches!(currency, "bhd" | "jod" | "kwd" | "omr" | "tnd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_a_whole_number_of_minor_units_in_every_currency() {
        assert_eq!(charge_fee(12_100, "eur"), 207);
        assert_eq!(charge_fee(1_099, "eur"), 41);
        assert_eq!(charge_fee(5_000, "jpy"), 100);
        assert_eq!(charge_fee(12_340, "kwd"), 440);
    }
}
