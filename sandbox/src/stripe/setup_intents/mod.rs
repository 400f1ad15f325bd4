//! Setup intents: a method that is to be saved, without a payment.

mod confirm;
mod create;

pub(crate) use confirm::{cancel, confirm};
pub(crate) use create::{create, for_session, update};

use serde_json::{Map, Value, json};

use super::askers::Asker;
use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata};
use super::lists::Page;
use super::mandates::Consent;
use super::method_types::MethodTypes;
use super::state::{Row, State};

/// What Stripe's messages call it.
const NAME: &str = "SetupIntent";

/// How far saving a method has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Succeeded,
    Canceled,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// A method to be saved.
#[derive(Clone, Debug)]
pub(crate) struct SetupIntent {
    pub(crate) id: String,
    pub(crate) client_secret: String,
    created: i64,
    cancellation_reason: Option<&'static str>,
    /// The session of Checkout that it belongs to.
    pub(crate) checkout: Option<String>,
    consent: Consent,
    customer: Option<String>,
    description: Option<String>,
    last_setup_error: Option<Map<String, Value>>,
    latest_attempt: Option<String>,
    mandate: Option<String>,
    metadata: Metadata,
    pub(crate) method_types: MethodTypes,
    pub(crate) next_action: Option<Value>,
    pub(crate) payment_method: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) status: Status,
    usage: &'static str,
}

impl Row for SetupIntent {
    const KIND: &'static str = "setupintent";
    const PARAM: &'static str = "intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "setup_intent",
            "application": null,
            "automatic_payment_methods": self.method_types.automatic(),
            "cancellation_reason": self.cancellation_reason,
            "client_secret": self.client_secret,
            "created": self.created,
            "customer": self.customer,
            "description": self.description,
            "excluded_payment_method_types": null,
            "flow_directions": null,
            "last_setup_error": self.last_setup_error,
            "latest_attempt": self.latest_attempt,
            "livemode": false,
            "mandate": self.mandate,
            "metadata": self.metadata,
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "payment_method_types": self.method_types.names,
            "single_use_mandate": null,
            "status": self.status.word(),
            "usage": self.usage,
        })
    }
}

impl State {
    /// Tells of an intent as it is now.
    pub(crate) fn emit_setup(&mut self, kind: &'static str, id: &str) {
        if let Some(view) = self.setup_intents.view(id) {
            self.emit(kind, &view, None);
        }
    }

    /// Refuses what an intent's status does not allow, with the intent inside.
    fn unexpected_setup(intent: &SetupIntent, verb: &str) -> ApiError {
        let message = format!(
            "You cannot {verb} this SetupIntent because it has a status of {}.",
            intent.status.word()
        );
        ApiError::state("setup_intent_unexpected_state", message).with("setup_intent", intent.view())
    }
}

/// `GET /v1/setup_intents/{id}`
pub(crate) fn retrieve(state: &State, asker: Asker, id: &str, mut fields: Fields) -> Checked<Value> {
    let intent = state.setup_intents.get(id)?;
    asker.check(&mut fields, &intent.client_secret, NAME)?;
    fields.finish()?;
    Ok(asker.sees(intent.view()))
}

/// `GET /v1/setup_intents`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let customer = fields.text("customer")?;
    let method = fields.text("payment_method")?;
    fields.finish()?;
    page.of(&state.setup_intents, "/v1/setup_intents", |intent| {
        created.contains(intent.created)
            && (customer.is_none() || intent.customer == customer)
            && (method.is_none() || intent.payment_method == method)
    })
}
