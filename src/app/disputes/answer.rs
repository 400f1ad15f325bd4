//! Answers disputes: with evidence, or by giving in. No money of ours moves by either call.

use serde_json::json;
use std::time::Instant;

use super::hear::{apply, refresh};
use super::{facet, get_of_mode};
use crate::app::apply::{Applied, Heard};
use crate::app::audit_log;
use crate::app::auth::Caller;
use crate::app::{Answer, App, AppError, Key, Served, commit};
use crate::domain::audit_log::Action;
use crate::domain::dispute::{Dispute, DisputeRuleBroken, DisputeSnapshot, Evidence};
use crate::domain::ids::{DisputeId, OperationId};
use crate::provider::{Disputes, ProviderAccount, ProviderError};
use crate::store;

/// A request about a dispute under a key, and how its answer will be written.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    caller: &'a Caller,
    key: Key,
    id: DisputeId,
    render: fn(&Dispute) -> Answer,
    action: Action,
}

/// What a merchant answers a dispute with.
#[derive(Clone, Copy, Debug)]
enum Response<'a> {
    Evidence { evidence: &'a Evidence, submit: bool },
    Acceptance,
}

/// Leaves evidence at the provider; with `submit`, hands over all that is there to the bank. None of it is kept here.
///
/// # Errors
/// [`AppError::Dispute`] where the dispute is closed or its evidence was due earlier.
pub async fn submit_evidence(
    app: &App,
    caller: &Caller,
    key: Key,
    id: DisputeId,
    (evidence, submit): (&Evidence, bool),
    render: fn(&Dispute) -> Answer,
) -> Result<Served, AppError> {
    let asked = Asked {
        caller,
        key,
        id,
        render,
        action: Action::DisputeEvidence,
    };
    respond(app, asked, Response::Evidence { evidence, submit }).await
}

/// Gives a dispute up: its money stays with the customer.
///
/// # Errors
/// [`AppError::Dispute`] where the dispute is closed.
pub async fn accept(
    app: &App,
    caller: &Caller,
    key: Key,
    id: DisputeId,
    render: fn(&Dispute) -> Answer,
) -> Result<Served, AppError> {
    let asked = Asked {
        caller,
        key,
        id,
        render,
        action: Action::DisputeAccept,
    };
    respond(app, asked, Response::Acceptance).await
}

impl Response<'_> {
    fn check(self, app: &App, dispute: &Dispute) -> Result<(), DisputeRuleBroken> {
        match self {
            Self::Evidence { .. } => dispute.check_answerable(app.clock.now()),
            Self::Acceptance => dispute.check_acceptable(),
        }
    }

    async fn send(
        self,
        disputes: &dyn Disputes,
        account: &ProviderAccount,
        reference: &str,
        key: OperationId,
    ) -> Result<DisputeSnapshot, ProviderError> {
        match self {
            Self::Evidence { evidence, submit } => {
                disputes
                    .submit_evidence(account, reference, evidence, submit, key)
                    .await
            }
            Self::Acceptance => disputes.accept_dispute(account, reference, key).await,
        }
    }
}

#[tracing::instrument(name = "app.dispute.respond", skip_all,
    fields(merchant_id = %asked.caller.merchant_id, dispute_id = %asked.id))]
async fn respond(app: &App, asked: Asked<'_>, response: Response<'_>) -> Result<Served, AppError> {
    let (caller, merchant) = (asked.caller, asked.caller.merchant_id);
    let (held, known) = get_of_mode(app, caller, asked.id).await?;
    let account = &known.account;
    let disputes = facet(app.provider(&account.provider)?)?;
    // A repeated request may have closed the dispute itself: then the provider is the judge.
    let repeated = asked.key.is_used(app, merchant).await?;
    if !repeated {
        known.check_authorized()?;
        response.check(app, &held)?;
    }
    let reference = &held.told.provider_reference;
    let heard = if repeated {
        Heard::Once
    } else {
        Heard::AsOf(Some(held.version))
    };
    let work = |id| async move {
        let started = Instant::now();
        let said = match response.send(disputes, account, reference, id).await {
            Ok(said) => said,
            Err(error) => return Err(explain(app, asked, account, reference, response, error).await),
        };
        let provider_time = started.elapsed();
        let answer = take_in(app, asked, account, &said, heard).await?;
        Ok((answer, provider_time))
    };
    asked.key.once(app, merchant, work).await
}

/// Why a provider gave no answer: where it refused, it may be that the dispute has moved on without our knowing.
async fn explain(
    app: &App,
    asked: Asked<'_>,
    account: &ProviderAccount,
    reference: &str,
    response: Response<'_>,
    error: ProviderError,
) -> AppError {
    if matches!(error, ProviderError::Invalid { .. })
        && refresh(app, account, reference, None).await.is_ok()
        && let Ok((dispute, _)) = get_of_mode(app, asked.caller, asked.id).await
        && let Err(rule) = response.check(app, &dispute)
    {
        return rule.into();
    }
    AppError::Provider(error)
}

/// Writes what the provider answered, and keeps our answer: in one transaction, or after a read where it cannot be placed.
async fn take_in(
    app: &App,
    asked: Asked<'_>,
    account: &ProviderAccount,
    said: &DisputeSnapshot,
    heard: Heard,
) -> Result<Answer, AppError> {
    let merchant = account.merchant_id;
    let place = (merchant, account.id);
    // Locks are taken in one order everywhere: key, payment, dispute.
    let mut tx = app.begin(merchant).await?;
    if let Some(answer) = asked.key.lock_answer(app, &mut tx, merchant).await? {
        return Ok(answer);
    }
    if apply(app, &mut tx, place, said, heard).await? == Applied::Ask {
        drop(tx);
        refresh(app, account, &said.provider_reference, None).await?;
        tx = app.begin(merchant).await?;
        if let Some(answer) = asked.key.lock_answer(app, &mut tx, merchant).await? {
            return Ok(answer);
        }
    }
    let dispute = store::disputes::get(&mut tx, merchant, asked.id).await?;
    let answer = (asked.render)(&dispute);
    asked.key.finish(app, &mut tx, merchant, &answer).await?;
    let act = (asked.action, &asked.id as &(dyn std::fmt::Display + Sync));
    audit_log::record(app, &mut tx, merchant, &asked.caller.actor(), act, &json!({})).await?;
    commit(tx).await?;
    tracing::info!(state = dispute.told.state.word(), "a dispute was answered");
    Ok(answer)
}
