//! Exceptions in an operator's hands: looked through, resolved and reopened, each with a reason.

use sqlx::PgConnection;

use super::auth::Operator;
use super::error::no;
use super::page::one_more;
use super::{App, AppError, Page, commit};
use crate::domain::exception::{Exception, ExceptionState};
use crate::domain::ids::ExceptionId;
use crate::domain::reason::Reason;
use crate::store::StoreError;
use crate::store::exceptions::{self, lists};

pub use crate::store::exceptions::lists::{ChangeEntry, ExceptionFilter};

/// How many changes of an exception are shown at most: the last ones.
const HISTORY: i64 = 100;

/// An exception with what became of it.
#[derive(Clone, Debug)]
pub struct ExceptionDetail {
    /// How it stands.
    pub exception: Exception,
    /// Its last changes, oldest first.
    pub history: Vec<ChangeEntry>,
}

/// The exceptions that fit, newest first, after `after`, `limit` at most.
pub async fn list(
    app: &App,
    operator: &Operator,
    filter: &ExceptionFilter,
    after: Option<ExceptionId>,
    limit: u16,
) -> Result<Page<Exception>, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let (merchant, live) = (operator.merchant_id, operator.live);
    let found = lists::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One exception with what became of it. Test keys see what is about test accounts, live keys what is about live ones; what is
/// about no account, both.
pub async fn get(app: &App, operator: &Operator, id: ExceptionId) -> Result<ExceptionDetail, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    detail(&mut conn, operator, id).await
}

/// Says that the difference, as it stands, is settled. It opens again by itself only where it comes back as another one. One that is
/// resolved stays as it was resolved first.
///
/// # Errors
/// [`AppError::BoundToMessage`].
pub async fn resolve(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    reason: &Reason,
) -> Result<ExceptionDetail, AppError> {
    bring(app, operator, id, ExceptionState::Resolved, reason).await
}

/// Says that the difference is not settled after all. One that is open stays as it is.
///
/// # Errors
/// [`AppError::BoundToMessage`].
pub async fn reopen(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    reason: &Reason,
) -> Result<ExceptionDetail, AppError> {
    bring(app, operator, id, ExceptionState::Open, reason).await
}

async fn bring(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    to: ExceptionState,
    reason: &Reason,
) -> Result<ExceptionDetail, AppError> {
    let (by, now) = (&operator.name, app.clock.now());
    let mut tx = app.begin().await?;
    let mut held = lists::lock(&mut tx, operator.merchant_id, operator.live, id)
        .await
        .map_err(no("exception"))?;
    let change = match to {
        ExceptionState::Resolved => held.resolve(reason, by, now)?,
        ExceptionState::Open => held.reopen(reason, by, now)?,
    };
    if let Some(change) = &change {
        exceptions::update(&mut tx, &held, change).await?;
    }
    let shown = detail(&mut tx, operator, id).await?;
    commit(tx).await?;
    if change.is_some() {
        tracing::info!(exception_id = %id, kind = ?held.kind, ?to, by, "an exception was changed by hand");
    }
    Ok(shown)
}

async fn detail(
    conn: &mut PgConnection,
    operator: &Operator,
    id: ExceptionId,
) -> Result<ExceptionDetail, AppError> {
    let merchant = operator.merchant_id;
    let exception = lists::get(conn, merchant, operator.live, id)
        .await
        .map_err(no("exception"))?;
    let history = lists::history(conn, merchant, id, HISTORY).await?;
    Ok(ExceptionDetail { exception, history })
}
