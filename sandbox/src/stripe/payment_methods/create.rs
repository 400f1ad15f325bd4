//! Making and changing payment methods.

use serde_json::Value;

use super::super::cards::{self, Card, Rail};
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, Metadata, merge};
use super::super::state::{Row, State, new_id, now};
use super::{PaymentMethod, REDISPLAY, details};

/// `POST /v1/payment_methods` with a test token for a card, or a test IBAN for a SEPA debit.
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let rail = fields
        .choice("type", &[Rail::Card.word(), Rail::SepaDebit.word()])?
        .ok_or_else(|| fields.absent("type"))?;
    let mut inside = fields.section(rail)?.ok_or_else(|| fields.absent(rail))?;
    let card = if rail == Rail::Card.word() {
        card_of(&mut inside)?
    } else {
        account_of(&mut inside)?
    };
    inside.finish()?;
    let mut method = PaymentMethod::new(card, details::nobody());
    details::take_billing(&mut fields, &mut method.billing)?;
    if card.rail == Rail::SepaDebit {
        check_holder(&method.billing)?;
    }
    if let Some(redisplay) = fields.choice("allow_redisplay", &REDISPLAY)? {
        method.allow_redisplay = redisplay;
    }
    method.metadata = fields.metadata()?.unwrap_or_default();
    fields.finish()?;
    let view = method.view();
    state.payment_methods.insert(method);
    Ok(view)
}

fn card_of(inside: &mut Fields) -> Checked<Card> {
    let token = inside.required("token")?;
    cards::find(&token)
        .filter(|_| token.starts_with("tok_"))
        .ok_or_else(|| ApiError::missing_param("token", &token, "card[token]"))
}

fn account_of(inside: &mut Fields) -> Checked<Card> {
    let iban = inside.required("iban")?;
    cards::find_iban(&iban).ok_or_else(|| {
        let error = ApiError::invalid("The IBAN you provided is invalid.");
        error.code("invalid_bank_account_iban").param("sepa_debit[iban]")
    })
}

/// A debit tells its holder by e-mail, so Stripe must know who that is.
fn check_holder(billing: &Value) -> Checked<()> {
    for name in ["name", "email"] {
        if billing[name].is_null() {
            let param = format!("billing_details[{name}]");
            let error = ApiError::invalid(format!("Missing required param: {param}."));
            return Err(error.code("parameter_missing").param(param));
        }
    }
    Ok(())
}

/// `POST /v1/payment_methods/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut method = state.payment_methods.get(id)?.clone();
    details::take_billing(&mut fields, &mut method.billing)?;
    if let Some(redisplay) = fields.choice("allow_redisplay", &REDISPLAY)? {
        method.allow_redisplay = redisplay;
    }
    if let Some(update) = fields.metadata()? {
        merge(&mut method.metadata, update);
    }
    fields.finish()?;
    let view = method.view();
    *state.payment_methods.get_mut(id)? = method;
    Ok(view)
}

impl PaymentMethod {
    pub(super) fn new(card: Card, billing: Value) -> Self {
        Self {
            id: new_id("pm"),
            created: now(),
            card,
            customer: None,
            billing,
            allow_redisplay: "unspecified",
            metadata: Metadata::new(),
            spent: false,
            set_up: false,
        }
    }
}
