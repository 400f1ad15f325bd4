//! Checkout sessions: Stripe's own pages.

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentIntentDataCaptureMethod as PageCaptureMethod,
    CreateCheckoutSessionPaymentIntentDataSetupFutureUsage as PageUsage,
    CreateCheckoutSessionPaymentIntentDataShipping, CreateCheckoutSessionPaymentIntentDataShippingAddress,
    ProductData,
};
use stripe_shared::CheckoutSessionMode;

use super::{currency_of, invalid, notes, ours};
use crate::domain::payment::{CaptureMethod, Payment, Shipping, Usage};
use crate::provider::{Call, ProviderError};

/// A page that asks for the payment's amount, in one line.
pub(super) fn create(call: Call<'_>, amount: i64) -> Result<CreateCheckoutSession, ProviderError> {
    let Call { payment, operation } = call;
    let page = operation.ask.page.as_ref().ok_or_else(|| {
        invalid(
            "no_page",
            "the operation does not say where its page leads to",
            "page",
        )
    })?;
    let mut create = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .line_items([line(payment, amount)])
        .payment_intent_data(intent_data(call))
        .metadata(ours(call))
        .client_reference_id(payment.id.to_string())
        .success_url(&page.success_url);
    let kinds = &operation.ask.payment_method_types;
    if !kinds.is_empty() {
        let kinds = kinds.iter().map(|word| {
            let Ok(kind) = word.parse();
            kind
        });
        create = create.allowed_payment_method_types(kinds.collect::<Vec<_>>());
    }
    if let Some(url) = &page.cancel_url {
        create = create.cancel_url(url);
    }
    if let Some(at) = page.expires_at {
        create = create.expires_at(at.unix_timestamp());
    }
    Ok(
        match (&payment.customer_reference, &payment.terms.receipt_email) {
            (Some(customer), _) => create.customer(customer),
            (None, Some(email)) => create.customer_email(email),
            (None, None) => create,
        },
    )
}

fn line(payment: &Payment, amount: i64) -> CreateCheckoutSessionLineItems {
    let name = payment
        .description
        .as_deref()
        .unwrap_or(payment.reference.as_str());
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency_of(payment));
    price.product_data = Some(ProductData::new(name));
    price.unit_amount = Some(amount);
    let mut line = CreateCheckoutSessionLineItems::new();
    line.price_data = Some(price);
    line.quantity = Some(1);
    line
}

fn intent_data(call: Call<'_>) -> CreateCheckoutSessionPaymentIntentData {
    let payment = call.payment;
    let mut data = CreateCheckoutSessionPaymentIntentData::new();
    data.capture_method = Some(match payment.capture_method {
        CaptureMethod::Automatic => PageCaptureMethod::AutomaticAsync,
        CaptureMethod::Manual => PageCaptureMethod::Manual,
    });
    data.metadata = Some(notes(call));
    data.description.clone_from(&payment.description);
    data.receipt_email.clone_from(&payment.terms.receipt_email);
    data.statement_descriptor_suffix
        .clone_from(&payment.terms.statement_descriptor);
    data.setup_future_usage = payment.terms.setup_future_usage.map(|usage| match usage {
        Usage::OnSession => PageUsage::OnSession,
        Usage::OffSession => PageUsage::OffSession,
    });
    data.shipping = payment.terms.shipping.as_ref().map(shipping);
    data
}

fn shipping(to: &Shipping) -> CreateCheckoutSessionPaymentIntentDataShipping {
    let mut address = CreateCheckoutSessionPaymentIntentDataShippingAddress::new(&to.address.line1);
    address.line2.clone_from(&to.address.line2);
    address.city.clone_from(&to.address.city);
    address.postal_code.clone_from(&to.address.postal_code);
    address.state.clone_from(&to.address.state);
    address.country.clone_from(&to.address.country);
    let mut shipping = CreateCheckoutSessionPaymentIntentDataShipping::new(address, &to.name);
    shipping.phone.clone_from(&to.phone);
    shipping
}
