//! What we ask of Stripe: async-stripe's typed requests, sorted by what they change.

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession,
};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::balance_transaction::ListBalanceTransaction;
use stripe_core::customer::{
    CreateCustomer, ListCustomer, ListPaymentMethodsCustomer, SearchCustomer, UpdateCustomer,
};
use stripe_core::dispute::{CloseDispute, ListDispute, RetrieveDispute, UpdateDispute};
use stripe_core::event::ListEvent;
use stripe_core::mandate::RetrieveMandate;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, ListPaymentIntent,
    RetrievePaymentIntent, SearchPaymentIntent,
};
use stripe_core::payout::ListPayout;
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
impl Reads for ListPayout {}
impl Reads for RetrieveCheckoutSession {}
impl Reads for ListCheckoutSession {}
impl Reads for ListCustomer {}
impl Reads for SearchCustomer {}
impl Reads for ListPaymentMethodsCustomer {}
impl Reads for RetrievePaymentMethod {}
impl Reads for RetrieveSetupIntent {}
impl Reads for ListSetupIntent {}
impl Reads for RetrieveMandate {}
impl Reads for RetrieveDispute {}
impl Reads for ListDispute {}
impl Reads for ListEvent {}

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

impl Keeps for UpdateDispute {}
impl Keeps for CloseDispute {}

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

    /// What Stripe counts it as: method and path, whatever the ids.
    pub(super) fn endpoint(&self) -> String {
        let method = match self.wire.method {
            StripeMethod::Get => "GET",
            StripeMethod::Post => "POST",
            StripeMethod::Delete => "DELETE",
        };
        endpoint(method, &self.wire.path)
    }

    /// The id of ours that it goes out under, where it changes anything.
    pub(super) const fn key(&self) -> Option<OperationId> {
        self.key
    }
}

/// Names an endpoint. Stripe's own words are of small letters; its ids have digits or capitals, long as they are.
fn endpoint(method: &str, path: &str) -> String {
    let is_word = |segment: &str| {
        segment
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| if is_word(segment) { segment } else { "*" })
        .collect();
    format!("{method} /v1{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use stripe_core::payment_intent::{CapturePaymentIntent, RetrievePaymentIntent};

    use super::*;

    #[test]
    fn an_endpoint_is_one_whatever_the_id_and_another_by_method_and_verb() {
        let read = |id: &str| Request::read(&RetrievePaymentIntent::new(id)).endpoint();
        assert_eq!(read("pi_3Nq1"), "GET /v1/payment_intents/*");
        assert_eq!(read("pi_3Nq1"), read("pi_3Nq2"));
        let capture = CapturePaymentIntent::new("pi_3Nq1");
        assert_eq!(
            Request::once(&capture, OperationId::generate()).endpoint(),
            "POST /v1/payment_intents/*/capture"
        );
        for (method, path, wanted) in [
            ("POST", "/payment_intents", "POST /v1/payment_intents"),
            ("GET", "/payment_intents", "GET /v1/payment_intents"),
            ("GET", "/payment_intents/search", "GET /v1/payment_intents/search"),
            ("POST", "/refunds/re_3Nq1/cancel", "POST /v1/refunds/*/cancel"),
            (
                "POST",
                "/checkout/sessions/cs_test_a1B2/expire",
                "POST /v1/checkout/sessions/*/expire",
            ),
            ("GET", "/customers/cus_OXyZ", "GET /v1/customers/*"),
            (
                "GET",
                "/customers/cus_9s6X/payment_methods/pm_1Nq",
                "GET /v1/customers/*/payment_methods/*",
            ),
        ] {
            assert_eq!(endpoint(method, path), wanted);
        }
    }
}
