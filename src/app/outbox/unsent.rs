//! What becomes of a message that Odoo does not have yet: sent again, later each time, and a person told where one is needed.

use time::{Duration, OffsetDateTime};

use crate::app::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, ITSELF, NewException};
use crate::domain::ids::MerchantId;
use crate::domain::outbox::{
    LONGEST_REST, MAX_ATTEMPTS, OutboxMessage, delay_after_later, delay_after_refusal, rest_after_failure,
};
use crate::sink::SinkError;
use crate::store;
use crate::store::exceptions::Closing;

/// How often Odoo may refuse a message before a person is told: something it needs may be on its way.
const PATIENCE: i32 = 5;

/// Settles what is about this message alone; hands back what is about the whole instance.
pub(super) async fn put_back(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: SinkError,
) -> Result<Option<SinkError>, AppError> {
    let why = error.told();
    match error {
        SinkError::Unreachable { .. }
        | SinkError::Unauthorized { .. }
        | SinkError::NotAllowed { .. }
        | SinkError::Gone => return Ok(Some(error)),
        SinkError::Later => send_later(app, merchant, message, &why).await?,
        SinkError::Rejected { .. } => {
            tell_a_person(app, merchant, message, ExceptionKind::MessageRejected, &why).await?;
            back_off(app, merchant, message, &why).await?;
        }
        SinkError::Differs { .. } => {
            tell_a_person(app, merchant, message, ExceptionKind::PostingDiffers, &why).await?;
            back_off(app, merchant, message, &why).await?;
        }
        SinkError::Refused { .. } => {
            if message.attempts >= PATIENCE {
                tell_a_person(app, merchant, message, ExceptionKind::PostingDiffers, &why).await?;
            }
            back_off(app, merchant, message, &why).await?;
        }
    }
    Ok(None)
}

/// Leaves an instance alone that these messages did not reach: all for one reason.
pub(super) async fn leave_alone(
    app: &App,
    merchant: MerchantId,
    unreached: &[(&OutboxMessage, SinkError)],
) -> Result<(), AppError> {
    let Some((_, error)) = unreached.first() else {
        return Ok(());
    };
    let messages: Vec<&OutboxMessage> = unreached.iter().map(|(message, _)| *message).collect();
    let why = error.told();
    if matches!(error, SinkError::Gone) {
        return disable(app, merchant, &messages, &why).await;
    }
    let asked = if let SinkError::Unreachable { retry_after, .. } = error {
        retry_after.map_or(Duration::ZERO, |asked| {
            Duration::try_from(asked)
                .unwrap_or(LONGEST_REST)
                .min(LONGEST_REST)
        })
    } else {
        Duration::ZERO
    };
    rest(app, merchant, &messages, asked, &why).await
}

/// Opens an exception where Odoo holds something else than it was given, or will not take it. It ends once Odoo has it.
async fn tell_a_person(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    kind: ExceptionKind,
    error: &str,
) -> Result<(), AppError> {
    let key = message.posting.key();
    let detail = format!("{} {key}: {error}", message.posting.kind());
    let subject = subject(message, kind);
    let new = NewException::new(merchant, kind, &subject, &detail)
        .of(message.payment_id)
        .at(message.provider_account_id);
    let mut tx = app.begin(merchant).await?;
    if store::exceptions::open(&mut tx, &new, app.clock.now()).await? {
        tracing::warn!(key, ?kind, "odoo does not take a message");
    }
    commit(tx).await
}

/// What an exception of that kind on a message is about: a posting by what happened, and what the addon rejects by the message.
fn subject(message: &OutboxMessage, kind: ExceptionKind) -> String {
    if kind == ExceptionKind::PostingDiffers {
        message.posting.key()
    } else {
        message.id.to_string()
    }
}

/// Ends the exceptions on messages that Odoo refused, rejected or held otherwise.
pub(super) async fn end_differences(
    conn: &mut sqlx::PgConnection,
    merchant: MerchantId,
    messages: &[&OutboxMessage],
    (reason, at): (&str, OffsetDateTime),
) -> Result<(), AppError> {
    if messages.is_empty() {
        return Ok(());
    }
    for kind in [ExceptionKind::PostingDiffers, ExceptionKind::MessageRejected] {
        let subjects: Vec<String> = messages.iter().map(|message| subject(message, kind)).collect();
        let closing = Closing {
            reason,
            by: ITSELF,
            at,
        };
        store::exceptions::close(conn, merchant, kind, &subjects, closing).await?;
    }
    Ok(())
}

/// Sends a message again in a moment, and later each time that it was taken up for nothing. The instance itself answered.
async fn send_later(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    why: &str,
) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    let delay = delay_after_later(message.fence, &message.id.to_string());
    let again = store::outbox::now(&mut tx).await? + app.timing.scaled(delay);
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
    store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(again), why).await?;
    commit(tx).await
}

/// Rests the instance, longer with each failure in a row and at least as long as it asked for: its messages wait, and none
/// spends an attempt. What fails while it rests already was in hand when it began, and makes it rest no longer.
async fn rest(
    app: &App,
    merchant: MerchantId,
    messages: &[&OutboxMessage],
    asked: Duration,
    error: &str,
) -> Result<(), AppError> {
    let Some(instance) = messages.first().map(|message| message.odoo_instance_id) else {
        return Ok(());
    };
    let mut tx = app.begin(merchant).await?;
    let now = store::outbox::now(&mut tx).await?;
    let before = store::odoo_instances::lock_rest(&mut tx, merchant, instance).await?;
    let resting = before.paused_until.filter(|until| *until > now);
    let (until, failures) = if let Some(until) = resting {
        (until.max(now + asked), before.failures)
    } else {
        let failures = before.failures.saturating_add(1);
        let rest = rest_after_failure(failures, &instance.to_string());
        (now + app.timing.scaled(rest).max(asked), failures)
    };
    store::odoo_instances::pause(&mut tx, merchant, instance, until, failures, error).await?;
    for message in messages {
        store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(until), error).await?;
    }
    commit(tx).await
}

/// Sends nothing more to an instance that says that nobody is there any more, and has a person look.
async fn disable(
    app: &App,
    merchant: MerchantId,
    messages: &[&OutboxMessage],
    error: &str,
) -> Result<(), AppError> {
    let Some(instance) = messages.first().map(|message| message.odoo_instance_id) else {
        return Ok(());
    };
    let mut tx = app.begin(merchant).await?;
    let now = store::outbox::now(&mut tx).await?;
    if store::odoo_instances::disable(&mut tx, merchant, instance, now).await? {
        let subject = format!("{instance} {}", now.unix_timestamp());
        let detail = format!("{error}; `quittance odoo-instance enable` sends again what waits");
        let kind = ExceptionKind::InstanceGone;
        let new = NewException::new(merchant, kind, &subject, &detail);
        store::exceptions::open(&mut tx, &new, now).await?;
        tracing::error!(instance_id = %instance, "an odoo instance is gone");
    }
    for message in messages {
        store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(now), error).await?;
    }
    commit(tx).await
}

/// Backs off, so that someone can put right what Odoo refuses or holds otherwise; out of attempts, the message is dead and
/// its payment's later ones wait behind it. The instance itself answered.
async fn back_off(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: &str,
) -> Result<(), AppError> {
    let attempts = message.attempts + 1;
    let mut tx = app.begin(merchant).await?;
    let now = store::outbox::now(&mut tx).await?;
    let delay = delay_after_refusal(attempts, &message.id.to_string());
    let again = (attempts < MAX_ATTEMPTS).then(|| now + app.timing.scaled(delay));
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
    let held = store::outbox::put_back(&mut tx, merchant, message, attempts, again, error).await?;
    if held && again.is_none() {
        let reason = "out of attempts: the message is dead";
        end_differences(&mut tx, merchant, &[message], (reason, now)).await?;
        open_exception(&mut tx, merchant, message, error, now).await?;
    }
    commit(tx).await
}

async fn open_exception(
    conn: &mut sqlx::PgConnection,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: &str,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let (kind, subject) = (ExceptionKind::MessageDead, message.id.to_string());
    let detail = format!("{} {}: {error}", message.posting.kind(), message.posting.key());
    let new = NewException::new(merchant, kind, &subject, &detail)
        .of(message.payment_id)
        .at(message.provider_account_id);
    store::exceptions::open(conn, &new, now).await?;
    tracing::error!("a message is dead");
    Ok(())
}
