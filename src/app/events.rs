//! Events in an operator's hands: looked through, counted, opened, and applied again.

use serde_json::json;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::auth::Operator;
use super::error::no;
use super::page::one_more;
use super::{App, AppError, Page, commit};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::{PaymentId, WebhookEventId};
use crate::domain::webhook_event::EventState;
use crate::store;
use crate::store::webhook_events::WebhookEvent;
use crate::store::webhook_events::lists;

pub use crate::store::webhook_events::lists::{EventCount, EventEntry, EventFilter};

/// How many lines a count has at most: far more than providers have types.
const COUNTS: i64 = 2_000;

/// How far back events are counted where nothing is said, and at most.
const COUNTED: Duration = Duration::DAY;
const COUNTED_AT_MOST: Duration = Duration::days(31);

/// The events that fit, newest first, after `after`, `limit` at most.
pub async fn list(
    app: &App,
    operator: &Operator,
    filter: &EventFilter,
    after: Option<WebhookEventId>,
    limit: u16,
) -> Result<Page<EventEntry>, AppError> {
    let mut conn = app.db.read(operator.merchant_id).await?;
    let (merchant, live) = (operator.merchant_id, operator.live);
    let found = lists::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One event, without its bytes. Test keys see events of test accounts, live keys of live ones.
pub async fn get(app: &App, operator: &Operator, id: WebhookEventId) -> Result<EventEntry, AppError> {
    let mut conn = app.db.read(operator.merchant_id).await?;
    lists::get(&mut conn, operator.merchant_id, operator.live, id)
        .await
        .map_err(no("event"))
}

/// The bytes of one event, as the provider signed them. Who looked is logged: they hold personal data.
pub async fn payload(
    app: &App,
    operator: &Operator,
    id: WebhookEventId,
) -> Result<Zeroizing<Vec<u8>>, AppError> {
    let merchant = operator.merchant_id;
    let mut tx = app.begin(merchant).await?;
    let bytes = lists::open(&mut tx, &app.sealer, merchant, operator.live, id)
        .await
        .map_err(no("event"))?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &operator.actor(),
        (Action::EventPayload, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    tracing::info!(webhook_event_id = %id, by = operator.name, "the bytes of an event were shown");
    Ok(bytes)
}

/// How many events happened, by type and state.
#[derive(Clone, Debug)]
pub struct EventCounts {
    /// Since when.
    pub since: OffsetDateTime,
    /// Most first.
    pub counts: Vec<EventCount>,
}

/// How many events happened since a moment, by type and state: what is ignored, because nobody follows its type, shows here. A day
/// where nothing is said.
///
/// # Errors
/// [`AppError::Invalid`] where it is longer ago than 31 days.
pub async fn count(
    app: &App,
    operator: &Operator,
    since: Option<OffsetDateTime>,
) -> Result<EventCounts, AppError> {
    let now = app.clock.now();
    let since = since.unwrap_or(now - COUNTED);
    if since < now - COUNTED_AT_MOST {
        return Err(AppError::Invalid {
            field: "since",
            code: "too_long_ago",
            message: "must be within the last 31 days".to_owned(),
        });
    }
    let mut conn = app.db.read(operator.merchant_id).await?;
    let counts = lists::count(&mut conn, operator.merchant_id, operator.live, since, COUNTS).await?;
    Ok(EventCounts { since, counts })
}

/// Has one event applied again, whatever became of it: an event is a hint, so that it does no harm twice.
///
/// # Errors
/// [`AppError::EventLeased`] while a worker has it.
pub async fn replay(app: &App, operator: &Operator, id: WebhookEventId) -> Result<EventEntry, AppError> {
    let (merchant, live) = (operator.merchant_id, operator.live);
    let mut tx = app.begin(merchant).await?;
    let replayed = lists::replay(&mut tx, merchant, live, id, &operator.name).await?;
    let event = lists::get(&mut tx, merchant, live, id)
        .await
        .map_err(no("event"))?;
    if !replayed {
        return Err(AppError::EventLeased);
    }
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &operator.actor(),
        (Action::EventReplay, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    tracing::info!(webhook_event_id = %id, by = operator.name, "an event is applied again");
    app.bell.notify_waiters();
    Ok(event)
}

/// Has the events that fit applied again, oldest first, after `after`, `limit` at most: how many, and the last of them where
/// there may be more. Those that a worker has are left to it.
///
/// # Errors
/// [`AppError::Invalid`] where those are asked for.
pub async fn replay_all(
    app: &App,
    operator: &Operator,
    filter: &EventFilter,
    after: Option<WebhookEventId>,
    limit: u16,
) -> Result<(usize, Option<WebhookEventId>), AppError> {
    if filter.state == Some(EventState::Leased) {
        return Err(AppError::Invalid {
            field: "state",
            code: "invalid_state",
            message: "must not be leased: a worker has those".to_owned(),
        });
    }
    let (merchant, live) = (operator.merchant_id, operator.live);
    let mut tx = app.begin(merchant).await?;
    let by = &operator.name;
    let replayed = lists::replay_all(&mut tx, merchant, live, filter, after, i64::from(limit), by).await?;
    if !replayed.is_empty() {
        let acted = json!({ "count": replayed.len() });
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &operator.actor(),
            (Action::EventReplay, &"several"),
            &acted,
        )
        .await?;
    }
    commit(tx).await?;
    tracing::info!(
        count = replayed.len(),
        by = operator.name,
        "events are applied again"
    );
    app.bell.notify_waiters();
    let full = replayed.len() == usize::from(limit);
    Ok((replayed.len(), replayed.last().copied().filter(|_| full)))
}

/// The payment that an event is about, where it has one that we know.
pub(super) async fn find_payment(
    app: &App,
    conn: &mut PgConnection,
    event: &WebhookEvent,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let (_, object_id) = lists::describe(conn, merchant, event.id).await?;
    let mut references: Vec<String> = object_id.into_iter().collect();
    // What killed the event may be that its account or its bytes do not open: then it is known by its object alone.
    if let Ok(known) = app.accounts.get(app, conn, merchant, account).await
        && let Ok(payload) = event.open(conn, &app.sealer).await
    {
        let read = app.provider(&known.account.provider)?.interpret(&payload);
        references.extend(read.reference().map(str::to_owned));
    }
    Ok(lists::find_payment(conn, merchant, account, &references).await?)
}

/// Opens an exception for an event that is dead: on its payment, where it has one that we know.
pub(super) async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    event: &WebhookEvent,
    error: &str,
) -> Result<(), AppError> {
    let merchant = event.merchant_id;
    let payment = find_payment(app, conn, event).await?;
    let (word, _) = lists::describe(conn, merchant, event.id).await?;
    tracing::error!(webhook_event_id = %event.id, kind = word, "an event is dead");
    let (subject, detail) = (
        event.id.to_string(),
        format!("{word} {}: {error}", event.event_id),
    );
    let new = NewException::new(merchant, ExceptionKind::EventDead, &subject, &detail)
        .at(event.provider_account_id)
        .of(payment);
    store::exceptions::open(conn, &new, app.clock.now()).await?;
    Ok(())
}

/// Closes the exception of an event that was dead, now that a replay has ended it.
pub(super) async fn close_exception(
    app: &App,
    conn: &mut PgConnection,
    event: &WebhookEvent,
) -> Result<(), AppError> {
    // Every lease but the last failed and was counted, unless a replay began the counting anew: most events ask nothing here.
    if event.fence <= i64::from(event.attempts) + 1 {
        return Ok(());
    }
    let now = app.clock.now();
    Ok(store::exceptions::close_of_event(conn, event.merchant_id, event.id, now).await?)
}
