//! What happens on the page, and when nothing happens there for too long.

use serde_json::{Value, json};

use super::super::customers::Customer;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::super::form::{Param, Params};
use super::super::payment_intents::{self, Status as IntentStatus};
use super::super::payment_methods::nobody;
use super::super::setup_intents::{self, Status as SetupStatus};
use super::super::state::{State, now};
use super::{Course, Mode, Session, Status};

/// `POST /v1/checkout/sessions/{id}/expire`
pub(crate) fn expire(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    state.expire_session(id)?;
    super::retrieve(state, id, Fields::new(Params::new()))
}

impl State {
    /// The customer chooses a method and presses "Pay". A decline is the error, and leaves the session open.
    pub(super) fn pay_session(&mut self, id: &str, method: &str) -> Checked<()> {
        let session = self.sessions.get(id)?;
        if session.status == Status::Open && session.expires_at <= now() {
            self.expire_session(id)?;
        }
        let session = self.sessions.get(id)?.clone();
        if session.status != Status::Open {
            return Err(ApiError::invalid("This Checkout Session is over."));
        }
        match session.mode {
            Mode::Payment => {
                let intent = self.session_intent(session)?;
                self.pay_on_page(&intent, method)
            }
            Mode::Setup => {
                let intent = self.session_setup(session)?;
                self.save_on_page(&intent, method)
            }
        }
    }

    /// The session's payment intent, which Stripe makes at the first try and not before.
    fn session_intent(&mut self, mut session: Session) -> Checked<String> {
        if let Some(intent) = session.payment_intent {
            return Ok(intent);
        }
        if session.customer_creation == Some("always") {
            let mut customer = Customer::new();
            customer.email.clone_from(&session.customer_email);
            let customer = self.add_customer(customer);
            let named = ("customer".to_owned(), Param::Text(customer.clone()));
            session.intent.extend([named]);
            session.customer = Some(customer);
        }
        let mut intent = payment_intents::for_session(self, session.intent.clone())?;
        let id = intent.id.clone();
        intent.checkout = Some(session.id.clone());
        self.payment_intents.insert(intent);
        session.payment_intent = Some(id.clone());
        self.emit_intent("payment_intent.created", &id);
        self.replace_session(session);
        Ok(id)
    }

    fn session_setup(&mut self, mut session: Session) -> Checked<String> {
        if let Some(intent) = session.setup_intent {
            return Ok(intent);
        }
        let mut intent = setup_intents::for_session(self, session.intent.clone())?;
        let id = intent.id.clone();
        intent.checkout = Some(session.id.clone());
        self.setup_intents.insert(intent);
        session.setup_intent = Some(id.clone());
        self.emit_setup("setup_intent.created", &id);
        self.replace_session(session);
        Ok(id)
    }

    fn replace_session(&mut self, session: Session) {
        if let Some(known) = self.sessions.find_mut(&session.id) {
            *known = session;
        }
    }

    /// What the course of an intent means for the session that it belongs to, if it belongs to one.
    pub(crate) fn follow(&mut self, session: Option<&str>, course: Course) {
        let Some(mut session) = session.and_then(|id| self.sessions.find(id)).cloned() else {
            return;
        };
        let id = session.id.clone();
        let kind = match course {
            Course::Ended { paid } => {
                session.status = Status::Complete;
                session.paid = paid;
                session.customer_details = Some(self.payer(&session));
                "checkout.session.completed"
            }
            Course::Late { paid: true } => {
                session.paid = true;
                "checkout.session.async_payment_succeeded"
            }
            Course::Late { paid: false } => "checkout.session.async_payment_failed",
        };
        self.replace_session(session);
        self.emit_session(kind, &id);
    }

    /// Who was on the page, as far as it is known.
    fn payer(&self, session: &Session) -> Value {
        let customer = session.customer.as_deref().and_then(|id| self.customers.find(id));
        let known = customer.and_then(|customer| customer.email.clone());
        let intent = session.payment_intent.as_deref();
        let method = intent
            .and_then(|id| self.payment_intents.find(id)?.payment_method.clone())
            .and_then(|id| self.payment_methods.find(&id));
        let billing = method.map_or_else(nobody, |method| method.billing.clone());
        let typed = || {
            billing["email"]
                .as_str()
                .unwrap_or("shopper@example.com")
                .to_owned()
        };
        json!({
            "address": billing["address"],
            "business_name": null,
            "email": known.or_else(|| session.customer_email.clone()).unwrap_or_else(typed),
            "individual_name": null,
            "name": billing["name"],
            "phone": null,
            "tax_exempt": "none",
            "tax_ids": [],
        })
    }

    /// Ends an open session, and whatever its customer began.
    pub(crate) fn expire_session(&mut self, id: &str) -> Checked<()> {
        let session = self.sessions.get_mut(id)?;
        if session.status != Status::Open {
            let message = format!(
                "Only Checkout Sessions with a status of open can be expired. This Checkout Session has a status of {}.",
                session.status.word()
            );
            return Err(ApiError::invalid(message).kept());
        }
        session.status = Status::Expired;
        let (payment, setup) = (session.payment_intent.clone(), session.setup_intent.clone());
        self.emit_session("checkout.session.expired", id);
        let nothing = || Fields::new(Params::new());
        let open = |intent: &&String| {
            let found = self.payment_intents.find(intent);
            found.is_some_and(|intent| intent.status != IntentStatus::Canceled)
        };
        if let Some(intent) = payment.as_ref().filter(open) {
            payment_intents::cancel(self, intent, nothing())?;
        }
        let open = |intent: &&String| {
            let found = self.setup_intents.find(intent);
            found.is_some_and(|intent| intent.status != SetupStatus::Canceled)
        };
        if let Some(intent) = setup.as_ref().filter(open) {
            setup_intents::cancel(self, intent, nothing())?;
        }
        Ok(())
    }
}
