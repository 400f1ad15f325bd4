//! API keys: made, looked at, revoked, rolled.

use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::app::audit_log;
use crate::app::auth::Administered;
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{Answer, App, AppError, Key, Page, Served, commit};
use crate::crypto::random;
use crate::domain::api_key::{Binding, KeyKind, NewApiKey};
use crate::domain::audit_log::Action;
use crate::domain::ids::ApiKeyId;
use crate::domain::name::Name;
use crate::domain::network::Networks;
use crate::domain::scope::Scope;
use crate::store::{self, StoreError};

pub use crate::store::api_keys::ApiKey;

/// How a key is to be.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// What people call it.
    pub name: Name,
    /// Whether it moves real money.
    pub live: bool,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Where it may be used from; none stands for everywhere.
    pub networks: Networks,
    /// From when on it is refused.
    pub expires_at: Option<OffsetDateTime>,
}

/// A new key with its text, which is shown once.
#[derive(Debug)]
pub struct MadeKey {
    /// The key.
    pub key: ApiKey,
    /// What its bearer sends.
    pub text: SecretString,
}

/// Makes a key.
///
/// # Errors
/// [`AppError::Invalid`] where it would be over already, may do nothing, or is of a mode out of reach; [`AppError::NotFound`]
/// where there is no such merchant.
pub async fn create(app: &App, by: &Administered, wish: &KeyWish) -> Result<MadeKey, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let made = make(app, &mut tx, by, ApiKeyId::generate(), wish, None).await?;
    commit(tx).await?;
    Ok(made)
}

/// The same under a caller's key.
///
/// # Errors
/// As [`create`].
pub async fn create_once(
    app: &App,
    by: &Administered,
    key: Key,
    render: fn(&MadeKey) -> Answer,
    wish: &KeyWish,
) -> Result<Served, AppError> {
    super::once(app, by.merchant_id, key, render, async |conn, id| {
        make(app, conn, by, id.uuid().into(), wish, None).await
    })
    .await
}

async fn make(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: ApiKeyId,
    wish: &KeyWish,
    binding: Option<Binding>,
) -> Result<MadeKey, AppError> {
    let now = app.clock.now();
    check(by, wish, now)?;
    let new = NewApiKey::new(KeyKind::of_mode(wish.live), &random()?);
    let mut scopes = wish.scopes.clone();
    scopes.sort_unstable_by_key(|scope| scope.word());
    scopes.dedup();
    let key = ApiKey {
        merchant_id: by.merchant_id,
        id,
        name: wish.name.as_str().to_owned(),
        prefix: new.prefix,
        live: wish.live,
        scopes,
        networks: wish.networks.clone(),
        created_at: now,
        expires_at: wish.expires_at,
        revoked_at: None,
        last_used_at: None,
        rolled_to: None,
        binding,
    };
    store::api_keys::insert(conn, &key, &new.hash)
        .await
        .map_err(no("merchant"))?;
    audit_log::record(app, conn, by.merchant_id, &by.actor(), (Action::KeyCreate, &id), &json!({ "live": wish.live, "scopes": key.scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>() })).await?;
    Ok(MadeKey { key, text: new.text })
}

fn check(by: &Administered, wish: &KeyWish, now: OffsetDateTime) -> Result<(), AppError> {
    let invalid = |field, code, message: &str| {
        Err(AppError::Invalid {
            field,
            code,
            message: message.to_owned(),
        })
    };
    if !by.reaches(wish.live) {
        return invalid(
            "live",
            "mode_out_of_reach",
            "must be the mode of the key that asks",
        );
    }
    if wish.scopes.is_empty() {
        return invalid("scopes", "scopes_required", "must hold at least one scope");
    }
    if wish.expires_at.is_some_and(|at| at <= now) {
        return invalid("expires_at", "invalid_expiry", "must be in the future");
    }
    Ok(())
}

/// The merchant's keys within reach, newest first, older than `before`.
pub async fn list(
    app: &App,
    by: &Administered,
    before: Option<ApiKeyId>,
    limit: u16,
) -> Result<Page<ApiKey>, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    store::merchants::get(&mut conn, by.merchant_id)
        .await
        .map_err(no("merchant"))?;
    let found = store::api_keys::list(&mut conn, by.merchant_id, by.live, before, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One key.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(app: &App, by: &Administered, id: ApiKeyId) -> Result<ApiKey, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    let found = store::api_keys::get(&mut conn, by.merchant_id, id).await;
    within(by, found)
}

fn within(by: &Administered, found: Result<ApiKey, StoreError>) -> Result<ApiKey, AppError> {
    let key = found.map_err(no("API key"))?;
    if by.reaches(key.live) {
        Ok(key)
    } else {
        Err(AppError::NotFound("API key"))
    }
}

/// Revokes a key: it is refused on every replica within a second. One that was revoked stays as it was.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn revoke(app: &App, by: &Administered, id: ApiKeyId) -> Result<ApiKey, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let found = store::api_keys::lock(&mut tx, by.merchant_id, id).await;
    within(by, found)?;
    store::api_keys::revoke(&mut tx, by.merchant_id, id, app.clock.now()).await?;
    let key = store::api_keys::get(&mut tx, by.merchant_id, id).await?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::KeyRevoke, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    app.keys.forget_all();
    Ok(key)
}

/// Makes a key like another one, bound to the same Odoo, which is refused once the overlap is over.
///
/// Where the old one was to end, the new one lives as long as that was meant to.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Refused`] where it ended or was rolled before.
pub async fn roll(
    app: &App,
    by: &Administered,
    id: ApiKeyId,
    overlap: Duration,
) -> Result<MadeKey, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let made = succeed(app, &mut tx, by, id, ApiKeyId::generate(), overlap).await?;
    commit(tx).await?;
    app.keys.forget_all();
    Ok(made)
}

/// The same under a caller's key.
///
/// # Errors
/// As [`roll`].
pub async fn roll_once(
    app: &App,
    by: &Administered,
    key: Key,
    render: fn(&MadeKey) -> Answer,
    id: ApiKeyId,
    overlap: Duration,
) -> Result<Served, AppError> {
    let served = super::once(app, by.merchant_id, key, render, async |conn, new| {
        succeed(app, conn, by, id, new.uuid().into(), overlap).await
    });
    let served = served.await?;
    app.keys.forget_all();
    Ok(served)
}

async fn succeed(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: ApiKeyId,
    new: ApiKeyId,
    overlap: Duration,
) -> Result<MadeKey, AppError> {
    let found = store::api_keys::lock(conn, by.merchant_id, id).await;
    let old = within(by, found)?;
    let now = app.clock.now();
    let refused = |code, message: &str| {
        Err(AppError::Refused {
            code,
            message: message.to_owned(),
        })
    };
    if !old.is_good(now) {
        return refused("key_ended", "the key is revoked or over; make a new one");
    }
    if old.rolled_to.is_some() {
        return refused(
            "key_rolled",
            "the key was rolled before; roll the one that took its place",
        );
    }
    let wish = KeyWish {
        name: old
            .name
            .parse()
            .map_err(|error| StoreError::corrupt("api_key", &error))?,
        live: old.live,
        scopes: old.scopes,
        networks: old.networks,
        expires_at: old.expires_at.map(|at| now + (at - old.created_at)),
    };
    let made = make(app, conn, by, new, &wish, old.binding).await?;
    let ends_at = old.expires_at.map_or(now + overlap, |at| at.min(now + overlap));
    store::api_keys::succeed(conn, by.merchant_id, id, new, ends_at).await?;
    audit_log::record(
        app,
        conn,
        by.merchant_id,
        &by.actor(),
        (Action::KeyRoll, &id),
        &json!({ "to": new }),
    )
    .await?;
    Ok(made)
}
