//! Stripe's disputes: read and answered.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stripe_core::dispute::{
    CloseDispute, ListDispute, RetrieveDispute, UpdateDispute, UpdateDisputeEvidence,
};
use stripe_shared::DisputeId;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::compose::checked;
use super::money::StripeAmount;
use super::objects::{Expandable, Identified, Page};
use super::request::Request;
use super::series::{Failure, StripeHttp};
use super::snapshots::{Fields, Unreadable};
use crate::domain::dispute::{DisputeSnapshot, DisputeState, Evidence};
use crate::domain::ids::OperationId;
use crate::domain::snapshot::Said;
use crate::provider::{Ambiguity, ProviderAccount, ProviderError};

/// How many disputes are read at a time: the most that Stripe gives. And how many pages one list may have.
const PAGE: i64 = 100;
const MOST_PAGES: usize = 50;

/// `dispute`
#[derive(Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    amount: Option<StripeAmount>,
    currency: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    created: Option<i64>,
    charge: Option<Expandable<Identified>>,
    payment_intent: Option<Expandable<Identified>>,
    is_charge_refundable: Option<bool>,
    evidence_details: Option<EvidenceDetails>,
    /// What was said against it: compared with what we sent, and kept nowhere.
    evidence: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
struct EvidenceDetails {
    due_by: Option<i64>,
    has_evidence: Option<bool>,
    submission_count: Option<i64>,
}

impl TryFrom<Dispute> for DisputeSnapshot {
    type Error = Unreadable;

    fn try_from(dispute: Dispute) -> Result<Self, Unreadable> {
        let field = Fields("dispute");
        let currency = field.currency(dispute.currency.as_deref())?;
        let details = dispute.evidence_details.unwrap_or_default();
        Ok(Self {
            provider_reference: dispute.id,
            charge_reference: dispute.charge.map(Expandable::into_id),
            payment_reference: dispute.payment_intent.map(Expandable::into_id),
            state: state(field.need(dispute.status, "status")?),
            amount: field.need(dispute.amount, "amount")?.to_money(currency)?,
            reason: dispute.reason,
            // Zero where the bank takes no answer.
            due_at: details
                .due_by
                .filter(|seconds| *seconds > 0)
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
            has_evidence: details.has_evidence.unwrap_or_default(),
            submission_count: details.submission_count.unwrap_or_default(),
            is_charge_refundable: dispute.is_charge_refundable.unwrap_or_default(),
            opened_at: field.moment(dispute.created)?,
        })
    }
}

pub(super) fn state(word: String) -> Said<DisputeState> {
    Said::Known(match word.as_str() {
        "warning_needs_response" => DisputeState::Warning,
        "warning_under_review" => DisputeState::WarningUnderReview,
        "warning_closed" => DisputeState::WarningClosed,
        "needs_response" => DisputeState::NeedsResponse,
        "under_review" => DisputeState::UnderReview,
        "won" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        "prevented" => DisputeState::Prevented,
        _ => return Said::Unrecognized(word),
    })
}

/// Leaves evidence; with `submit`, hands over all that is there.
pub(super) async fn submit_evidence(
    http: &StripeHttp,
    account: &ProviderAccount,
    reference: &str,
    evidence: &Evidence,
    submit: bool,
    key: OperationId,
) -> Result<DisputeSnapshot, ProviderError> {
    let mut update = UpdateDispute::new(dispute_id(reference)?).submit(submit);
    if !evidence.is_empty() {
        update = update.evidence(in_stripes_words(evidence));
    }
    let taken = |dispute: &Dispute| dispute.holds(evidence) && (!submit || dispute.is_submitted());
    let desk = Desk::new(http, account);
    let answered = desk.change(&Request::keep(&update, key), reference, taken).await;
    answered.map_err(|error| without_evidence(error, evidence))
}

/// Gives a dispute up.
pub(super) async fn accept(
    http: &StripeHttp,
    account: &ProviderAccount,
    reference: &str,
    key: OperationId,
) -> Result<DisputeSnapshot, ProviderError> {
    let close = CloseDispute::new(dispute_id(reference)?);
    let given_up = |dispute: &Dispute| dispute.status.as_deref() == Some("lost");
    let desk = Desk::new(http, account);
    desk.change(&Request::keep(&close, key), reference, given_up)
        .await
}

/// Reads a dispute.
pub(super) async fn fetch(
    http: &StripeHttp,
    account: &ProviderAccount,
    reference: &str,
) -> Result<DisputeSnapshot, ProviderError> {
    let dispute = Desk::new(http, account).dispute(reference).await?;
    dispute.try_into().map_err(unreadable)
}

/// Reads the disputes that were opened then or later, newest first.
pub(super) async fn list(
    http: &StripeHttp,
    account: &ProviderAccount,
    since: OffsetDateTime,
) -> Result<Vec<DisputeSnapshot>, ProviderError> {
    let desk = Desk::new(http, account);
    let from = RangeQueryTs::Bounds(RangeBoundsTs {
        gt: None,
        gte: Some(since.unix_timestamp()),
        lt: None,
        lte: None,
    });
    let mut disputes: Vec<DisputeSnapshot> = Vec::new();
    for _ in 0..MOST_PAGES {
        let mut list = ListDispute::new().created(from).limit(PAGE);
        if let Some(last) = disputes.last() {
            list = list.starting_after(&last.provider_reference);
        }
        let page: Page<Dispute> = desk.read(&Request::read(&list)).await?;
        let ended = !page.has_more || page.data.is_empty();
        for dispute in page.data {
            disputes.push(dispute.try_into().map_err(unreadable)?);
        }
        if ended {
            return Ok(disputes);
        }
    }
    Err(ProviderError::Unavailable {
        message: "there are more disputes than can be read at once".to_owned(),
    })
}

/// Where one call's requests are made, all before its deadline.
struct Desk<'a> {
    http: &'a StripeHttp,
    account: &'a ProviderAccount,
    deadline: Instant,
}

impl<'a> Desk<'a> {
    fn new(http: &'a StripeHttp, account: &'a ProviderAccount) -> Self {
        Self {
            http,
            account,
            deadline: http.deadline(),
        }
    }

    async fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ProviderError> {
        Ok(self.http.send(self.account, request, self.deadline).await?)
    }

    async fn dispute(&self, reference: &str) -> Result<Dispute, ProviderError> {
        self.read(&Request::read(&RetrieveDispute::new(dispute_id(reference)?)))
            .await
    }

    /// Changes a dispute. Where the answer is unclear, or says that the dispute does not allow it any more, `done` tells
    /// from the dispute itself whether this is what has happened.
    async fn change(
        &self,
        request: &Request,
        reference: &str,
        done: impl Fn(&Dispute) -> bool + Send,
    ) -> Result<DisputeSnapshot, ProviderError> {
        let error: ProviderError = match self
            .http
            .send::<Dispute>(self.account, request, self.deadline)
            .await
        {
            Ok(dispute) => {
                return dispute
                    .try_into()
                    .map_err(|unreadable: Unreadable| ProviderError::Ambiguous {
                        ambiguity: Ambiguity::NoAnswer,
                        message: format!("done, but {unreadable}"),
                    });
            }
            Err(failure @ (Failure::Refused(_) | Failure::Failed(ProviderError::Ambiguous { .. }))) => {
                failure.into()
            }
            Err(Failure::Failed(error)) => return Err(error),
        };
        match self.dispute(reference).await {
            Ok(dispute) if done(&dispute) => dispute.try_into().map_err(unreadable),
            Ok(_) | Err(_) => Err(error),
        }
    }
}

impl Dispute {
    /// Whether the bank has the evidence that is there.
    fn is_submitted(&self) -> bool {
        let details = self.evidence_details.as_ref();
        let waits = matches!(
            self.status.as_deref(),
            Some("needs_response" | "warning_needs_response")
        );
        !waits && details.is_some_and(|details| details.submission_count > Some(0))
    }

    /// Whether it holds evidence as it was given. A field that was taken back is empty.
    fn holds(&self, evidence: &Evidence) -> bool {
        let held = |name| {
            let value = self.evidence.as_ref().and_then(|evidence| evidence.get(name));
            match value {
                Some(Value::Object(file)) => file.get("id").and_then(Value::as_str),
                value => value.and_then(Value::as_str),
            }
        };
        evidence
            .given()
            .all(|(name, _, text)| held(name).unwrap_or_default() == text)
    }
}

fn in_stripes_words(evidence: &Evidence) -> UpdateDisputeEvidence {
    let evidence = evidence.clone();
    UpdateDisputeEvidence {
        access_activity_log: evidence.access_activity_log,
        billing_address: evidence.billing_address,
        cancellation_policy: evidence.cancellation_policy,
        cancellation_policy_disclosure: evidence.cancellation_policy_disclosure,
        cancellation_rebuttal: evidence.cancellation_rebuttal,
        customer_communication: evidence.customer_communication,
        customer_email_address: evidence.customer_email_address,
        customer_name: evidence.customer_name,
        customer_purchase_ip: evidence.customer_purchase_ip,
        customer_signature: evidence.customer_signature,
        duplicate_charge_documentation: evidence.duplicate_charge_documentation,
        duplicate_charge_explanation: evidence.duplicate_charge_explanation,
        duplicate_charge_id: evidence.duplicate_charge_id,
        enhanced_evidence: None,
        product_description: evidence.product_description,
        receipt: evidence.receipt,
        refund_policy: evidence.refund_policy,
        refund_policy_disclosure: evidence.refund_policy_disclosure,
        refund_refusal_explanation: evidence.refund_refusal_explanation,
        service_date: evidence.service_date,
        service_documentation: evidence.service_documentation,
        shipping_address: evidence.shipping_address,
        shipping_carrier: evidence.shipping_carrier,
        shipping_date: evidence.shipping_date,
        shipping_documentation: evidence.shipping_documentation,
        shipping_tracking_number: evidence.shipping_tracking_number,
        uncategorized_file: evidence.uncategorized_file,
        uncategorized_text: evidence.uncategorized_text,
    }
}

/// Stripe's words may repeat what was sent, and are logged: then only the parameter at fault is passed on.
fn without_evidence(error: ProviderError, evidence: &Evidence) -> ProviderError {
    let ProviderError::Invalid { code, message, param } = error else {
        return error;
    };
    let repeats = evidence
        .given()
        .any(|(_, _, text)| !text.is_empty() && message.contains(text));
    let message = if repeats {
        format!("{} is not accepted", param.as_deref().unwrap_or("evidence"))
    } else {
        message
    };
    ProviderError::Invalid { code, message, param }
}

fn dispute_id(reference: &str) -> Result<DisputeId, ProviderError> {
    checked(reference).map(DisputeId::from)
}

fn unreadable(what: Unreadable) -> ProviderError {
    ProviderError::Unavailable {
        message: what.to_string(),
    }
}
