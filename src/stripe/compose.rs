//! From an operation to Stripe's request for it.

use std::collections::HashMap;

use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent,
    CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects as AllowRedirects,
    CreatePaymentIntentOffSession,
};
use stripe_core::refund::CreateRefund;
use stripe_shared::{PaymentIntentCaptureMethod, PaymentIntentId};

use super::money::StripeAmount;
use super::objects::{CAPTURE, OPERATION, PAYMENT};
use super::request::Request;
use crate::domain::operation::OperationKind;
use crate::domain::payment::{CaptureMethod, Payment};
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

/// Takes a text for a payment intent's id.
pub(super) fn intent_id(reference: &str) -> Result<PaymentIntentId, ProviderError> {
    checked(reference).map(PaymentIntentId::from)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::collections::BTreeMap;

    use time::OffsetDateTime;
    use url::form_urlencoded;

    use super::*;
    use crate::domain::ids::{MerchantId, OperationId, PaymentId, ProviderAccountId};
    use crate::domain::money::Amount;
    use crate::domain::operation::{Operation, OperationState};
    use crate::domain::payment::{PaymentState, Reference};

    fn payment(minor: i64, currency: &str) -> Payment {
        Payment {
            merchant_id: MerchantId::generate(),
            id: PaymentId::generate(),
            provider_account_id: ProviderAccountId::generate(),
            odoo_instance_id: None,
            reference: Reference::parse("S00042").unwrap(),
            amount: Amount::parse(minor, currency.parse().unwrap()).unwrap(),
            capture_method: CaptureMethod::Automatic,
            state: PaymentState::Created,
            authorized_minor: 0,
            captured_minor: 0,
            refunded_minor: 0,
            disputed_minor: 0,
            provider_reference: Some("pi_1".to_owned()),
            charge_reference: None,
            client_secret: None,
            next_action: None,
            decline: None,
            settles: Vec::new(),
            description: Some("Invoice 42 & more".to_owned()),
            metadata: BTreeMap::from([
                ("ticket".to_owned(), "7".to_owned()),
                (OPERATION.to_owned(), "mine".to_owned()),
            ]),
            version: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn operation(payment: &Payment, kind: OperationKind, amount_minor: i64) -> Operation {
        Operation {
            id: OperationId::generate(),
            payment_id: payment.id,
            provider_account_id: payment.provider_account_id,
            kind,
            amount_minor,
            state: OperationState::Pending,
            payment_method: None,
            return_url: None,
            attempts: 0,
            first_sent_at: OffsetDateTime::UNIX_EPOCH,
            look_up: false,
            fence: 1,
            error_code: None,
            error_message: None,
        }
    }

    /// Path, and the form as it goes out.
    fn form(payment: &Payment, operation: &Operation) -> (String, BTreeMap<String, String>) {
        let request = compose(Call { payment, operation }).unwrap();
        assert_eq!(
            request.key(),
            Some(operation.id),
            "every one goes out under its operation's key"
        );
        let body = request.wire().body.clone().unwrap_or_default();
        (
            request.wire().path.clone(),
            form_urlencoded::parse(body.as_bytes()).into_owned().collect(),
        )
    }

    fn expected<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn authorizing_asks_for_every_method_and_leaves_our_ids_behind() {
        let payment = payment(5, "UGX");
        let operation = operation(&payment, OperationKind::Authorize, 5);
        let (path, form) = form(&payment, &operation);
        assert_eq!(path, "/payment_intents");
        let wanted = expected([
            ("amount", "500"),
            ("currency", "ugx"),
            ("capture_method", "automatic_async"),
            ("automatic_payment_methods[enabled]", "true"),
            ("automatic_payment_methods[allow_redirects]", "never"),
            ("description", "Invoice 42 & more"),
            ("metadata[ticket]", "7"),
            ("metadata[quittance_payment]", &payment.id.to_string()),
            ("metadata[quittance_operation]", &operation.id.to_string()),
            ("expand[0]", "latest_charge.balance_transaction"),
        ]);
        assert_eq!(form, wanted);
    }

    #[test]
    fn a_saved_method_is_confirmed_at_once_with_or_without_the_customer() {
        let payment = Payment {
            capture_method: CaptureMethod::Manual,
            ..payment(12_100, "EUR")
        };
        let mut operation = operation(&payment, OperationKind::Authorize, 12_100);
        operation.payment_method = Some("pm_1".to_owned());
        let (_, absent) = form(&payment, &operation);
        assert_eq!(absent["confirm"], "true");
        assert_eq!(absent["payment_method"], "pm_1");
        assert_eq!(absent["off_session"], "true");
        assert_eq!(absent["capture_method"], "manual");

        operation.return_url = Some("https://shop.example/back?a=1".to_owned());
        let (_, present) = form(&payment, &operation);
        assert_eq!(present["return_url"], "https://shop.example/back?a=1");
        assert!(!present.contains_key("off_session"));
        assert!(!present.contains_key("automatic_payment_methods[allow_redirects]"));

        operation.payment_method = Some("ctoken_1".to_owned());
        let (_, token) = form(&payment, &operation);
        assert_eq!(token["confirmation_token"], "ctoken_1");
        assert!(!token.contains_key("payment_method"));
    }

    #[test]
    fn capturing_canceling_and_refunding_name_the_intent_and_the_operation() {
        let payment = payment(12_100, "EUR");
        let capture = operation(&payment, OperationKind::Capture, 100);
        let (path, form_of_capture) = form(&payment, &capture);
        assert_eq!(path, "/payment_intents/pi_1/capture");
        let wanted = expected([
            ("amount_to_capture", "100"),
            ("metadata[quittance_capture]", &capture.id.to_string()),
            ("expand[0]", "latest_charge.balance_transaction"),
        ]);
        assert_eq!(form_of_capture, wanted);

        let (path, nothing) = form(&payment, &operation(&payment, OperationKind::Cancel, 12_100));
        assert_eq!(
            (path.as_str(), nothing.len()),
            ("/payment_intents/pi_1/cancel", 0)
        );

        let refund = operation(&payment, OperationKind::Refund, 21);
        let (path, form_of_refund) = form(&payment, &refund);
        assert_eq!(path, "/refunds");
        let wanted = expected([
            ("payment_intent", "pi_1"),
            ("amount", "21"),
            ("metadata[quittance_payment]", &payment.id.to_string()),
            ("metadata[quittance_operation]", &refund.id.to_string()),
            ("expand[0]", "balance_transaction"),
        ]);
        assert_eq!(form_of_refund, wanted);
    }

    #[test]
    fn what_stripe_could_not_carry_out_is_refused_before_it_is_sent() {
        let code = |payment: &Payment, kind| {
            let operation = operation(payment, kind, payment.amount.minor());
            match compose(Call {
                payment,
                operation: &operation,
            }) {
                Err(ProviderError::Invalid { code, .. }) => code,
                Err(other) => other.to_string(),
                Ok(_) => "accepted".to_owned(),
            }
        };
        assert_eq!(
            code(&payment(1, "KWD"), OperationKind::Authorize),
            "amount_not_expressible"
        );
        let mut unknown = payment(1, "EUR");
        unknown.provider_reference = None;
        assert_eq!(code(&unknown, OperationKind::Capture), "no_provider_reference");
        for reference in ["", "../charges", "pi_1/capture", "pi_1?x", "pi 1"] {
            unknown.provider_reference = Some(reference.to_owned());
            assert_eq!(
                code(&unknown, OperationKind::Cancel),
                "resource_missing",
                "{reference}"
            );
        }
    }
}
