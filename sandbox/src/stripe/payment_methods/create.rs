//! Making and changing payment methods.

use serde_json::Value;

use super::super::askers::Asker;
use super::super::cards::{self, Card, Rail};
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, Metadata, merge};
use super::super::numbers;
use super::super::payment_intents::failure;
use super::super::state::{Row, State, new_id, now};
use super::{PaymentMethod, REDISPLAY, details};

/// `POST /v1/payment_methods` with a test token or, from a browser, a number for a card, or a test IBAN for a SEPA debit.
pub(crate) fn create(state: &mut State, asker: Asker, mut fields: Fields) -> Checked<Value> {
    let rail = fields
        .choice("type", &[Rail::Card.word(), Rail::SepaDebit.word()])?
        .ok_or_else(|| fields.absent("type"))?;
    let mut inside = fields.section(rail)?.ok_or_else(|| fields.absent(rail))?;
    let card = if rail == Rail::Card.word() {
        card_of(&mut inside, asker)?
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

fn card_of(inside: &mut Fields, asker: Asker) -> Checked<Card> {
    if inside.has("number") {
        if asker == Asker::Merchant {
            let message = "Sending credit card numbers directly to the Stripe API is generally unsafe. Use a test token.";
            return Err(ApiError::invalid(message).param("card[number]"));
        }
        inside.ignore(&["cvc", "exp_month", "exp_year"]);
        return of_number(&inside.required("number")?);
    }
    let token = inside.required("token")?;
    cards::find(&token)
        .filter(|_| token.starts_with("tok_"))
        .ok_or_else(|| ApiError::missing_param("token", &token, "card[token]"))
}

fn of_number(number: &str) -> Checked<Card> {
    numbers::find(number).ok_or_else(|| {
        let message = "Your card number is incorrect.";
        ApiError::card(&failure("incorrect_number", message)).param("number")
    })
}

impl State {
    /// A payment method of the card whose number a customer typed into a page. Returns its id.
    pub(crate) fn type_card(&mut self, number: &str) -> Checked<String> {
        let method = PaymentMethod::new(of_number(number)?, details::nobody());
        let id = method.id.clone();
        self.payment_methods.insert(method);
        Ok(id)
    }
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
