//! Saving: the bank agrees, refuses, or wants to see its customer first.

use serde_json::{Map, Value, json};

use super::super::askers::Asker;
use super::super::checkout::Course;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::super::mandates::{Consent, Extent};
use super::super::payment_intents::{failure, refusal};
use super::super::state::{Row, State, new_id};
use super::{NAME, SetupIntent, Status, create};

const OPEN: [Status; 3] = [
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
];

const REASONS: [&str; 3] = ["abandoned", "duplicate", "requested_by_customer"];

/// `POST /v1/setup_intents/{id}/confirm`
pub(crate) fn confirm(state: &mut State, asker: Asker, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut intent = state.setup_intents.get(id)?.clone();
    asker.check(&mut fields, &intent.client_secret, NAME)?;
    create::set(state, &mut intent, &mut fields)?;
    intent.consent = Consent::take(&mut fields, asker)?;
    fields.ignore(&["payment_method_options", "use_stripe_sdk"]);
    fields.finish()?;
    if intent.checkout.is_some() {
        let message = "You cannot confirm this SetupIntent because it belongs to a Checkout Session.";
        return Err(ApiError::state("setup_intent_unexpected_state", message));
    }
    if asker == Asker::Merchant {
        intent.check_return_url()?;
    }
    state.confirm_setup(intent)?;
    Ok(asker.sees(state.setup_intents.get(id)?.view()))
}

/// `POST /v1/setup_intents/{id}/cancel`
pub(crate) fn cancel(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let reason = fields.choice("cancellation_reason", &REASONS)?;
    fields.finish()?;
    let intent = state.setup_intents.get_mut(id)?;
    if !OPEN.contains(&intent.status) {
        return Err(State::unexpected_setup(intent, "cancel"));
    }
    intent.status = Status::Canceled;
    intent.cancellation_reason = reason;
    intent.next_action = None;
    let view = intent.view();
    state.emit("setup_intent.canceled", &view, None);
    Ok(view)
}

impl SetupIntent {
    pub(super) fn check_return_url(&self) -> Checked<()> {
        self.method_types.check_return_url(self.return_url.as_ref(), NAME)
    }
}

impl State {
    /// Saves for a session of Checkout what the customer chose on the page.
    pub(crate) fn save_on_page(&mut self, id: &str, method: &str) -> Checked<()> {
        let mut intent = self.setup_intents.get(id)?.clone();
        intent.payment_method = Some(method.to_owned());
        intent.consent = Consent::on_page();
        self.confirm_setup(intent)
    }

    fn confirm_setup(&mut self, mut intent: SetupIntent) -> Checked<()> {
        if !OPEN.contains(&intent.status) {
            return Err(Self::unexpected_setup(&intent, "confirm"));
        }
        let Some(method) = &intent.payment_method else {
            let message = "You cannot confirm this SetupIntent because it's missing a payment method.";
            let error = ApiError::state("setup_intent_unexpected_state", message);
            return Err(error.with("setup_intent", intent.view()));
        };
        intent.payment_method = Some(self.use_payment_method(method, intent.customer.as_deref())?);
        self.check_savable(&intent)?;
        let id = intent.id.clone();
        *self.setup_intents.get_mut(&id)? = intent;
        self.try_to_save(&id)
    }

    /// Whether the intent may be tried with its method at all.
    pub(super) fn check_savable(&self, intent: &SetupIntent) -> Checked<()> {
        let method = intent.payment_method.as_deref().unwrap_or_default();
        let card = self.payment_methods.get(method)?.card;
        intent.method_types.check(card.rail, NAME)?;
        self.check_mandate(method, &intent.consent, true)
    }

    /// Asks the bank. A decline is the error; the customer's next step is not.
    pub(super) fn try_to_save(&mut self, id: &str) -> Checked<()> {
        let intent = self.setup_intents.get_mut(id)?;
        intent.latest_attempt = Some(new_id("setatt"));
        let intent = intent.clone();
        let method = intent.payment_method.as_deref().unwrap_or_default();
        let card = self.payment_methods.get(method)?.card;
        match card.refuses_setup() {
            _ if card.challenge != super::super::cards::Challenge::Never => self.challenge_setup(&intent),
            Some(decline) => self.fail_setup(&intent, refusal(decline, None)),
            None => self.save(&intent),
        }
    }

    /// What happens after the customer stood before the bank's page.
    pub(crate) fn authenticated_setup(&mut self, id: &str, succeeded: bool) -> Checked<()> {
        let intent = self.setup_intents.get(id)?.clone();
        if intent.status != Status::RequiresAction {
            return Err(Self::unexpected_setup(&intent, "authenticate"));
        }
        if succeeded {
            return self.save(&intent);
        }
        let message = "The provided PaymentMethod has failed authentication. Provide another one to attempt to fulfill \
                       this SetupIntent again.";
        let mut error = failure("setup_intent_authentication_failure", message);
        error.insert("type".to_owned(), "invalid_request_error".into());
        self.fail_setup(&intent, error)
    }

    fn challenge_setup(&mut self, intent: &SetupIntent) -> Checked<()> {
        let action = self.challenge_of(&intent.id, &intent.client_secret, intent.return_url.as_ref());
        let changed = self.setup_intents.get_mut(&intent.id)?;
        changed.status = Status::RequiresAction;
        changed.next_action = Some(action);
        changed.last_setup_error = None;
        self.emit_setup("setup_intent.requires_action", &intent.id);
        Ok(())
    }

    fn save(&mut self, intent: &SetupIntent) -> Checked<()> {
        let method = intent.payment_method.clone().unwrap_or_default();
        let mandate = self.mandate_of(&method, &intent.consent, Extent::ManyTimes);
        if let Some(customer) = &intent.customer {
            self.used(&method, Some(customer));
        }
        let changed = self.setup_intents.get_mut(&intent.id)?;
        changed.status = Status::Succeeded;
        changed.mandate = mandate;
        changed.next_action = None;
        changed.last_setup_error = None;
        self.emit_setup("setup_intent.succeeded", &intent.id);
        self.follow(intent.checkout.as_deref(), Course::Ended { paid: false });
        Ok(())
    }

    /// Back to the start, with the reason kept: the customer may try another method.
    fn fail_setup(&mut self, intent: &SetupIntent, mut error: Map<String, Value>) -> Checked<()> {
        let method = intent.payment_method.as_deref();
        let method = method.and_then(|id| self.payment_methods.view(id));
        error.insert("payment_method".to_owned(), method.unwrap_or_default());
        let changed = self.setup_intents.get_mut(&intent.id)?;
        changed.status = Status::RequiresPaymentMethod;
        changed.payment_method = None;
        changed.next_action = None;
        changed.last_setup_error = Some(error.clone());
        let view = changed.view();
        self.emit("setup_intent.setup_failed", &view, None);
        Err(ApiError::card(&error).with("setup_intent", view))
    }

    /// The step that sends a customer to the bank's page, for an intent of either kind.
    pub(crate) fn challenge_of(&self, id: &str, client_secret: &str, return_url: Option<&String>) -> Value {
        let base = self.settings.base_url();
        let url = format!("{base}/redirect/authenticate/{id}?client_secret={client_secret}");
        match return_url {
            Some(return_url) => json!({
                "type": "redirect_to_url",
                "redirect_to_url": { "return_url": return_url, "url": url },
            }),
            None => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "stripe_js": url, "type": "three_d_secure_redirect" },
            }),
        }
    }
}
