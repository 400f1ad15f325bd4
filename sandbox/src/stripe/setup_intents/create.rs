//! Creating and changing setup intents.

use serde_json::Value;

use super::super::askers::Asker;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, merge};
use super::super::form::Params;
use super::super::mandates::Consent;
use super::super::method_types::MethodTypes;
use super::super::state::{Row, State, new_id, now, token};
use super::{SetupIntent, Status};

/// Parameters that Stripe takes and that change nothing that the pretend one shows.
const WITHOUT_EFFECT: [&str; 2] = ["payment_method_options", "use_stripe_sdk"];

/// `POST /v1/setup_intents`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let confirm = fields.boolean("confirm")?.unwrap_or_default();
    let mut intent = parse(state, &mut fields)?;
    intent.consent = Consent::take(&mut fields, Asker::Merchant)?;
    fields.ignore(&WITHOUT_EFFECT);
    fields.finish()?;
    if confirm {
        if intent.payment_method.is_none() {
            let message = "You cannot confirm this SetupIntent because it's missing a payment method.";
            let error = ApiError::invalid(message).code("parameter_missing");
            return Err(error.param("payment_method"));
        }
        intent.check_return_url()?;
    } else if intent.consent.acceptance.is_some() {
        let message = "`mandate_data` may be given only together with `confirm`.";
        return Err(ApiError::invalid(message).param("mandate_data"));
    }
    state.take_method(&mut intent)?;
    if confirm {
        state.check_savable(&intent)?;
    }
    let id = intent.id.clone();
    state.setup_intents.insert(intent);
    state.emit_setup("setup_intent.created", &id);
    if confirm {
        state.try_to_save(&id)?;
    }
    Ok(state.setup_intents.get(&id)?.view())
}

/// An intent for a session of Checkout, from what the session was created with.
pub(crate) fn for_session(state: &State, params: Params) -> Checked<SetupIntent> {
    let mut fields = Fields::within("setup_intent_data", params);
    let intent = parse(state, &mut fields)?;
    fields.finish()?;
    Ok(intent)
}

fn parse(state: &State, fields: &mut Fields) -> Checked<SetupIntent> {
    let id = new_id("seti");
    let mut intent = SetupIntent {
        client_secret: format!("{id}_secret_{}", token()),
        id,
        created: now(),
        cancellation_reason: None,
        checkout: None,
        consent: Consent::default(),
        customer: None,
        description: None,
        last_setup_error: None,
        latest_attempt: None,
        mandate: None,
        metadata: fields.metadata()?.unwrap_or_default(),
        method_types: MethodTypes::take(fields, None)?,
        next_action: None,
        payment_method: None,
        return_url: None,
        status: Status::RequiresPaymentMethod,
        usage: fields
            .choice("usage", &["off_session", "on_session"])?
            .unwrap_or("off_session"),
    };
    set(state, &mut intent, fields)?;
    Ok(intent)
}

/// What creating, updating and confirming may set alike.
pub(super) fn set(state: &State, intent: &mut SetupIntent, fields: &mut Fields) -> Checked<()> {
    for (name, target) in [
        ("customer", &mut intent.customer),
        ("description", &mut intent.description),
        ("payment_method", &mut intent.payment_method),
        ("return_url", &mut intent.return_url),
    ] {
        if let Some(text) = fields.text(name)? {
            *target = Some(text).filter(|text| !text.is_empty());
        }
    }
    match &intent.customer {
        Some(customer) => state.check_customer(customer),
        None => Ok(()),
    }
}

/// `POST /v1/setup_intents/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut intent = state.setup_intents.get(id)?.clone();
    if let Some(update) = fields.metadata()? {
        merge(&mut intent.metadata, update);
    }
    if matches!(
        intent.status,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation
    ) {
        set(state, &mut intent, &mut fields)?;
        state.take_method(&mut intent)?;
    }
    fields.finish()?;
    let view = intent.view();
    *state.setup_intents.get_mut(id)? = intent;
    Ok(view)
}

impl State {
    fn take_method(&mut self, intent: &mut SetupIntent) -> Checked<()> {
        if let Some(method) = &mut intent.payment_method {
            *method = self.use_payment_method(method, intent.customer.as_deref())?;
            intent.status = Status::RequiresConfirmation;
        }
        Ok(())
    }
}
