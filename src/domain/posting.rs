//! What Odoo's books must record, once each.

use serde::{Deserialize, Serialize};
use time::Date;

use super::ledger::{Entries, LedgerAccount};
use super::money::{Currency, Money};

/// A document of Odoo that a payment settles, as the caller named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settles {
    /// Odoo's model, such as `account.move`.
    pub model: String,
    /// The record's id in that Odoo database.
    pub id: i64,
    /// The part of the payment meant for it, in minor units of the payment's currency.
    pub amount_minor: i64,
}

/// One thing that Odoo's books must show.
///
/// A posting is a fact with a key: the provider's id of what happened. However often and by however many workers
/// it is sent, the books hold it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Posting {
    /// A customer paid: Outstanding Receipts against the receivable, reconciled with the documents it settles.
    CustomerPayment {
        /// The provider's charge (`ch_…`): the key.
        charge: String,
        /// The provider's payment (`pi_…`), for people who look it up.
        provider_reference: String,
        /// Odoo's own reference of the transaction.
        reference: String,
        /// What the customer paid, in the currency they paid in.
        amount: Money,
        /// The day on which it was captured, in UTC.
        date: Date,
        /// What it settles.
        settles: Vec<Settles>,
    },
    /// A customer got money back: the receivable against Outstanding.
    CustomerRefund {
        /// The provider's refund (`re_…`): the key.
        refund: String,
        /// The charge that is refunded.
        charge: String,
        /// Odoo's own reference of the transaction that is refunded.
        reference: String,
        /// What the customer gets, positive, in the currency they paid in.
        amount: Money,
        /// The day on which the provider took it on, in UTC.
        date: Date,
        /// What the refunded payment had settled.
        settles: Vec<Settles>,
    },
    /// A refund that Odoo recorded came back: the customer's money is the merchant's again, and the refund's open item met.
    RefundReturned {
        /// The provider's refund (`re_…`): the key, with `_returned` behind it.
        refund: String,
        /// Odoo's own reference of the transaction that was refunded.
        reference: String,
        /// What came back, positive, in the currency the customer paid in.
        amount: Money,
        /// The day on which we heard of it, in UTC.
        date: Date,
    },
    /// A transaction of the ledger. With a part on the provider's balance it is a line of the journal that stands for it; with
    /// one on the bank, of the bank's; else an entry that moves nothing at either.
    Booking {
        /// What happened (`txn_…`, `paid:po_…`): the key.
        source: String,
        /// The day on which it happened, in UTC.
        date: Date,
        /// What people read beside it.
        label: String,
        /// Where it goes: in the currency of the journal they sum to zero.
        parts: Vec<Part>,
        /// What its part on Outstanding meets: the key of a customer's payment or refund. Of another booking, its source.
        meets: Option<String>,
    },
}

/// One side of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where.
    pub account: LedgerAccount,
    /// How much: debits are positive.
    pub amount: Money,
    /// What that is in the journal's currency, in minor units.
    pub value_minor: i64,
}

/// The sides of a ledger transaction as a bookkeeper writes them. What went through Fx is what the side in another currency
/// is worth.
#[must_use]
pub fn parts(entries: &Entries) -> Vec<Part> {
    let of_entries = entries.iter().map(|entry| (entry.account, entry.amount.currency));
    let Some(currency) = home_of(of_entries) else {
        return Vec::new();
    };
    let exchanged: i64 = entries
        .iter()
        .filter(|entry| entry.account == LedgerAccount::Fx && entry.amount.currency == currency)
        .map(|entry| entry.amount.minor)
        .sum();
    let parts = entries
        .iter()
        .filter(|entry| entry.account != LedgerAccount::Fx)
        .map(|entry| Part {
            account: entry.account,
            amount: entry.amount,
            value_minor: if entry.amount.currency == currency {
                entry.amount.minor
            } else {
                exchanged
            },
        });
    parts.collect()
}

/// Says what a dispute took for good in the currency that the customer paid in, worth what was taken: an invoice is in that currency,
/// and so is what opens it again. The part comes last, so that the journal is that of the others.
pub fn owe_again(parts: &mut [Part], disputed: Money) {
    let is_lost = |part: &Part| part.account == LedgerAccount::DisputeLosses;
    for part in parts.iter_mut().filter(|part| is_lost(part)) {
        part.amount = disputed;
    }
    parts.sort_by_key(is_lost);
}

/// The currency of the journal that parts go to: that of the provider's balance or of the bank where either has one, else of
/// the first.
#[must_use]
pub fn home(parts: &[Part]) -> Option<Currency> {
    home_of(parts.iter().map(|part| (part.account, part.amount.currency)))
}

fn home_of(mut sides: impl Iterator<Item = (LedgerAccount, Currency)> + Clone) -> Option<Currency> {
    let is_home = |account| matches!(account, LedgerAccount::ProviderBalance | LedgerAccount::Bank);
    let found = sides.clone().find(|(account, _)| is_home(*account));
    found.or_else(|| sides.next()).map(|(_, currency)| currency)
}

impl Posting {
    /// What makes it one and the same: at most one posting per key exists for an Odoo instance.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::CustomerPayment { charge, .. } => charge.clone(),
            Self::CustomerRefund { refund, .. } => refund.clone(),
            Self::RefundReturned { refund, .. } => returned(refund),
            Self::Booking { source, .. } => source.clone(),
        }
    }

    /// The currency of the journal that it goes to; none where it books nothing.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        match self {
            Self::CustomerPayment { amount, .. }
            | Self::CustomerRefund { amount, .. }
            | Self::RefundReturned { amount, .. } => Some(amount.currency),
            Self::Booking { parts, .. } => home(parts),
        }
    }

    /// Its kind in one word, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CustomerPayment { .. } => "customer_payment",
            Self::CustomerRefund { .. } => "customer_refund",
            Self::RefundReturned { .. } => "refund_returned",
            Self::Booking { .. } => "booking",
        }
    }
}

/// The key under which Odoo is told that a refund came back.
#[must_use]
pub fn returned(refund: &str) -> String {
    format!("{refund}_returned")
}
