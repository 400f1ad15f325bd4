//! Taking authorized money, or letting it go.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, merge};
use super::super::state::{Row, State, now};
use super::{PaymentIntent, Status};

const CANCELABLE: [Status; 4] = [
    Status::RequiresPaymentMethod,
    Status::RequiresCapture,
    Status::RequiresConfirmation,
    Status::RequiresAction,
];

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

/// Stripe's own limit on captures of one authorization.
const MAX_CAPTURES: usize = 50;

/// What a capture asks for.
#[derive(Clone, Copy, Debug)]
struct Wish {
    /// Everything where absent.
    amount: Option<i64>,
    /// Whether the rest is let go.
    last: bool,
}

/// `POST /v1/payment_intents/{id}/capture`
pub(crate) fn capture(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let wish = Wish {
        amount: fields.integer("amount_to_capture")?,
        last: fields.boolean("final_capture")?.unwrap_or(true),
    };
    let metadata = fields.metadata()?;
    fields.ignore(&["statement_descriptor", "statement_descriptor_suffix"]);
    fields.finish()?;
    let intent = state.payment_intents.get(id)?;
    if intent.status == Status::Succeeded {
        let message = "This PaymentIntent could not be captured because it has already been captured.";
        let error = ApiError::state("payment_intent_unexpected_state", message);
        return Err(error.with("payment_intent", intent.view()));
    }
    if intent.status != Status::RequiresCapture {
        return Err(State::unexpected(intent, "captured", &[Status::RequiresCapture]));
    }
    let amount = state.check_wish(intent, wish)?;
    if let Some(update) = metadata {
        merge(&mut state.payment_intents.get_mut(id)?.metadata, update);
    }
    state.take(id, amount, wish.last)
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(crate) fn cancel(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let reason = fields.choice("cancellation_reason", &REASONS)?;
    fields.finish()?;
    let intent = state.payment_intents.get(id)?;
    if !CANCELABLE.contains(&intent.status) {
        return Err(State::unexpected(intent, "canceled", &CANCELABLE));
    }
    state.let_go(id, reason, "charge.refunded")
}

impl State {
    /// The amount of a capture, if the authorization allows it.
    fn check_wish(&self, intent: &PaymentIntent, wish: Wish) -> Checked<i64> {
        let charge = self
            .charges
            .get(intent.latest_charge.as_deref().unwrap_or_default())?;
        let refused = |error: ApiError| Err(error.kept().with("payment_intent", intent.view()));
        if !wish.last && !charge.multicapture {
            let message = "You may set `final_capture` to false only where multicapture was requested when the \
                           PaymentIntent was created, and is available for its payment method.";
            let error = ApiError::invalid(message).code("payment_intent_invalid_parameter");
            return refused(error.param("final_capture"));
        }
        let amount = wish.amount.unwrap_or(intent.amount_capturable);
        // Nothing may be taken only to let go of the rest.
        let releases = amount == 0 && wish.last && charge.captures > 0;
        if amount < 1 && !releases {
            let error = ApiError::invalid("This value must be greater than or equal to 1.");
            return Err(error.code("parameter_invalid_integer").param("amount_to_capture"));
        }
        if amount > intent.amount_capturable {
            let message = format!(
                "The `amount_to_capture` ({amount}) is greater than the PaymentIntent's `amount_capturable` ({}).",
                intent.amount_capturable
            );
            let error = ApiError::invalid(message).code("amount_too_large");
            return refused(error.param("amount_to_capture"));
        }
        if amount > 0 && charge.captures >= MAX_CAPTURES {
            let message = format!("A PaymentIntent can be captured at most {MAX_CAPTURES} times.");
            return refused(ApiError::invalid(message).code("payment_intent_unexpected_state"));
        }
        Ok(amount)
    }

    /// Takes an amount, and lets go of the rest where it is the last time.
    fn take(&mut self, id: &str, amount: i64, last: bool) -> Checked<Value> {
        let intent = self.payment_intents.get_mut(id)?;
        let before = json!({ "amount_capturable": intent.amount_capturable });
        let left = intent.amount_capturable - amount;
        let last = last || left == 0;
        intent.amount_received += amount;
        intent.amount_capturable = if last { 0 } else { left };
        if last {
            intent.status = Status::Succeeded;
        }
        let view = intent.view();
        let charge = intent.latest_charge.clone().unwrap_or_default();
        let mut previous = self.take_part(&charge, amount, last)?;
        if last {
            self.release(&charge, left)?;
        }
        if self.charges.get(&charge)?.multicapture {
            if amount > 0 {
                self.emit_charge("charge.updated", &charge, Some(previous));
            }
            self.emit("payment_intent.amount_capturable_updated", &view, Some(before));
            previous = json!({});
        }
        if last {
            previous["captured"] = false.into();
            self.emit_charge("charge.captured", &charge, Some(previous));
            self.emit("payment_intent.succeeded", &view, None);
        }
        Ok(view)
    }

    /// Gives up an intent. Where a part was captured already, only the rest is let go, and the intent has succeeded.
    fn let_go(&mut self, id: &str, reason: Option<&'static str>, told_as: &'static str) -> Checked<Value> {
        let intent = self.payment_intents.get_mut(id)?;
        if intent.amount_received > 0 {
            return self.take(id, 0, true);
        }
        let held = intent.amount_capturable;
        intent.status = Status::Canceled;
        intent.canceled_at = Some(now());
        intent.cancellation_reason = reason;
        intent.amount_capturable = 0;
        intent.next_action = None;
        let view = intent.view();
        if held > 0 {
            let charge = intent.latest_charge.clone().unwrap_or_default();
            let previous = self.release(&charge, held)?;
            self.emit_charge(told_as, &charge, Some(previous));
        }
        self.emit("payment_intent.canceled", &view, None);
        Ok(view)
    }

    /// Ends an authorization that nobody captured in time. None where there is none.
    pub(crate) fn lapse(&mut self, id: &str) -> Option<Value> {
        self.payment_intents
            .find(id)
            .filter(|intent| intent.status == Status::RequiresCapture)?;
        self.let_go(id, Some("automatic"), "charge.expired").ok()
    }
}
