//! The provider's own ledger lines.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

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
    /// When the provider wrote it.
    #[serde(with = "time::serde::timestamp")]
    pub created: OffsetDateTime,
}
