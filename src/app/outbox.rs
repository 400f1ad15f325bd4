//! Tells Odoo, in order per payment, at least once; the sink makes it exactly once.
//!
//! One instance never holds up another: each gets a few messages at once, counted over all workers, and one that cannot be
//! reached rests, longer each time, until a single message gets through.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::news::Ways;
use super::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::MerchantId;
use crate::domain::outbox::{
    LONGEST_REST, MAX_ATTEMPTS, OutboxMessage, delay_after_refusal, rest_after_failure,
};
use crate::sink::{Posted, SinkError};
use crate::store;
use crate::store::StoreError;
use crate::store::outbox::Room;

/// How many messages this process has in hand at once, for all instances together.
const AT_ONCE: usize = 64;

/// Which messages go out, and how many at once.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) ways: Ways,
    per_instance: u32,
    permits: Arc<Semaphore>,
}

impl Outgoing {
    /// At most `per_instance` messages of one instance at once, over all processes.
    #[must_use]
    pub fn new(per_instance: u32) -> Self {
        Self {
            ways: Ways::default(),
            per_instance,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// Takes up due messages and has them sent. How many. It waits for none: a slow instance holds up nobody else.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let room = Room {
        total: i64::try_from(app.outgoing.permits.available_permits()).unwrap_or(i64::MAX),
        per_instance: app.outgoing.per_instance.into(),
    };
    if room.total == 0 {
        return Ok(0);
    }
    let messages = lease(app, room).await?;
    let taken = messages.len();
    for (merchant, message) in messages {
        // Only this loop takes permits, and no more than it saw.
        let permit = Arc::clone(&app.outgoing.permits).acquire_owned().await.ok();
        app.spawn(carry(Arc::clone(app), merchant, message, permit));
    }
    Ok(taken)
}

async fn lease(app: &App, room: Room) -> Result<Vec<(MerchantId, OutboxMessage)>, AppError> {
    let mut tx = app.begin().await?;
    let now = store::outbox::now(&mut tx).await?;
    let instances = store::odoo_instances::lock_due(&mut tx, now).await?;
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let until = now + app.timing.message_lease;
    let messages = store::outbox::lease(&mut tx, &instances, now, until, room).await?;
    commit(tx).await?;
    Ok(messages)
}

async fn carry(
    app: Arc<App>,
    merchant: MerchantId,
    message: OutboxMessage,
    permit: Option<OwnedSemaphorePermit>,
) {
    if let Err(error) = send(&app, merchant, &message).await {
        // The lease runs out by itself, and then it is sent again.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a message could not be settled"
        );
    }
    drop(permit);
    app.bell.notify_waiters();
}

#[tracing::instrument(name = "app.outbox.send", skip_all,
    fields(payment_id = message.payment_id.map(tracing::field::display), message_id = %message.id, kind = message.posting.kind()))]
async fn send(app: &App, merchant: MerchantId, message: &OutboxMessage) -> Result<(), AppError> {
    let instance = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        store::odoo_instances::get(&mut conn, &app.sealer, merchant, message.odoo_instance_id).await?
    };
    // Ended before the lease is, so that two workers rarely send the same; the sink stands it if they do.
    let sending = app.sink.send(&instance, message, app.clock.now());
    let sent = tokio::time::timeout(app.timing.message_lease, sending)
        .await
        .unwrap_or_else(|_| {
            Err(SinkError::Unreachable {
                message: "it did not answer in time".to_owned(),
                retry_after: None,
            })
        });
    match sent {
        Ok(posted) => acknowledge(app, merchant, message, &posted).await,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                attempts = message.attempts,
                "odoo does not have a message yet"
            );
            let why = error.to_string();
            match error {
                SinkError::Unreachable { retry_after, .. } => {
                    let asked = retry_after.map_or(Duration::ZERO, |asked| {
                        Duration::try_from(asked)
                            .unwrap_or(LONGEST_REST)
                            .min(LONGEST_REST)
                    });
                    rest(app, merchant, message, asked, &why).await
                }
                SinkError::Unauthorized { .. } | SinkError::NotAllowed { .. } => {
                    rest(app, merchant, message, Duration::ZERO, &why).await
                }
                SinkError::Gone => disable(app, merchant, message, &why).await,
                SinkError::Refused { .. } | SinkError::Differs { .. } => {
                    back_off(app, merchant, message, &why).await
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
    // The instance before the message, as everywhere.
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
    store::outbox::ack(&mut tx, merchant, message, posted, app.clock.now()).await?;
    commit(tx).await?;
    tracing::info!("odoo has a message");
    Ok(())
}

/// Rests the instance, longer with each failure in a row and at least as long as it asked for: its messages wait, and none
/// spends an attempt. What fails while it rests already was in hand when it began, and makes it rest no longer.
async fn rest(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    asked: Duration,
    error: &str,
) -> Result<(), AppError> {
    let instance = message.odoo_instance_id;
    let mut tx = app.begin().await?;
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
    store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(until), error).await?;
    commit(tx).await
}

/// Sends nothing more to an instance that says that nobody is there any more, and has a person look.
async fn disable(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: &str,
) -> Result<(), AppError> {
    let instance = message.odoo_instance_id;
    let mut tx = app.begin().await?;
    let now = store::outbox::now(&mut tx).await?;
    if store::odoo_instances::disable(&mut tx, merchant, instance, now).await? {
        let subject = format!("{instance} {}", now.unix_timestamp());
        let detail = format!("{error}; `quittance odoo-instance enable` sends again what waits");
        let kind = ExceptionKind::InstanceGone;
        let new = NewException::new(merchant, kind, &subject, &detail);
        store::exceptions::open(&mut tx, &new, now).await?;
        tracing::error!(instance_id = %instance, "an odoo instance is gone");
    }
    store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(now), error).await?;
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
    let mut tx = app.begin().await?;
    let now = store::outbox::now(&mut tx).await?;
    let delay = delay_after_refusal(attempts, &message.id.to_string());
    let again = (attempts < MAX_ATTEMPTS).then(|| now + app.timing.scaled(delay));
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
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
    let new = NewException::new(merchant, kind, &subject, &detail).of(message.payment_id);
    store::exceptions::open(conn, &new, now).await?;
    tracing::error!("a message is dead");
    Ok(())
}
