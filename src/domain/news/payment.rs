//! A payment as our addon in Odoo is told of it.

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::{CustomerNews, MethodNews};
use crate::domain::day;
use crate::domain::ids::{OperationId, PaymentId, RefundId};
use crate::domain::money::Currency;
use crate::domain::operation::{Operation, OperationKind, OperationState};
use crate::domain::payment::{Capture, CaptureMethod, Decline, Payment, PaymentState};
use crate::domain::posting::{Settles, returned};
use crate::domain::refund::{Refund, RefundState};

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
    /// Whether money is real.
    pub mode: Mode,
    /// Where it stands.
    pub state: PaymentState,
    /// The same in Odoo's words.
    pub odoo_state: OdooState,
    /// Why the last attempt was declined, until one succeeds.
    pub decline: Option<Decline>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
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
    /// Who pays, where that is known.
    #[serde(default)]
    pub customer: Option<CustomerNews>,
    /// The saved method that it was paid with, or that it saved.
    #[serde(default)]
    pub payment_method: Option<MethodNews>,
    /// What was taken, each time, oldest first.
    #[serde(default)]
    pub captures: Vec<Capture>,
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

/// Whether money is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is not.
    Test,
    /// It is.
    Live,
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
    /// What its ledger line meets.
    #[serde(default)]
    pub source: String,
    /// Odoo's own reference of the child transaction.
    #[serde(default)]
    pub reference: Option<String>,
    /// The day on which it left, in UTC: none while it has not, and of one that never did.
    #[serde(default, with = "day::option")]
    pub refunded_on: Option<Date>,
    /// Where it came back after all: what the ledger line of that meets, and the day.
    #[serde(default)]
    pub returned: Option<ReturnNews>,
}

/// Money that was given back and came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnNews {
    /// What the ledger line of it meets.
    pub source: String,
    /// The day on which we heard of it, in UTC.
    #[serde(with = "day")]
    pub returned_on: Date,
}

impl RefundNews {
    fn of(refund: &Refund, operations: &[Operation]) -> Self {
        let made_by = refund
            .operation_id
            .and_then(|id| operations.iter().find(|operation| operation.id == id));
        Self {
            id: refund.id,
            operation: refund.operation_id,
            state: refund.state,
            amount_minor: refund.amount_minor,
            provider_reference: refund.provider_reference.clone(),
            source: refund.provider_reference.clone(),
            reference: made_by.and_then(|operation| operation.ask.reference.clone()),
            refunded_on: refund.refunded_on,
            returned: refund.returned_on.map(|returned_on| ReturnNews {
                source: returned(&refund.provider_reference),
                returned_on,
            }),
        }
    }
}

/// What is told with a payment and is kept elsewhere.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Whether money is real.
    pub mode: Mode,
    /// Who pays.
    pub customer: Option<CustomerNews>,
    /// The saved method.
    pub payment_method: Option<MethodNews>,
    /// Its operations, oldest first.
    pub operations: Vec<Operation>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
}

impl PaymentNews {
    /// A payment as it stands, with all that is told with it.
    #[must_use]
    pub fn of(payment: &Payment, beside: Beside) -> Self {
        let Beside {
            mode,
            customer,
            payment_method,
            operations,
            refunds,
        } = beside;
        Self {
            id: payment.id,
            version: payment.version,
            reference: payment.reference.as_str().to_owned(),
            provider_reference: payment.provider_reference.clone(),
            mode,
            state: payment.state,
            odoo_state: OdooState::of(payment.state, payment.decline.is_some()),
            decline: payment.decline.clone(),
            capture_method: payment.capture_method,
            currency: payment.amount.currency(),
            amount_minor: payment.amount.minor(),
            authorized_minor: payment.authorized_minor,
            captured_minor: payment.captured_minor,
            refunded_minor: payment.refunded_minor,
            disputed_minor: payment.disputed_minor,
            settles: payment.settles.clone(),
            customer,
            payment_method,
            captures: payment.captures.clone(),
            operations: operations.iter().map(OperationNews::from).collect(),
            refunds: refunds
                .iter()
                .map(|refund| RefundNews::of(refund, &operations))
                .collect(),
            captured_at: payment.captured_at,
            updated_at: payment.updated_at,
        }
    }
}
