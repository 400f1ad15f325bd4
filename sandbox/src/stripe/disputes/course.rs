//! How a dispute begins, goes on and ends, and the money that moves with it.

use serde_json::{Value, json};

use super::super::balance::LineKind;
use super::super::fields::Metadata;
use super::super::state::{Later, Row, State, new_id, now};
use super::evidence::Evidence;
use super::{Dispute, Status, Verdict};

/// How long a merchant has to answer.
const ANSWER_WITHIN_SECS: i64 = 7 * 24 * 60 * 60;

impl State {
    /// Opens a dispute about a charge that was captured, or only an inquiry. Returns its id; None where there is
    /// nothing to dispute, or no longer.
    pub(crate) fn open_dispute(
        &mut self,
        charge: &str,
        reason: &'static str,
        inquiry: bool,
    ) -> Option<String> {
        self.charges
            .find(charge)
            .filter(|charge| charge.paid() && charge.amount_captured > 0 && charge.dispute.is_none())?;
        // What a dispute takes must have come in first.
        self.settle_charge(charge);
        let charge = self.charges.find_mut(charge)?;
        let id = new_id("dp");
        charge.dispute = Some(id.clone());
        let dispute = Dispute {
            id: id.clone(),
            created: now(),
            amount: charge.amount_captured,
            currency: charge.currency.clone(),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            brand: charge.card.brand,
            reason,
            status: if inquiry {
                Status::WarningNeedsResponse
            } else {
                Status::NeedsResponse
            },
            evidence: Evidence::default(),
            due_by: now() + ANSWER_WITHIN_SECS,
            submission_count: 0,
            lines: Vec::new(),
            metadata: Metadata::new(),
        };
        self.disputes.insert(dispute);
        self.emit_dispute("charge.dispute.created", &id, None);
        if !inquiry {
            self.withdraw(&id);
        }
        Some(id)
    }

    /// Opens the dispute that a charge's card stands for.
    pub(crate) fn complain(&mut self, charge: &str) {
        let grievance = self.charges.find(charge).and_then(|charge| charge.card.grievance);
        if let Some(grievance) = grievance {
            self.open_dispute(charge, grievance.reason, grievance.inquiry);
        }
    }

    /// Turns an inquiry into a dispute that takes the money. None where it is no open inquiry.
    pub(crate) fn escalate(&mut self, id: &str) -> Option<()> {
        let dispute = self.disputes.find_mut(id)?;
        if dispute.status.is_closed() || !dispute.status.is_inquiry() {
            return None;
        }
        let previous = json!({ "is_charge_refundable": true, "status": dispute.status.word() });
        dispute.status = Status::NeedsResponse;
        self.emit_dispute("charge.dispute.updated", id, Some(previous));
        self.withdraw(id);
        Some(())
    }

    /// Ends a dispute. None where it is over, or cannot end so: an inquiry is only closed, and nothing else is.
    pub(crate) fn decide(&mut self, id: &str, verdict: Verdict) -> Option<()> {
        let dispute = self.disputes.find_mut(id)?;
        let (status, of_inquiry) = match verdict {
            Verdict::Won => (Status::Won, false),
            Verdict::Lost => (Status::Lost, false),
            Verdict::WarningClosed => (Status::WarningClosed, true),
        };
        if dispute.status.is_closed() || dispute.status.is_inquiry() != of_inquiry {
            return None;
        }
        let previous = json!({ "status": dispute.status.word() });
        dispute.status = status;
        self.emit_dispute("charge.dispute.closed", id, Some(previous));
        if verdict == Verdict::Won {
            self.reinstate(id, None);
        }
        Some(())
    }

    /// Ends a dispute as lost, though a part of its amount comes back. None where it cannot end so.
    pub(crate) fn lose_in_part(&mut self, id: &str, returned: i64) -> Option<()> {
        self.disputes
            .find(id)
            .filter(|dispute| (1..dispute.amount).contains(&returned))?;
        self.decide(id, Verdict::Lost)?;
        self.reinstate(id, Some(returned));
        Some(())
    }

    /// Leaves the bank's decision for later.
    pub(super) fn decide_later(&mut self, id: &str, verdict: Verdict) {
        self.later(Later::DecideDispute(id.to_owned(), verdict));
    }

    /// Takes the amount, and Stripe's fee for the trouble.
    fn withdraw(&mut self, id: &str) {
        if let Some(dispute) = self.disputes.find(id).cloned() {
            let what = format!("Chargeback withdrawal for {}", dispute.charge);
            self.move_funds(&dispute, LineKind::Dispute, -dispute.amount, what);
            self.emit_dispute("charge.dispute.funds_withdrawn", id, None);
        }
    }

    /// Gives the amount back, or a part of it, but not the fee.
    fn reinstate(&mut self, id: &str, part: Option<i64>) {
        if let Some(dispute) = self.disputes.find(id).cloned() {
            let what = format!("Chargeback reversal for {}", dispute.charge);
            self.move_funds(
                &dispute,
                LineKind::DisputeReversal,
                part.unwrap_or(dispute.amount),
                what,
            );
            self.emit_dispute("charge.dispute.funds_reinstated", id, None);
        }
    }

    fn move_funds(&mut self, dispute: &Dispute, kind: LineKind, amount: i64, what: String) {
        let line = self.book(kind, amount, &dispute.currency, Some(&dispute.id), Some(what));
        let line = self.balance_transactions.view(&line);
        if let Some(dispute) = self.disputes.find_mut(&dispute.id) {
            dispute.lines.extend(line);
        }
    }

    fn emit_dispute(&mut self, kind: &'static str, id: &str, previous: Option<Value>) {
        if let Some(view) = self.disputes.find(id).map(Row::view) {
            self.emit(kind, &view, previous);
        }
    }
}
