//! Events whose delivery was missed: read from the provider's own list, so that an outage of ours heals by itself.
//!
//! A walk reads the list from where the last one began to the newest event, page by page. Each page's events and where the
//! walk then stands are one transaction: a crash loses nothing, and another worker goes on from there.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::provider::{HistoryPage, ProviderAccount, ProviderError};
use crate::store;
use crate::store::StoreError;
use crate::store::event_cursors::EventCursor;
use crate::store::webhook_events::SealedEvent;

/// How many accounts are read at once: all that are taken up.
const AT_ONCE: i64 = 8;

/// How many pages one turn of an account has.
const PAGES: usize = 8;

/// How late an event may be listed: so far back every walk reads again. The list goes by whole seconds.
const LATE: time::Duration = time::Duration::minutes(5);

/// How a page went in.
enum Kept {
    /// There is another one.
    More,
    /// It was the last, or another worker goes on.
    Over,
}

/// Reads what is listed of the accounts whose turn it is. How many there were.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let cursors = {
        let mut tx = app.db.dispatch().await?;
        let missing = store::event_cursors::list_missing(&mut tx).await?;
        if !missing.is_empty() {
            drop(tx);
            let mut enrolling = app.db.begin_for(missing).await?;
            store::event_cursors::enroll(&mut enrolling, app.timing.events_polled_every).await?;
            commit(enrolling).await?;
            tx = app.db.dispatch().await?;
        }
        let leased = store::event_cursors::lease(&mut tx, app.timing.operation_lease, AT_ONCE).await?;
        commit(tx).await?;
        leased
    };
    let found = cursors.len();
    stream::iter(cursors)
        .for_each_concurrent(None, |cursor| async move {
            let account = cursor.provider_account_id;
            if let Err(error) = walk(app, cursor).await {
                // Its lease runs out by itself, and then it is its turn again.
                tracing::error!(error = &error as &dyn std::error::Error, provider_account_id = %account, "events could not be polled");
            }
        })
        .await;
    Ok(found)
}

#[tracing::instrument(name = "app.history.walk", skip_all, fields(provider_account_id = %cursor.provider_account_id))]
async fn walk(app: &App, mut cursor: EventCursor) -> Result<(), AppError> {
    let known = {
        let mut conn = app.db.read(cursor.merchant_id).await?;
        app.accounts
            .get(app, &mut conn, cursor.merchant_id, cursor.provider_account_id)
            .await?
    };
    let account = &known.account;
    let Some(history) = app.provider(&account.provider)?.history() else {
        return give_back(app, &cursor, app.timing.events_polled_every).await;
    };
    let since = match cursor.walk_since {
        Some(since) => since,
        None => begin(app, &mut cursor, history.kept_for()).await?,
    };
    for _ in 0..PAGES {
        let page = match history
            .read_events(account, since, cursor.walk_next.as_deref())
            .await
        {
            Ok(page) => page,
            Err(error) => return put_off(app, cursor, &error).await,
        };
        match keep(app, account, &mut cursor, page).await? {
            Kept::More => {}
            Kept::Over => return Ok(()),
        }
    }
    give_back(app, &cursor, Duration::ZERO).await
}

/// Begins a walk, and says since when it reads. Where the list does not reach back to the last one, a person is told, and the
/// account's payments are swept at once.
async fn begin(
    app: &App,
    cursor: &mut EventCursor,
    kept_for: time::Duration,
) -> Result<time::OffsetDateTime, AppError> {
    let listed_from = cursor.now - kept_for;
    if cursor.caught_up_at < listed_from {
        let (merchant, account) = (cursor.merchant_id, cursor.provider_account_id);
        let (kind, subject) = (
            ExceptionKind::EventsMissed,
            format!("{account} {}", cursor.caught_up_at.date()),
        );
        let detail = format!(
            "events of {account} between {} and {} were not read in time and are not listed any more: what they told of payments \
             and disputes is found by the nightly sweep, the rest is not",
            cursor.caught_up_at.date(),
            listed_from.date()
        );
        let mut tx = app.begin(merchant).await?;
        let new = NewException::new(merchant, kind, &subject, &detail).at(account);
        if store::exceptions::open(&mut tx, &new, app.clock.now()).await? {
            tracing::warn!(provider_account_id = %account, ?kind, subject, "an exception was opened");
            store::account_sweeps::hasten(&mut tx, merchant, account).await?;
        }
        commit(tx).await?;
    }
    let since = (cursor.read_until - LATE).max(listed_from);
    cursor.walk_since = Some(since);
    cursor.walk_began_at = Some(cursor.now);
    Ok(since)
}

/// Keeps a page's events, each as if it had been delivered, and notes where the walk stands.
async fn keep(
    app: &App,
    account: &ProviderAccount,
    cursor: &mut EventCursor,
    page: HistoryPage,
) -> Result<Kept, AppError> {
    let mut conn = app.begin(account.merchant_id).await?;
    let key = app.sealer.current(&mut conn, account.merchant_id).await?;
    commit(conn).await?;
    let mut events = Vec::with_capacity(page.events.len());
    for webhook in &page.events {
        let envelope = webhook.envelope();
        cursor.walk_newest = cursor.walk_newest.max(Some(envelope.created));
        if envelope.is_of(account) {
            events.push(SealedEvent::seal(&key, account.merchant_id, account.id, webhook)?);
        }
    }
    drop(page.events);
    cursor.walk_next = page.next;
    let is_last = cursor.walk_next.is_none();
    let mut tx = app.begin(cursor.merchant_id).await?;
    let together = store::webhook_events::insert(&mut tx, &events).await;
    if let Err(StoreError::Database(sqlx::Error::Database(_))) = together {
        drop(tx);
        keep_each(app, &events).await?;
        tx = app.begin(cursor.merchant_id).await?;
    } else {
        together?;
    }
    let held = if is_last {
        store::event_cursors::finish(&mut tx, cursor, app.timing.events_polled_every).await?
    } else {
        store::event_cursors::advance(&mut tx, cursor, app.timing.operation_lease).await?
    };
    if held {
        commit(tx).await?;
        app.bell.notify_waiters();
    }
    Ok(if held && !is_last { Kept::More } else { Kept::Over })
}

/// Keeps events one by one: one that Postgres refuses must not keep out its neighbours, nor hold the walk up for ever.
async fn keep_each(app: &App, events: &[SealedEvent]) -> Result<(), AppError> {
    for event in events {
        match store::webhook_events::keep(&app.db, std::slice::from_ref(event)).await {
            Err(error @ StoreError::Database(sqlx::Error::Database(_))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an event that was read could not be kept"
                );
            }
            kept => kept?,
        }
    }
    Ok(())
}

/// Leaves the rest of a walk to the account's next turn.
async fn put_off(app: &App, mut cursor: EventCursor, error: &ProviderError) -> Result<(), AppError> {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        provider_account_id = %cursor.provider_account_id,
        "events were not listed, and are asked for again"
    );
    let every = app.timing.events_polled_every;
    match error {
        ProviderError::Invalid { .. } if cursor.walk_next.is_some() => {
            // The provider may have forgotten the event at which the walk stands: another walk begins.
            (cursor.walk_since, cursor.walk_began_at) = (None, None);
            (cursor.walk_next, cursor.walk_newest) = (None, None);
            let mut tx = app.begin(cursor.merchant_id).await?;
            store::event_cursors::advance(&mut tx, &cursor, every).await?;
            commit(tx).await
        }
        ProviderError::RateLimited { after } => {
            give_back(app, &cursor, every.max(after.unwrap_or_default())).await
        }
        ProviderError::Invalid { .. }
        | ProviderError::Auth
        | ProviderError::Lacks { .. }
        | ProviderError::Unavailable { .. }
        | ProviderError::Ambiguous { .. } => give_back(app, &cursor, every).await,
    }
}

async fn give_back(app: &App, cursor: &EventCursor, wait: Duration) -> Result<(), AppError> {
    let mut tx = app.begin(cursor.merchant_id).await?;
    store::event_cursors::give_back(&mut tx, cursor, wait).await?;
    commit(tx).await
}
