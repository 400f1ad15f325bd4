//! Paying: the card says yes or no, or sends its holder to the bank's page first.

use serde_json::{Map, Value};

use super::super::askers::Asker;
use super::super::cards::{AUTHENTICATION_REQUIRED, Card, Challenge, Decline, Rail};
use super::super::charges::Progress;
use super::super::checkout::Course;
use super::super::errors::{ApiError, doc_url};
use super::super::fields::{Checked, Fields, merge};
use super::super::mandates::{Consent, Extent};
use super::super::state::{Later, Row, State};
use super::{CaptureMethod, NAME, PaymentIntent, Status, create};

const CONFIRMABLE: [Status; 3] = [
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
];

/// `POST /v1/payment_intents/{id}/confirm`
pub(crate) fn confirm(state: &mut State, asker: Asker, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut intent = state.payment_intents.get(id)?.clone();
    asker.check(&mut fields, &intent.client_secret, NAME)?;
    create::set(state, &mut intent, &mut fields)?;
    let off_session = fields.boolean("off_session")?.unwrap_or_default();
    if let Some(capture) = fields.choice("capture_method", &CaptureMethod::WORDS)? {
        intent.capture_method = CaptureMethod::parse(capture);
    }
    if let Some(update) = fields.metadata()? {
        merge(&mut intent.metadata, update);
    }
    fields.ignore(&["radar_options", "error_on_requires_action", "use_stripe_sdk"]);
    intent.consent = Consent::take(&mut fields, asker)?;
    fields.finish()?;
    if intent.checkout.is_some() {
        let message = "You cannot confirm this PaymentIntent because it belongs to a Checkout Session.";
        return Err(ApiError::state("payment_intent_unexpected_state", message));
    }
    check_confirmable(&intent)?;
    intent.off_session = off_session;
    if asker == Asker::Merchant {
        intent.check_return_url()?;
    }
    state.confirm_intent(intent)?;
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

impl PaymentIntent {
    /// Whom its method is kept with for later payments.
    fn keeper(&self) -> Option<&str> {
        self.customer
            .as_deref()
            .filter(|_| self.setup_future_usage.is_some())
    }

    pub(super) fn check_return_url(&self) -> Checked<()> {
        if self.off_session {
            return Ok(());
        }
        self.method_types.check_return_url(self.return_url.as_ref(), NAME)
    }
}

impl State {
    /// Pays an intent of Checkout with what the customer chose on the page.
    pub(crate) fn pay_on_page(&mut self, id: &str, method: &str) -> Checked<()> {
        let mut intent = self.payment_intents.get(id)?.clone();
        intent.payment_method = Some(method.to_owned());
        intent.consent = Consent::on_page();
        check_confirmable(&intent)?;
        self.confirm_intent(intent)
    }

    fn confirm_intent(&mut self, mut intent: PaymentIntent) -> Checked<()> {
        let method = intent.payment_method.as_deref().unwrap_or_default();
        intent.payment_method = Some(self.use_payment_method(method, intent.customer.as_deref())?);
        self.check_payable(&intent)?;
        let id = intent.id.clone();
        self.use_up_token(&intent);
        *self.payment_intents.get_mut(&id)? = intent;
        self.try_to_pay(&id)
    }

    /// Whether the intent may be tried with its method at all.
    pub(super) fn check_payable(&self, intent: &PaymentIntent) -> Checked<()> {
        let (method, card) = self.card_of(intent)?;
        intent.method_types.check(card.rail, NAME)?;
        if card.rail != Rail::Card && intent.capture_method == CaptureMethod::Manual {
            let message = format!(
                "The payment method type {} cannot be captured by hand.",
                card.rail.word()
            );
            return Err(ApiError::invalid(message).param("capture_method"));
        }
        self.check_mandate(&method, &intent.consent, intent.setup_future_usage.is_some())
    }

    /// Uses the intent's payment method. A decline is the error; the customer's next step is not.
    pub(super) fn try_to_pay(&mut self, id: &str) -> Checked<()> {
        let intent = self.payment_intents.get(id)?.clone();
        let (method, card) = self.card_of(&intent)?;
        let set_up = self
            .payment_methods
            .find(&method)
            .is_some_and(|method| method.set_up);
        let challenged = match card.challenge {
            Challenge::Never => false,
            Challenge::Always => true,
            Challenge::UntilSetUp => !(set_up && intent.off_session),
        };
        match card.decline {
            _ if card.rail != Rail::Card => self.process(&intent, (method, card)),
            _ if challenged && intent.off_session => {
                self.decline(&intent, (method, card), AUTHENTICATION_REQUIRED)
            }
            _ if challenged => self.challenge(&intent),
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
        self.used(&method, intent.keeper());
        self.emit_charge("charge.succeeded", &charge, None);
        let kind = if manual {
            "payment_intent.amount_capturable_updated"
        } else {
            "payment_intent.succeeded"
        };
        self.emit_intent(kind, &intent.id);
        self.follow(intent.checkout.as_deref(), Course::Ended { paid: !manual });
        Ok(())
    }

    fn challenge(&mut self, intent: &PaymentIntent) -> Checked<()> {
        let action = self.challenge_of(&intent.id, &intent.client_secret, intent.return_url.as_ref());
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.status = Status::RequiresAction;
        changed.next_action = Some(action);
        changed.last_payment_error = None;
        self.emit_intent("payment_intent.requires_action", &intent.id);
        Ok(())
    }

    fn decline(&mut self, intent: &PaymentIntent, card: (String, Card), decline: Decline) -> Checked<()> {
        let charge = self.make_charge(intent, card, Progress::Failed(decline), false);
        self.fail(intent, refusal(decline, Some(&charge)), Some(charge))
    }

    /// Asks a bank that takes its time.
    fn process(&mut self, intent: &PaymentIntent, account: (String, Card)) -> Checked<()> {
        let method = account.0.clone();
        let extent = if intent.setup_future_usage.is_some() {
            Extent::ManyTimes
        } else {
            Extent::Once {
                amount: intent.amount,
                currency: intent.currency.clone(),
            }
        };
        let mandate = self.mandate_of(&method, &intent.consent, extent);
        let charge = self.make_charge(intent, account, Progress::Pending, false);
        self.charges.get_mut(&charge)?.mandate.clone_from(&mandate);
        self.used(&method, intent.keeper());
        let changed = self.payment_intents.get_mut(&intent.id)?;
        changed.status = Status::Processing;
        changed.latest_charge = Some(charge.clone());
        changed.last_payment_error = None;
        self.emit_charge("charge.pending", &charge, None);
        self.emit_intent("payment_intent.processing", &intent.id);
        if let Some(mandate) = mandate {
            self.mandate_used(&mandate);
        }
        self.later(Later::EndDebit(charge));
        self.follow(intent.checkout.as_deref(), Course::Ended { paid: false });
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
            let _ = self.fail(&intent, refusal(decline, Some(id)), Some(charge.id));
            self.follow(intent.checkout.as_deref(), Course::Late { paid: false });
            return;
        }
        intent.status = Status::Succeeded;
        intent.amount_received = charge.amount;
        let intent = intent.clone();
        self.emit_charge("charge.succeeded", id, None);
        self.emit_intent("payment_intent.succeeded", &charge.payment_intent);
        self.follow(intent.checkout.as_deref(), Course::Late { paid: true });
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
pub(crate) fn refusal(decline: Decline, charge: Option<&str>) -> Map<String, Value> {
    let mut error = failure(decline.code, decline.message);
    if let Some(charge) = charge {
        error.insert("charge".to_owned(), charge.into());
    }
    if let Some(reason) = decline.reason {
        error.insert("decline_code".to_owned(), reason.into());
    }
    error
}

pub(crate) fn failure(code: &str, message: &str) -> Map<String, Value> {
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
