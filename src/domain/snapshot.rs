//! What a provider says of its objects, in our words.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::balance_transaction::BalanceTransaction;
use super::checkout::CheckoutState;
use super::ids::{CustomerId, SetupId};
use super::money::Money;
use super::payment::{Decline, PaymentState};
use super::payment_method::{MandateState, MethodFace};
use super::refund::RefundState;
use super::setup::SetupState;

/// What a provider says of one object at one moment.
#[derive(Clone, Debug)]
pub enum Snapshot {
    /// Of a payment.
    Payment(PaymentSnapshot),
    /// Of a refund.
    Refund(RefundSnapshot),
    /// Of a page on which a payment is paid.
    Checkout(CheckoutSnapshot),
}

/// A provider's word for a state, read in ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<S> {
    /// A word we know.
    Known(S),
    /// A word that came after us, kept as it came.
    Unrecognized(String),
}

/// What a provider says of a payment.
#[derive(Clone, Debug)]
pub struct PaymentSnapshot {
    /// The provider's id of it (`pi_…`).
    pub provider_reference: String,
    /// Where it stands; never [`PaymentState::Unknown`] or [`PaymentState::Failed`], which are ours alone.
    pub state: Said<PaymentState>,
    /// What was asked of the customer.
    pub amount: Money,
    /// What can still be captured, in minor units.
    pub capturable_minor: i64,
    /// What was captured, in minor units.
    pub captured_minor: i64,
    /// What lets the customer's browser finish it.
    pub client_secret: Option<SecretString>,
    /// What the customer must do, as the provider's script wants it.
    pub next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined.
    pub decline: Option<Decline>,
    /// The provider's id of the method that is or was tried (`pm_…`).
    pub payment_method: Option<String>,
    /// The charge of the attempt that counts.
    pub charge: Option<ChargeSnapshot>,
}

/// What a provider says of the charge beneath a payment.
#[derive(Clone, Debug)]
pub struct ChargeSnapshot {
    /// The provider's id of it (`ch_…`).
    pub id: String,
    /// When money moved.
    pub created: OffsetDateTime,
    /// Its ledger lines, once there are any and they were read with the charge: one for each time that it was captured.
    pub balance_transactions: Vec<BalanceTransaction>,
    /// Its refunds, where they were read with the charge.
    pub refunds: Vec<RefundSnapshot>,
}

/// What a provider says of a page on which a payment is paid.
#[derive(Clone, Debug)]
pub struct CheckoutSnapshot {
    /// The provider's id of it (`cs_…`).
    pub provider_reference: String,
    /// The provider's id of the payment (`pi_…`), once the customer began to pay.
    pub payment_reference: Option<String>,
    /// Where it stands.
    pub state: Said<CheckoutState>,
    /// Where to send the customer, while it is open.
    pub url: Option<SecretString>,
    /// Until when it is open.
    pub expires_at: Option<OffsetDateTime>,
}

/// What a provider says of a refund.
#[derive(Clone, Debug)]
pub struct RefundSnapshot {
    /// The provider's id of it (`re_…`).
    pub provider_reference: String,
    /// The provider's id of the payment it belongs to (`pi_…`), where it says.
    pub payment_reference: Option<String>,
    /// Our operation, where the refund was made by us.
    pub operation: Option<super::ids::OperationId>,
    /// Where it stands.
    pub state: Said<RefundState>,
    /// What is given back.
    pub amount: Money,
    /// When the provider took it on.
    pub created: OffsetDateTime,
    /// The ledger line of it, once there is one and it was read with the refund.
    pub balance_transaction: Option<BalanceTransaction>,
}

/// What a provider says of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerSnapshot {
    /// The provider's id of it (`cus_…`).
    pub provider_reference: String,
    /// Our customer, where the provider gives back what we told it.
    pub customer: Option<CustomerId>,
}

/// What a provider says of a payment method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentMethodSnapshot {
    /// The provider's id of it (`pm_…`).
    pub provider_reference: String,
    /// The provider's id of whose it is (`cus_…`); nobody's before it is attached and after it is detached.
    pub customer_reference: Option<String>,
    /// What it looks like.
    pub face: MethodFace,
    /// The mandate that it may be debited under, where it was told of together with the method.
    pub mandate: Option<MandateSnapshot>,
}

/// What a provider says of a mandate: a customer's word that an account may be debited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MandateSnapshot {
    /// The provider's id of it (`mandate_…`).
    pub provider_reference: String,
    /// The provider's id of the method that may be debited (`pm_…`), where it says.
    pub method_reference: Option<String>,
    /// What the customer knows it by, on their bank statement.
    pub reference: Option<String>,
    /// Where the customer can read it.
    pub url: Option<String>,
    /// Whether it holds.
    pub state: Said<MandateState>,
}

/// What a provider says of a setup.
#[derive(Clone, Debug)]
pub struct SetupSnapshot {
    /// The provider's id of it (`seti_…`).
    pub provider_reference: String,
    /// Our setup, where the provider gives back what we told it.
    pub setup: Option<SetupId>,
    /// Where it stands; never [`SetupState::Failed`], which is ours alone.
    pub state: Said<SetupState>,
    /// What lets the customer's browser finish it.
    pub client_secret: Option<SecretString>,
    /// What the customer must do, as the provider's script wants it.
    pub next_action: Option<serde_json::Value>,
    /// Why the last attempt was declined.
    pub decline: Option<Decline>,
    /// What was saved, where it was read with the setup.
    pub method: Option<PaymentMethodSnapshot>,
}
