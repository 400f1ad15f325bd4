//! Tells Odoo, in order per payment, at least once; the sink makes it exactly once.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use time::{Duration, OffsetDateTime};

use super::{App, AppError, commit};
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::MerchantId;
use crate::domain::outbox::{MAX_ATTEMPTS, OutboxMessage, delay_after_refusal};
use crate::sink::{Posted, SinkError};
use crate::store;
use crate::store::StoreError;

/// How many messages go out at once.
const AT_ONCE: usize = 4;

/// How long an instance rests after it was not reached, or did not accept our key.
const REST: Duration = Duration::seconds(30);

/// Takes up due messages and sends them. How many.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let now = app.clock.now();
    let messages = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        store::outbox::lease(&mut conn, now, now + app.timing.message_lease, limit).await?
    };
    let taken = messages.len();
    stream::iter(messages)
        .for_each_concurrent(AT_ONCE, |(merchant, message)| async move {
            if let Err(error) = send(app, merchant, &message).await {
                // The lease runs out by itself, and then it is sent again.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a message could not be settled"
                );
            }
        })
        .await;
    Ok(taken)
}

#[tracing::instrument(name = "app.outbox.send", skip_all,
    fields(payment_id = %message.payment_id, message_id = %message.id, kind = message.posting.kind()))]
async fn send(app: &App, merchant: MerchantId, message: &OutboxMessage) -> Result<(), AppError> {
    let instance = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        store::odoo_instances::get(&mut conn, &app.sealer, merchant, message.odoo_instance_id).await?
    };
    // Ended before the lease is, so that two workers rarely send the same; the sink stands it if they do.
    let sending = app.sink.send(&instance, &message.posting);
    let sent = tokio::time::timeout(app.timing.message_lease, sending)
        .await
        .unwrap_or_else(|_| {
            Err(SinkError::Unreachable {
                message: "it did not answer in time".to_owned(),
            })
        });
    match sent {
        Ok(posted) => acknowledge(app, merchant, message, &posted).await,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                attempts = message.attempts,
                "odoo does not have a posting yet"
            );
            match error {
                SinkError::Unauthorized { .. } | SinkError::Unreachable { .. } => {
                    rest(app, merchant, message, &error.to_string()).await
                }
                SinkError::Refused { .. } | SinkError::Differs { .. } => {
                    back_off(app, merchant, message, &error.to_string()).await
                }
            }
        }
    }
}

async fn acknowledge(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    posted: &Posted,
) -> Result<(), AppError> {
    let mut tx = app.begin().await?;
    store::outbox::ack(&mut tx, merchant, message, posted, app.clock.now()).await?;
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
    commit(tx).await?;
    app.bell.notify_waiters();
    tracing::info!("odoo has a posting");
    Ok(())
}

/// Rests the instance: its messages wait, and none spends an attempt.
async fn rest(app: &App, merchant: MerchantId, message: &OutboxMessage, error: &str) -> Result<(), AppError> {
    let until = app.clock.now() + app.timing.scaled(REST);
    let mut tx = app.begin().await?;
    store::odoo_instances::pause(&mut tx, merchant, message.odoo_instance_id, until, error).await?;
    store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(until), error).await?;
    commit(tx).await
}

/// Backs off, so that someone can put right what Odoo refuses or holds otherwise; out of attempts, the message is dead and
/// its payment's later ones wait behind it.
async fn back_off(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: &str,
) -> Result<(), AppError> {
    let attempts = message.attempts + 1;
    let now = app.clock.now();
    let again = (attempts < MAX_ATTEMPTS).then(|| now + app.timing.scaled(delay_after_refusal(attempts)));
    let mut tx = app.begin().await?;
    let held = store::outbox::put_back(&mut tx, merchant, message, attempts, again, error).await?;
    if held && again.is_none() {
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
    store::exceptions::open(
        conn,
        merchant,
        kind,
        Some(message.payment_id),
        &subject,
        &detail,
        now,
    )
    .await?;
    tracing::error!("a message is dead");
    Ok(())
}
