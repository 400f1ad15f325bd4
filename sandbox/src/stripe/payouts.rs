//! Payouts: money on its way to the merchant's bank.

use serde_json::{Value, json};

use super::balance::LineKind;
use super::fields::{Checked, Fields};
use super::lists::Page;
use super::state::{Row, State, new_id};

/// How long a payout is on its way.
const ARRIVES_AFTER_SECS: i64 = 2 * 24 * 60 * 60;

/// The merchant's bank account.
const DESTINATION: &str = "ba_1Sandbox";

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

/// Who decides that money is paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutKind {
    /// The schedule: Stripe knows which lines it is made of.
    Automatic,
    /// A person: it is only an amount.
    Manual,
}

/// One payout.
#[derive(Clone, Debug)]
pub(crate) struct Payout {
    id: String,
    created: i64,
    amount: i64,
    currency: String,
    pub(crate) kind: PayoutKind,
    /// The line that took its money out of the balance.
    line: Option<String>,
    /// The line that brought it back.
    failure_line: Option<String>,
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
            "automatic": self.kind == PayoutKind::Automatic,
            "balance_transaction": self.line,
            "created": self.created,
            "currency": self.currency,
            "description": "STRIPE PAYOUT",
            "destination": DESTINATION,
            "failure_balance_transaction": self.failure_line,
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
    /// Starts a payout of a mere amount, as the schedule does. Returns its id.
    pub(crate) fn pay_out(&mut self, amount: i64, currency: &str) -> String {
        self.start_payout(new_id("po"), amount, currency, PayoutKind::Automatic, None)
    }

    /// Starts a payout of all that was not paid out yet. Returns its id; None where it comes to nothing.
    pub(crate) fn pay_out_all(&mut self, currency: &str, kind: PayoutKind) -> Option<String> {
        let amount = self.unpaid(currency).filter(|amount| *amount != 0)?;
        let id = new_id("po");
        let line = self.move_payout(LineKind::Payout, -amount, currency, &id, "STRIPE PAYOUT");
        self.take_unpaid(currency, &id);
        Some(self.start_payout(id, amount, currency, kind, Some(line)))
    }

    fn start_payout(
        &mut self,
        id: String,
        amount: i64,
        currency: &str,
        kind: PayoutKind,
        line: Option<String>,
    ) -> String {
        let payout = Payout {
            id: id.clone(),
            created: self.today(),
            amount,
            currency: currency.to_owned(),
            kind,
            line,
            failure_line: None,
            status: "pending",
            failed: false,
            reconciliation: match kind {
                PayoutKind::Automatic => "in_progress",
                PayoutKind::Manual => "not_applicable",
            },
        };
        let view = payout.view();
        self.payouts.insert(payout);
        self.emit("payout.created", &view, None);
        id
    }

    /// Takes a payout a step further. None where there is no such step from where it is.
    pub(crate) fn step_payout(&mut self, id: &str, step: PayoutStep) -> Option<()> {
        let payout = self.payouts.find(id)?;
        let before = payout.view();
        let kind = match (step, payout.status) {
            (PayoutStep::Send, "pending") => "payout.updated",
            (PayoutStep::Arrive, "pending" | "in_transit") => "payout.paid",
            (PayoutStep::Fail, "pending" | "in_transit" | "paid") => {
                self.return_payout(id, LineKind::PayoutFailure, "STRIPE PAYOUT FAILURE");
                "payout.failed"
            }
            (PayoutStep::Cancel, "pending") => {
                self.return_payout(id, LineKind::PayoutCancel, "STRIPE PAYOUT CANCEL");
                "payout.canceled"
            }
            (PayoutStep::Reconcile, _) if payout.reconciliation == "in_progress" => {
                "payout.reconciliation_completed"
            }
            _ => return None,
        };
        let payout = self.payouts.find_mut(id)?;
        match step {
            PayoutStep::Send => payout.status = "in_transit",
            PayoutStep::Arrive => payout.status = "paid",
            PayoutStep::Fail => (payout.status, payout.failed) = ("failed", true),
            PayoutStep::Cancel => payout.status = "canceled",
            PayoutStep::Reconcile => payout.reconciliation = "completed",
        }
        let view = payout.view();
        let previous =
            json!({ "status": before["status"], "reconciliation_status": before["reconciliation_status"] });
        self.emit(kind, &view, Some(previous));
        Some(())
    }

    /// Puts a payout's money back into the balance, where a line had taken it out.
    fn return_payout(&mut self, id: &str, kind: LineKind, what: &str) {
        let Some(payout) = self
            .payouts
            .find(id)
            .filter(|payout| payout.line.is_some())
            .cloned()
        else {
            return;
        };
        let line = self.move_payout(kind, payout.amount, &payout.currency, id, what);
        if let Some(payout) = self.payouts.find_mut(id) {
            payout.failure_line = Some(line);
        }
    }

    /// A payout's currency is the balance's own: there is nothing to convert.
    fn move_payout(&mut self, kind: LineKind, amount: i64, currency: &str, id: &str, what: &str) -> String {
        self.book_settled(kind, amount, currency, Some(id), Some(what.to_owned()))
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
    let arrival = fields.times("arrival_date")?;
    let status = fields.text("status")?;
    let destination = fields.text("destination")?;
    fields.finish()?;
    page.of(&state.payouts, "/v1/payouts", |payout| {
        created.contains(payout.created)
            && arrival.contains(payout.created + ARRIVES_AFTER_SECS)
            && status.as_deref().is_none_or(|status| status == payout.status)
            && destination
                .as_deref()
                .is_none_or(|destination| destination == DESTINATION)
    })
}
