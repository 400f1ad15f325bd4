//! Disputes: heard of from the provider, shown, and answered.

mod answer;
mod catch_up;
mod hear;

use std::sync::Arc;

use sqlx::PgConnection;

use super::accounts::KnownAccount;
use super::auth::Caller;
use super::error::no;
use super::page::one_more;
use super::{App, AppError, Page};
use crate::domain::dispute::Dispute;
use crate::domain::ids::DisputeId;
use crate::provider::{Disputes, Provider, ProviderError};
use crate::store;

pub use crate::store::disputes::DisputeFilter;
pub use answer::{accept, submit_evidence};
pub(super) use catch_up::catch_up;
pub(super) use hear::{hear, refresh};

/// One dispute as we hold it; `fresh` reads it from the provider first, as long as a caller can wait.
pub async fn get(app: &App, caller: &Caller, id: DisputeId, fresh: bool) -> Result<Dispute, AppError> {
    let (dispute, known) = get_of_mode(app, caller, id).await?;
    if !fresh {
        return Ok(dispute);
    }
    let reference = &dispute.told.provider_reference;
    let read = refresh(app, &known.account, reference, None);
    tokio::time::timeout(app.timing.answer_within, read)
        .await
        .map_err(|_elapsed| AppError::Provider(ProviderError::too_slow()))??;
    let mut conn = app.db.read(caller.merchant_id).await?;
    Ok(store::disputes::get(&mut conn, caller.merchant_id, id).await?)
}

/// The disputes that fit, newest first, after `after`, `limit` at most.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &DisputeFilter,
    after: Option<DisputeId>,
    limit: u16,
) -> Result<Page<Dispute>, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found = store::disputes::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// A dispute with the account it was opened at. Test keys see test disputes, live keys live ones.
async fn get_of_mode(
    app: &App,
    caller: &Caller,
    id: DisputeId,
) -> Result<(Dispute, Arc<KnownAccount>), AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let dispute = find(&mut conn, caller, id).await?;
    let known = app
        .accounts
        .get(app, &mut conn, dispute.merchant_id, dispute.provider_account_id)
        .await?;
    if known.account.live == caller.live {
        Ok((dispute, known))
    } else {
        Err(AppError::NotFound("dispute"))
    }
}

async fn find(conn: &mut PgConnection, caller: &Caller, id: DisputeId) -> Result<Dispute, AppError> {
    let found = store::disputes::get(conn, caller.merchant_id, id).await;
    found.map_err(no("dispute"))
}

/// The disputes of a provider, where it has any.
fn facet(provider: &Arc<dyn Provider>) -> Result<&dyn Disputes, AppError> {
    provider.disputes().ok_or_else(|| AppError::NotSupported {
        what: "disputes".to_owned(),
    })
}
