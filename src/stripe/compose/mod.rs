//! From an operation to Stripe's request for it.

mod authorize;
mod checkout;
mod marks;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use stripe_checkout::checkout_session::ExpireCheckoutSession;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CancelPaymentIntentCancellationReason as Cancellation, CapturePaymentIntent,
};
use stripe_core::refund::{CreateRefund, CreateRefundReason};
use stripe_shared::{CheckoutSessionId, PaymentIntentId};

use super::money::StripeAmount;
use super::objects::{OPERATION, PAYMENT};
use super::request::Request;
use crate::domain::operation::{Operation, OperationKind, Reason};
use crate::domain::payment::Payment;
use crate::provider::{Call, ProviderError};

/// The charge with its ledger line, wherever a payment intent is answered.
pub(super) const CHARGE_LINE: &str = "latest_charge.balance_transaction";

/// The request of an operation. The same operation makes the same request, whenever and wherever it is made.
pub(super) fn compose(call: Call<'_>) -> Result<Request, ProviderError> {
    let Call { payment, operation } = call;
    let amount = || {
        StripeAmount::of_minor(operation.amount_minor, payment.amount.currency())
            .map(StripeAmount::get)
            .map_err(|error| invalid("amount_not_expressible", &error.to_string(), "amount_minor"))
    };
    Ok(match operation.kind {
        OperationKind::Authorize => Request::once(&authorize::create(call, amount()?), operation.id),
        OperationKind::Checkout => Request::once(&checkout::create(call, amount()?)?, operation.id),
        OperationKind::Confirm => {
            let confirm = authorize::confirm(intent_of(payment)?, operation);
            Request::once(&confirm, operation.id)
        }
        OperationKind::Capture => {
            let mut capture = CapturePaymentIntent::new(intent_of(payment)?)
                .amount_to_capture(amount()?)
                .metadata(
                    marks::of_capture(operation)
                        .into_iter()
                        .collect::<HashMap<_, _>>(),
                )
                .expand([CHARGE_LINE.to_owned()]);
            if !operation.ask.is_final {
                capture = capture.final_capture(false);
            }
            Request::once(&capture, operation.id)
        }
        OperationKind::Cancel => cancel(payment, operation)?,
        OperationKind::Refund => {
            let mut refund = CreateRefund::new()
                .payment_intent(intent_of(payment)?.to_string())
                .amount(amount()?)
                .metadata(ours(call))
                .expand(["balance_transaction".to_owned()]);
            if let Some(reason) = operation.ask.reason.and_then(refund_reason) {
                refund = refund.reason(reason);
            }
            Request::once(&refund, operation.id)
        }
    })
}

/// While a page is open, its payment is called off by closing the page.
fn cancel(payment: &Payment, operation: &Operation) -> Result<Request, ProviderError> {
    if let Some(page) = &operation.ask.checkout_reference {
        return Ok(Request::once(
            &ExpireCheckoutSession::new(session_id(page)?),
            operation.id,
        ));
    }
    let mut cancel = CancelPaymentIntent::new(intent_of(payment)?).expand([CHARGE_LINE.to_owned()]);
    if let Some(reason) = operation.ask.reason {
        cancel = cancel.cancellation_reason(match reason {
            Reason::Duplicate => Cancellation::Duplicate,
            Reason::Fraudulent => Cancellation::Fraudulent,
            Reason::RequestedByCustomer => Cancellation::RequestedByCustomer,
            Reason::Abandoned => Cancellation::Abandoned,
        });
    }
    Ok(Request::once(&cancel, operation.id))
}

fn refund_reason(reason: Reason) -> Option<CreateRefundReason> {
    match reason {
        Reason::Duplicate => Some(CreateRefundReason::Duplicate),
        Reason::Fraudulent => Some(CreateRefundReason::Fraudulent),
        Reason::RequestedByCustomer => Some(CreateRefundReason::RequestedByCustomer),
        Reason::Abandoned => None,
    }
}

/// What the object is to remember of us.
fn ours(call: Call<'_>) -> HashMap<String, String> {
    let ids = [
        (PAYMENT.to_owned(), call.payment.id.to_string()),
        (OPERATION.to_owned(), call.operation.id.to_string()),
    ];
    ids.into_iter().chain(marks::of(call)).collect()
}

/// The merchant's own notes, and what the object is to remember of us.
fn notes(call: Call<'_>) -> HashMap<String, String> {
    let mut notes: HashMap<String, String> = call
        .payment
        .metadata
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    notes.extend(ours(call));
    notes
}

fn currency_of(payment: &Payment) -> stripe_types::Currency {
    let Ok(currency) = payment.amount.currency().code().to_ascii_lowercase().parse();
    currency
}

fn intent_of(payment: &Payment) -> Result<PaymentIntentId, ProviderError> {
    let reference = payment.provider_reference.as_deref();
    intent_id(reference.ok_or_else(|| {
        invalid(
            "no_provider_reference",
            "the provider has no such payment",
            "payment",
        )
    })?)
}

/// Takes a text for a payment intent's id.
pub(super) fn intent_id(reference: &str) -> Result<PaymentIntentId, ProviderError> {
    checked(reference).map(PaymentIntentId::from)
}

/// Takes a text for a checkout session's id.
pub(super) fn session_id(reference: &str) -> Result<CheckoutSessionId, ProviderError> {
    checked(reference).map(CheckoutSessionId::from)
}

/// An id becomes a part of a path, so it must not be able to leave it.
pub(super) fn checked(reference: &str) -> Result<&str, ProviderError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if reference.is_empty() || !reference.bytes().all(fits) {
        return Err(invalid(
            "resource_missing",
            "not an id of the provider's",
            "reference",
        ));
    }
    Ok(reference)
}

fn invalid(code: &str, message: &str, param: &str) -> ProviderError {
    ProviderError::Invalid {
        code: code.to_owned(),
        message: message.to_owned(),
        param: Some(param.to_owned()),
    }
}
