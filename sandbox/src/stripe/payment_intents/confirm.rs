//! Paying: the card says yes or no, or sends its holder to the bank's page first.

use serde_json::{Map, Value, json};

use super::super::cards::{AUTHENTICATION_REQUIRED, Card, Decline, Rail};
use super::super::charges::Progress;
use super::super::errors::{ApiError, doc_url};
use super::super::fields::{Checked, Fields, merge};
use super::super::state::{Later, Row, State};
use super::{Asker, CaptureMethod, PaymentIntent, Status, create};

const CONFIRMABLE: [Status; 3] = [
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
];

/// `POST /v1/payment_intents/{id}/confirm`
pub(crate) fn confirm(state: &mut State, asker: Asker, id: &str, mut fields: Fields) -> Checked<Value> {
    asker.check(state, id, &mut fields)?;
    let mut intent = state.payment_intents.get(id)?.clone();
    create::set(state, &mut intent, &mut fields)?;
    let off_session = fields.boolean("off_session")?.unwrap_or_default();
    if let Some(capture) = fields.choice("capture_method", &CaptureMethod::WORDS)? {
        intent.capture_method = CaptureMethod::parse(capture);
    }
    if let Some(update) = fields.metadata()? {
        merge(&mut intent.metadata, update);
    }
    fields.ignore(&["radar_options", "error_on_requires_action", "use_stripe_sdk"]);
    fields.finish()?;
    check_confirmable(&intent)?;
    intent.off_session = off_session;
    if asker == Asker::Merchant {
        check_return_url(&intent)?;
    }
    let method = intent.payment_method.as_deref().unwrap_or_default();
    intent.payment_method = Some(state.use_payment_method(method)?);
    *state.payment_intents.get_mut(id)? = intent;
    state.try_to_pay(id)?;
    Ok(asker.sees(state.payment_intents.get(id)?.view()))
}

fn check_confirmable(intent: &PaymentIntent) -> Checked<()> {
    if intent.is_paid() {
        let message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
                       confirmed.";
        let error = ApiError::state("payment_intent_unexpected_state", message);
        return Err(error.with("payment_intent", intent.view()));
    }
    if !CONFIRMABLE.contains(&intent.status) {
        return Err(State::unexpected(intent, "confirmed", &CONFIRMABLE));
    }
    if intent.payment_method.is_none() {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
        let error = ApiError::state("payment_intent_unexpected_state", message);
        return Err(error.with("payment_intent", intent.view()));
    }
    Ok(())
}

/// Methods from the dashboard may redirect, so Stripe insists on knowing where to come back to.
pub(super) fn check_return_url(intent: &PaymentIntent) -> Checked<()> {
    if intent.automatic_payment_methods == Some("always")
        && intent.return_url.is_none()
        && !intent.off_session
    {
        let message = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because \
                       some of these payment methods might redirect your customer off of your page, you must provide \
                       a `return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

impl State {
    /// Uses the intent's payment method. A decline is the error; the customer's next step is not.
    pub(super) fn try_to_pay(&mut self, id: &str) -> Checked<()> {
        let intent = self.payment_intents.get(id)?.clone();
        let (method, card) = self.card_of(&intent)?;
        if !intent
            .payment_method_types
            .iter()
            .any(|kind| kind == card.rail.word())
        {
            let message = format!(
                "The PaymentMethod provided ({}) is not allowed for this PaymentIntent. Allowed: {}.",
                card.rail.word(),
                intent.payment_method_types.join(", ")
            );
            return Err(ApiError::invalid(message).param("payment_method"));
        }
        match card.decline {
            _ if card.rail == Rail::UsBankAccount => self.process(&intent, (method, card)),
            _ if card.challenge && intent.off_session => {
                self.decline(&intent, (method, card), AUTHENTICATION_REQUIRED)
            }
            _ if card.challenge => self.challenge(&intent),
            Some(decline) => self.decline(&intent, (method, card), decline),
            None => self.pay(&intent, (method, card), false),
        }
    }

    /// What happens after the customer stood before the bank's page.
    pub(crate) fn authenticated(&mut self, id: &str, succeeded: bool) -> Checked<()> {
        let intent = self.payment_intents.get(id)?.clone();
        if intent.status != Status::RequiresAction {
            return Err(Self::unexpected(
                &intent,
                "authenticated",
                &[Status::RequiresAction],
            ));
        }
        let (method, card) = self.card_of(&intent)?;
        match card.decline {
            _ if !succeeded => {
                let message = "The provided PaymentMethod has failed authentication. Provide another one to attempt to \
                               fulfill this PaymentIntent again.";
                let mut error = failure("payment_intent_authentication_failure", message);
                error.insert("type".to_owned(), "invalid_request_error".into());
                self.fail(&intent, error, None)
            }
            Some(decline) => self.decline(&intent, (method, card), decline),
            None => self.pay(&intent, (method, card), true),
        }
    }

    fn card_of(&self, intent: &PaymentIntent) -> Checked<(String, Card)> {
        let id = intent.payment_method.clone().unwrap_or_default();
        let card = self.payment_methods.get(&id)?.card;
        Ok((id, card))
    }

    fn pay(&mut self, intent: &PaymentIntent, card: (String, Card), authenticated: bool) -> Checked<()> {
        let method = card.0.clone();
        let charge = self.make_charge(intent, card, Progress::Succeeded, authenticated);
        let manual = intent.capture_method == CaptureMethod::Manual;
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.latest_charge = Some(charge.clone());
        changed.next_action = None;
        changed.last_payment_error = None;
        if manual {
            changed.status = Status::RequiresCapture;
            changed.amount_capturable = intent.amount;
        } else {
            changed.status = Status::Succeeded;
            changed.amount_received = intent.amount;
        }
        if intent.setup_future_usage.is_some() {
            self.payment_methods
                .get_mut(&method)?
                .customer
                .clone_from(&intent.customer);
        }
        self.emit_charge("charge.succeeded", &charge, None);
        let kind = if manual {
            "payment_intent.amount_capturable_updated"
        } else {
            "payment_intent.succeeded"
        };
        self.emit_intent(kind, &intent.id);
        Ok(())
    }

    fn challenge(&mut self, intent: &PaymentIntent) -> Checked<()> {
        let url = format!(
            "{}/redirect/authenticate/{}?client_secret={}",
            self.settings.base_url(),
            intent.id,
            intent.client_secret
        );
        let action = match &intent.return_url {
            Some(return_url) => json!({
                "type": "redirect_to_url",
                "redirect_to_url": { "return_url": return_url, "url": url },
            }),
            None => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "stripe_js": url, "type": "three_d_secure_redirect" },
            }),
        };
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.status = Status::RequiresAction;
        changed.next_action = Some(action);
        changed.last_payment_error = None;
        self.emit_intent("payment_intent.requires_action", &intent.id);
        Ok(())
    }

    fn decline(&mut self, intent: &PaymentIntent, card: (String, Card), decline: Decline) -> Checked<()> {
        let charge = self.make_charge(intent, card, Progress::Failed(decline), false);
        self.fail(intent, refusal(decline, &charge), Some(charge))
    }

    /// Asks a bank that takes its time.
    fn process(&mut self, intent: &PaymentIntent, account: (String, Card)) -> Checked<()> {
        let charge = self.make_charge(intent, account, Progress::Pending, false);
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.status = Status::Processing;
        changed.latest_charge = Some(charge.clone());
        changed.last_payment_error = None;
        self.emit_charge("charge.pending", &charge, None);
        self.emit_intent("payment_intent.processing", &intent.id);
        self.later(Later::EndDebit(charge));
        Ok(())
    }

    /// Takes the answer of a bank that took its time.
    pub(crate) fn end_debit(&mut self, id: &str) {
        let Some(charge) = self.charges.find(id).cloned() else {
            return;
        };
        let progress = charge.card.decline.map_or(Progress::Succeeded, Progress::Failed);
        self.end_charge(id, progress);
        let Some(intent) = self.payment_intents.find_mut(&charge.payment_intent) else {
            return;
        };
        if let Some(decline) = charge.card.decline {
            let intent = intent.clone();
            // Nobody waits for the answer.
            let _ = self.fail(&intent, refusal(decline, id), Some(charge.id));
            return;
        }
        intent.status = Status::Succeeded;
        intent.amount_received = charge.amount;
        self.emit_charge("charge.succeeded", id, None);
        self.emit_intent("payment_intent.succeeded", &charge.payment_intent);
    }

    /// Back to the start, with the reason kept: the customer may try another card.
    fn fail(
        &mut self,
        intent: &PaymentIntent,
        mut error: Map<String, Value>,
        charge: Option<String>,
    ) -> Checked<()> {
        let method = intent
            .payment_method
            .as_deref()
            .and_then(|id| self.payment_methods.view(id));
        error.insert("payment_method".to_owned(), method.unwrap_or_default());
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.status = Status::RequiresPaymentMethod;
        changed.payment_method = None;
        changed.next_action = None;
        changed.last_payment_error = Some(error.clone());
        if let Some(charge) = &charge {
            changed.latest_charge = Some(charge.clone());
        }
        let view = changed.view();
        if let Some(charge) = charge {
            self.emit_charge("charge.failed", &charge, None);
        }
        self.emit("payment_intent.payment_failed", &view, None);
        Err(ApiError::card(&error).with("payment_intent", view))
    }
}

/// What a decline leaves on the intent.
fn refusal(decline: Decline, charge: &str) -> Map<String, Value> {
    let mut error = failure(decline.code, decline.message);
    error.insert("charge".to_owned(), charge.into());
    if let Some(reason) = decline.reason {
        error.insert("decline_code".to_owned(), reason.into());
    }
    error
}

fn failure(code: &str, message: &str) -> Map<String, Value> {
    let fields = [
        ("type", "card_error"),
        ("code", code),
        ("message", message),
        ("doc_url", &doc_url(code)),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into_iter()
        .collect()
}
