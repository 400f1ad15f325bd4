//! Carries an operation out at its provider, and writes down what came of it.
//!
//! The row is there before the request leaves, and the row's own id is the provider's idempotency key. Whoever holds the
//! lease asks the provider outside any transaction, then writes the outcome in one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::apply::{Applied, apply, open_exception};
use super::news::tell;
use super::payments::{PaymentDetail, refresh};
use super::{Answer, App, AppError, Keyed, commit};
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::MerchantId;
use crate::domain::operation::{Operation, OperationState, delay_before_attempt};
use crate::domain::payment::{Authority, Payment, PaymentState};
use crate::domain::snapshot::Snapshot;
use crate::provider::{Ambiguity, Call, Outcome, ProviderError};
use crate::store;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Attempted {
    /// Decided; with the answer to give, where a key waits for one.
    Decided {
        /// The answer.
        answer: Option<Answer>,
        /// How long the provider took.
        provider_time: Duration,
    },
    /// Not decided: it may have happened, or someone else has taken it up.
    Undecided,
    /// The provider did not take it: the caller may repeat it.
    NotTaken(ProviderError),
}

impl Attempted {
    /// For who only wants to know that it is decided.
    pub(super) fn decided(self) -> Result<(), AppError> {
        match self {
            Self::Decided { .. } => Ok(()),
            Self::Undecided => Err(AppError::in_flight()),
            Self::NotTaken(error) => Err(AppError::Provider(error)),
        }
    }
}

/// Makes one attempt at an operation that the caller has leased, under its one and only key. `payment` is as it was read
/// after the operation was leased or written.
#[tracing::instrument(name = "app.operation.carry_out", skip_all,
    fields(payment_id = %leased.payment_id, operation_id = %leased.id, kind = ?leased.kind))]
pub(super) async fn carry_out(
    app: Arc<App>,
    payment: Payment,
    leased: Operation,
    keyed: Option<Keyed>,
) -> Result<Attempted, AppError> {
    let merchant = payment.merchant_id;
    let known = {
        let mut conn = app.db.read(merchant).await?;
        app.accounts
            .get(&app, &mut conn, merchant, leased.provider_account_id)
            .await?
    };
    let provider = app.provider(&known.account.provider)?;
    let call = Call {
        payment: &payment,
        operation: &leased,
    };
    let started = Instant::now();
    let result = if leased.may_repeat(app.clock.now(), provider.repeatable_for()) {
        provider.execute(&known.account, call).await.map(Some)
    } else {
        provider.find(&known.account, call).await
    };
    let provider_time = started.elapsed();
    let mut settled = settle(&app, merchant, &leased, payment.version, result, keyed.as_ref()).await?;
    if settled.read_again {
        // The outcome is written; a read that fails here is made up for by events and sweeps.
        if let Err(error) = refresh(&app, merchant, leased.payment_id, None).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the payment could not be read after its operation"
            );
        }
    }
    if let Some(keyed) = keyed.filter(|_| settled.answer_later) {
        settled.answer = Some(answer(&app, merchant, &leased, &keyed).await?);
    }
    app.bell.notify_waiters();
    Ok(match settled.state {
        Some(state) if state.is_final() => Attempted::Decided {
            answer: settled.answer,
            provider_time,
        },
        Some(OperationState::Retryable) => match settled.error {
            Some(error) => Attempted::NotTaken(error),
            None => Attempted::Undecided,
        },
        _ => Attempted::Undecided,
    })
}

#[derive(Default)]
struct Settled {
    /// The operation's state now; none where the lease was lost.
    state: Option<OperationState>,
    answer: Option<Answer>,
    error: Option<ProviderError>,
    read_again: bool,
    /// The payment must be read before it can be shown to who waits for the outcome.
    answer_later: bool,
}

/// Writes the result of an attempt: operation, payment, messages and the key's answer, all or nothing.
async fn settle(
    app: &App,
    merchant: MerchantId,
    leased: &Operation,
    as_of: i64,
    result: Result<Option<Outcome>, ProviderError>,
    keyed: Option<&Keyed>,
) -> Result<Settled, AppError> {
    let mut tx = app.begin(merchant).await?;
    // Locks are taken in one order everywhere: key, payment, operation.
    let is_waited_for = match keyed {
        Some(keyed) => keyed.key.lock(app, &mut tx, merchant).await?,
        None => false,
    };
    let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, leased.payment_id).await?;
    let mut operation = store::operations::lock(&mut tx, merchant, leased.id).await?;
    let before = payment.version;
    if operation.fence != leased.fence || operation.state.is_final() {
        return Ok(Settled::default());
    }
    // What was sent before may be answered with how it stood then.
    let authority = if leased.state == OperationState::Unknown {
        Authority::Hint
    } else {
        Authority::since(as_of, &payment)
    };
    let mut settled = Settled::default();
    let mut due_at = None;
    match result {
        Ok(Some(Outcome::Done(said))) if said.is_unrecognized() && !leased.look_up => {
            due_at = look_first(app, &mut tx, &mut payment, &mut operation, &said).await?;
        }
        Ok(Some(outcome)) => {
            let (state, snapshot) = decide_by(&mut operation, outcome);
            operation.state = state;
            if let Some(snapshot) = snapshot {
                let applied = apply(app, &mut tx, &mut payment, &snapshot, authority).await?;
                // What was found out later may be a replay of how it stood then.
                settled.answer_later = applied == Applied::Ask && keyed.is_some();
                settled.read_again = applied == Applied::Ask || leased.state == OperationState::Unknown;
            }
        }
        Err(ProviderError::Invalid { code, message, .. }) => {
            operation.state = OperationState::Refused;
            operation.error_code = Some(code);
            operation.error_message = Some(message);
            settled.read_again = !operation.kind.begins();
            if operation.kind.begins() {
                fail(app, &mut tx, &mut payment, PaymentState::Failed).await?;
            }
        }
        // Someone is there to be told that nothing happened. One who was told 202 is not: then the work goes on.
        Err(error) if is_waited_for && was_not_taken(&operation, &error) => {
            operation.state = OperationState::Retryable;
            settled.error = Some(error);
        }
        Ok(None) => {
            due_at = seek_again(app, &mut tx, &mut payment, &mut operation, "nothing was found").await?;
        }
        Err(error) => {
            let stored = matches!(
                error,
                ProviderError::Ambiguous {
                    ambiguity: Ambiguity::Stored,
                    ..
                }
            );
            operation.look_up |= stored;
            due_at = seek_again(app, &mut tx, &mut payment, &mut operation, &error.to_string()).await?;
        }
    }
    write_outcome(app, &mut tx, &mut payment, before, &operation, due_at).await?;
    if let Some(keyed) = keyed.filter(|_| operation.state.is_final() && !settled.answer_later) {
        let detail = PaymentDetail::load(&mut tx, app, payment).await?;
        settled.answer = Some(keyed.finish(app, &mut tx, &detail, &operation).await?);
    }
    commit(tx).await?;
    tracing::info!(state = ?operation.state, "an operation was attempted");
    settled.state = Some(operation.state);
    Ok(settled)
}

/// Writes an operation, and leaves word of what changed since version `before`. That it is decided is news in itself.
async fn write_outcome(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    before: i64,
    operation: &Operation,
    due_at: Option<OffsetDateTime>,
) -> Result<(), AppError> {
    store::operations::update(conn, payment.merchant_id, operation, due_at).await?;
    if operation.state.is_final() && payment.version == before {
        payment.touch(app.clock.now());
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    if payment.version != before {
        tell(app, conn, payment).await?;
    }
    Ok(())
}

/// Writes and keeps the answer of an operation that is decided. Where a crash comes first, a repeated request does it.
async fn answer(
    app: &App,
    merchant: MerchantId,
    leased: &Operation,
    keyed: &Keyed,
) -> Result<Answer, AppError> {
    let mut tx = app.begin(merchant).await?;
    if let Some(kept) = keyed.key.lock_answer(app, &mut tx, merchant).await? {
        // Who repeated the request was quicker.
        return Ok(kept);
    }
    // Held, so that nothing of it changes between one look and the next.
    let payment = store::payments::lock(&mut tx, &app.sealer, merchant, leased.payment_id).await?;
    let operation = store::operations::get(&mut tx, merchant, leased.id).await?;
    let detail = PaymentDetail::load(&mut tx, app, payment).await?;
    let answer = keyed.finish(app, &mut tx, &detail, &operation).await?;
    commit(tx).await?;
    Ok(answer)
}

fn decide_by(operation: &mut Operation, outcome: Outcome) -> (OperationState, Option<Snapshot>) {
    operation.error_code = None;
    operation.error_message = None;
    match outcome {
        Outcome::Done(snapshot) => (OperationState::Succeeded, Some(snapshot)),
        Outcome::Declined { decline, snapshot } => {
            operation.error_code = Some(decline.code);
            operation.error_message = Some(decline.message);
            (OperationState::Declined, snapshot)
        }
    }
}

/// Whether nothing can have happened: the provider says so of this attempt, and there was no unclear one before it.
fn was_not_taken(operation: &Operation, error: &ProviderError) -> bool {
    let refused_at_the_door = match error {
        ProviderError::Auth
        | ProviderError::Lacks { .. }
        | ProviderError::RateLimited { .. }
        | ProviderError::Unavailable { .. } => true,
        ProviderError::Invalid { .. } | ProviderError::Ambiguous { .. } => false,
    };
    refused_at_the_door && operation.state == OperationState::Pending
}

/// Notes that the outcome is unknown, and when it is sought again; a person must decide where there is no next time.
async fn seek_again(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    operation: &mut Operation,
    reason: &str,
) -> Result<Option<OffsetDateTime>, AppError> {
    operation.state = OperationState::Unknown;
    operation.error_code = Some("outcome_unknown".to_owned());
    operation.error_message = Some(reason.to_owned());
    if operation.kind.begins() && payment.provider_reference.is_none() {
        fail(app, conn, payment, PaymentState::Unknown).await?;
    }
    let Some(delay) = delay_before_attempt(operation.attempts) else {
        let subject = operation.id.to_string();
        let detail = format!("{} {subject}: {reason}", operation.kind);
        open_exception(
            app,
            conn,
            payment,
            ExceptionKind::OutcomeUnknown,
            &subject,
            &detail,
        )
        .await?;
        return Ok(None);
    };
    operation.attempts += 1;
    Ok(Some(app.clock.now() + app.timing.scaled(delay)))
}

/// Has an object read before anything is believed of an operation whose answer says in an unknown word how it stands. If
/// reading brings such a word as well, a person must see.
async fn look_first(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    operation: &mut Operation,
    said: &Snapshot,
) -> Result<Option<OffsetDateTime>, AppError> {
    operation.look_up = true;
    let due_at = seek_again(app, conn, payment, operation, "the answer's state is not known").await?;
    if let Snapshot::Payment(said) = said
        && payment.learn_names(said)
    {
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    Ok(due_at)
}

/// Puts a payment that the provider has not confirmed into one of the states that are ours alone.
async fn fail(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    state: PaymentState,
) -> Result<(), AppError> {
    if payment.state != state && payment.provider_reference.is_none() {
        payment.state = state;
        payment.touch(app.clock.now());
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    Ok(())
}
