//! Whose a method is, and who may use it.

use serde_json::{Value, json};

use super::super::cards::{self, Rail};
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::super::payment_intents::refusal;
use super::super::state::{Row, State};
use super::{PaymentMethod, details};

impl State {
    /// A payment method that `customer` may use: an existing one, or a new one from a static test id.
    pub(crate) fn use_payment_method(&mut self, id: &str, customer: Option<&str>) -> Checked<String> {
        if let Some(method) = self.payment_methods.find(id) {
            method.check_user(customer)?;
            return Ok(id.to_owned());
        }
        let Some(card) = cards::find(id).filter(|_| id.starts_with("pm_")) else {
            return Err(ApiError::missing_param("PaymentMethod", id, "payment_method"));
        };
        let holder = match card.rail {
            Rail::Card => details::nobody(),
            Rail::UsBankAccount | Rail::SepaDebit => details::account_holder(),
        };
        let method = PaymentMethod::new(card, holder);
        let id = method.id.clone();
        self.payment_methods.insert(method);
        Ok(id)
    }

    /// Notes that a method was used. It is kept with `customer` where it is to be used again; one that is nobody's
    /// can be used only once.
    pub(crate) fn used(&mut self, id: &str, customer: Option<&str>) {
        if let Some(customer) = customer {
            self.keep_with(id, customer);
        }
        if let Some(method) = self.payment_methods.find_mut(id) {
            method.spent = method.customer.is_none();
            method.set_up |= customer.is_some();
        }
    }

    /// Attaches a method, unless it is attached already.
    pub(crate) fn keep_with(&mut self, id: &str, customer: &str) {
        let Some(method) = self.payment_methods.find_mut(id) else {
            return;
        };
        if method.customer.is_none() {
            method.customer = Some(customer.to_owned());
            let view = method.view();
            self.emit("payment_method.attached", &view, None);
        }
    }

    /// Takes a method from its customer, with all that rests on it. It can never be used again.
    pub(crate) fn detach(&mut self, id: &str) {
        let Some(method) = self.payment_methods.find_mut(id) else {
            return;
        };
        let Some(customer) = method.customer.take() else {
            return;
        };
        method.spent = true;
        let view = method.view();
        self.emit(
            "payment_method.detached",
            &view,
            Some(json!({ "customer": customer })),
        );
        self.forget_default(&customer, id);
        self.end_mandates(id);
    }
}

impl PaymentMethod {
    fn check_user(&self, customer: Option<&str>) -> Checked<()> {
        if self.spent {
            let message = "The provided PaymentMethod was used before without being attached to a Customer, or was \
                           detached from a Customer. It may not be used again.";
            return Err(ApiError::invalid(message).param("payment_method"));
        }
        match (&self.customer, customer) {
            (Some(owner), Some(user)) if owner != user => {
                let message = format!(
                    "The PaymentMethod {} does not belong to the Customer {user} that you supplied.",
                    self.id
                );
                Err(ApiError::invalid(message).param("payment_method"))
            }
            (Some(_), None) => {
                let message = "The payment method you provided is attached to a customer so for security purposes \
                               you must provide the customer in the request.";
                Err(ApiError::invalid(message).param("payment_method"))
            }
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }
}

/// `POST /v1/payment_methods/{id}/attach`
pub(crate) fn attach(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let customer = fields.required("customer")?;
    fields.finish()?;
    state.check_customer(&customer)?;
    let owner = state
        .payment_methods
        .find(id)
        .and_then(|method| method.customer.clone());
    if owner.is_some_and(|owner| owner != customer) {
        return Err(ApiError::invalid(
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    let id = state.use_payment_method(id, Some(&customer))?;
    let card = state.payment_methods.get(&id)?.card;
    if let Some(decline) = card.refuses_setup() {
        return Err(ApiError::card(&refusal(decline, None)));
    }
    state.keep_with(&id, &customer);
    Ok(state.payment_methods.get(&id)?.view())
}

/// `POST /v1/payment_methods/{id}/detach`
pub(crate) fn detach(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    if state.payment_methods.get(id)?.customer.is_none() {
        let message =
            "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(ApiError::invalid(message));
    }
    state.detach(id);
    Ok(state.payment_methods.get(id)?.view())
}
