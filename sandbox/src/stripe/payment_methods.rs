//! Payment methods: cards and accounts that were saved, most of them made from a test name.

use serde_json::{Value, json};

use super::cards::{self, Card, Rail};
use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata, merge};
use super::lists::Page;
use super::state::{Row, State, new_id, now};

/// A card or an account as it was saved.
#[derive(Clone, Debug)]
pub(crate) struct PaymentMethod {
    id: String,
    created: i64,
    pub(crate) card: Card,
    pub(crate) customer: Option<String>,
    metadata: Metadata,
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
            "allow_redisplay": "unspecified",
            "billing_details": billing_details(),
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": self.metadata,
            "type": rail,
        });
        view[rail] = match self.card.rail {
            Rail::Card => card_details(self.card),
            Rail::UsBankAccount => account_details(self.card),
        };
        view
    }
}

fn card_details(card: Card) -> Value {
    json!({
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 8,
        "exp_year": 2030,
        "fingerprint": fingerprint(card),
        "funding": "credit",
        "generated_from": null,
        "last4": card.last4,
        "networks": { "available": [card.brand], "preferred": null },
        "regulated_status": "unregulated",
        "three_d_secure_usage": { "supported": true },
        "wallet": null,
    })
}

fn account_details(account: Card) -> Value {
    json!({
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": account.brand,
        "financial_connections_account": null,
        "fingerprint": fingerprint(account),
        "last4": account.last4,
        "networks": { "preferred": "ach", "supported": ["ach"] },
        "routing_number": "110000000",
        "status_details": {},
    })
}

/// Who pays: nothing is known of a test card's holder.
pub(crate) fn billing_details() -> Value {
    json!({
        "address": {
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        },
        "email": null,
        "name": null,
        "phone": null,
        "tax_id": null,
    })
}

/// The same for each use of the same card.
pub(crate) fn fingerprint(card: Card) -> String {
    format!("Quittance{}{}", &card.brand[..3], card.last4)
}

impl State {
    /// A payment method that may be used: an existing one, or a new one from a static test id.
    pub(crate) fn use_payment_method(&mut self, id: &str) -> Checked<String> {
        if self.payment_methods.find(id).is_some() {
            return Ok(id.to_owned());
        }
        match cards::find(id).filter(|_| id.starts_with("pm_")) {
            Some(card) => Ok(self.save_card(card, Metadata::new())),
            None => Err(ApiError::missing_param("PaymentMethod", id, "payment_method")),
        }
    }

    fn save_card(&mut self, card: Card, metadata: Metadata) -> String {
        let id = new_id("pm");
        let method = PaymentMethod {
            id: id.clone(),
            created: now(),
            card,
            customer: None,
            metadata,
        };
        self.payment_methods.insert(method);
        id
    }
}

/// `POST /v1/payment_methods` with `type=card` and a test token.
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    fields.choice("type", &["card"])?.ok_or_else(|| {
        ApiError::invalid("Missing required param: type.")
            .code("parameter_missing")
            .param("type")
    })?;
    let mut card = fields.section("card")?.ok_or_else(|| {
        ApiError::invalid("Missing required param: card.")
            .code("parameter_missing")
            .param("card")
    })?;
    let token = card.required("token")?;
    card.finish()?;
    let metadata = fields.metadata()?.unwrap_or_default();
    fields.ignore(&["billing_details", "allow_redisplay"]);
    fields.finish()?;
    let card = cards::find(&token)
        .filter(|_| token.starts_with("tok_"))
        .ok_or_else(|| ApiError::missing_param("token", &token, "card[token]"))?;
    let id = state.save_card(card, metadata);
    Ok(state.payment_methods.get(&id)?.view())
}

/// `GET /v1/payment_methods/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.payment_methods.get(id)?.view())
}

/// `POST /v1/payment_methods/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let metadata = fields.metadata()?;
    fields.finish()?;
    let method = state.payment_methods.get_mut(id)?;
    if let Some(update) = metadata {
        merge(&mut method.metadata, update);
    }
    Ok(method.view())
}

/// `POST /v1/payment_methods/{id}/attach`
pub(crate) fn attach(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let customer = fields.required("customer")?;
    fields.finish()?;
    state.customers.check(&customer, "customer")?;
    let id = state.use_payment_method(id)?;
    let method = state.payment_methods.get_mut(&id)?;
    if method.customer.as_ref().is_some_and(|owner| *owner != customer) {
        return Err(ApiError::invalid(
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    method.customer = Some(customer);
    Ok(method.view())
}

/// `POST /v1/payment_methods/{id}/detach`
pub(crate) fn detach(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let method = state.payment_methods.get_mut(id)?;
    if method.customer.take().is_none() {
        let message =
            "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(ApiError::invalid(message));
    }
    Ok(method.view())
}

/// `GET /v1/payment_methods?customer=…`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let customer = fields.text("customer")?;
    fields.choice("type", &["card"])?;
    fields.finish()?;
    page.of(&state.payment_methods, "/v1/payment_methods", |method| {
        customer.is_none() || method.customer == customer
    })
}
