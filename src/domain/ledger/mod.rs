//! The ledger: every line of the provider's, and every payout that reached the bank, as double entry in whole minor units.
//!
//! Append-only. A transaction sums to zero in each currency: [`Entries`] cannot be made otherwise, and a deferred constraint of
//! the database refuses what was made elsewhere.

mod book;
mod suspense;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::money::{Currency, Money};

pub use book::{Booking, Unexplained, book, book_lost, book_paid_out, book_returned};
pub use suspense::{LineBookings, SuspenseRuleBroken};

/// An account of the ledger; each is kept per merchant, provider account and currency. Debits are positive.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Deserialize,
    serde::Serialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LedgerAccount {
    /// What the provider holds for the merchant.
    ProviderBalance,
    /// What customers paid and got back, as Odoo's Outstanding shows it: a charge credits it, a refund debits it.
    ReceivableClearing,
    /// What the provider charges for its service.
    Fees,
    /// The tax on that.
    FeeTax,
    /// What customers' banks took back, until it is won or lost.
    Disputes,
    /// What the provider charges for a dispute.
    DisputeFees,
    /// What disputes that were lost took for good.
    DisputeLosses,
    /// Where one currency becomes another: what is left of both sides is gain or loss.
    Fx,
    /// Payouts on their way.
    InTransit,
    /// What reached the merchant's bank, or came from it.
    Bank,
    /// What the provider holds back for a time.
    Reserve,
    /// What went to or came from other accounts at the provider.
    Transfers,
    /// What the provider lends and takes back.
    Financing,
    /// What was given to a good cause.
    Contributions,
    /// What was spent with cards that the provider issued.
    Issuing,
    /// What the account held before its lines are booked.
    Opening,
    /// What nobody has explained yet.
    Suspense,
}

impl LedgerAccount {
    /// Its name, as stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ProviderBalance => "provider_balance",
            Self::ReceivableClearing => "receivable_clearing",
            Self::Fees => "fees",
            Self::FeeTax => "fee_tax",
            Self::Disputes => "disputes",
            Self::DisputeFees => "dispute_fees",
            Self::DisputeLosses => "dispute_losses",
            Self::Fx => "fx",
            Self::InTransit => "in_transit",
            Self::Bank => "bank",
            Self::Reserve => "reserve",
            Self::Transfers => "transfers",
            Self::Financing => "financing",
            Self::Contributions => "contributions",
            Self::Issuing => "issuing",
            Self::Opening => "opening",
            Self::Suspense => "suspense",
        }
    }

    /// Whether a person may say that money in Suspense belongs there. What the provider holds goes by its lines alone, and what
    /// customers paid by what it is linked to.
    #[must_use]
    pub const fn settles_suspense(self) -> bool {
        !matches!(
            self,
            Self::ProviderBalance | Self::ReceivableClearing | Self::Suspense
        )
    }
}

/// What a line's gross is booked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterpart {
    /// A customer's money: Receivable clearing where it is matched with a payment of ours, else Suspense.
    Customer,
    /// Always the same account.
    Account(LedgerAccount),
}

/// What a line is to a bookkeeper, as its provider's words say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What its gross is booked against; none where nobody has said yet.
    pub counterpart: Option<Counterpart>,
    /// The account of each part of its fee, in their order; none where nobody has said yet.
    pub fees: Vec<Option<LedgerAccount>>,
}

impl Classified {
    /// A line that came with a payment, of a provider whose ledger is not read: it can be nothing but the customer's money.
    #[must_use]
    pub const fn of_a_payment() -> Self {
        Self {
            counterpart: Some(Counterpart::Customer),
            fees: Vec::new(),
        }
    }
}

/// One side of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub account: LedgerAccount,
    /// How much: debits are positive, and none is zero.
    pub amount: Money,
}

/// The entries of one transaction: in each currency they sum to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries(Vec<Entry>);

/// Entries that do not sum to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entries of a transaction do not sum to zero in {0}")]
pub struct Unbalanced(Currency);

impl Entries {
    /// Takes entries for those of one transaction. Zeros are left out.
    ///
    /// # Errors
    /// [`Unbalanced`].
    pub fn balanced(entries: impl IntoIterator<Item = (LedgerAccount, Money)>) -> Result<Self, Unbalanced> {
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter(|(_, amount)| amount.minor != 0)
            .map(|(account, amount)| Entry { account, amount })
            .collect();
        let mut sums = BTreeMap::<&str, (i128, Currency)>::new();
        for Entry { amount, .. } in &entries {
            let sum = sums.entry(amount.currency.code()).or_insert((0, amount.currency));
            sum.0 += i128::from(amount.minor);
        }
        match sums.into_values().find(|(sum, _)| *sum != 0) {
            Some((_, currency)) => Err(Unbalanced(currency)),
            None => Ok(Self(entries)),
        }
    }

    /// Each of them, in the order of its line.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
