//! Payouts: money on its way to the merchant's bank.

use serde_json::{Value, json};

use super::fields::{Checked, Fields};
use super::lists::Page;
use super::state::{Row, State, new_id, now};

/// How long a payout is on its way.
const ARRIVES_AFTER_SECS: i64 = 2 * 24 * 60 * 60;

/// What happens to a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutStep {
    /// It is sent to the bank.
    Send,
    /// The bank takes it.
    Arrive,
    /// It comes back, even after it arrived.
    Fail,
    /// It is called off before it was sent.
    Cancel,
    /// Its ledger lines are complete.
    Reconcile,
}

/// One payout.
#[derive(Clone, Debug)]
pub(crate) struct Payout {
    id: String,
    created: i64,
    amount: i64,
    currency: String,
    status: &'static str,
    failed: bool,
    reconciliation: &'static str,
}

impl Row for Payout {
    const KIND: &'static str = "payout";
    const PARAM: &'static str = "payout";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let if_failed = |text: &str| self.failed.then(|| text.to_owned());
        json!({
            "id": self.id,
            "object": "payout",
            "amount": self.amount,
            "application_fee": null,
            "application_fee_amount": null,
            "arrival_date": self.created + ARRIVES_AFTER_SECS,
            "automatic": true,
            "balance_transaction": null,
            "created": self.created,
            "currency": self.currency,
            "description": "STRIPE PAYOUT",
            "destination": "ba_1Sandbox",
            "failure_balance_transaction": null,
            "failure_code": if_failed("account_closed"),
            "failure_message": if_failed("The bank account has been closed."),
            "livemode": false,
            "metadata": {},
            "method": "standard",
            "original_payout": null,
            "payout_method": null,
            "reconciliation_status": self.reconciliation,
            "reversed_by": null,
            "source_type": "card",
            "statement_descriptor": null,
            "status": self.status,
            "trace_id": null,
            "type": "bank_account",
        })
    }
}

impl State {
    /// Starts a payout as the schedule does. Returns its id.
    pub(crate) fn pay_out(&mut self, amount: i64, currency: &str) -> String {
        let id = new_id("po");
        let payout = Payout {
            id: id.clone(),
            created: now(),
            amount,
            currency: currency.to_owned(),
            status: "pending",
            failed: false,
            reconciliation: "in_progress",
        };
        let view = payout.view();
        self.payouts.insert(payout);
        self.emit("payout.created", &view, None);
        id
    }

    /// Takes a payout a step further. None where there is no such step from where it is.
    pub(crate) fn step_payout(&mut self, id: &str, step: PayoutStep) -> Option<()> {
        let payout = self.payouts.find_mut(id)?;
        let before = payout.view();
        let kind = match (step, payout.status) {
            (PayoutStep::Send, "pending") => {
                payout.status = "in_transit";
                "payout.updated"
            }
            (PayoutStep::Arrive, "pending" | "in_transit") => {
                payout.status = "paid";
                "payout.paid"
            }
            (PayoutStep::Fail, "pending" | "in_transit" | "paid") => {
                payout.status = "failed";
                payout.failed = true;
                "payout.failed"
            }
            (PayoutStep::Cancel, "pending") => {
                payout.status = "canceled";
                "payout.canceled"
            }
            (PayoutStep::Reconcile, _) if payout.reconciliation != "completed" => {
                payout.reconciliation = "completed";
                "payout.reconciliation_completed"
            }
            _ => return None,
        };
        let view = payout.view();
        let previous =
            json!({ "status": before["status"], "reconciliation_status": before["reconciliation_status"] });
        self.emit(kind, &view, Some(previous));
        Some(())
    }
}

/// `GET /v1/payouts/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.payouts.get(id)?.view())
}

/// `GET /v1/payouts`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let status = fields.text("status")?;
    fields.finish()?;
    page.of(&state.payouts, "/v1/payouts", |payout| {
        created.contains(payout.created) && status.as_deref().is_none_or(|status| status == payout.status)
    })
}
