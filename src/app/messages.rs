//! Messages for Odoo in an operator's hands: looked through, sent again, and let go.

use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::auth::Operator;
use super::error::no;
use super::page::one_more;
use super::{App, AppError, Page, commit};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::OutboxMessageId;
use crate::domain::outbox::OutboxState;
use crate::domain::reason::Reason;
use crate::store;
use crate::store::exceptions::Closing;
use crate::store::outbox::lists;

pub use crate::store::outbox::lists::{MessageEntry, MessageFilter};

/// The messages that fit, oldest first, after `after`, `limit` at most.
pub async fn list(
    app: &App,
    operator: &Operator,
    filter: MessageFilter,
    after: Option<OutboxMessageId>,
    limit: u16,
) -> Result<Page<MessageEntry>, AppError> {
    let mut conn = app.db.read(operator.merchant_id).await?;
    let (merchant, live) = (operator.merchant_id, operator.live);
    let found = lists::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One message. Test keys see messages of test payments, live keys of live ones.
pub async fn get(app: &App, operator: &Operator, id: OutboxMessageId) -> Result<MessageEntry, AppError> {
    let mut conn = app.db.read(operator.merchant_id).await?;
    lists::get(&mut conn, operator.merchant_id, operator.live, id)
        .await
        .map_err(no("message"))
}

/// Sends a message again that is dead, or sooner one that waits for its next attempt, and closes its exception: those that wait
/// behind it go on once Odoo has it. One that is due at once already stays as it is.
///
/// # Errors
/// [`AppError::MessageNotDead`] where Odoo has it, or it was skipped.
pub async fn replay(app: &App, operator: &Operator, id: OutboxMessageId) -> Result<MessageEntry, AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    let mut tx = app.begin(merchant).await?;
    let held = lists::lock(&mut tx, merchant, live, id)
        .await
        .map_err(no("message"))?;
    match held.state {
        OutboxState::Dead | OutboxState::Pending => {}
        OutboxState::Sent | OutboxState::Skipped => return Err(AppError::MessageNotDead(held.state)),
    }
    send_again(app, &mut tx, operator, &[id]).await?;
    let message = lists::get(&mut tx, merchant, live, id).await?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &operator.actor(),
        (Action::MessageReplay, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    app.bell.notify_waiters();
    Ok(message)
}

/// Does the same with the messages that fit, oldest first, after `after`, `limit` at most: how many, and the last of them where
/// there may be more.
///
/// # Errors
/// [`AppError::Invalid`] where messages are asked for that Odoo has, or that were skipped.
pub async fn replay_all(
    app: &App,
    operator: &Operator,
    filter: MessageFilter,
    after: Option<OutboxMessageId>,
    limit: u16,
) -> Result<(usize, Option<OutboxMessageId>), AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    match filter.state {
        Some(OutboxState::Dead | OutboxState::Pending) => {}
        Some(OutboxState::Sent | OutboxState::Skipped) | None => {
            return Err(AppError::Invalid {
                field: "state",
                code: "invalid_state",
                message: "must be dead or pending: the others are done with".to_owned(),
            });
        }
    }
    let mut tx = app.begin(merchant).await?;
    let held = lists::lock_all(&mut tx, merchant, live, filter, after, i64::from(limit)).await?;
    let ids: Vec<OutboxMessageId> = held.iter().map(|message| message.id).collect();
    send_again(app, &mut tx, operator, &ids).await?;
    if !ids.is_empty() {
        let acted = json!({ "count": ids.len() });
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &operator.actor(),
            (Action::MessageReplay, &"several"),
            &acted,
        )
        .await?;
    }
    commit(tx).await?;
    app.bell.notify_waiters();
    let full = ids.len() == usize::from(limit);
    Ok((ids.len(), ids.last().copied().filter(|_| full)))
}

async fn send_again(
    app: &App,
    conn: &mut PgConnection,
    operator: &Operator,
    ids: &[OutboxMessageId],
) -> Result<(), AppError> {
    let (merchant, now) = (operator.merchant_id, app.clock.now());
    store::outbox::lists::replay(conn, merchant, ids, now, now + app.timing.message_lease).await?;
    close_exceptions(conn, operator, ids, "replayed", now).await?;
    tracing::info!(count = ids.len(), by = operator.name, "messages are sent again");
    Ok(())
}

/// Lets a dead message go for good and closes its exception, so that those behind it go on. What it told, somebody must record
/// in Odoo by hand. One that was skipped before stays as it was skipped first.
///
/// # Errors
/// [`AppError::MessageNotDead`] where it may still be sent, or was.
pub async fn skip(
    app: &App,
    operator: &Operator,
    id: OutboxMessageId,
    reason: &Reason,
) -> Result<MessageEntry, AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    let held = lists::lock(&mut tx, merchant, live, id)
        .await
        .map_err(no("message"))?;
    match held.state {
        OutboxState::Dead => {}
        OutboxState::Skipped => return Ok(held),
        OutboxState::Pending | OutboxState::Sent => return Err(AppError::MessageNotDead(held.state)),
    }
    let reason = reason.as_str();
    lists::skip(&mut tx, merchant, id, reason, &operator.name, now).await?;
    close_exceptions(&mut tx, operator, &[id], &format!("skipped: {reason}"), now).await?;
    let message = lists::get(&mut tx, merchant, live, id).await?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &operator.actor(),
        (Action::MessageSkip, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    tracing::warn!(message_id = %id, payment_id = message.payment_id.map(tracing::field::display), by = operator.name, "a message was skipped");
    app.bell.notify_waiters();
    Ok(message)
}

async fn close_exceptions(
    conn: &mut PgConnection,
    operator: &Operator,
    ids: &[OutboxMessageId],
    reason: &str,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let subjects: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let closing = Closing {
        reason,
        by: &operator.name,
        at: now,
    };
    for kind in [ExceptionKind::MessageDead, ExceptionKind::MessageRejected] {
        store::exceptions::close(conn, operator.merchant_id, kind, &subjects, closing).await?;
    }
    Ok(())
}
