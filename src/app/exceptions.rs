//! Exceptions in an operator's hands: looked through, resolved and reopened, each with a reason.

use serde_json::json;
use sqlx::PgConnection;

use super::auth::Operator;
use super::error::no;
use super::page::one_more;
use super::{App, AppError, Page, commit, reconciliation};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::exception::Exception;
use crate::domain::ids::ExceptionId;
use crate::domain::ledger::LedgerAccount;
use crate::domain::reason::Reason;
use crate::store;
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
    let mut conn = app.db.read(operator.merchant_id).await?;
    let (merchant, live) = (operator.merchant_id, operator.live);
    let found = lists::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One exception with what became of it. Test keys see what is about test accounts, live keys what is about live ones; what is
/// about no account, both.
pub async fn get(app: &App, operator: &Operator, id: ExceptionId) -> Result<ExceptionDetail, AppError> {
    let mut conn = app.db.read(operator.merchant_id).await?;
    detail(&mut conn, operator, id).await
}

/// Says that the difference, as it stands, is settled. It opens again by itself only where it comes back as another one. One that is
/// resolved stays as it was resolved first.
///
/// What waits in Suspense for it goes to `account`, where one is said; else it stays there, accepted.
///
/// # Errors
/// [`AppError::BoundToMessage`]; [`AppError::Suspense`] where an account is said and nothing waits, or it was resolved otherwise.
pub async fn resolve(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    reason: &Reason,
    account: Option<LedgerAccount>,
) -> Result<ExceptionDetail, AppError> {
    if account.is_some_and(|account| !account.settles_suspense()) {
        return Err(AppError::Invalid {
            field: "account",
            code: "invalid_account",
            message: "cannot take what waits in suspense; what a customer paid is linked to its reference"
                .to_owned(),
        });
    }
    bring(app, operator, id, Step::Resolve(account), reason).await
}

/// Says that the difference is not settled after all. One that is open stays as it is. What was moved out of Suspense is moved back.
///
/// # Errors
/// [`AppError::BoundToMessage`]; [`AppError::Suspense`] where it is linked.
pub async fn reopen(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    reason: &Reason,
) -> Result<ExceptionDetail, AppError> {
    bring(app, operator, id, Step::Reopen, reason).await
}

/// What a person does to an exception.
#[derive(Clone, Copy, Debug)]
enum Step {
    Resolve(Option<LedgerAccount>),
    Reopen,
}

async fn bring(
    app: &App,
    operator: &Operator,
    id: ExceptionId,
    step: Step,
    reason: &Reason,
) -> Result<ExceptionDetail, AppError> {
    let (by, now) = (&operator.name, app.clock.now());
    let mut tx = app.begin(operator.merchant_id).await?;
    let mut held = lists::lock(&mut tx, operator.merchant_id, operator.live, id)
        .await
        .map_err(no("exception"))?;
    let change = match step {
        Step::Resolve(_) => held.resolve(reason, by, now)?,
        Step::Reopen => held.reopen(reason, by, now)?,
    };
    match (step, change.is_some()) {
        (Step::Resolve(Some(account)), true) => {
            reconciliation::settle(app, &mut tx, &held, account).await?;
        }
        (Step::Resolve(Some(account)), false) => {
            reconciliation::check_settled(&mut tx, &held, account).await?;
        }
        (Step::Reopen, true) => reconciliation::take_back(app, &mut tx, &held).await?,
        (Step::Resolve(None), _) | (Step::Reopen, false) => {}
    }
    if let Some(change) = &change {
        exceptions::update(&mut tx, &held, change).await?;
        wake(&mut tx, &held).await?;
    }
    let shown = detail(&mut tx, operator, id).await?;
    if change.is_some() {
        let action = match step {
            Step::Resolve(_) => Action::ExceptionResolve,
            Step::Reopen => Action::ExceptionReopen,
        };
        let acted = json!({ "kind": held.kind });
        audit_log::record(
            app,
            &mut tx,
            operator.merchant_id,
            &operator.actor(),
            (action, &id),
            &acted,
        )
        .await?;
    }
    commit(tx).await?;
    if change.is_some() {
        tracing::info!(exception_id = %id, kind = ?held.kind, ?step, by, "an exception was changed by hand");
    }
    Ok(shown)
}

/// What is expected of its payment may stand otherwise now.
async fn wake(conn: &mut PgConnection, held: &Exception) -> Result<(), AppError> {
    let payment = held.payment_id.filter(|_| held.kind.is_of_a_line());
    Ok(store::expectations::wake(conn, held.merchant_id, payment.as_slice()).await?)
}

pub(super) async fn detail(
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
