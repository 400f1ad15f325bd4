//! Finds out who presents a key, and keeps those who have none from costing much.
//!
//! A key that was good here before is never refused for what others at its address do: it is looked up as always. An
//! address that failed too often has its unknown texts looked up one after the other, not at all at once. What it gets for another
//! failure is a 429.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::known::{Known, Recalled, Whom};
use super::{Administrator, Caller, Principal, Reach};
use crate::app::{App, AppError};
use crate::domain::api_key::{KeyKind, Presented};
use crate::store::{self, StoreError};

/// How long an unknown text waits for its turn to be looked up: longer than a busy database lets anybody wait.
const STRANGERS_WAIT: Duration = Duration::from_secs(5);

/// The same from an address that failed too often.
const SUSPECTS_WAIT: Duration = Duration::from_millis(500);

/// Finds out who presents a key, from where.
///
/// # Errors
/// [`AppError::Unauthenticated`] and, from an address that failed too often, [`AppError::FailedTooOften`];
/// [`AppError::AddressNotAllowed`] and [`AppError::MerchantDisabled`] where the key is good.
pub async fn authenticate(
    app: &App,
    key: Option<&SecretString>,
    address: IpAddr,
) -> Result<Principal, AppError> {
    let Some(presented) = key.and_then(Presented::read) else {
        return Err(fail(app, address));
    };
    let known = match app.keys.recall(&presented.hash) {
        Recalled::Known(known) => Some(known),
        Recalled::Stranger => None,
        Recalled::Before => read(app, presented).await?,
        Recalled::Unread => read_stranger(app, presented, address).await?,
    };
    let now = app.clock.now();
    let Some(known) = known.filter(|known| known.whom.is_good(now)) else {
        return Err(fail(app, address));
    };
    let networks = known.whom.networks();
    if !networks.is_empty() && !networks.contain(address) {
        let told = fail(app, address);
        let is_first = matches!(told, AppError::Unauthenticated);
        return Err(if is_first {
            AppError::AddressNotAllowed(address)
        } else {
            told
        });
    }
    app.keys.note_used(&known, now);
    principal(&known.whom, address)
}

/// Counts a failure of an address to prove itself, and says what it is told.
#[must_use]
pub fn fail(app: &App, address: IpAddr) -> AppError {
    app.keys.count_failure();
    match app.keys.failures.note(address, Instant::now()) {
        None => {
            if app.keys.failures.wait(address, Instant::now()).is_some() {
                let failed = app.keys.failed();
                tracing::warn!(%address, failed, "an address failed to authenticate too often");
            }
            AppError::Unauthenticated
        }
        Some(retry_after) => AppError::FailedTooOften { retry_after },
    }
}

fn principal(whom: &Whom, address: IpAddr) -> Result<Principal, AppError> {
    match whom {
        Whom::Merchant {
            is_disabled: true, ..
        } => Err(AppError::MerchantDisabled),
        Whom::Merchant { key, .. } => Ok(Principal::Caller(Caller {
            merchant_id: key.merchant_id,
            key_id: key.id,
            live: key.live,
            scopes: key.scopes.clone(),
            binding: key.binding.clone(),
            address,
            request_id: None,
        })),
        Whom::Operator(key) => Ok(Principal::Administrator(Administrator {
            reach: Reach::All,
            principal: key.id.uuid(),
            name: key.id.to_string(),
            address: Some(address),
            request_id: None,
        })),
    }
}

/// Looks a text up that was no good key here before, in its turn. Whoever sends the same meanwhile finds it read.
async fn read_stranger(
    app: &App,
    presented: Presented,
    address: IpAddr,
) -> Result<Option<Arc<Known>>, AppError> {
    let wait = app.keys.failures.wait(address, Instant::now());
    let (turns, patience) = if wait.is_some() {
        (&app.keys.suspects, SUSPECTS_WAIT)
    } else {
        (&app.keys.strangers, STRANGERS_WAIT)
    };
    if let Ok(Ok(_turn)) = tokio::time::timeout(patience, turns.acquire()).await {
        return match app.keys.recall(&presented.hash) {
            Recalled::Known(known) => Ok(Some(known)),
            Recalled::Stranger => Ok(None),
            Recalled::Before | Recalled::Unread => read(app, presented).await,
        };
    }
    let Some(retry_after) = wait else {
        return Err(StoreError::from(sqlx::Error::PoolTimedOut).into());
    };
    app.keys.count_failure();
    Err(AppError::FailedTooOften { retry_after })
}

async fn read(app: &App, presented: Presented) -> Result<Option<Arc<Known>>, AppError> {
    let (epoch, read_at) = (app.keys.epoch(), Instant::now());
    let Some(whom) = look_up(app, presented).await? else {
        app.keys.remember_stranger(presented.hash, read_at);
        return Ok(None);
    };
    Ok(Some(app.keys.remember(presented.hash, whom, epoch, read_at)))
}

async fn look_up(app: &App, presented: Presented) -> Result<Option<Whom>, AppError> {
    match presented.kind {
        KeyKind::Operator => {
            let mut conn = app.db.read_for([]).await?;
            let found = store::operator_keys::find(&mut conn, &presented.hash).await?;
            Ok(found.map(Whom::Operator))
        }
        KeyKind::Test | KeyKind::Live => {
            let mut conn = app.db.read_presented(&presented.hash).await?;
            let Some(key) = store::api_keys::enter(&mut conn, &presented.hash).await? else {
                return Ok(None);
            };
            let is_disabled = store::merchants::is_disabled(&mut conn, key.merchant_id).await?;
            Ok(Some(Whom::Merchant { key, is_disabled }))
        }
    }
}
