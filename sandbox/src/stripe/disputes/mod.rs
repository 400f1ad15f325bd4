//! Disputes: money that a cardholder's bank takes back, and what is said against it.

mod course;
mod evidence;

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata, merge};
use super::lists::Page;
use super::state::{Row, State, now};
use evidence::Evidence;

/// Why cardholders complain.
pub(crate) const REASONS: [&str; 15] = [
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
];

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The money comes back.
    Won,
    /// It stays with the cardholder.
    Lost,
    /// An inquiry that became nothing more.
    WarningClosed,
}

/// How far a dispute has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::WarningNeedsResponse => "warning_needs_response",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Whether the bank only asks, and has taken nothing.
    const fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed
        )
    }

    const fn is_closed(self) -> bool {
        matches!(self, Self::WarningClosed | Self::Won | Self::Lost)
    }

    /// Where evidence takes it; None where none is wanted any more.
    const fn submitted(self) -> Option<Self> {
        match self {
            Self::WarningNeedsResponse => Some(Self::WarningUnderReview),
            Self::NeedsResponse => Some(Self::UnderReview),
            Self::WarningUnderReview | Self::UnderReview | Self::WarningClosed | Self::Won | Self::Lost => {
                None
            }
        }
    }
}

/// A cardholder's complaint about a charge.
#[derive(Clone, Debug)]
pub(crate) struct Dispute {
    id: String,
    created: i64,
    amount: i64,
    currency: String,
    charge: String,
    payment_intent: String,
    brand: &'static str,
    reason: &'static str,
    status: Status,
    evidence: Evidence,
    due_by: i64,
    submission_count: u32,
    /// The ledger lines so far, as they were written.
    lines: Vec<Value>,
    metadata: Metadata,
}

impl Dispute {
    /// Whether the charge may still be refunded.
    pub(crate) fn leaves_refundable(&self) -> bool {
        self.status.is_inquiry()
    }

    /// The network's own name for the reason.
    fn network_reason_code(&self) -> &'static str {
        match self.reason {
            "fraudulent" => "10.4",
            "duplicate" => "12.6",
            "product_not_received" => "13.1",
            "subscription_canceled" => "13.2",
            "product_unacceptable" => "13.3",
            "credit_not_processed" => "13.6",
            _ => "13.5",
        }
    }
}

impl Row for Dispute {
    const KIND: &'static str = "dispute";
    const PARAM: &'static str = "dispute";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        let case_type = if self.status.is_inquiry() {
            "inquiry"
        } else {
            "chargeback"
        };
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": self.lines,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": self.evidence.view(),
            "evidence_details": {
                "due_by": self.due_by,
                "enhanced_eligibility": {},
                "has_evidence": self.evidence.is_any(),
                "past_due": self.due_by < now(),
                "submission_count": self.submission_count,
            },
            "is_charge_refundable": self.leaves_refundable(),
            "livemode": false,
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method_details": {
                "card": {
                    "brand": self.brand,
                    "case_type": case_type,
                    "network": self.brand,
                    "network_reason_code": self.network_reason_code(),
                },
                "type": "card",
            },
            "reason": self.reason,
            "status": self.status.word(),
        })
    }
}

/// `GET /v1/disputes/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.disputes.get(id)?.view())
}

/// `GET /v1/disputes`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let charge = fields.text("charge")?;
    let intent = fields.text("payment_intent")?;
    fields.finish()?;
    page.of(&state.disputes, "/v1/disputes", |dispute| {
        created.contains(dispute.created)
            && charge.as_deref().is_none_or(|charge| charge == dispute.charge)
            && intent
                .as_deref()
                .is_none_or(|intent| intent == dispute.payment_intent)
    })
}

/// `POST /v1/disputes/{id}`
///
/// Evidence is submitted with the request that brings it, unless that one says `submit=false`.
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let metadata = fields.metadata()?;
    let evidence = fields.section("evidence")?;
    let submit = fields.boolean("submit")?;
    fields.finish()?;
    let mut dispute = state.disputes.get(id)?.clone();
    let before = dispute.view();
    let submit = submit.unwrap_or(evidence.is_some());
    if evidence.is_some() || submit {
        check_open(&dispute)?;
    }
    if let Some(evidence) = evidence {
        dispute.evidence.set(evidence)?;
    }
    if submit {
        dispute.status = dispute.status.submitted().ok_or_else(|| {
            let message = "Evidence for this dispute has already been submitted.";
            ApiError::invalid(message).kept()
        })?;
        dispute.submission_count += 1;
    }
    if let Some(update) = metadata {
        merge(&mut dispute.metadata, update);
    }
    let verdict = dispute.evidence.verdict().filter(|_| submit);
    let view = dispute.view();
    *state.disputes.get_mut(id)? = dispute;
    let previous = changed(&before, &view);
    state.emit("charge.dispute.updated", &view, Some(previous));
    if let Some(verdict) = verdict {
        state.decide_later(id, verdict);
    }
    Ok(view)
}

/// `POST /v1/disputes/{id}/close`: the merchant gives in.
pub(crate) fn close(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let dispute = state.disputes.get(id)?;
    check_open(dispute)?;
    if dispute.status.is_inquiry() {
        let message = "This dispute is an inquiry: refund the charge instead of closing it.";
        return Err(ApiError::invalid(message).kept());
    }
    state.decide(id, Verdict::Lost);
    Ok(state.disputes.get(id)?.view())
}

fn check_open(dispute: &Dispute) -> Checked<()> {
    if dispute.status.is_closed() {
        return Err(ApiError::invalid("This dispute is already closed.").kept());
    }
    Ok(())
}

/// What an object showed before, where it shows something else now.
fn changed(before: &Value, now: &Value) -> Value {
    before
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| now.get(name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
