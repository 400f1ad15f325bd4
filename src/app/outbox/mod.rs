//! Tells Odoo, in order per payment, at least once; the sink makes it exactly once.
//!
//! One instance never holds up another: each gets a few messages at once, counted over all workers, and one that cannot be
//! reached rests, longer each time, until a single message gets through.

mod meets;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::news::Ways;
use super::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, ITSELF, NewException};
use crate::domain::ids::MerchantId;
use crate::domain::outbox::{
    LONGEST_REST, MAX_ATTEMPTS, Message, OutboxMessage, delay_after_refusal, rest_after_failure,
};
use crate::domain::posting::Posting;
use crate::sink::{OdooInstance, Posted, SinkError};
use crate::store;
use crate::store::exceptions::Closing;
use crate::store::outbox::Room;
use crate::telemetry::trace::{self, TraceContext};

/// How often Odoo may refuse a message before a person is told: something it needs may be on its way.
const PATIENCE: i32 = 5;

/// How long a booking waits until it is looked again whether Odoo was told of what it meets.
const UNTIL_TOLD: Duration = Duration::seconds(10);

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
    let leased = lease(app, room).await?;
    let taken = leased.len();
    for (merchant, messages) in leased {
        // Only this loop takes permits, and no more than it saw.
        let permit = Arc::clone(&app.outgoing.permits).acquire_owned().await.ok();
        app.spawn(carry(Arc::clone(app), merchant, messages, permit));
    }
    Ok(taken)
}

/// What is sent as one: a message, or bookings of one journal.
async fn lease(app: &App, room: Room) -> Result<Vec<(MerchantId, Vec<OutboxMessage>)>, AppError> {
    let mut tx = app.db.dispatch().await?;
    let now = store::outbox::now(&mut tx).await?;
    let instances = store::odoo_instances::lock_due(&mut tx, now).await?;
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let until = now + app.timing.message_lease;
    let mut leased = store::outbox::lease(&mut tx, &instances, now, until, room).await?;
    let left = Room {
        total: room.total - i64::try_from(leased.len()).unwrap_or(room.total),
        ..room
    };
    leased.extend(store::outbox::lease_bookings(&mut tx, &instances, now, until, left).await?);
    commit(tx).await?;
    if leased.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = app
        .db
        .begin_for(leased.iter().map(|message| message.merchant_id))
        .await?;
    let messages = store::outbox::read(&mut tx, leased).await?;
    commit(tx).await?;
    Ok(messages)
}

async fn carry(
    app: Arc<App>,
    merchant: MerchantId,
    messages: Vec<OutboxMessage>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let span = span_of(&messages);
    if let Err(error) = send(&app, merchant, messages).instrument(span).await {
        // The lease runs out by itself, and then it is sent again.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a message could not be settled"
        );
    }
    drop(permit);
    app.bell.notify_waiters();
}

/// A message is sent in the trace of what it tells of, so that one trace leads from Odoo's call to Odoo's books. Bookings that travel
/// together belong to as many traces as they have payments: theirs is one of its own, with a link to each.
fn span_of(messages: &[OutboxMessage]) -> Span {
    let first = messages.first();
    let span = tracing::info_span!(
        "app.outbox.send",
        count = messages.len(),
        traceparent = Empty,
        otel.kind = "consumer",
        payment_id = first
            .and_then(|first| first.payment_id)
            .map(tracing::field::display),
        message_id = first.map(|first| tracing::field::display(first.id)),
        kind = first.map(|first| first.posting.kind())
    );
    if let [only] = messages {
        trace::continue_from(&span, only.trace_context);
    } else {
        let mut linked: Vec<TraceContext> = messages
            .iter()
            .filter_map(|message| message.trace_context)
            .collect();
        linked.dedup();
        for context in linked {
            trace::link(&span, context);
        }
    }
    span
}

async fn send(app: &App, merchant: MerchantId, messages: Vec<OutboxMessage>) -> Result<(), AppError> {
    let Some(first) = messages.first() else {
        return Ok(());
    };
    let id = first.odoo_instance_id;
    let (instance, mut messages) = {
        let mut tx = app.begin(merchant).await?;
        let (messages, waiting) = meets::find_met(&mut tx, merchant, messages).await?;
        let again = store::outbox::now(&mut tx).await? + app.timing.scaled(UNTIL_TOLD);
        for message in &waiting {
            let why = "odoo was not told yet of what it meets";
            store::outbox::put_back(&mut tx, merchant, message, message.attempts, Some(again), why).await?;
        }
        let instance = store::odoo_instances::get(&mut tx, &app.sealer, merchant, id).await?;
        commit(tx).await?;
        (instance, messages)
    };
    // What a booking meets goes before it.
    messages.sort_by_key(is_booking);
    let mut sent = Vec::new();
    for (message, answer) in messages.iter().zip(hand_over(app, &instance, &messages).await) {
        match answer {
            Ok(posted) => sent.push((message, posted)),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    message_id = %message.id,
                    attempts = message.attempts,
                    "odoo does not have a message yet"
                );
                put_back(app, merchant, message, error).await?;
            }
        }
    }
    acknowledge(app, merchant, &sent).await
}

fn is_booking(message: &OutboxMessage) -> bool {
    matches!(message.posting, Message::Posting(Posting::Booking { .. }))
}

/// Ended before the lease is, so that two workers rarely send the same; the sink stands it if they do.
async fn hand_over(
    app: &App,
    instance: &OdooInstance,
    messages: &[OutboxMessage],
) -> Vec<Result<Posted, SinkError>> {
    let sending = async {
        if messages.len() > 1 && messages.iter().all(is_booking) {
            return app.sink.send_all(instance, messages).await;
        }
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            answers.push(app.sink.send(instance, message, app.clock.now()).await);
        }
        answers
    };
    tokio::time::timeout(app.timing.message_lease, sending)
        .await
        .unwrap_or_else(|_| {
            let message = "it did not answer in time".into();
            let late = SinkError::Unreachable {
                message,
                retry_after: None,
            };
            messages.iter().map(|_| Err(late.clone())).collect()
        })
}

async fn put_back(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: SinkError,
) -> Result<(), AppError> {
    let why = error.told();
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
        SinkError::Differs { .. } => {
            tell_a_person(app, merchant, message, &why).await?;
            back_off(app, merchant, message, &why).await
        }
        SinkError::Refused { .. } => {
            if message.attempts >= PATIENCE {
                tell_a_person(app, merchant, message, &why).await?;
            }
            back_off(app, merchant, message, &why).await
        }
    }
}

/// Opens an exception where Odoo holds something else than it was given, or will not take it. It ends once Odoo has it.
async fn tell_a_person(
    app: &App,
    merchant: MerchantId,
    message: &OutboxMessage,
    error: &str,
) -> Result<(), AppError> {
    let key = message.posting.key();
    let detail = format!("{} {key}: {error}", message.posting.kind());
    let new = NewException::new(merchant, ExceptionKind::PostingDiffers, &key, &detail)
        .of(message.payment_id)
        .at(message.provider_account_id);
    let mut tx = app.begin(merchant).await?;
    if store::exceptions::open(&mut tx, &new, app.clock.now()).await? {
        tracing::warn!(key, "odoo's books differ");
    }
    commit(tx).await
}

async fn acknowledge(
    app: &App,
    merchant: MerchantId,
    sent: &[(&OutboxMessage, Posted)],
) -> Result<(), AppError> {
    let Some((first, _)) = sent.first() else {
        return Ok(());
    };
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    // The instance before the message, as everywhere.
    store::odoo_instances::resume(&mut tx, merchant, first.odoo_instance_id).await?;
    for (message, posted) in sent {
        store::outbox::ack(&mut tx, merchant, message, posted, now).await?;
    }
    let tried_before = sent.iter().filter(|(message, _)| message.attempts > 0);
    let subjects: Vec<String> = tried_before.map(|(message, _)| message.posting.key()).collect();
    if !subjects.is_empty() {
        end_differences(&mut tx, merchant, &subjects, ("odoo has it now", now)).await?;
    }
    commit(tx).await?;
    tracing::info!("odoo has a message");
    Ok(())
}

/// Ends the exceptions on postings that Odoo refused or held otherwise.
async fn end_differences(
    conn: &mut sqlx::PgConnection,
    merchant: MerchantId,
    subjects: &[String],
    (reason, at): (&str, OffsetDateTime),
) -> Result<(), AppError> {
    let (kind, by) = (ExceptionKind::PostingDiffers, ITSELF);
    let closing = Closing { reason, by, at };
    Ok(store::exceptions::close(conn, merchant, kind, subjects, closing).await?)
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
    let mut tx = app.begin(merchant).await?;
    let now = store::outbox::now(&mut tx).await?;
    let delay = delay_after_refusal(attempts, &message.id.to_string());
    let again = (attempts < MAX_ATTEMPTS).then(|| now + app.timing.scaled(delay));
    store::odoo_instances::resume(&mut tx, merchant, message.odoo_instance_id).await?;
    let held = store::outbox::put_back(&mut tx, merchant, message, attempts, again, error).await?;
    if held && again.is_none() {
        let subjects = [message.posting.key()];
        let reason = "out of attempts: the message is dead";
        end_differences(&mut tx, merchant, &subjects, (reason, now)).await?;
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
