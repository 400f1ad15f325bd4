//! Money given back.

use time::{Date, OffsetDateTime};

use super::ids::{OperationId, PaymentId, RefundId};
use super::snapshot::{RefundSnapshot, Said};

/// Where a refund stands. Providers may fail one even after it succeeded.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RefundState {
    /// On its way.
    Pending,
    /// The customer has it.
    Succeeded,
    /// It came back; the money is the merchant's again.
    Failed,
    /// Called off before it left.
    Canceled,
}

impl RefundState {
    /// Whether it counts as given back. One that failed or was called off does not.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Pending | Self::Succeeded)
    }

    /// How far along it is: a refund only ever moves to a higher rank, so that order of news does not matter.
    const fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Succeeded => 1,
            Self::Failed | Self::Canceled => 2,
        }
    }
}

/// Money given back on a payment.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// The payment it is of.
    pub payment_id: PaymentId,
    /// The operation that made it; none where it was made at the provider.
    pub operation_id: Option<OperationId>,
    /// How much, in minor units of the payment's currency.
    pub amount_minor: i64,
    /// Where it stands.
    pub state: RefundState,
    /// The provider's id of it (`re_…`).
    pub provider_reference: String,
    /// The day on which it left, in UTC: none while it has not, and of one that never did.
    pub refunded_on: Option<Date>,
    /// The day on which we heard that it came back after all, in UTC.
    pub returned_on: Option<Date>,
}

impl Refund {
    /// Takes in what the provider says; `true` where that is news.
    ///
    /// A word we do not know leaves the refund as it is: the next known one decides.
    pub fn apply(&mut self, said: &RefundSnapshot, now: OffsetDateTime) -> bool {
        match said.state {
            Said::Known(state) if state.rank() > self.state.rank() => {
                if self.state == RefundState::Succeeded {
                    self.returned_on = Some(now.date());
                }
                self.state = state;
                self.note_left(said);
                true
            }
            Said::Known(_) | Said::Unrecognized(_) => false,
        }
    }

    /// Notes the day on which it left, once it has.
    pub fn note_left(&mut self, said: &RefundSnapshot) {
        if self.state == RefundState::Succeeded {
            self.refunded_on = Some(said.created.date());
        }
    }
}
