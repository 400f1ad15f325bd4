//! Payment intents: what is to be paid, and how far it has come.

mod capture;
mod checks;
mod confirm;
mod create;
mod options;

pub(crate) use capture::{cancel, capture};
pub(crate) use confirm::{confirm, failure, refusal};
pub(crate) use create::{create, currency, for_session, shipping, update};

use serde_json::{Map, Value, json};

use options::MethodOptions;

use super::askers::Asker;
use super::cards::Rail;
use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata};
use super::lists::Page;
use super::mandates::Consent;
use super::method_types::MethodTypes;
use super::search::{self, Searchable};
use super::state::{Row, State};

/// What Stripe's messages call it.
const NAME: &str = "PaymentIntent";

/// How far a payment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Processing,
    Succeeded,
    Canceled,
}

impl Status {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::RequiresCapture => "requires_capture",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaptureMethod {
    Automatic,
    AutomaticAsync,
    Manual,
}

impl CaptureMethod {
    const WORDS: [&'static str; 3] = ["automatic", "automatic_async", "manual"];

    fn parse(word: &str) -> Self {
        match word {
            "automatic" => Self::Automatic,
            "manual" => Self::Manual,
            _ => Self::AutomaticAsync,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::AutomaticAsync => "automatic_async",
            Self::Manual => "manual",
        }
    }
}

/// Money to be paid.
#[derive(Clone, Debug)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    pub(crate) client_secret: String,
    /// What a browser collected for it.
    pub(crate) confirmation_token: Option<String>,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_capturable: i64,
    pub(crate) amount_received: i64,
    canceled_at: Option<i64>,
    cancellation_reason: Option<&'static str>,
    pub(crate) capture_method: CaptureMethod,
    /// The session of Checkout that it belongs to.
    pub(crate) checkout: Option<String>,
    consent: Consent,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    last_payment_error: Option<Map<String, Value>>,
    pub(crate) latest_charge: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) method_options: MethodOptions,
    pub(crate) next_action: Option<Value>,
    off_session: bool,
    pub(crate) payment_method: Option<String>,
    pub(crate) method_types: MethodTypes,
    pub(crate) receipt_email: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) setup_future_usage: Option<&'static str>,
    pub(crate) shipping: Option<Value>,
    statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) status: Status,
}

impl Row for PaymentIntent {
    const KIND: &'static str = "payment_intent";
    const PARAM: &'static str = "intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": self.method_types.automatic(),
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method.word(),
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "managed_payments": { "enabled": false },
            "metadata": self.metadata,
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": if self.accepts_cards() { self.method_options.view() } else { json!({}) },
            "payment_method_types": self.method_types.names,
            "processing": null,
            "receipt_email": self.receipt_email,
            "review": null,
            "setup_future_usage": self.setup_future_usage,
            "shipping": self.shipping,
            "source": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status.word(),
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

impl Searchable for PaymentIntent {
    fn created(&self) -> i64 {
        self.created
    }

    fn has(&self, field: &str, key: Option<&str>, value: &str) -> bool {
        match (field, key) {
            ("metadata", Some(key)) => self.metadata.get(key).is_some_and(|found| found == value),
            ("status", None) => self.status.word() == value,
            ("amount", None) => self.amount.to_string() == value,
            ("currency", None) => self.currency == value.to_lowercase(),
            ("customer", None) => self.customer.as_deref() == Some(value),
            _ => false,
        }
    }
}

impl PaymentIntent {
    /// Whether a card may pay it.
    fn accepts_cards(&self) -> bool {
        let names = &self.method_types.names;
        names.iter().any(|kind| kind == Rail::Card.word())
    }

    /// Whether the bank agreed, captured or not.
    pub(crate) fn is_paid(&self) -> bool {
        matches!(self.status, Status::Succeeded | Status::RequiresCapture)
    }
}

impl State {
    /// Tells of an intent as it is now.
    pub(crate) fn emit_intent(&mut self, kind: &'static str, id: &str) {
        if let Some(view) = self.payment_intents.view(id) {
            self.emit(kind, &view, None);
        }
    }

    /// Refuses what an intent's status does not allow, with the intent inside.
    fn unexpected(intent: &PaymentIntent, verb: &str, allowed: &[Status]) -> ApiError {
        let allowed: Vec<_> = allowed.iter().map(|status| status.word()).collect();
        let message = format!(
            "This PaymentIntent could not be {verb} because it has a status of {}. Only a PaymentIntent with one of \
             the following statuses may be {verb}: {}.",
            intent.status.word(),
            allowed.join(", ")
        );
        ApiError::state("payment_intent_unexpected_state", message).with("payment_intent", intent.view())
    }
}

/// `GET /v1/payment_intents/{id}`
pub(crate) fn retrieve(state: &State, asker: Asker, id: &str, mut fields: Fields) -> Checked<Value> {
    let intent = state.payment_intents.get(id)?;
    asker.check(&mut fields, &intent.client_secret, NAME)?;
    fields.finish()?;
    Ok(asker.sees(intent.view()))
}

/// `GET /v1/payment_intents`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let customer = fields.text("customer")?;
    fields.finish()?;
    page.of(&state.payment_intents, "/v1/payment_intents", |intent| {
        created.contains(intent.created) && (customer.is_none() || intent.customer == customer)
    })
}

/// `GET /v1/payment_intents/search`
pub(crate) fn search(state: &State, fields: Fields) -> Checked<Value> {
    let url = "/v1/payment_intents/search";
    search::search(&state.settings, &state.payment_intents, url, fields)
}
