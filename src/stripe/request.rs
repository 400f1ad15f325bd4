//! What we ask of Stripe: async-stripe's typed requests, sorted by whether they move money.

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession,
};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::balance_transaction::ListBalanceTransaction;
use stripe_core::customer::{
    CreateCustomer, ListCustomer, ListPaymentMethodsCustomer, SearchCustomer, UpdateCustomer,
};
use stripe_core::mandate::RetrieveMandate;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, ListPaymentIntent,
    RetrievePaymentIntent, SearchPaymentIntent,
};
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_core::setup_intent::{CreateSetupIntent, ListSetupIntent, RetrieveSetupIntent};
use stripe_payment::payment_method::{DetachPaymentMethod, RetrievePaymentMethod};

use crate::domain::ids::OperationId;

/// A request that changes nothing: repeating it needs no key.
pub(super) trait Reads: StripeRequest {}

impl Reads for RetrievePaymentIntent {}
impl Reads for SearchPaymentIntent {}
impl Reads for ListPaymentIntent {}
impl Reads for ListRefund {}
impl Reads for ListBalanceTransaction {}
impl Reads for RetrieveCheckoutSession {}
impl Reads for ListCheckoutSession {}
impl Reads for ListCustomer {}
impl Reads for SearchCustomer {}
impl Reads for ListPaymentMethodsCustomer {}
impl Reads for RetrievePaymentMethod {}
impl Reads for RetrieveSetupIntent {}
impl Reads for ListSetupIntent {}
impl Reads for RetrieveMandate {}

/// A request that moves money, or lets it move: it goes out under an operation's key or not at all.
pub(super) trait MovesMoney: StripeRequest {}

impl MovesMoney for CreatePaymentIntent {}
impl MovesMoney for ConfirmPaymentIntent {}
impl MovesMoney for CapturePaymentIntent {}
impl MovesMoney for CancelPaymentIntent {}
impl MovesMoney for CreateRefund {}
impl MovesMoney for CreateCheckoutSession {}
impl MovesMoney for ExpireCheckoutSession {}

/// A request that changes what is kept and moves no money: it goes out under an id of ours.
pub(super) trait Keeps: StripeRequest {}

impl Keeps for CreateCustomer {}
impl Keeps for UpdateCustomer {}
impl Keeps for CreateSetupIntent {}
impl Keeps for DetachPaymentMethod {}

/// A request that is safe to repeat. It has no `Debug`: what it carries is nobody else's business.
pub(super) struct Request {
    wire: RequestBuilder,
    key: Option<OperationId>,
}

impl Request {
    /// One that changes nothing.
    pub(super) fn read(request: &impl Reads) -> Self {
        Self {
            wire: request.build(),
            key: None,
        }
    }

    /// One that moves money once, however often it is sent.
    pub(super) fn once(request: &impl MovesMoney, operation: OperationId) -> Self {
        Self {
            wire: request.build(),
            key: Some(operation),
        }
    }

    /// One that changes what is kept, once per key.
    pub(super) fn keep(request: &impl Keeps, key: OperationId) -> Self {
        Self {
            wire: request.build(),
            key: Some(key),
        }
    }

    /// Method, path, query and body.
    pub(super) const fn wire(&self) -> &RequestBuilder {
        &self.wire
    }

    /// The id of ours that it goes out under, where it changes anything.
    pub(super) const fn key(&self) -> Option<OperationId> {
        self.key
    }
}
