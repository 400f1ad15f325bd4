//! The provider's own ledger lines.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::PaymentId;
use super::money::Money;

/// One line of the provider's ledger: an immutable fact.
///
/// `net` is always `amount - fee`. Source: Stripe's balance transaction object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceTransaction {
    /// The provider's id (`txn_…`).
    pub id: String,
    /// The provider's own word for its type, kept as it came.
    pub kind: String,
    /// What it is about (`ch_…`, `re_…`), where the provider says.
    pub source: Option<String>,
    /// What moved before the fee, negative where it left, in the settlement currency.
    pub amount: Money,
    /// What the provider kept, in minor units of the same currency.
    pub fee_minor: i64,
    /// What arrived, in minor units of the same currency.
    pub net_minor: i64,
    /// What the fee is made of, where the provider says.
    #[serde(default)]
    pub fee_details: Vec<FeePart>,
    /// The provider's own word for what it is to a bookkeeper.
    #[serde(default)]
    pub reporting_category: Option<String>,
    /// What the provider says of it, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The rate at which the customer's currency became this one: the provider's digits.
    #[serde(default)]
    pub exchange_rate: Option<String>,
    /// When it can be paid out.
    #[serde(default, with = "time::serde::timestamp::option")]
    pub available_on: Option<OffsetDateTime>,
    /// When the provider wrote it.
    #[serde(with = "time::serde::timestamp")]
    pub created: OffsetDateTime,
}

impl BalanceTransaction {
    /// A line of which no more is known than what moved.
    #[must_use]
    pub fn plain(
        id: String,
        kind: String,
        source: Option<String>,
        (amount, fee_minor): (Money, i64),
        created: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            kind,
            source,
            amount,
            fee_minor,
            net_minor: amount.minor - fee_minor,
            fee_details: Vec::new(),
            reporting_category: None,
            description: None,
            exchange_rate: None,
            available_on: None,
            created,
        }
    }
}

/// One part of a line's fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePart {
    /// The provider's own word for what it is (`stripe_fee`, `tax`), kept as it came.
    pub kind: String,
    /// How much, in minor units of the line's currency.
    pub amount_minor: i64,
}

/// What a line's source tells of whose it is. Nothing of it is proven by more than the provider's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Our payment, where the provider gives back what we told it.
    pub payment: Option<PaymentId>,
    /// The provider's id of the payment (`pi_…`).
    pub payment_reference: Option<String>,
    /// The provider's id of the charge (`ch_…`).
    pub charge_reference: Option<String>,
    /// What the customer paid for it, or got back as a negative amount, in the currency of the customer.
    pub presented: Option<Money>,
    /// Whether it names a payment as ours, be it known or not: then its words count for nothing.
    pub is_named: bool,
    /// What the merchant noted on it, of which one may be a reference of Odoo's.
    pub notes: Vec<String>,
}

/// How many words of a line are looked up.
const WORDS: usize = 50;

/// What may be a reference of Odoo's in texts: each whole, and each of its words without the marks around it.
#[must_use]
pub fn references_in<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        let words = text.split(|char: char| char.is_whitespace() || matches!(char, ',' | ';'));
        let bare = words.map(|word| word.trim_matches(|char: char| !char.is_alphanumeric()));
        let fits = |word: &&str| (1..=255).contains(&word.chars().count());
        found.extend(
            std::iter::once(text.trim())
                .chain(bare)
                .filter(fits)
                .map(str::to_owned),
        );
    }
    found.into_iter().take(WORDS).collect()
}

/// A line, and what its source tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub fact: BalanceTransaction,
    /// What it is about.
    pub about: About,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_whole_and_between_marks() {
        let texts = ["Order S00042, (INV/2026/00017).", " S 7 "];
        assert_eq!(
            references_in(texts.into_iter()),
            [
                "7",
                "INV/2026/00017",
                "Order",
                "Order S00042, (INV/2026/00017).",
                "S",
                "S 7",
                "S00042"
            ]
        );
        assert_eq!(references_in([" ", "…"].into_iter()), ["…"]);
        let many = (0..1_000)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(references_in(std::iter::once(many.as_str())).len(), WORDS);
    }
}
