//! Tells Odoo, in order per payment, at least once; the sink makes it exactly once.
//!
//! One instance never holds up another: each gets a few messages at once, counted over all workers, and one that cannot be
//! reached rests, longer each time, until a single message gets through.

mod meets;
mod unsent;

use std::collections::HashSet;
use std::sync::Arc;

use time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::news::Ways;
use super::{App, AppError, commit};
use crate::domain::ids::MerchantId;
use crate::domain::outbox::{Message, OutboxMessage};
use crate::domain::posting::Posting;
use crate::sink::{OdooInstance, Posted, SinkError};
use crate::store;
use crate::store::outbox::Room;
use crate::telemetry::trace::{self, TraceContext};
use unsent::{end_differences, leave_alone, put_back};

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

/// What is sent as one: a message, bookings of one journal, or a batch for our addon.
async fn lease(app: &App, room: Room) -> Result<Vec<(MerchantId, Vec<OutboxMessage>)>, AppError> {
    let mut tx = app.db.dispatch().await?;
    let now = store::outbox::now(&mut tx).await?;
    let instances = store::odoo_instances::lock_due(&mut tx, now).await?;
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let until = now + app.timing.message_lease;
    let mut leased = store::outbox::lease(&mut tx, &instances, now, until, room).await?;
    let batches: HashSet<_> = leased
        .iter()
        .map(|leased| (leased.merchant_id, leased.batch()))
        .collect();
    let left = Room {
        total: room.total - i64::try_from(batches.len()).unwrap_or(room.total),
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
        let via = app.outgoing.ways.get(&mut tx, merchant, id).await?;
        let (messages, waiting) = meets::find_met(&mut tx, merchant, via, messages).await?;
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
    let (mut sent, mut unreached) = (Vec::new(), Vec::new());
    for (message, answer) in messages.iter().zip(hand_over(app, &instance, &messages).await) {
        let error = match answer {
            Ok(posted) => {
                sent.push((message, posted));
                continue;
            }
            Err(error) => error,
        };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            message_id = %message.id,
            attempts = message.attempts,
            "odoo does not have a message yet"
        );
        if let Some(error) = put_back(app, merchant, message, error).await? {
            unreached.push((message, error));
        }
    }
    acknowledge(app, merchant, &sent).await?;
    leave_alone(app, merchant, &unreached).await
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
    let sending = app.sink.send(instance, messages, app.clock.now());
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
    let tried_before = sent
        .iter()
        .map(|(message, _)| *message)
        .filter(|message| message.attempts > 0);
    let tried_before: Vec<&OutboxMessage> = tried_before.collect();
    end_differences(&mut tx, merchant, &tried_before, ("odoo has it now", now)).await?;
    commit(tx).await?;
    tracing::info!(count = sent.len(), "odoo has what it was sent");
    Ok(())
}
