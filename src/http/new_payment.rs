//! What is asked for when a payment is created, and how it is checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::check::{
    check_descriptor, check_email, check_method_types, check_text, check_token, check_url, parse_id,
    parse_time,
};
use crate::app::payments::NewPayment;
use crate::domain::checkout::Page;
use crate::domain::money::{Amount, Currency};
use crate::domain::operation::Ask;
use crate::domain::payment::{CaptureMethod, MandateAcceptance, Reference, Shipping, Terms, Usage};
use crate::domain::posting::Settles;

/// What to ask a customer for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// `acc_…`; may be left out where the merchant has one account of the key's mode.
    provider_account: Option<String>,
    /// `odo_…`; may be left out where the merchant has one instance, or none.
    odoo_instance: Option<String>,
    /// Odoo's own reference of the transaction: 1 to 255 characters. One living payment has it at a time; an unpaid one of
    /// another amount is canceled first.
    reference: String,
    /// Whole minor units: 12100 is EUR 121.00.
    amount_minor: i64,
    /// ISO 4217, such as `EUR`.
    currency: String,
    /// `cus_…`, where it is known who pays.
    customer: Option<String>,
    /// When the money is taken; `automatic` by default.
    #[serde(default)]
    capture_method: CaptureMethod,
    /// A payment method to confirm with at once: a saved one (`pmt_…`), or what the provider's script in the browser made
    /// (`pm_…`, `ctoken_…`).
    payment_method: Option<String>,
    /// Where the customer returns to after 3-D Secure: an absolute http or https URL.
    return_url: Option<String>,
    /// Whether the customer is absent; by default where a method comes without a `return_url`.
    off_session: Option<bool>,
    /// When and from where the customer agreed to be debited, for direct debits.
    mandate: Option<MandateAcceptance>,
    /// Which kinds of methods the customer may pay with, such as `card` and `sepa_debit`; the provider's settings decide by default.
    #[serde(default)]
    payment_method_types: Vec<String>,
    /// Whether the payment method is saved for later; needs a `customer`.
    setup_future_usage: Option<Usage>,
    /// What the customer's bank statement says after the merchant's name: up to 22 Latin characters.
    statement_descriptor: Option<String>,
    /// Where the provider sends a receipt.
    receipt_email: Option<String>,
    /// Where goods go.
    shipping: Option<Shipping>,
    /// Until when the customer may pay, RFC 3339; an unpaid payment is canceled then.
    expires_at: Option<String>,
    /// For people; no card numbers.
    description: Option<String>,
    /// Your own notes: up to 40 keys of 40 characters with values of 500; no card numbers.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// The documents of Odoo that it settles. Other open payments of them are canceled first.
    #[serde(default)]
    settles: Vec<SettlesBody>,
    /// Ask although another payment of a document holds, has or may get the customer's money.
    #[serde(default)]
    allow_double: bool,
}

/// A document of Odoo that a payment settles.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettlesBody {
    /// Odoo's model, such as `account.move`.
    model: String,
    /// The record's id.
    id: i64,
    /// The part of the payment meant for it, in minor units.
    amount_minor: i64,
}

impl From<&Settles> for SettlesBody {
    fn from(settles: &Settles) -> Self {
        Self {
            model: settles.model.clone(),
            id: settles.id,
            amount_minor: settles.amount_minor,
        }
    }
}

/// A page of the provider's on which a customer is asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckoutBody {
    /// What is asked for. The customer chooses how to pay on the page, so it names no payment method, `return_url`,
    /// `off_session` or `mandate`.
    payment: CreateBody,
    /// Where the customer returns to after paying; `{CHECKOUT_SESSION_ID}` in it is replaced by the provider's id.
    success_url: String,
    /// Where the customer returns to without paying.
    cancel_url: Option<String>,
    /// Until when the page is open, RFC 3339: 30 minutes to 24 hours from now.
    expires_at: Option<String>,
}

impl CheckoutBody {
    /// Takes the body for a payment to ask for on a page, or names the first field that cannot be right.
    pub(super) fn parse(self) -> Result<NewPayment, Problem> {
        let payment = &self.payment;
        let misplaced = [
            ("payment.payment_method", payment.payment_method.is_some()),
            ("payment.return_url", payment.return_url.is_some()),
            ("payment.off_session", payment.off_session.is_some()),
            ("payment.mandate", payment.mandate.is_some()),
        ];
        if let Some((field, _)) = misplaced.iter().find(|(_, given)| *given) {
            let message = "must not be given: the customer chooses on the page";
            return Err(Problem::invalid(*field, "not_on_page", message));
        }
        check_url("success_url", &self.success_url)?;
        if let Some(url) = &self.cancel_url {
            check_url("cancel_url", url)?;
        }
        let page = Page {
            success_url: self.success_url,
            cancel_url: self.cancel_url,
            expires_at: parse_time("expires_at", self.expires_at.as_deref())?,
        };
        let mut new = self
            .payment
            .parse()
            .map_err(|problem| problem.within("payment"))?;
        new.ask.page = Some(page);
        Ok(new)
    }
}

/// Takes how a customer is to be charged from our side, or names the field that cannot be right.
pub(super) fn parse_ask(
    payment_method: Option<String>,
    return_url: Option<String>,
    off_session: Option<bool>,
    mandate: Option<MandateAcceptance>,
) -> Result<Ask, Problem> {
    if let Some(method) = &payment_method {
        check_token("payment_method", method)?;
    }
    if let Some(url) = &return_url {
        check_url("return_url", url)?;
    }
    if let Some(mandate) = &mandate {
        check_text("mandate.user_agent", &mandate.user_agent, 1_000)?;
    }
    if payment_method.is_none() {
        for (field, given) in [
            ("off_session", off_session.is_some()),
            ("mandate", mandate.is_some()),
        ] {
            if given {
                return Err(Problem::invalid(
                    field,
                    "needs_payment_method",
                    "needs a payment_method",
                ));
            }
        }
    }
    let saved = payment_method
        .as_deref()
        .is_some_and(|method| !method.starts_with("ctoken_"));
    Ok(Ask {
        off_session: off_session.unwrap_or(saved && return_url.is_none()),
        payment_method,
        return_url,
        mandate,
        ..Ask::default()
    })
}

impl CreateBody {
    /// Takes the body for a payment to ask for, or names the first field that cannot be right.
    pub(super) fn parse(self) -> Result<NewPayment, Problem> {
        let currency: Currency = self
            .currency
            .parse()
            .map_err(|error| Problem::invalid("currency", "unknown_currency", error))?;
        let amount = Amount::parse(self.amount_minor, currency)
            .map_err(|error| Problem::invalid("amount_minor", "invalid_amount", error))?;
        let reference = Reference::parse(self.reference)
            .map_err(|error| Problem::invalid("reference", "invalid_reference", error))?;
        if let Some(description) = &self.description {
            check_text("description", description, 1_000)?;
        }
        check_metadata(&self.metadata)?;
        check_method_types(&self.payment_method_types)?;
        let ask = Ask {
            payment_method_types: self.payment_method_types,
            ..parse_ask(
                self.payment_method,
                self.return_url,
                self.off_session,
                self.mandate,
            )?
        };
        if ask.off_session && self.setup_future_usage.is_some() {
            let message = "cannot be given for a customer who is absent: the method is saved already";
            return Err(Problem::invalid("setup_future_usage", "off_session", message));
        }
        Ok(NewPayment {
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            odoo_instance: parse_id("odoo_instance", self.odoo_instance.as_deref())?,
            reference,
            amount,
            customer: parse_id("customer", self.customer.as_deref())?,
            capture_method: self.capture_method,
            terms: parse_terms(
                self.setup_future_usage,
                self.statement_descriptor,
                self.receipt_email,
                self.shipping,
            )?,
            ask,
            expires_at: parse_time("expires_at", self.expires_at.as_deref())?,
            allow_double: self.allow_double,
            description: self.description,
            metadata: self.metadata,
            settles: parse_settles(&self.settles, amount.minor())?,
        })
    }
}

fn parse_terms(
    setup_future_usage: Option<Usage>,
    statement_descriptor: Option<String>,
    receipt_email: Option<String>,
    shipping: Option<Shipping>,
) -> Result<Terms, Problem> {
    if let Some(text) = &statement_descriptor {
        check_descriptor("statement_descriptor", text)?;
    }
    if let Some(email) = &receipt_email {
        check_email("receipt_email", email)?;
    }
    if let Some(shipping) = &shipping {
        check_shipping(shipping)?;
    }
    Ok(Terms {
        setup_future_usage,
        statement_descriptor,
        receipt_email,
        shipping,
    })
}

fn check_shipping(shipping: &Shipping) -> Result<(), Problem> {
    let address = &shipping.address;
    check_text("shipping.name", &shipping.name, 255)?;
    check_text("shipping.address.line1", &address.line1, 500)?;
    let others = [
        ("shipping.phone", &shipping.phone),
        ("shipping.address.line2", &address.line2),
        ("shipping.address.city", &address.city),
        ("shipping.address.postal_code", &address.postal_code),
        ("shipping.address.state", &address.state),
    ];
    for (field, text) in others {
        if let Some(text) = text {
            check_text(field, text, 500)?;
        }
    }
    match &address.country {
        Some(country) if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            let message = "must be a country of ISO 3166-1, such as DE";
            Err(Problem::invalid(
                "shipping.address.country",
                "invalid_country",
                message,
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// The documents, which take `most_minor` at most.
pub(super) fn parse_settles(settles: &[SettlesBody], most_minor: i64) -> Result<Vec<Settles>, Problem> {
    if settles.len() > 100 {
        return Err(Problem::invalid(
            "settles",
            "too_many",
            "may name 100 documents at most",
        ));
    }
    let mut rest = most_minor;
    settles
        .iter()
        .enumerate()
        .map(|(index, document)| {
            check_model(&format!("settles[{index}].model"), &document.model)?;
            if document.id < 1 {
                return Err(Problem::invalid(
                    format!("settles[{index}].id"),
                    "invalid_id",
                    "must be at least 1",
                ));
            }
            let field = format!("settles[{index}].amount_minor");
            if document.amount_minor < 1 || document.amount_minor > rest {
                let message = format!("must be from 1 to what is left of the payment, {rest}");
                return Err(Problem::invalid(field, "invalid_amount", message));
            }
            rest -= document.amount_minor;
            Ok(Settles {
                model: document.model.clone(),
                id: document.id,
                amount_minor: document.amount_minor,
            })
        })
        .collect()
}

/// A document at the command line: `account.move:17:12100`, with the same checks.
///
/// # Errors
/// What is wrong with it.
pub fn parse_document(text: &str) -> Result<Settles, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let parsed = match parts.as_slice() {
        [model, id, amount_minor] => {
            id.parse()
                .ok()
                .zip(amount_minor.parse().ok())
                .map(|(id, amount_minor)| SettlesBody {
                    model: (*model).to_owned(),
                    id,
                    amount_minor,
                })
        }
        _ => None,
    };
    let body = parsed.ok_or("must be a model, an id and minor units, such as account.move:17:12100")?;
    let mut settles = parse_settles(&[body], Amount::MAX_MINOR).map_err(|problem| problem.to_string())?;
    settles.pop().ok_or_else(String::new)
}

fn check_model(field: &str, model: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&model.len())
        && model
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_model",
            "must be a model of Odoo, such as account.move",
        ))
    }
}

pub(super) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    if metadata.len() > 40 {
        return Err(Problem::invalid(
            "metadata",
            "too_many",
            "may have 40 keys at most",
        ));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.starts_with("quittance_") || key.contains(['[', ']']) {
            let message = "keys must not be empty, start with quittance_ or hold brackets";
            return Err(Problem::invalid("metadata", "invalid_key", message));
        }
        check_text("metadata", key, 40)?;
        check_text(&format!("metadata.{key}"), value, 500)?;
    }
    Ok(())
}
