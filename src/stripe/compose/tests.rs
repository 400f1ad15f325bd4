//! The forms that go out.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use time::OffsetDateTime;
use url::form_urlencoded;

use super::*;
use crate::domain::checkout::Page;
use crate::domain::ids::{MerchantId, OperationId, ProviderAccountId};
use crate::domain::money::Amount;
use crate::domain::operation::{Ask, Operation, OperationKind, Reason};
use crate::domain::payment::{
    Address, CaptureMethod, MandateAcceptance, Payment, Reference, Shipping, Terms, Usage,
};

fn payment(minor: i64, currency: &str) -> Payment {
    let amount = Amount::parse(minor, currency.parse().unwrap()).unwrap();
    let reference = Reference::parse("S00042").unwrap();
    let (merchant, account) = (MerchantId::generate(), ProviderAccountId::generate());
    Payment {
        provider_reference: Some("pi_1".to_owned()),
        description: Some("Invoice 42 & more".to_owned()),
        metadata: BTreeMap::from([
            ("ticket".to_owned(), "7".to_owned()),
            (OPERATION.to_owned(), "mine".to_owned()),
        ]),
        ..Payment::new(merchant, account, reference, amount, OffsetDateTime::UNIX_EPOCH)
    }
}

fn operation(payment: &Payment, kind: OperationKind, amount_minor: i64) -> Operation {
    let (id, ask) = (OperationId::generate(), Ask::default());
    Operation::new(id, payment, kind, amount_minor, ask, OffsetDateTime::UNIX_EPOCH)
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
    operation.ask.payment_method = Some("pm_1".to_owned());
    operation.ask.off_session = true;
    let (_, absent) = form(&payment, &operation);
    assert_eq!(absent["confirm"], "true");
    assert_eq!(absent["payment_method"], "pm_1");
    assert_eq!(absent["off_session"], "true");
    assert_eq!(absent["capture_method"], "manual");

    operation.ask.off_session = false;
    operation.ask.return_url = Some("https://shop.example/back?a=1".to_owned());
    let (_, present) = form(&payment, &operation);
    assert_eq!(present["return_url"], "https://shop.example/back?a=1");
    assert!(!present.contains_key("off_session"));
    assert!(!present.contains_key("automatic_payment_methods[allow_redirects]"));

    operation.ask.payment_method = Some("ctoken_1".to_owned());
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

    let mut in_part = capture.clone();
    in_part.ask.is_final = false;
    assert_eq!(form(&payment, &in_part).1["final_capture"], "false");

    let mut cancel = operation(&payment, OperationKind::Cancel, 12_100);
    let (path, nothing) = form(&payment, &cancel);
    assert_eq!(
        (path.as_str(), nothing.len()),
        ("/payment_intents/pi_1/cancel", 1)
    );
    cancel.ask.reason = Some(Reason::Abandoned);
    assert_eq!(form(&payment, &cancel).1["cancellation_reason"], "abandoned");
    cancel.ask.checkout_reference = Some("cs_1".to_owned());
    assert_eq!(form(&payment, &cancel).0, "/checkout/sessions/cs_1/expire");

    let mut refund = operation(&payment, OperationKind::Refund, 21);
    refund.ask.reason = Some(Reason::RequestedByCustomer);
    let (path, form_of_refund) = form(&payment, &refund);
    assert_eq!(path, "/refunds");
    let wanted = expected([
        ("payment_intent", "pi_1"),
        ("amount", "21"),
        ("reason", "requested_by_customer"),
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

/// What a payment with everything tells the customer and their bank.
const TOLD: [(&str, &str); 6] = [
    ("setup_future_usage", "off_session"),
    ("statement_descriptor_suffix", "ORDER 42"),
    ("receipt_email", "ada@example.com"),
    ("shipping[name]", "Ada"),
    ("shipping[address][line1]", "1 Way"),
    ("shipping[address][country]", "DE"),
];

fn with_everything() -> Payment {
    let shipping = Shipping {
        name: "Ada".to_owned(),
        phone: None,
        address: Address {
            line1: "1 Way".to_owned(),
            country: Some("DE".to_owned()),
            ..Address::default()
        },
    };
    Payment {
        capture_method: CaptureMethod::Manual,
        customer_reference: Some("cus_1".to_owned()),
        terms: Terms {
            setup_future_usage: Some(Usage::OffSession),
            statement_descriptor: Some("ORDER 42".to_owned()),
            receipt_email: Some("ada@example.com".to_owned()),
            shipping: Some(shipping),
        },
        ..payment(12_100, "EUR")
    }
}

#[test]
fn what_the_customer_and_the_bank_are_told_goes_with_the_payment() {
    let payment = with_everything();
    let operation = operation(&payment, OperationKind::Authorize, 12_100);
    let (_, sent) = form(&payment, &operation);
    for (name, value) in TOLD {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_eq!(sent["customer"], "cus_1");
    assert_eq!(
        sent["payment_method_options[card][request_multicapture]"],
        "if_available"
    );
}

#[test]
fn a_page_asks_for_the_whole_amount_and_tells_the_same() {
    let payment = with_everything();
    let mut operation = operation(&payment, OperationKind::Checkout, 12_100);
    operation.ask.page = Some(Page {
        success_url: "https://shop.example/thanks".to_owned(),
        cancel_url: Some("https://shop.example/cart".to_owned()),
        expires_at: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1)),
    });
    let (path, page) = form(&payment, &operation);
    assert_eq!(path, "/checkout/sessions");
    for (name, value) in TOLD {
        let (first, rest) = name
            .split_once('[')
            .map_or((name, String::new()), |(first, rest)| (first, format!("[{rest}")));
        assert_eq!(
            page[&format!("payment_intent_data[{first}]{rest}")],
            value,
            "{name}"
        );
    }
    for (name, value) in [
        ("mode", "payment"),
        ("customer", "cus_1"),
        ("success_url", "https://shop.example/thanks"),
        ("cancel_url", "https://shop.example/cart"),
        ("expires_at", "3600"),
        ("line_items[0][price_data][unit_amount]", "12100"),
        ("line_items[0][price_data][currency]", "eur"),
        (
            "line_items[0][price_data][product_data][name]",
            "Invoice 42 & more",
        ),
        ("line_items[0][quantity]", "1"),
        ("payment_intent_data[capture_method]", "manual"),
    ] {
        assert_eq!(page[name], value, "{name}");
    }
    for place in ["metadata", "payment_intent_data[metadata]"] {
        assert_eq!(
            page[&format!("{place}[quittance_payment]")],
            payment.id.to_string()
        );
        assert_eq!(
            page[&format!("{place}[quittance_operation]")],
            operation.id.to_string()
        );
    }
}

#[test]
fn confirming_tries_a_method_on_the_intent_that_is_there() {
    let payment = payment(12_100, "EUR");
    let mut operation = operation(&payment, OperationKind::Confirm, 12_100);
    operation.ask.payment_method = Some("pm_1".to_owned());
    operation.ask.return_url = Some("https://shop.example/back".to_owned());
    operation.ask.mandate = Some(MandateAcceptance {
        accepted_at: OffsetDateTime::UNIX_EPOCH,
        ip_address: "192.0.2.1".parse().unwrap(),
        user_agent: "Firefox".to_owned(),
    });
    let (path, sent) = form(&payment, &operation);
    assert_eq!(path, "/payment_intents/pi_1/confirm");
    let wanted = expected([
        ("payment_method", "pm_1"),
        ("return_url", "https://shop.example/back"),
        ("mandate_data[customer_acceptance][type]", "online"),
        ("mandate_data[customer_acceptance][accepted_at]", "0"),
        (
            "mandate_data[customer_acceptance][online][ip_address]",
            "192.0.2.1",
        ),
        ("mandate_data[customer_acceptance][online][user_agent]", "Firefox"),
        ("expand[0]", "latest_charge.balance_transaction"),
    ]);
    assert_eq!(sent, wanted);
}
