//! Payment intents: made, and confirmed.

use stripe_core::payment_intent::{
    ConfirmPaymentIntent, ConfirmPaymentIntentMandateData, ConfirmPaymentIntentOffSession,
    ConfirmPaymentIntentSecretKeyParam, ConfirmPaymentIntentSecretKeyParamCustomerAcceptance,
    ConfirmPaymentIntentSecretKeyParamCustomerAcceptanceType, CreatePaymentIntent,
    CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects as AllowRedirects,
    CreatePaymentIntentMandateData, CreatePaymentIntentMandateDataCustomerAcceptance,
    CreatePaymentIntentMandateDataCustomerAcceptanceType, CreatePaymentIntentOffSession,
    CreatePaymentIntentPaymentMethodOptions, CreatePaymentIntentPaymentMethodOptionsCard,
    CreatePaymentIntentPaymentMethodOptionsCardRequestMulticapture as RequestMulticapture,
    CreatePaymentIntentShipping, CreatePaymentIntentShippingAddress, OnlineParam,
};
use stripe_shared::{PaymentIntentCaptureMethod, PaymentIntentId, PaymentIntentSetupFutureUsage};

use super::{CHARGE_LINE, currency_of, notes};
use crate::domain::operation::{Ask, Operation};
use crate::domain::payment::{CaptureMethod, MandateAcceptance, Shipping, Terms, Usage};
use crate::provider::Call;

/// What the customer's browser made for this one payment, and not a method that can be used again.
fn is_of_this_session(method: &str) -> bool {
    method.starts_with("ctoken_")
}

/// A new payment intent, confirmed at once where a method is named.
pub(super) fn create(call: Call<'_>, amount: i64) -> CreatePaymentIntent {
    let Call { payment, operation } = call;
    let mut create = CreatePaymentIntent::new(amount, currency_of(payment))
        .capture_method(match payment.capture_method {
            CaptureMethod::Automatic => PaymentIntentCaptureMethod::AutomaticAsync,
            CaptureMethod::Manual => PaymentIntentCaptureMethod::Manual,
        })
        .metadata(notes(call))
        .expand([CHARGE_LINE.to_owned()]);
    create = with_methods(create, &operation.ask);
    if payment.capture_method == CaptureMethod::Manual && takes_cards(&operation.ask) {
        create = create.payment_method_options(in_several_parts());
    }
    if let Some(description) = &payment.description {
        create = create.description(description);
    }
    if let Some(customer) = &payment.customer_reference {
        create = create.customer(customer);
    }
    let create = with_terms(create, &payment.terms);
    match &operation.ask.payment_method {
        Some(method) => confirmed(create, operation, method),
        None => create,
    }
}

/// The kinds of methods that are named: an element that a browser shows before there is an intent must name the same. Else those that
/// are switched on at Stripe.
fn with_methods(create: CreatePaymentIntent, ask: &Ask) -> CreatePaymentIntent {
    if !ask.payment_method_types.is_empty() {
        let kinds = ask.payment_method_types.iter().map(|word| {
            let Ok(kind) = word.parse();
            kind
        });
        return create.allowed_payment_method_types(kinds.collect::<Vec<_>>());
    }
    let mut methods = CreatePaymentIntentAutomaticPaymentMethods::new(true);
    if ask.return_url.is_none() {
        methods.allow_redirects = Some(AllowRedirects::Never);
    }
    create.automatic_payment_methods(methods)
}

fn takes_cards(ask: &Ask) -> bool {
    ask.payment_method_types.is_empty() || ask.payment_method_types.iter().any(|word| word == "card")
}

/// Where the card allows it, what is held may be taken in several parts.
fn in_several_parts() -> CreatePaymentIntentPaymentMethodOptions {
    let mut card = CreatePaymentIntentPaymentMethodOptionsCard::new();
    card.request_multicapture = Some(RequestMulticapture::IfAvailable);
    let mut options = CreatePaymentIntentPaymentMethodOptions::new();
    options.card = Some(card);
    options
}

fn with_terms(mut create: CreatePaymentIntent, terms: &Terms) -> CreatePaymentIntent {
    if let Some(usage) = terms.setup_future_usage {
        create = create.setup_future_usage(match usage {
            Usage::OnSession => PaymentIntentSetupFutureUsage::OnSession,
            Usage::OffSession => PaymentIntentSetupFutureUsage::OffSession,
        });
    }
    if let Some(text) = &terms.statement_descriptor {
        // Cards take no more than a suffix of the account's own descriptor, and other methods take it, too.
        create = create.statement_descriptor_suffix(text);
    }
    if let Some(email) = &terms.receipt_email {
        create = create.receipt_email(email);
    }
    match &terms.shipping {
        Some(to) => create.shipping(shipping(to)),
        None => create,
    }
}

fn shipping(to: &Shipping) -> CreatePaymentIntentShipping {
    let address = CreatePaymentIntentShippingAddress {
        city: to.address.city.clone(),
        country: to.address.country.clone(),
        line1: Some(to.address.line1.clone()),
        line2: to.address.line2.clone(),
        postal_code: to.address.postal_code.clone(),
        state: to.address.state.clone(),
    };
    let mut shipping = CreatePaymentIntentShipping::new(address, &to.name);
    shipping.phone.clone_from(&to.phone);
    shipping
}

fn confirmed(mut create: CreatePaymentIntent, operation: &Operation, method: &str) -> CreatePaymentIntent {
    create = create.confirm(true);
    create = if is_of_this_session(method) {
        create.confirmation_token(method)
    } else {
        create.payment_method(method)
    };
    if let Some(mandate) = &operation.ask.mandate {
        let mut acceptance = CreatePaymentIntentMandateDataCustomerAcceptance::new(
            CreatePaymentIntentMandateDataCustomerAcceptanceType::Online,
        );
        acceptance.accepted_at = Some(mandate.accepted_at.unix_timestamp());
        acceptance.online = Some(online(mandate));
        create = create.mandate_data(CreatePaymentIntentMandateData::new(acceptance));
    }
    if operation.ask.off_session {
        // Nobody is there to prove who they are: Stripe then declines where proof is needed, rather than waiting.
        create = create.off_session(CreatePaymentIntentOffSession::Bool(true));
    }
    match &operation.ask.return_url {
        Some(url) => create.return_url(url),
        None => create,
    }
}

/// A method tried on a payment intent that is there.
pub(super) fn confirm(intent: PaymentIntentId, operation: &Operation) -> ConfirmPaymentIntent {
    let mut confirm = ConfirmPaymentIntent::new(intent).expand([CHARGE_LINE.to_owned()]);
    if let Some(method) = &operation.ask.payment_method {
        confirm = if is_of_this_session(method) {
            confirm.confirmation_token(method)
        } else {
            confirm.payment_method(method)
        };
    }
    if let Some(mandate) = &operation.ask.mandate {
        let mut acceptance = ConfirmPaymentIntentSecretKeyParamCustomerAcceptance::new(
            ConfirmPaymentIntentSecretKeyParamCustomerAcceptanceType::Online,
        );
        acceptance.accepted_at = Some(mandate.accepted_at.unix_timestamp());
        acceptance.online = Some(online(mandate));
        let param = ConfirmPaymentIntentSecretKeyParam::new(acceptance);
        confirm = confirm.mandate_data(ConfirmPaymentIntentMandateData::SecretKeyParam(param));
    }
    if operation.ask.off_session {
        confirm = confirm.off_session(ConfirmPaymentIntentOffSession::Bool(true));
    }
    match &operation.ask.return_url {
        Some(url) => confirm.return_url(url),
        None => confirm,
    }
}

fn online(mandate: &MandateAcceptance) -> OnlineParam {
    OnlineParam::new(mandate.ip_address.to_string(), &mandate.user_agent)
}
