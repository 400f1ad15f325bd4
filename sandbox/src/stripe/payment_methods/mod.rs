//! Payment methods: cards and accounts that were saved, many of them made from a test name.

mod attach;
mod create;
mod details;

pub(crate) use attach::{attach, detach};
pub(crate) use create::{create, update};
pub(crate) use details::{fingerprint, iban_details, nobody};

use serde_json::{Value, json};

use super::cards::{Card, Rail};
use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata};
use super::lists::Page;
use super::state::{Row, State};

const REDISPLAY: [&str; 3] = ["always", "limited", "unspecified"];

/// A card or an account as it was saved.
#[derive(Clone, Debug)]
pub(crate) struct PaymentMethod {
    id: String,
    created: i64,
    pub(crate) card: Card,
    pub(crate) customer: Option<String>,
    /// Who pays, as the API shows it.
    pub(crate) billing: Value,
    allow_redisplay: &'static str,
    metadata: Metadata,
    /// Whether it may never be used again.
    spent: bool,
    /// Whether its holder agreed to later payments.
    pub(crate) set_up: bool,
}

impl Row for PaymentMethod {
    const KIND: &'static str = "PaymentMethod";
    const PARAM: &'static str = "payment_method";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let rail = self.card.rail.word();
        let mut view = json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": self.allow_redisplay,
            "billing_details": self.billing,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": rail,
        });
        view[rail] = details::of_method(self.card);
        view
    }
}

/// `GET /v1/payment_methods/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.payment_methods.get(id)?.view())
}

/// `GET /v1/payment_methods?customer=…`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let customer = fields.text("customer")?;
    page(state, customer.as_deref(), "/v1/payment_methods", fields)
}

/// `GET /v1/customers/{id}/payment_methods`
pub(crate) fn list_of_customer(state: &State, customer: &str, fields: Fields) -> Checked<Value> {
    state.get_customer(customer)?;
    let url = format!("/v1/customers/{customer}/payment_methods");
    page(state, Some(customer), &url, fields)
}

/// `GET /v1/customers/{id}/payment_methods/{payment_method}`
pub(crate) fn retrieve_of_customer(
    state: &State,
    customer: &str,
    id: &str,
    fields: Fields,
) -> Checked<Value> {
    fields.finish()?;
    state.get_customer(customer)?;
    let method = state.payment_methods.get(id)?;
    if method.customer.as_deref() != Some(customer) {
        return Err(ApiError::missing(PaymentMethod::KIND, id, PaymentMethod::PARAM));
    }
    Ok(method.view())
}

fn page(state: &State, customer: Option<&str>, url: &str, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let rail = fields.choice("type", &Rail::WORDS)?;
    let redisplay = fields.choice("allow_redisplay", &REDISPLAY)?;
    fields.finish()?;
    // Without a customer Stripe knows of none: it never lists methods that are nobody's.
    page.of(&state.payment_methods, url, |method| {
        method.customer.is_some()
            && (customer.is_none() || method.customer.as_deref() == customer)
            && rail.is_none_or(|rail| rail == method.card.rail.word())
            && redisplay.is_none_or(|redisplay| redisplay == method.allow_redisplay)
    })
}
