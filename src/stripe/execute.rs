//! Carrying out one operation.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent,
    CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects as AllowRedirects,
    CreatePaymentIntentOffSession,
};
use stripe_core::refund::CreateRefund;
use stripe_shared::{PaymentIntentCaptureMethod, PaymentIntentId};
use tokio::time::Instant;

use super::find::find;
use super::money::StripeAmount;
use super::objects::{CAPTURE, OPERATION, PAYMENT, PaymentIntent, Refund};
use super::request::Request;
use super::series::{Failure, StripeHttp};
use super::snapshots::Described;
use crate::domain::operation::OperationKind;
use crate::domain::payment::{CaptureMethod, Payment};
use crate::provider::{Ambiguity, Call, Outcome, ProviderAccount, ProviderError};

/// The charge with its ledger line, wherever a payment intent is answered.
pub(super) const CHARGE_LINE: &str = "latest_charge.balance_transaction";

/// Carries out an operation under its key.
pub(super) async fn execute(
    http: &StripeHttp,
    account: &ProviderAccount,
    call: Call<'_>,
) -> Result<Outcome, ProviderError> {
    let deadline = http.deadline();
    let request = request(call)?;
    match call.operation.kind {
        OperationKind::Authorize | OperationKind::Capture | OperationKind::Cancel => {
            carry_out::<PaymentIntent>(http, account, call, &request, deadline).await
        }
        OperationKind::Refund => carry_out::<Refund>(http, account, call, &request, deadline).await,
    }
}

async fn carry_out<T: DeserializeOwned + Described>(
    http: &StripeHttp,
    account: &ProviderAccount,
    call: Call<'_>,
    request: &Request,
    deadline: Instant,
) -> Result<Outcome, ProviderError> {
    match http.send::<T>(account, request, deadline).await {
        Ok(object) => object
            .describe()
            .map(Outcome::Done)
            .map_err(|unreadable| ProviderError::Ambiguous {
                ambiguity: Ambiguity::NoAnswer,
                message: format!("done, but {unreadable}"),
            }),
        // The object has moved on. Where Stripe lost the answer of an earlier attempt before storing it, it was
        // this operation that moved it, so "cannot" may mean "did". Reading tells: what carried this operation out
        // bears its id. Without a trace of it the refusal stands, since reads by id are never behind.
        Err(Failure::Refused(refusal)) if refusal.of_the_state() => {
            match find(http, account, call, deadline).await {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => Err(refusal.into_error()),
                Err(error) => Err(ProviderError::Ambiguous {
                    ambiguity: Ambiguity::NoAnswer,
                    message: format!("refused as the object stands, and then {error}"),
                }),
            }
        }
        Err(Failure::Refused(refusal)) => refusal.into_outcome(),
        Err(Failure::Failed(error)) => Err(error),
    }
}

/// The request of an operation. The same operation makes the same request, whenever and wherever it is made.
fn request(call: Call<'_>) -> Result<Request, ProviderError> {
    let Call { payment, operation } = call;
    let amount = || {
        StripeAmount::of_minor(operation.amount_minor, payment.amount.currency())
            .map(StripeAmount::get)
            .map_err(|error| invalid("amount_not_expressible", &error.to_string(), "amount_minor"))
    };
    Ok(match operation.kind {
        OperationKind::Authorize => Request::once(&authorize(call, amount()?), operation.id),
        OperationKind::Capture => {
            let capture = CapturePaymentIntent::new(intent_of(payment)?)
                .amount_to_capture(amount()?)
                .metadata([(CAPTURE.to_owned(), operation.id.to_string())])
                .expand([CHARGE_LINE.to_owned()]);
            Request::once(&capture, operation.id)
        }
        OperationKind::Cancel => Request::once(&CancelPaymentIntent::new(intent_of(payment)?), operation.id),
        OperationKind::Refund => {
            let refund = CreateRefund::new()
                .payment_intent(intent_of(payment)?.to_string())
                .amount(amount()?)
                .metadata(ours(call))
                .expand(["balance_transaction".to_owned()]);
            Request::once(&refund, operation.id)
        }
    })
}

fn authorize(call: Call<'_>, amount: i64) -> CreatePaymentIntent {
    let Call { payment, operation } = call;
    let mut methods = CreatePaymentIntentAutomaticPaymentMethods::new(true);
    if operation.return_url.is_none() {
        methods.allow_redirects = Some(AllowRedirects::Never);
    }
    let mut metadata: HashMap<String, String> = payment
        .metadata
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    metadata.extend(ours(call));
    let Ok(currency) = payment
        .amount
        .currency()
        .code()
        .to_ascii_lowercase()
        .parse::<stripe_types::Currency>();
    let mut create = CreatePaymentIntent::new(amount, currency)
        .capture_method(match payment.capture_method {
            CaptureMethod::Automatic => PaymentIntentCaptureMethod::AutomaticAsync,
            CaptureMethod::Manual => PaymentIntentCaptureMethod::Manual,
        })
        .automatic_payment_methods(methods)
        .metadata(metadata)
        .expand([CHARGE_LINE.to_owned()]);
    if let Some(description) = &payment.description {
        create = create.description(description);
    }
    let Some(method) = &operation.payment_method else {
        return create;
    };
    create = create.confirm(true);
    let of_this_session = method.starts_with("ctoken_");
    create = if of_this_session {
        create.confirmation_token(method)
    } else {
        create.payment_method(method)
    };
    match &operation.return_url {
        Some(url) => create.return_url(url),
        None if of_this_session => create,
        // Nobody is there to prove who they are: Stripe then declines where proof is needed, rather than waiting.
        None => create.off_session(CreatePaymentIntentOffSession::Bool(true)),
    }
}

/// What the object is to remember of us.
fn ours(call: Call<'_>) -> HashMap<String, String> {
    HashMap::from([
        (PAYMENT.to_owned(), call.payment.id.to_string()),
        (OPERATION.to_owned(), call.operation.id.to_string()),
    ])
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

/// Takes a text for a payment intent's id: it becomes a part of a path, so it must not be able to leave it.
pub(super) fn intent_id(reference: &str) -> Result<PaymentIntentId, ProviderError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if reference.is_empty() || !reference.bytes().all(fits) {
        return Err(invalid(
            "resource_missing",
            "not an id of the provider's",
            "reference",
        ));
    }
    Ok(PaymentIntentId::from(reference))
}

fn invalid(code: &str, message: &str, param: &str) -> ProviderError {
    ProviderError::Invalid {
        code: code.to_owned(),
        message: message.to_owned(),
        param: Some(param.to_owned()),
    }
}
