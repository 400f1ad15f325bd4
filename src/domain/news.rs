//! What our addon in Odoo is told: a payment as a whole, each time it changes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{OperationId, PaymentId, RefundId};
use super::money::Currency;
use super::operation::{Operation, OperationKind, OperationState};
use super::payment::{Decline, Payment, PaymentState};
use super::posting::Settles;
use super::refund::{Refund, RefundState};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A payment has a new version.
    PaymentUpdated {
        /// All that is known of it at that version.
        payment: Box<PaymentNews>,
    },
}

impl News {
    /// What makes it one and the same: a payment's version is told once.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::PaymentUpdated { payment } => format!("{}_{}", payment.id, payment.version),
        }
    }

    /// Its kind in one word, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PaymentUpdated { .. } => "payment_updated",
        }
    }
}

/// A payment as a whole, without what opens it in a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentNews {
    /// Its id.
    pub id: PaymentId,
    /// Of two of the same payment, the higher one is how it stands.
    pub version: i64,
    /// Odoo's own reference of it.
    pub reference: String,
    /// The provider's id of it, once it has one.
    pub provider_reference: Option<String>,
    /// Where it stands.
    pub state: PaymentState,
    /// The same in Odoo's words.
    pub odoo_state: OdooState,
    /// Why the last attempt was declined, until one succeeds.
    pub decline: Option<Decline>,
    /// ISO 4217; all amounts are in its minor units.
    pub currency: Currency,
    /// What the customer owes.
    pub amount_minor: i64,
    /// What is or was held.
    pub authorized_minor: i64,
    /// What was taken.
    pub captured_minor: i64,
    /// What was given back or is on its way.
    pub refunded_minor: i64,
    /// What open and lost disputes took.
    pub disputed_minor: i64,
    /// The documents it settles.
    pub settles: Vec<Settles>,
    /// The calls that moved it, oldest first.
    pub operations: Vec<OperationNews>,
    /// Money given back, oldest first.
    pub refunds: Vec<RefundNews>,
    /// When nothing was left to take.
    #[serde(with = "time::serde::rfc3339::option")]
    pub captured_at: Option<OffsetDateTime>,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A transaction's state in Odoo's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OdooState {
    /// Nobody has tried to pay.
    Draft,
    /// On its way, or not known.
    Pending,
    /// Held.
    Authorized,
    /// Taken.
    Done,
    /// Called off.
    Cancel,
    /// No attempt is possible any more.
    Error,
}

impl OdooState {
    /// How a payment stands in Odoo's words. In Odoo neither `authorized` nor `pending` can follow `error`: a decline after
    /// which the customer may try again is no error.
    #[must_use]
    pub const fn of(state: PaymentState, is_declined: bool) -> Self {
        match state {
            PaymentState::Created if is_declined => Self::Pending,
            PaymentState::Created => Self::Draft,
            PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Unknown => Self::Pending,
            PaymentState::Authorized => Self::Authorized,
            PaymentState::Captured => Self::Done,
            PaymentState::Canceled => Self::Cancel,
            PaymentState::Failed => Self::Error,
        }
    }
}

/// One call that moved a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationNews {
    /// Its id.
    pub id: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// Where it stands.
    pub state: OperationState,
    /// How much it moves.
    pub amount_minor: i64,
    /// Odoo's own reference of the child transaction.
    pub reference: Option<String>,
    /// Why not, as a stable word.
    pub error_code: Option<String>,
    /// Why not, for people.
    pub error_message: Option<String>,
}

impl From<&Operation> for OperationNews {
    fn from(operation: &Operation) -> Self {
        Self {
            id: operation.id,
            kind: operation.kind,
            state: operation.state,
            amount_minor: operation.amount_minor,
            reference: operation.ask.reference.clone(),
            error_code: operation.error_code.clone(),
            error_message: operation.error_message.clone(),
        }
    }
}

/// Money given back on a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundNews {
    /// Its id.
    pub id: RefundId,
    /// The operation that made it; none where it was made at the provider.
    pub operation: Option<OperationId>,
    /// Where it stands.
    pub state: RefundState,
    /// How much.
    pub amount_minor: i64,
    /// The provider's id of it.
    pub provider_reference: String,
}

impl From<&Refund> for RefundNews {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            operation: refund.operation_id,
            state: refund.state,
            amount_minor: refund.amount_minor,
            provider_reference: refund.provider_reference.clone(),
        }
    }
}

impl PaymentNews {
    /// A payment as it stands, with its operations and refunds.
    #[must_use]
    pub fn of(payment: &Payment, operations: &[Operation], refunds: &[Refund]) -> Self {
        Self {
            id: payment.id,
            version: payment.version,
            reference: payment.reference.as_str().to_owned(),
            provider_reference: payment.provider_reference.clone(),
            state: payment.state,
            odoo_state: OdooState::of(payment.state, payment.decline.is_some()),
            decline: payment.decline.clone(),
            currency: payment.amount.currency(),
            amount_minor: payment.amount.minor(),
            authorized_minor: payment.authorized_minor,
            captured_minor: payment.captured_minor,
            refunded_minor: payment.refunded_minor,
            disputed_minor: payment.disputed_minor,
            settles: payment.settles.clone(),
            operations: operations.iter().map(OperationNews::from).collect(),
            refunds: refunds.iter().map(RefundNews::from).collect(),
            captured_at: payment.captured_at,
            updated_at: payment.updated_at,
        }
    }
}
