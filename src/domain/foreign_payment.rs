//! Payments at a provider that did not start here: made in its dashboard, by its invoices, or by another program.

use time::OffsetDateTime;

use super::ids::{ForeignPaymentId, MerchantId, PaymentId, ProviderAccountId};
use super::money::Money;
use super::payment::PaymentState;
use super::snapshot::Said;

impl Said<PaymentState> {
    /// Our word, or the provider's own where it came after us.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Known(state) => state.to_string(),
            Self::Unrecognized(word) => word.clone(),
        }
    }
}

/// What a provider says of a payment that did not start here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSnapshot {
    /// The provider's id of it (`pi_…`; `ch_…` for a charge that belongs to no payment).
    pub provider_reference: String,
    /// Where it stands.
    pub state: Said<PaymentState>,
    /// What was asked of the customer.
    pub amount: Money,
    /// What was captured, in minor units.
    pub captured_minor: i64,
    /// What was given back or is on its way back, in minor units.
    pub refunded_minor: i64,
    /// The provider's id of the charge that took the money (`ch_…`).
    pub charge_reference: Option<String>,
    /// What whoever made it wrote on it.
    pub description: Option<String>,
    /// When it was made.
    pub opened_at: OffsetDateTime,
    /// When money moved, where it did.
    pub captured_at: Option<OffsetDateTime>,
}

/// A payment that did not start here, as the provider last told of it.
#[derive(Clone, Debug)]
pub struct ForeignPayment {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: ForeignPaymentId,
    /// Where it was made.
    pub provider_account_id: ProviderAccountId,
    /// How it stands.
    pub told: ForeignSnapshot,
    /// The payment that it turned out to belong to, once that is known.
    pub payment_id: Option<PaymentId>,
    /// Grows with every read of it.
    pub version: i64,
    /// When we first heard of it.
    pub first_seen_at: OffsetDateTime,
    /// When it was last read.
    pub last_seen_at: OffsetDateTime,
}
