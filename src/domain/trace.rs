//! What a provider keeps of what was asked of it: enough to write rows again that a restore lost.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::idempotency::Asked;
use super::ids::{CustomerId, OdooInstanceId, OperationId, PaymentId};
use super::money::Money;
use super::payment::{CaptureMethod, Reference};
use super::posting::Settles;

/// What is read of a provider, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Shelf {
    /// Pages on which payments are paid: first, for the payments that are made on them.
    Pages,
    /// Payments.
    Payments,
    /// Money given back.
    Refunds,
    /// What happened: captures of payments from before.
    Events,
}

impl Shelf {
    /// What is read after it.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Pages => Some(Self::Payments),
            Self::Payments => Some(Self::Refunds),
            Self::Refunds => Some(Self::Events),
            Self::Events => None,
        }
    }
}

/// Something that a provider made or did because we asked.
#[derive(Clone, Debug)]
pub enum Trace {
    /// It made a payment, or a page for one.
    Payment(Box<PaymentTrace>),
    /// It took money that it held.
    Capture(CaptureTrace),
    /// It gave money back.
    Refund(RefundTrace),
}

/// A payment, or a page for one, that the provider made.
#[derive(Clone, Debug)]
pub struct PaymentTrace {
    /// The provider's id of it (`pi_…`, `cs_…`).
    pub provider_reference: String,
    /// Whether that is a page.
    pub is_page: bool,
    /// Our payment.
    pub payment: PaymentId,
    /// The operation that made it.
    pub operation: OperationId,
    /// The request that it was asked for with.
    pub asked: Option<Asked>,
    /// When the provider made it.
    pub made_at: OffsetDateTime,
    /// What the customer owes.
    pub amount: Money,
    /// Odoo's own reference of it; none where it was made before that was kept.
    pub reference: Option<Reference>,
    /// The documents it settles; none where the provider could not keep them.
    pub settles: Option<Vec<Settles>>,
    /// Whose books it goes into.
    pub odoo_instance: Option<OdooInstanceId>,
    /// Who pays.
    pub customer: Option<CustomerId>,
    /// The provider's id of who pays.
    pub customer_reference: Option<String>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// The provider's id of the payment method that was tried at once, where one was.
    pub payment_method: Option<String>,
    /// What the merchant says of it, for people.
    pub description: Option<String>,
    /// The merchant's own notes.
    pub notes: BTreeMap<String, String>,
}

/// That money was taken which was held.
#[derive(Clone, Debug)]
pub struct CaptureTrace {
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// The operation that took it.
    pub operation: OperationId,
    /// The request that it was asked for with.
    pub asked: Option<Asked>,
    /// How much it was to take, in minor units; none where it was taken before that was kept.
    pub amount_minor: Option<i64>,
    /// Odoo's own reference of the child transaction.
    pub reference: Option<String>,
}

/// Money that the provider gave back, or is to.
#[derive(Clone, Debug)]
pub struct RefundTrace {
    /// The provider's id of it (`re_…`).
    pub provider_reference: String,
    /// Our payment.
    pub payment: PaymentId,
    /// The operation that made it.
    pub operation: OperationId,
    /// The request that it was asked for with.
    pub asked: Option<Asked>,
    /// When the provider made it.
    pub made_at: OffsetDateTime,
    /// How much.
    pub amount: Money,
    /// Odoo's own reference of the child transaction.
    pub reference: Option<String>,
}
