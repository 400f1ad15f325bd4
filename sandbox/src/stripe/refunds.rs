//! Refunds: money back, at once, later, or never arriving.

use serde_json::{Value, json};

use super::balance::LineKind;
use super::cards::RefundCourse;
use super::charges::Charge;
use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata, merge};
use super::lists::Page;
use super::state::{Later, Row, State, new_id, now};

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// How far a refund has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Pending,
    Succeeded,
    Failed,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Money on its way back to a card.
#[derive(Clone, Debug)]
pub(crate) struct Refund {
    id: String,
    created: i64,
    amount: i64,
    currency: String,
    pub(crate) charge: String,
    payment_intent: String,
    reason: Option<&'static str>,
    status: Status,
    balance_transaction: Option<String>,
    /// The line that took a failed refund back.
    failure_balance_transaction: Option<String>,
    metadata: Metadata,
}

impl Row for Refund {
    const KIND: &'static str = "refund";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "customer": null,
            "customer_account": null,
            "destination_details": { "card": { "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method": null,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status.word(),
            "transfer_reversal": null,
        });
        match self.status {
            Status::Succeeded => {}
            Status::Pending => view["pending_reason"] = "processing".into(),
            Status::Failed => {
                view["failure_reason"] = "lost_or_stolen_card".into();
                view["failure_balance_transaction"] = self.failure_balance_transaction.clone().into();
            }
        }
        view
    }
}

impl State {
    /// Brings a refund that did not end at once to the end that its card stands for.
    pub(crate) fn finish_refund(&mut self, id: &str) {
        let charge = self
            .refunds
            .find(id)
            .and_then(|refund| self.charges.find(&refund.charge));
        match charge.map(|charge| charge.card.refund) {
            Some(RefundCourse::PendsThenSucceeds) => drop(self.complete_refund(id)),
            Some(RefundCourse::Fails) => drop(self.fail_refund(id)),
            Some(RefundCourse::Succeeds) | None => {}
        }
    }

    /// The money has arrived. None where it was not on its way.
    pub(crate) fn complete_refund(&mut self, id: &str) -> Option<()> {
        let refund = self.refunds.find_mut(id)?;
        if refund.status != Status::Pending {
            return None;
        }
        refund.status = Status::Succeeded;
        let previous = json!({ "status": "pending", "pending_reason": "processing" });
        self.emit_refund("refund.updated", id, Some(previous));
        Some(())
    }

    /// The bank sent the money back: it is the account's again. None where it did so before.
    pub(crate) fn fail_refund(&mut self, id: &str) -> Option<()> {
        let refund = self.refunds.find(id)?.clone();
        if refund.status == Status::Failed {
            return None;
        }
        let description = Some(format!("REFUND FAILURE ({})", refund.charge));
        let line = self.book(
            LineKind::RefundFailure,
            refund.amount,
            &refund.currency,
            Some(id),
            description,
        );
        if let Some(refund) = self.refunds.find_mut(id) {
            refund.status = Status::Failed;
            refund.failure_balance_transaction = Some(line);
        }
        if let Some(charge) = self.charges.find_mut(&refund.charge) {
            charge.amount_refunded -= refund.amount;
        }
        let previous = json!({ "status": refund.status.word() });
        self.emit_refund("refund.updated", id, Some(previous));
        self.emit_refund("refund.failed", id, None);
        Some(())
    }

    fn emit_refund(&mut self, kind: &'static str, id: &str, previous: Option<Value>) {
        if let Some(view) = self.refunds.view(id) {
            self.emit(kind, &view, previous);
        }
    }

    /// The charge that a refund's parameters name.
    fn refunded_charge(&self, fields: &mut Fields) -> Checked<String> {
        let charge = fields.text("charge")?;
        if let Some(intent) = fields.text("payment_intent")? {
            self.payment_intents.check(&intent, "payment_intent")?;
            let paid = self
                .payment_intents
                .find(&intent)
                .and_then(|intent| intent.latest_charge.clone());
            return paid
                .filter(|id| self.charges.find(id).is_some_and(Charge::paid))
                .ok_or_else(|| {
                    let message =
                        format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
                    ApiError::state("payment_intent_unexpected_state", message).param("payment_intent")
                });
        }
        let charge = charge.ok_or_else(|| {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            ApiError::invalid(message).code("parameter_missing")
        })?;
        self.charges.check(&charge, "charge")?;
        Ok(charge)
    }

    /// The amount to refund, if so much was taken and not given back yet.
    fn refundable(&self, charge: &str, asked: Option<i64>) -> Checked<i64> {
        let charge = self.charges.get(charge)?;
        if !charge.paid() || charge.amount_captured == 0 {
            let message = format!(
                "Charge {} has not been captured, so it cannot be refunded.",
                charge.id
            );
            return Err(ApiError::state("charge_not_refundable", message));
        }
        let dispute = charge.dispute.as_deref().and_then(|id| self.disputes.find(id));
        if dispute.is_some_and(|dispute| !dispute.leaves_refundable()) {
            let message = format!(
                "Charge {} has been charged back; cannot issue a refund.",
                charge.id
            );
            return Err(ApiError::state("charge_disputed", message));
        }
        let left = charge.refundable();
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(ApiError::state("charge_already_refunded", message));
        }
        match asked {
            Some(asked) if asked > left => {
                let message = format!(
                    "Refund amount ({asked}) is greater than unrefunded amount on charge ({left}) in {}",
                    charge.currency
                );
                Err(ApiError::invalid(message).param("amount").kept())
            }
            asked => Ok(asked.unwrap_or(left)),
        }
    }
}

/// `POST /v1/refunds`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let asked = fields.positive("amount")?;
    let reason = fields.choice("reason", &REASONS)?;
    let metadata = fields.metadata()?.unwrap_or_default();
    let charge = state.refunded_charge(&mut fields)?;
    fields.finish()?;
    let amount = state.refundable(&charge, asked)?;
    // A refund is paid from what the charge brought in, so that comes first.
    state.settle_charge(&charge);

    let id = new_id("re");
    let charge = state.charges.get_mut(&charge)?;
    let course = charge.card.refund;
    let previous = json!({
        "amount_refunded": charge.amount_refunded,
        "refunded": charge.refundable() == 0,
    });
    charge.amount_refunded += amount;
    let (charge, currency) = (charge.clone(), charge.currency.clone());
    let what = charge.description().unwrap_or_else(|| charge.id.clone());
    let description = Some(format!("REFUND FOR CHARGE ({what})"));
    let line = state.book(
        LineKind::of_refund(charge.card.rail),
        -amount,
        &currency,
        Some(&id),
        description,
    );
    state.refunds.insert(Refund {
        id: id.clone(),
        created: now(),
        amount,
        currency,
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        reason,
        status: if course == RefundCourse::PendsThenSucceeds {
            Status::Pending
        } else {
            Status::Succeeded
        },
        balance_transaction: Some(line),
        failure_balance_transaction: None,
        metadata,
    });
    state.emit_refund("refund.created", &id, None);
    state.emit_charge("charge.refunded", &charge.id, Some(previous));
    if course != RefundCourse::Succeeds {
        state.later(Later::FinishRefund(id.clone()));
    }
    Ok(state.refunds.get(&id)?.view())
}

/// `GET /v1/refunds/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.refunds.get(id)?.view())
}

/// `POST /v1/refunds/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let metadata = fields.metadata()?;
    fields.finish()?;
    let refund = state.refunds.get_mut(id)?;
    if let Some(update) = metadata {
        merge(&mut refund.metadata, update);
    }
    Ok(refund.view())
}

/// `GET /v1/refunds`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let intent = fields.text("payment_intent")?;
    let charge = fields.text("charge")?;
    fields.finish()?;
    page.of(&state.refunds, "/v1/refunds", |refund| {
        created.contains(refund.created)
            && intent
                .as_deref()
                .is_none_or(|intent| intent == refund.payment_intent)
            && charge.as_deref().is_none_or(|charge| charge == refund.charge)
    })
}
