//! Every object we answer, beside Stripe's own example of it: field by field, type by type.
//!
//! The examples are not part of this repository. Where they are not at hand, the check is skipped and says so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::checkout::{SESSIONS, selling};
use super::official::skipped;
use super::sepa::{self, AGREED};
use super::setups::SETUPS;
use super::support::{Desk, Listener, SOON};

/// Stripe's reference marks these as nullable, though its example has a value.
const NULLABLE: &[&str] = &[
    "balance_transaction.description",
    "charge.balance_transaction",
    "charge.billing_details.name",
    "charge.description",
    "charge.payment_method_details.card.installments",
    "charge.payment_method_details.card.three_d_secure",
    "charge.payment_method_details.card.wallet",
    "charge.receipt_url",
    "charge.shipping",
    "charge.source",
    "charge.transfer_data",
    "checkout.session.after_expiration",
    "checkout.session.automatic_tax.liability",
    "checkout.session.cancel_url",
    "checkout.session.collected_information",
    "checkout.session.consent",
    "checkout.session.consent_collection",
    "checkout.session.currency_conversion",
    "checkout.session.custom_text.after_submit",
    "checkout.session.custom_text.shipping_address",
    "checkout.session.custom_text.submit",
    "checkout.session.custom_text.terms_of_service_acceptance",
    "checkout.session.customer_details",
    "checkout.session.invoice_creation",
    "checkout.session.payment_intent",
    "checkout.session.payment_method_configuration_details",
    "checkout.session.permissions",
    "checkout.session.saved_payment_method_options",
    "checkout.session.shipping_address_collection",
    "checkout.session.shipping_cost",
    "checkout.session.total_details",
    "checkout.session.url",
    "checkout.session.wallet_options",
    "confirmation_token.mandate_data",
    "confirmation_token.payment_method_options",
    "confirmation_token.payment_method_preview.billing_details.address.city",
    "confirmation_token.payment_method_preview.billing_details.address.country",
    "confirmation_token.payment_method_preview.billing_details.address.line1",
    "confirmation_token.payment_method_preview.billing_details.address.postal_code",
    "confirmation_token.payment_method_preview.billing_details.address.state",
    "confirmation_token.payment_method_preview.billing_details.name",
    "confirmation_token.setup_future_usage",
    "confirmation_token.shipping.address.country",
    "confirmation_token.shipping.address.line1",
    "confirmation_token.shipping.address.postal_code",
    "confirmation_token.shipping.address.state",
    "customer.address",
    "customer.currency",
    "customer.discount",
    "customer.invoice_settings.rendering_options",
    "customer.shipping",
    "payment_intent.automatic_payment_methods",
    "payment_intent.canceled_at",
    "payment_intent.last_payment_error",
    "payment_intent.next_action",
    "payment_intent.payment_method_configuration_details",
    "payment_intent.processing",
    "payment_intent.shipping",
    "payment_intent.transfer_data",
    "payment_method.billing_details.address.city",
    "payment_method.billing_details.address.country",
    "payment_method.billing_details.address.line1",
    "payment_method.billing_details.address.postal_code",
    "payment_method.billing_details.address.state",
    "payment_method.billing_details.email",
    "payment_method.billing_details.phone",
    "payment_method.card.generated_from",
    "payment_method.card.wallet",
    "setup_intent.automatic_payment_methods",
    "setup_intent.last_setup_error",
    "setup_intent.next_action",
    "setup_intent.payment_method_configuration_details",
];

/// Where an answer may have more or less than the example, and why.
const VARIANCE: &[(&str, &str)] = &[
    (
        "charge.refunds",
        "included only when expanded, since API version 2022-11-15",
    ),
    (
        "charge.payment_method_details.sepa_debit",
        "the example is of a card; the reference names what is inside",
    ),
    ("event.data.object", "the example tells of a plan"),
    (
        "mandate.customer_acceptance.offline",
        "present in place of `online`, as the reference says",
    ),
    ("mandate.single_use", "present in mandates for one payment only"),
    (
        "event.data.previous_attributes",
        "present in updates only, as the reference says",
    ),
    (
        "payment_intent.automatic_payment_methods.allow_redirects",
        "optional in the reference",
    ),
    (
        "payment_intent.last_payment_error",
        "the example has only the one required field",
    ),
    (
        "payment_intent.next_action",
        "the example has only the one required field",
    ),
    ("payment_intent.latest_charge", "expanded, compared by itself"),
    (
        "payment_intent.payment_method_options.card",
        "the example is empty; the reference names what is inside",
    ),
    ("charge.shipping", "as on the payment intent"),
    (
        "payment_intent.shipping",
        "the example is empty; the reference names what is inside",
    ),
    (
        "payment_method.sepa_debit",
        "the example is of a card; the reference names what is inside",
    ),
    (
        "refund.failure_reason",
        "present in failed refunds only, as the reference says",
    ),
    (
        "refund.failure_balance_transaction",
        "present in failed refunds only, as the reference says",
    ),
    (
        "refund.pending_reason",
        "present in pending refunds only, as the reference says",
    ),
    (
        "setup_intent.automatic_payment_methods.allow_redirects",
        "optional in the reference",
    ),
    (
        "setup_intent.last_setup_error",
        "the example has only the one required field",
    ),
    (
        "setup_intent.next_action",
        "the example has only the one required field",
    ),
];

/// What only an object has whose `type` says the same.
const BY_TYPE: &[&str] = &[
    "charge.payment_method_details.card",
    "mandate.customer_acceptance.online",
    "mandate.multi_use",
    "payment_method.card",
];

/// What the reference knows of an error.
const ERROR_FIELDS: [&str; 14] = [
    "advice_code",
    "charge",
    "code",
    "decline_code",
    "doc_url",
    "message",
    "network_advice_code",
    "network_decline_code",
    "param",
    "payment_intent",
    "payment_method",
    "request_log_url",
    "setup_intent",
    "type",
];

#[tokio::test]
async fn every_object_has_the_fields_and_types_of_stripes_example() {
    let Some(examples) = examples() else { return };
    let mut differences = BTreeSet::new();
    for object in answers().await {
        let kind = object["object"].as_str().unwrap();
        let kind = if object["deleted"] == true {
            "deleted_customer"
        } else {
            kind
        };
        compare(kind, &examples[kind], &object, &mut differences);
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[tokio::test]
async fn errors_and_lists_have_the_fields_that_the_reference_names() {
    let desk = Desk::open().await;
    let errors = [
        desk.post("/v1/payment_intents", "currency=eur").await,
        desk.pay("chargeDeclinedInsufficientFunds", "").await,
        desk.get("/v1/charges/ch_nothing").await,
        desk.post(
            SETUPS,
            "payment_method=pm_card_chargeDeclined&payment_method_types[]=card&confirm=true",
        )
        .await,
        desk.post(SESSIONS, "mode=payment").await,
    ];
    for answered in errors {
        let error = answered.body["error"].as_object().unwrap();
        for (name, value) in error {
            assert!(ERROR_FIELDS.contains(&name.as_str()), "{name}");
            let object = matches!(
                name.as_str(),
                "payment_intent" | "payment_method" | "setup_intent"
            );
            assert!(
                if object {
                    value.is_object()
                } else {
                    value.is_string()
                },
                "{name}"
            );
        }
        assert!(error.contains_key("message") && error.contains_key("request_log_url"));
    }
    for path in [
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "balance_transactions",
        "events",
        "customers",
        "payment_methods",
        "setup_intents",
        "checkout/sessions",
    ] {
        let list = desk.get(&format!("/v1/{path}")).await.body;
        let names: Vec<_> = list.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["data", "has_more", "object", "url"]);
        assert_eq!(list["url"], format!("/v1/{path}"));
    }
}

/// Stripe's example objects by name.
fn examples() -> Option<Value> {
    let mut around = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(text) = around.find_map(|place| std::fs::read(place.join("shared/stripe/fixtures3.json")).ok())
    else {
        skipped("comparing with Stripe's example objects: fixtures3.json is not at hand");
        return None;
    };
    Some(serde_json::from_slice::<Value>(&text).unwrap()["resources"].take())
}

const SHIPPING: &str = "shipping[name]=Ada&shipping[address][city]=Graz";

/// Objects of every kind in every state that we know.
async fn answers() -> Vec<Value> {
    let listener = Listener::start().await;
    let desk = Desk::open().await;
    desk.stripe.add_endpoint(listener.endpoint());
    let customer = desk.post("/v1/customers", "name=Ada&metadata[a]=b").await;
    let token = "type=card&card[token]=tok_mastercard";
    let method = desk.post("/v1/payment_methods", token).await;
    desk.post(
        "/v1/payment_intents",
        &format!("amount=100&currency=eur&{SHIPPING}"),
    )
    .await;
    desk.pay(
        "visa",
        &format!("customer={}&setup_future_usage=off_session", customer.id()),
    )
    .await;
    desk.pay("threeDSecureRequired", "return_url=https://shop.example")
        .await;
    let challenged = desk
        .pay("authenticationRequired", "return_url=https://shop.example")
        .await;
    desk.stripe
        .customer()
        .authenticate(challenged.id(), true)
        .await
        .unwrap();
    desk.pay("chargeDeclinedLostCard", "").await;
    desk.pay("chargeDeclined", "").await;
    hold_and_dispute(&desk).await;
    let mut answers = save_and_check_out(&desk, customer.id()).await;
    for card in ["visa", "pendingRefund", "refundFail"] {
        let paid = desk.pay(card, "").await;
        let refund = format!("payment_intent={}&reason=duplicate&metadata[a]=b", paid.id());
        answers.push(desk.post("/v1/refunds", &refund).await.body);
        let expanded = format!(
            "/v1/charges/{}?expand[]=refunds",
            paid.body["latest_charge"].as_str().unwrap()
        );
        answers.push(desk.get(&expanded).await.body);
    }
    answers.push(confirmation_token(&desk).await);
    desk.stripe.settle();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    answers.extend([customer.body, method.body, desk.get("/v1/balance").await.body]);
    answers.extend(desk.stripe.payment_intents());
    answers.extend(desk.stripe.charges());
    answers.extend(desk.stripe.refunds());
    answers.extend(desk.stripe.setup_intents());
    answers.extend(desk.stripe.checkout_sessions());
    answers.extend(desk.stripe.disputes());
    answers.extend(desk.stripe.balance_transactions());
    answers.extend(desk.stripe.events());
    answers.extend(listener.events());
    let inside: Vec<_> = listener
        .events()
        .iter()
        .map(|event| event["data"]["object"].clone())
        .collect();
    answers.extend(inside);
    answers
}

/// Methods, mandates, setup intents and sessions in every state; those that their lists know come from there.
async fn save_and_check_out(desk: &Desk, customer: &str) -> Vec<Value> {
    let shopper = desk.stripe.customer();
    let back = "return_url=https://shop.example&confirm=true";
    for setup in [
        String::new(),
        format!("customer={customer}&payment_method=pm_card_visa&{back}"),
        format!("payment_method=pm_card_chargeDeclined&{back}"),
        format!("payment_method=pm_card_authenticationRequired&{back}"),
        "payment_method=pm_card_authenticationRequired&payment_method_types[]=card&confirm=true".to_owned(),
        format!("customer={customer}&payment_method=pm_sepaDebit_success&{back}&{AGREED}"),
    ] {
        desk.post(SETUPS, &setup).await;
    }
    let offline =
        "mandate_data[customer_acceptance][type]=offline&payment_method_types[]=sepa_debit&confirm=true";
    let account = sepa::account(desk, "AT611904300234573201").await;
    let form = format!(
        "amount=100&currency=eur&payment_method={}&{offline}",
        account.id()
    );
    desk.post("/v1/payment_intents", &form).await;
    let mut answers = vec![account.body];
    for charge in desk.stripe.charges() {
        if let Some(mandate) = charge["payment_method_details"]["sepa_debit"]["mandate"].as_str() {
            answers.push(desk.get(&format!("/v1/mandates/{mandate}")).await.body);
        }
    }
    for setup in desk.stripe.setup_intents() {
        if let Some(mandate) = setup["mandate"].as_str() {
            answers.push(desk.get(&format!("/v1/mandates/{mandate}")).await.body);
        }
    }
    assert_eq!(answers.len(), 3);
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sepaDebit_success"] {
        let opened = desk.post(SESSIONS, &selling("metadata[a]=b")).await;
        shopper.check_out(opened.id(), method).await.unwrap();
        answers.push(opened.body);
    }
    let setup = desk
        .post(SESSIONS, "mode=setup&success_url=https://shop.example")
        .await;
    shopper.check_out(setup.id(), "pm_card_visa").await.unwrap();
    let left = desk.post(SESSIONS, &selling("")).await;
    desk.stripe.let_expire(left.id()).unwrap();
    let gone = desk.post("/v1/customers", "").await;
    answers.push(desk.delete(&format!("/v1/customers/{}", gone.id())).await.body);
    answers
}

/// Authorizations and disputes with every end.
async fn hold_and_dispute(desk: &Desk) {
    for (verb, form) in [("capture", "amount_to_capture=100"), ("cancel", "")] {
        let held = desk.pay("visa", "capture_method=manual").await;
        desk.post(&format!("/v1/payment_intents/{}/{verb}", held.id()), form)
            .await;
    }
    let several = "capture_method=manual&payment_method_options[card][request_multicapture]=if_available";
    let held = desk.pay("visa", several).await;
    let part = "amount_to_capture=100&final_capture=false";
    desk.post(&format!("/v1/payment_intents/{}/capture", held.id()), part)
        .await;
    desk.stripe.lapse(held.id()).unwrap();
    desk.pay(
        "createDisputeInquiry",
        &format!("{SHIPPING}&statement_descriptor_suffix=S1"),
    )
    .await;
    let disputed = desk.pay("visa", "").await;
    let dispute = desk.stripe.dispute(disputed.id(), "fraudulent").unwrap();
    let evidence = "evidence[receipt]=file_1&evidence[uncategorized_text]=winning_evidence";
    desk.post(&format!("/v1/disputes/{dispute}"), evidence).await;
}

async fn confirmation_token(desk: &Desk) -> Value {
    let token = format!("payment_method=pm_usBankAccount_success&return_url=https://shop.example&{SHIPPING}");
    desk.post("/v1/test_helpers/confirmation_tokens", &token)
        .await
        .body
}

fn compare(path: &str, example: &Value, ours: &Value, differences: &mut BTreeSet<String>) {
    if VARIANCE.iter().any(|(name, _)| *name == path) || path.ends_with(".metadata") {
        return;
    }
    match (example, ours) {
        (Value::Null, _) => {}
        (_, Value::Null) => {
            if !NULLABLE.contains(&path) {
                differences.insert(format!("{path} is null, and may not be"));
            }
        }
        (Value::Object(example), Value::Object(ours)) => {
            let names: BTreeSet<_> = example.keys().chain(ours.keys()).collect();
            for name in names {
                let inner = format!("{path}.{name}");
                let other_type = BY_TYPE.contains(&inner.as_str()) && ours["type"] != name.as_str();
                let excused = other_type || VARIANCE.iter().any(|(name, _)| *name == inner);
                match (example.get(name), ours.get(name)) {
                    (Some(example), Some(ours)) => compare(&inner, example, ours, differences),
                    _ if excused => {}
                    (Some(_), None) => drop(differences.insert(format!("{inner} is missing"))),
                    (None, _) => drop(differences.insert(format!("{inner} is not Stripe's"))),
                }
            }
        }
        (Value::Array(examples), Value::Array(ours)) => {
            for (example, ours) in examples.iter().cycle().zip(ours) {
                compare(&format!("{path}[]"), example, ours, differences);
            }
        }
        (example, ours) => {
            if std::mem::discriminant(example) != std::mem::discriminant(ours) {
                differences.insert(format!("{path} has another type: {ours}"));
            }
        }
    }
}
