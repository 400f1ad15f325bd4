//! Checkout: a page of Stripe's where a customer pays, or leaves a method for later.

mod create;
mod page;
mod pay;

pub(crate) use create::create;
pub(crate) use page::{press, show};
pub(crate) use pay::expire;

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata};
use super::form::Params;
use super::lists::Page;
use super::payment_intents::Status as IntentStatus;
use super::state::{Row, State};

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Complete,
    Expired,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Payment,
    Setup,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Setup => "setup",
        }
    }
}

/// What became of a session's intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// The customer is done; the money may be there or not.
    Ended { paid: bool },
    /// A bank that took its time has answered.
    Late { paid: bool },
}

/// One visit to the page.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    id: String,
    created: i64,
    expires_at: i64,
    mode: Mode,
    status: Status,
    paid: bool,
    amount: Option<i64>,
    currency: Option<String>,
    cancel_url: Option<String>,
    success_url: String,
    client_reference_id: Option<String>,
    customer: Option<String>,
    customer_creation: Option<&'static str>,
    customer_details: Option<Value>,
    customer_email: Option<String>,
    locale: Option<String>,
    metadata: Metadata,
    method_types: Vec<String>,
    /// What its intent will be made from, once the customer pays.
    intent: Params,
    payment_intent: Option<String>,
    setup_intent: Option<String>,
    /// Where the page is.
    url: String,
}

impl Row for Session {
    const KIND: &'static str = "checkout.session";
    const PARAM: &'static str = "session";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let mut view = self.payment_part();
        let unused = unused();
        if let (Value::Object(view), Value::Object(unused)) = (&mut view, unused) {
            view.extend(unused);
        }
        view
    }
}

impl Session {
    fn payment_part(&self) -> Value {
        let open = self.status == Status::Open;
        let payment_status = match self.mode {
            Mode::Setup => "no_payment_required",
            Mode::Payment if self.paid => "paid",
            Mode::Payment => "unpaid",
        };
        let totals = json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 });
        json!({
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "client_secret": null,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "customer_creation": self.customer_creation,
            "customer_details": self.customer_details,
            "customer_email": self.customer_email,
            "expires_at": self.expires_at,
            "livemode": false,
            "locale": self.locale,
            "metadata": self.metadata,
            "mode": self.mode.word(),
            "payment_intent": self.payment_intent,
            "payment_method_types": self.method_types,
            "payment_status": payment_status,
            "setup_intent": self.setup_intent,
            "status": self.status.word(),
            "success_url": self.success_url,
            "total_details": (self.mode == Mode::Payment).then_some(totals),
            "ui_mode": "hosted_page",
            "url": open.then_some(&self.url),
        })
    }
}

/// What Stripe shows of everything that the pretend one does not do.
fn unused() -> Value {
    json!({
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null,
            "shipping_address": null,
            "submit": null,
            "terms_of_service_acceptance": null,
        },
        "discounts": null,
        "integration_identifier": null,
        "invoice": null,
        "invoice_creation": null,
        "managed_payments": { "enabled": false },
        "origin_context": null,
        "payment_link": null,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": null,
        "payment_method_options": {},
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "submit_type": null,
        "subscription": null,
        "wallet_options": null,
    })
}

impl State {
    /// A session as it is now: paid as soon as its intent is, which a capture by hand brings about later.
    pub(crate) fn session_view(&self, id: &str) -> Option<Value> {
        let mut session = self.sessions.find(id)?.clone();
        session.paid |= self.is_captured(&session);
        Some(session.view())
    }

    fn is_captured(&self, session: &Session) -> bool {
        let intent = session.payment_intent.as_deref();
        let intent = intent.and_then(|id| self.payment_intents.find(id));
        intent.is_some_and(|intent| intent.status == IntentStatus::Succeeded)
    }

    fn emit_session(&mut self, kind: &'static str, id: &str) {
        if let Some(view) = self.session_view(id) {
            self.emit(kind, &view, None);
        }
    }
}

/// Stripe lets an intent of Checkout be canceled only while it holds money; before, its session expires instead.
pub(crate) fn may_cancel(state: &State, intent: &str) -> Checked<()> {
    match state.payment_intents.find(intent) {
        Some(found) if found.checkout.is_some() && found.status != IntentStatus::RequiresCapture => {
            let message = "You cannot cancel this PaymentIntent because it belongs to a Checkout Session. Expire the \
                           session instead.";
            Err(ApiError::state("payment_intent_unexpected_state", message)
                .with("payment_intent", found.view()))
        }
        Some(_) | None => Ok(()),
    }
}

/// `GET /v1/checkout/sessions/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let session = state.sessions.get(id)?;
    Ok(state.session_view(id).unwrap_or_else(|| session.view()))
}

/// `GET /v1/checkout/sessions`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let customer = fields.text("customer")?;
    let intent = fields.text("payment_intent")?;
    let status = fields.choice("status", &["open", "complete", "expired"])?;
    fields.finish()?;
    let mut list = page.of(&state.sessions, "/v1/checkout/sessions", |session| {
        created.contains(session.created)
            && (customer.is_none() || session.customer == customer)
            && (intent.is_none() || session.payment_intent == intent)
            && status.is_none_or(|status| status == session.status.word())
    })?;
    for view in list["data"].as_array_mut().into_iter().flatten() {
        if let Some(now) = view["id"].as_str().and_then(|id| state.session_view(id)) {
            *view = now;
        }
    }
    Ok(list)
}
