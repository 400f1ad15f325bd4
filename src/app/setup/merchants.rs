//! Merchants: added, renamed, put out of use.
//!
//! A disabled merchant's keys are refused within a second. What is under way goes on, and what providers tell is taken in, booked and
//! posted as always: money that moves must be known, whoever may ask for more of it.

use serde_json::json;
use std::time::Duration;

use crate::app::audit_log;
use crate::app::auth::{Administered, Administrator};
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{Answer, App, AppError, Key, Page, Served, commit, keys};
use crate::domain::audit_log::Action;
use crate::domain::ids::{MerchantId, OperationId};
use crate::domain::name::Name;
use crate::store;

pub use crate::store::merchants::Merchant;

/// Adds a merchant.
///
/// # Errors
/// [`AppError::OperatorOnly`].
pub async fn create(app: &App, by: &Administrator, name: &Name) -> Result<Merchant, AppError> {
    by.check_operator()?;
    let id = MerchantId::generate();
    let (_, wrapped) = keys::first_of(app, id).await?;
    let mut tx = app.begin(id).await?;
    store::merchants::insert(&mut tx, id, name.as_str(), None, app.clock.now()).await?;
    store::data_keys::insert_first(&mut tx, id, &wrapped).await?;
    let made = store::merchants::get(&mut tx, id).await?;
    audit_log::record(
        app,
        &mut tx,
        id,
        &by.over(id)?.actor(),
        (Action::MerchantCreate, &id),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    Ok(made)
}

/// The same under a caller's key. Before there is a merchant there is nothing to keep a key with: the merchant's own row does.
///
/// # Errors
/// As [`create`].
pub async fn create_once(
    app: &App,
    by: &Administrator,
    key: Key,
    render: fn(&Merchant) -> Answer,
    name: &Name,
) -> Result<Served, AppError> {
    by.check_operator()?;
    let id = MerchantId::generate();
    let (_, wrapped) = keys::first_of(app, id).await?;
    let mut tx = app.begin(id).await?;
    let now = app.clock.now();
    if store::merchants::insert(&mut tx, id, name.as_str(), Some(key.hash()), now).await? {
        store::data_keys::insert_first(&mut tx, id, &wrapped).await?;
        key.claim(app, &mut tx, id, OperationId::generate()).await?;
        let answer = render(&store::merchants::get(&mut tx, id).await?);
        key.finish(app, &mut tx, id, &answer).await?;
        audit_log::record(
            app,
            &mut tx,
            id,
            &by.over(id)?.actor(),
            (Action::MerchantCreate, &id),
            &json!({}),
        )
        .await?;
        commit(tx).await?;
        return Ok(Served::Fresh {
            answer,
            provider_time: Duration::ZERO,
        });
    }
    drop(tx);
    let mut tx = app.db.dispatch().await?;
    let earlier = store::merchants::find_created(&mut tx, key.hash()).await?;
    drop(tx);
    let earlier = earlier.ok_or(AppError::NotFound("merchant"))?;
    super::once(app, earlier, key, render, async |conn, _| {
        Ok(store::merchants::get(conn, earlier).await?)
    })
    .await
}

/// The merchants within reach, newest first, older than `before`.
pub async fn list(
    app: &App,
    by: &Administrator,
    before: Option<MerchantId>,
    limit: u16,
) -> Result<Page<Merchant>, AppError> {
    let found = match by.only() {
        None => {
            let mut tx = app.db.dispatch().await?;
            store::merchants::list_page(&mut tx, before, one_more(limit)).await?
        }
        Some(only) if before.is_none_or(|before| only < before) => {
            let mut tx = app.db.read(only).await?;
            vec![store::merchants::get(&mut tx, only).await?]
        }
        Some(_) => Vec::new(),
    };
    Ok(Page::of(found, limit))
}

/// One merchant.
pub async fn get(app: &App, by: &Administered) -> Result<Merchant, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    let found = store::merchants::get(&mut conn, by.merchant_id).await;
    found.map_err(no("merchant"))
}

/// Gives a merchant another name.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn rename(app: &App, by: &Administered, name: &Name) -> Result<Merchant, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    store::merchants::rename(&mut tx, by.merchant_id, name.as_str()).await?;
    let renamed = store::merchants::get(&mut tx, by.merchant_id).await;
    let renamed = renamed.map_err(no("merchant"))?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::MerchantUpdate, &by.merchant_id),
        &json!({ "what": "name" }),
    )
    .await?;
    commit(tx).await?;
    Ok(renamed)
}

/// Refuses a merchant's keys from now on.
///
/// # Errors
/// [`AppError::OperatorOnly`]; [`AppError::NotFound`].
pub async fn disable(app: &App, by: &Administrator, merchant: MerchantId) -> Result<Merchant, AppError> {
    set(app, by, merchant, true).await
}

/// Takes a merchant's keys again.
///
/// # Errors
/// As [`disable`].
pub async fn enable(app: &App, by: &Administrator, merchant: MerchantId) -> Result<Merchant, AppError> {
    set(app, by, merchant, false).await
}

async fn set(
    app: &App,
    by: &Administrator,
    merchant: MerchantId,
    is_disabled: bool,
) -> Result<Merchant, AppError> {
    let by_one = by.over(merchant)?;
    by.check_operator()?;
    let since = is_disabled.then(|| app.clock.now());
    let mut tx = app.begin(by_one.merchant_id).await?;
    store::merchants::set_disabled(&mut tx, by_one.merchant_id, since).await?;
    let merchant = store::merchants::get(&mut tx, by_one.merchant_id).await;
    let merchant = merchant.map_err(no("merchant"))?;
    audit_log::record(
        app,
        &mut tx,
        merchant.id,
        &by_one.actor(),
        (Action::MerchantUpdate, &merchant.id),
        &json!({ "disabled": is_disabled }),
    )
    .await?;
    commit(tx).await?;
    app.keys.forget_all();
    Ok(merchant)
}
