//! Payouts: money on its way from an account at a provider to the merchant's bank.

mod decide;
#[cfg(test)]
mod tests;

use time::{Date, OffsetDateTime};

use super::ids::{MerchantId, PayoutId, ProviderAccountId};
use super::money::Money;
use super::snapshot::Said;

pub use decide::decide;

/// Where a payout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutState {
    /// The provider has not sent it yet.
    Pending,
    /// It was sent to the bank.
    InTransit,
    /// The bank took it. It may still come back days later.
    Paid,
    /// It came back.
    Failed,
    /// It was called off before it was sent.
    Canceled,
}

impl PayoutState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::InTransit,
        Self::Paid,
        Self::Failed,
        Self::Canceled,
    ];

    /// Our word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InTransit => "in_transit",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Reads a word back.
    #[must_use]
    pub fn said(word: String) -> Said<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .map_or(Said::Unrecognized(word), Said::Known)
    }

    /// Whether nothing more can come of it.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled)
    }
}

impl Said<PayoutState> {
    /// Our word, or the provider's own where it came after us.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Known(state) => state.word(),
            Self::Unrecognized(word) => word,
        }
    }

    /// Whether nothing more can come of it. Of a word that we do not know, something may.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Known(state) if state.is_closed())
    }
}

/// What a provider says of a payout at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayoutSnapshot {
    /// The provider's id of it (`po_…`).
    pub provider_reference: String,
    /// Where it stands.
    pub state: Said<PayoutState>,
    /// What goes to the bank; negative where the account owed the provider.
    pub amount: Money,
    /// Whether the provider's schedule made it: only then can its ledger lines be told apart.
    pub is_automatic: bool,
    /// The provider's word for how fast it goes.
    pub method: Option<String>,
    /// The provider's word for what it goes to.
    pub destination_kind: Option<String>,
    /// When the bank should have it.
    pub arrives_on: Option<Date>,
    /// The provider's word for whether its ledger lines are complete.
    pub reconciliation: Option<String>,
    /// Why it failed, as the provider's code.
    pub failure_code: Option<String>,
    /// Why it failed, in the provider's words.
    pub failure_message: Option<String>,
    /// The provider's id of its ledger line (`txn_…`).
    pub balance_transaction: Option<String>,
    /// The provider's id of the line by which it came back.
    pub failure_balance_transaction: Option<String>,
    /// When the provider made it.
    pub opened_at: OffsetDateTime,
}

impl PayoutSnapshot {
    /// Whether all ledger lines that it pays out can be read.
    #[must_use]
    pub fn is_reconciled(&self) -> bool {
        self.reconciliation.as_deref() == Some("completed")
    }
}

/// A payout, as the provider last told of it.
#[derive(Clone, Debug)]
pub struct Payout {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: PayoutId,
    /// Which account it is paid out of.
    pub provider_account_id: ProviderAccountId,
    /// How it stands.
    pub told: PayoutSnapshot,
    /// Grows with every change of what is known of it.
    pub version: i64,
    /// When we first heard of it.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Payout {
    /// A payout that we hear of for the first time.
    #[must_use]
    pub fn new(
        merchant_id: MerchantId,
        provider_account_id: ProviderAccountId,
        told: PayoutSnapshot,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            merchant_id,
            id: PayoutId::generate(),
            provider_account_id,
            told,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes in a snapshot that [`decide`](fn@decide) said to apply.
    pub fn take_in(&mut self, said: &PayoutSnapshot, now: OffsetDateTime) {
        self.told.clone_from(said);
        self.version += 1;
        self.updated_at = now;
    }
}
