//! On which terms the account's money is counted: in which currency, at which rate, with which fees, on which day.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::{LineKind, is_three_decimal};

/// The currency that a payment's money arrives in, and what one minor unit is worth there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The currency of the account's balance.
    pub currency: String,
    /// Its minor units for a million of the customer's.
    pub millionths: i64,
}

impl Rate {
    /// An amount in the balance's currency, rounded half away from zero.
    #[must_use]
    pub fn convert(&self, amount: i64) -> i64 {
        let product = i128::from(amount) * i128::from(self.millionths);
        let unit = if is_three_decimal(&self.currency) { 10 } else { 1 };
        let step = 1_000_000 * unit;
        let rounded = (product.abs() + step / 2) / step * unit * product.signum();
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }
}

/// What is taken from payments beside Stripe's own fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Tax on Stripe's fee, in thousandths of it.
    pub tax_per_mille: i64,
    /// What the platform takes of each payment, in minor units.
    pub application: i64,
}

/// The terms of an account.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// By the customer's currency; one that is absent arrives as it is.
    pub(crate) rates: BTreeMap<String, Rate>,
    pub(crate) fees: Fees,
    /// When lines and payouts are written; now, where absent.
    pub(crate) date: Option<i64>,
}

impl Terms {
    /// What a line takes, part by part.
    pub(super) fn parts(&self, kind: LineKind, amount: i64, currency: &str) -> Vec<FeePart> {
        let fee = kind.fee(amount, currency);
        let mut parts = vec![FeePart {
            kind: FeeKind::Stripe,
            amount: fee,
        }];
        if matches!(kind, LineKind::Charge | LineKind::Payment) {
            parts.push(FeePart {
                kind: FeeKind::Tax,
                amount: self.fees.tax_on(fee, currency),
            });
            parts.push(FeePart {
                kind: FeeKind::Application,
                amount: self.fees.application,
            });
        }
        parts.retain(|part| part.amount != 0);
        parts
    }
}

impl Fees {
    /// The tax on a fee, rounded half up.
    pub(crate) fn tax_on(self, fee: i64, currency: &str) -> i64 {
        let unit = if is_three_decimal(currency) { 10 } else { 1 };
        (fee * self.tax_per_mille + 500 * unit) / (1_000 * unit) * unit
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FeeKind {
    Stripe,
    Tax,
    Application,
}

/// One part of what a line takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeePart {
    kind: FeeKind,
    pub(super) amount: i64,
}

impl FeePart {
    pub(super) fn view(self, line: LineKind, currency: &str) -> Value {
        let (kind, description) = match self.kind {
            FeeKind::Stripe if line == LineKind::Dispute => ("stripe_fee", "Dispute fee"),
            FeeKind::Stripe => ("stripe_fee", "Stripe processing fees"),
            FeeKind::Tax => ("tax", "VAT"),
            FeeKind::Application => ("application_fee", "Platform fee"),
        };
        json!({
            "amount": self.amount,
            "application": (self.kind == FeeKind::Application).then_some("ca_1Sandbox"),
            "currency": currency,
            "description": description,
            "type": kind,
        })
    }
}

/// A rate as Stripe writes it.
pub(super) fn decimal(millionths: i64) -> Value {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_rounds_half_away_from_zero_both_ways() {
        let rate = |currency: &str, millionths| Rate {
            currency: currency.to_owned(),
            millionths,
        };
        assert_eq!(rate("eur", 915_000).convert(100), 92);
        assert_eq!(rate("eur", 915_000).convert(-100), -92);
        assert_eq!(rate("kwd", 3_335_000).convert(1_000), 3_340);
        assert_eq!(decimal(915_000).to_string(), "0.915");
    }
}
