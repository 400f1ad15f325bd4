//! Money-moving calls to a provider, each a row before it is a request.

use time::{Duration, OffsetDateTime};

use super::checkout::Page;
use super::idempotency::Asked;
use super::ids::{OperationId, PaymentId, ProviderAccountId};
use super::payment::{MandateAcceptance, Payment};

/// What an operation does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OperationKind {
    /// Asks the customer for the money.
    Authorize,
    /// Opens a page of the provider's on which the customer is asked.
    Checkout,
    /// Tries a payment method on a payment that the provider has.
    Confirm,
    /// Takes what was authorized.
    Capture,
    /// Calls the payment off.
    Cancel,
    /// Gives money back.
    Refund,
}

impl std::fmt::Display for OperationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Authorize => "authorize",
            Self::Checkout => "checkout",
            Self::Confirm => "confirm",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        })
    }
}

/// Where an operation stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum OperationState {
    /// Being carried out under a lease; once the lease runs out, someone else goes on.
    Pending,
    /// The provider did not take the request at all; the caller may repeat it under its key.
    Retryable,
    /// It may or may not have happened; being found out.
    Unknown,
    /// The provider did it.
    Succeeded,
    /// The customer's bank or the provider's rules said no.
    Declined,
    /// The provider found the request itself wrong.
    Refused,
}

impl OperationKind {
    /// Whether it is what takes a payment to the provider.
    #[must_use]
    pub const fn begins(self) -> bool {
        matches!(self, Self::Authorize | Self::Checkout)
    }
}

impl OperationState {
    /// Whether it may be moving money: sent, or about to be, and not decided.
    #[must_use]
    pub const fn in_progress(self) -> bool {
        matches!(self, Self::Pending | Self::Unknown)
    }

    /// Whether nothing more can come of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Declined | Self::Refused)
    }
}

impl std::fmt::Display for OperationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Retryable => "retryable",
            Self::Unknown => "unknown",
            Self::Succeeded => "succeeded",
            Self::Declined => "declined",
            Self::Refused => "refused",
        })
    }
}

/// One money-moving call to a provider.
///
/// Its id is the key that the provider deduplicates on: every attempt carries the same one.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id, and the provider's idempotency key.
    pub id: OperationId,
    /// The payment it moves.
    pub payment_id: PaymentId,
    /// The account it is carried out at.
    pub provider_account_id: ProviderAccountId,
    /// What it does.
    pub kind: OperationKind,
    /// How much it moves or lets go, in minor units of the payment's currency.
    pub amount_minor: i64,
    /// Where it stands.
    pub state: OperationState,
    /// What is asked for besides.
    pub ask: Ask,
    /// How often its outcome was sought after the first attempt.
    pub attempts: i32,
    /// When it was first sent; set before the request leaves.
    pub first_sent_at: OffsetDateTime,
    /// Whether repeating is over and only looking up is left.
    pub look_up: bool,
    /// Grows with every lease; only the holder of the highest may write the outcome.
    pub fence: i64,
    /// A stable code of what went wrong, where something did.
    pub error_code: Option<String>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
}

/// What an operation asks for beside its kind and amount.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The provider's id of the payment method to try at once, for authorize and confirm.
    pub payment_method: Option<String>,
    /// Where the customer returns to after 3-D Secure, for authorize and confirm.
    pub return_url: Option<String>,
    /// Whether the customer is not there to prove who they are, for authorize and confirm.
    pub off_session: bool,
    /// When and from where the customer agreed to be debited, for authorize and confirm.
    pub mandate: Option<MandateAcceptance>,
    /// Which kinds of methods the customer may pay with, for authorize and checkout; where there are none, the provider's settings
    /// decide.
    pub payment_method_types: Vec<String>,
    /// Where the provider's page leads to, for checkout.
    pub page: Option<Page>,
    /// The provider's id of the page to close, for a cancel while it is open.
    pub checkout_reference: Option<String>,
    /// Why, for cancel and refund.
    pub reason: Option<Reason>,
    /// Whether what is left is let go, for capture.
    pub is_final: bool,
    /// Odoo's own reference of the child transaction, where it has one.
    pub reference: Option<String>,
    /// The request that it was asked for with; none where nobody asked.
    pub asked: Option<Asked>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            payment_method: None,
            return_url: None,
            off_session: false,
            mandate: None,
            payment_method_types: Vec::new(),
            page: None,
            checkout_reference: None,
            reason: None,
            is_final: true,
            reference: None,
            asked: None,
        }
    }
}

/// Why a payment is called off or money given back. Cards' networks know these.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Reason {
    /// It was asked for twice.
    Duplicate,
    /// The customer is not who they say.
    Fraudulent,
    /// The customer wants it so.
    RequestedByCustomer,
    /// The customer left; for cancel only.
    Abandoned,
}

impl Operation {
    /// An operation that its maker is about to carry out.
    #[must_use]
    pub fn new(
        id: OperationId,
        payment: &Payment,
        kind: OperationKind,
        amount_minor: i64,
        ask: Ask,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            payment_id: payment.id,
            provider_account_id: payment.provider_account_id,
            kind,
            amount_minor,
            state: OperationState::Pending,
            ask,
            attempts: 0,
            first_sent_at: now,
            look_up: false,
            fence: 1,
            error_code: None,
            error_message: None,
        }
    }

    /// Whether the next attempt repeats the request, rather than looking up what became of it. `repeatable_for` is how
    /// long after the first sending the provider surely knows the key.
    #[must_use]
    pub fn may_repeat(&self, now: OffsetDateTime, repeatable_for: Duration) -> bool {
        !self.look_up && now - self.first_sent_at < repeatable_for
    }
}

/// How long to wait before outcome-seeking attempt number `attempts` (from 0); `None` where a person must decide.
///
/// Ten seconds to twelve hours, then daily for five days.
#[must_use]
pub fn delay_before_attempt(attempts: i32) -> Option<Duration> {
    match attempts {
        i32::MIN..=0 => Some(Duration::seconds(10)),
        1 => Some(Duration::minutes(1)),
        2 => Some(Duration::minutes(5)),
        3 => Some(Duration::minutes(30)),
        4 => Some(Duration::hours(2)),
        5 => Some(Duration::hours(12)),
        6..=10 => Some(Duration::days(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_sought_for_five_and_a_half_days_and_then_is_a_persons() {
        let waits: Vec<Duration> = (0..).map_while(delay_before_attempt).collect();
        assert_eq!(waits.len(), 11);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(waits.iter().copied().sum::<Duration>() > Duration::days(5));
    }
}
