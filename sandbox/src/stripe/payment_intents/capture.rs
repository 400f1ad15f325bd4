//! Taking authorized money, or letting it go.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, merge};
use super::super::state::{Row, State, now};
use super::Status;

const CANCELABLE: [Status; 4] = [
    Status::RequiresPaymentMethod,
    Status::RequiresCapture,
    Status::RequiresConfirmation,
    Status::RequiresAction,
];

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

/// `POST /v1/payment_intents/{id}/capture`
pub(crate) fn capture(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let asked = fields.positive("amount_to_capture")?;
    let metadata = fields.metadata()?;
    fields.ignore(&["statement_descriptor", "statement_descriptor_suffix"]);
    fields.finish()?;
    let intent = state.payment_intents.get_mut(id)?;
    if intent.status == Status::Succeeded {
        let message = "This PaymentIntent could not be captured because it has already been captured.";
        let error = ApiError::state("payment_intent_unexpected_state", message);
        return Err(error.with("payment_intent", intent.view()));
    }
    if intent.status != Status::RequiresCapture {
        return Err(State::unexpected(intent, "captured", &[Status::RequiresCapture]));
    }
    let amount = asked.unwrap_or(intent.amount_capturable);
    if amount > intent.amount_capturable {
        let message = format!(
            "The `amount_to_capture` ({amount}) is greater than the PaymentIntent's `amount_capturable` ({}).",
            intent.amount_capturable
        );
        let error = ApiError::state("amount_too_large", message).param("amount_to_capture");
        return Err(error.with("payment_intent", intent.view()));
    }
    let left = intent.amount_capturable - amount;
    if let Some(update) = metadata {
        merge(&mut intent.metadata, update);
    }
    intent.status = Status::Succeeded;
    intent.amount_received = amount;
    intent.amount_capturable = 0;
    let view = intent.view();
    let charge = intent.latest_charge.clone().unwrap_or_default();
    state.charges.get_mut(&charge)?.amount_captured = amount;
    state.release(&charge, left);
    state.book_charge(&charge);
    let previous = json!({ "amount_captured": 0, "balance_transaction": null, "captured": false });
    state.emit_charge("charge.captured", &charge, Some(previous));
    state.emit("payment_intent.succeeded", &view, None);
    Ok(view)
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(crate) fn cancel(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let reason = fields.choice("cancellation_reason", &REASONS)?;
    fields.finish()?;
    let intent = state.payment_intents.get_mut(id)?;
    if !CANCELABLE.contains(&intent.status) {
        return Err(State::unexpected(intent, "canceled", &CANCELABLE));
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
        state.release(&charge, held);
    }
    state.emit("payment_intent.canceled", &view, None);
    Ok(view)
}
