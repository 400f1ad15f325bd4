//! What accounts at providers may do, as events tell.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::apply::Applied;
use super::foreign::affairs;
use super::webhooks::end_with;
use super::{App, AppError};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::payment::Decision;
use crate::domain::standing::Standing;
use crate::provider::ProviderError;
use crate::store;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The event's.
    Events,
    /// The provider's, asked because of the event.
    Read,
}

/// Takes in what an event says of its account.
///
/// Where two events of one second differ, or where the event says nothing itself, the account is read. A key that may not read
/// it leaves the event's own word: that is from the same second, and the next event tells anew.
pub(super) async fn hear(app: &App, event: &WebhookEvent, said: Option<&Standing>) -> Result<(), AppError> {
    if let Some(said) = said
        && take_in(app, event, said, Word::Events).await? == Applied::Done
    {
        return Ok(());
    }
    let known = {
        let mut conn = app.db.read(event.merchant_id).await?;
        app.accounts
            .get(app, &mut conn, event.merchant_id, event.provider_account_id)
            .await?
    };
    let affairs = affairs(app.provider(&known.account.provider)?)?;
    let read = match (affairs.fetch_standing(&known.account).await, said) {
        (Ok(read), _) => read,
        (
            Err(ProviderError::Auth | ProviderError::Lacks { .. } | ProviderError::Invalid { .. }),
            Some(said),
        ) => said.clone(),
        (Err(error), _) => return Err(AppError::Provider(error)),
    };
    take_in(app, event, &read, Word::Read).await.map(|_done| ())
}

/// Takes in that our calls for an account are not taken any more.
pub(super) async fn hear_deauthorized(app: &App, event: &WebhookEvent) -> Result<(), AppError> {
    let (merchant, account, now) = (event.merchant_id, event.provider_account_id, app.clock.now());
    let mut tx = app.begin(merchant).await?;
    let mut held = store::account_standings::lock(&mut tx, merchant, account, now).await?;
    if held.shut_out(event.created) {
        store::account_standings::update(&mut tx, merchant, account, &held, now).await?;
        let detail =
            "the account took from us the right to act for it: connect it again, or take it out of use";
        open_exception(app, &mut tx, event, ExceptionKind::AccountDeauthorized, detail).await?;
    }
    end(app, tx, event).await
}

async fn take_in(app: &App, event: &WebhookEvent, said: &Standing, word: Word) -> Result<Applied, AppError> {
    let (merchant, account, now) = (event.merchant_id, event.provider_account_id, app.clock.now());
    let at: OffsetDateTime = event.created;
    let mut tx = app.begin(merchant).await?;
    let mut held = store::account_standings::lock(&mut tx, merchant, account, now).await?;
    match held.decide(said, at) {
        Decision::Ask if word == Word::Events => return Ok(Applied::Ask),
        Decision::Apply | Decision::Ask => {
            let is_restricted = held.take_in(said, at);
            store::account_standings::update(&mut tx, merchant, account, &held, now).await?;
            if is_restricted {
                let detail = describe(&held.told);
                open_exception(app, &mut tx, event, ExceptionKind::AccountRestricted, &detail).await?;
            }
        }
        Decision::AlreadySo | Decision::Stale | Decision::Impossible(_) => {}
    }
    end(app, tx, event).await?;
    Ok(Applied::Done)
}

async fn end(
    app: &App,
    tx: sqlx::Transaction<'static, sqlx::Postgres>,
    event: &WebhookEvent,
) -> Result<(), AppError> {
    end_with(app, tx, event, Ended::Applied).await?;
    app.accounts.forget(event.provider_account_id);
    Ok(())
}

fn describe(told: &Standing) -> String {
    let requirements = told.requirements.as_ref();
    let due_count = requirements.map_or(0, |requirements| requirements.due_count);
    let reason = requirements
        .and_then(|requirements| requirements.disabled_reason.as_deref())
        .unwrap_or("no reason given");
    format!("no customer can be charged: {reason}; the provider waits for {due_count} details")
}

/// Opens an exception: one for each time that it happens.
async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    event: &WebhookEvent,
    kind: ExceptionKind,
    detail: &str,
) -> Result<(), AppError> {
    let subject = format!("{} {}", event.provider_account_id, event.created.unix_timestamp());
    let new = NewException::new(event.merchant_id, kind, &subject, detail).at(event.provider_account_id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(?kind, subject, "an exception was opened");
    }
    Ok(())
}
