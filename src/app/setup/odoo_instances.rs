//! Odoo databases and companies that we tell: added, given other keys, put out of use.

use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use time::Duration;
use url::Url;

use crate::app::audit_log;
use crate::app::auth::Administered;
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{Answer, App, AppError, Key, Page, Served, commit};
use crate::crypto::random;
use crate::domain::audit_log::Action;
use crate::domain::ids::OdooInstanceId;
use crate::domain::signing_secret::SigningSecret;
use crate::sink::{Access, AddonAccess, BooksRequest, Journals, OdooInstance, RpcAccess, SinkError, Via};
use crate::store::{self, StoreError};

pub use crate::store::odoo_instances::ShownInstance;

const WHAT: &str = "odoo instance";

/// How an instance is to be.
#[derive(Debug)]
pub enum InstanceWish {
    /// A stock Odoo.
    Rpc {
        /// Where it answers.
        url: Url,
        /// The database's name.
        database: String,
        /// Whose key it is, where its version asks for that.
        login: Option<String>,
        /// The key.
        api_key: SecretString,
        /// One journal for all; where none is named, `odoo_setup` maps them.
        books: Option<BooksRequest>,
    },
    /// An Odoo with our addon.
    Addon {
        /// Where it takes messages.
        url: Url,
    },
}

/// An instance, and what its messages are signed with where that was just made: shown once.
#[derive(Debug)]
pub struct MadeInstance {
    /// The instance.
    pub instance: ShownInstance,
    /// Of an Odoo with our addon.
    pub signing_secret: Option<SigningSecret>,
}

/// Adds an instance: a stock Odoo once its key is good and, where they are named, its journal and accounts are found and can balance.
///
/// # Errors
/// [`AppError::Sink`] says what to set in Odoo; [`AppError::Invalid`] where the address is not allowed; [`AppError::Refused`] where the
/// merchant has it already; [`AppError::NotFound`] where there is no such merchant.
pub async fn create(app: &App, by: &Administered, wish: &InstanceWish) -> Result<MadeInstance, AppError> {
    let access = try_out(app, wish).await?;
    let mut tx = app.begin(by.merchant_id).await?;
    let made = insert(app, &mut tx, by, OdooInstanceId::generate(), wish, access).await?;
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
    render: fn(&MadeInstance) -> Answer,
    wish: &InstanceWish,
) -> Result<Served, AppError> {
    let merchant = by.merchant_id;
    key.once(app, merchant, async |id| {
        let access = try_out(app, wish).await?;
        let mut tx = app.begin(by.merchant_id).await?;
        let made = insert(app, &mut tx, by, id.uuid().into(), wish, access).await?;
        let answer = render(&made);
        key.finish(app, &mut tx, merchant, &answer).await?;
        commit(tx).await?;
        Ok((answer, std::time::Duration::ZERO))
    })
    .await
}

/// Asks Odoo, before anything is written.
async fn try_out(app: &App, wish: &InstanceWish) -> Result<Access, AppError> {
    let (url, database, login, api_key, books) = match wish {
        InstanceWish::Addon { url } => {
            check_address(app, url).await?;
            return Ok(Access::Addon(AddonAccess::default()));
        }
        InstanceWish::Rpc {
            url,
            database,
            login,
            api_key,
            books,
        } => (url, database, login, api_key, books),
    };
    check_address(app, url).await?;
    let mut access = RpcAccess {
        database: database.clone(),
        login: login.clone(),
        api_key: api_key.clone(),
        journals: Journals::default(),
    };
    if let Some(request) = books {
        let found = app
            .sink
            .set_up(url, database, login.as_deref(), api_key, request)
            .await?;
        access.journals = Journals::new([], Some(found));
    } else {
        app.sink.check_key(url, &access).await?;
    }
    Ok(Access::Rpc(access))
}

async fn insert(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: OdooInstanceId,
    wish: &InstanceWish,
    access: Access,
) -> Result<MadeInstance, AppError> {
    let (InstanceWish::Rpc { url, .. } | InstanceWish::Addon { url }) = wish;
    let instance = OdooInstance {
        merchant_id: by.merchant_id,
        id,
        url: url.clone(),
        access,
    };
    let now = app.clock.now();
    let done = store::odoo_instances::insert(conn, &app.sealer, &instance, now).await;
    done.map_err(|error| {
        if matches!(error, StoreError::Conflict { .. }) {
            AppError::Refused {
                code: "odoo_instance_exists",
                message: "the merchant has an instance at this address".to_owned(),
            }
        } else {
            no("merchant")(error)
        }
    })?;
    let signing_secret = match wish {
        InstanceWish::Rpc { .. } => None,
        InstanceWish::Addon { .. } => {
            let secret = SigningSecret::new(&random()?);
            let merchant = by.merchant_id;
            store::signing_secrets::insert(conn, &app.sealer, merchant, id, &secret, now).await?;
            Some(secret)
        }
    };
    audit_log::record(
        app,
        conn,
        by.merchant_id,
        &by.actor(),
        (Action::InstanceCreate, &id),
        &json!({}),
    )
    .await?;
    Ok(MadeInstance {
        instance: store::odoo_instances::show(conn, by.merchant_id, id).await?,
        signing_secret,
    })
}

/// A merchant's instances, newest first, older than `before`.
pub async fn list(
    app: &App,
    by: &Administered,
    before: Option<OdooInstanceId>,
    limit: u16,
) -> Result<Page<ShownInstance>, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    store::merchants::get(&mut conn, by.merchant_id)
        .await
        .map_err(no("merchant"))?;
    let found = store::odoo_instances::list_page(&mut conn, by.merchant_id, before, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// One instance.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(app: &App, by: &Administered, id: OdooInstanceId) -> Result<ShownInstance, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    let found = store::odoo_instances::show(&mut conn, by.merchant_id, id).await;
    found.map_err(no(WHAT))
}

/// Takes another key of a stock Odoo, once it is found good, and sends again where the old one kept the instance resting. A login
/// that is left out stays.
///
/// # Errors
/// [`AppError::NotFound`] where the merchant has no such stock Odoo; [`AppError::Sink`].
pub async fn rotate_key(
    app: &App,
    by: &Administered,
    id: OdooInstanceId,
    api_key: SecretString,
    login: Option<String>,
) -> Result<ShownInstance, AppError> {
    let merchant = by.merchant_id;
    let mut conn = app.db.read(by.merchant_id).await?;
    let instance = store::odoo_instances::get(&mut conn, &app.sealer, merchant, id).await;
    let instance = instance.map_err(no(WHAT))?;
    drop(conn);
    let Access::Rpc(mut access) = instance.access else {
        return Err(AppError::NotFound("stock Odoo"));
    };
    access.api_key = api_key;
    access.login = login.or(access.login);
    app.sink.check_key(&instance.url, &access).await?;
    let mut tx = app.begin(by.merchant_id).await?;
    store::odoo_instances::update_key(&mut tx, &app.sealer, merchant, id, &access).await?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &by.actor(),
        (Action::InstanceUpdate, &id),
        &json!({ "what": "key" }),
    )
    .await?;
    let before = store::odoo_instances::show(&mut tx, merchant, id).await?;
    if before.disabled_at.is_none() {
        store::odoo_instances::enable(&mut tx, merchant, id).await?;
    }
    let shown = store::odoo_instances::show(&mut tx, merchant, id).await?;
    commit(tx).await?;
    app.bell.notify_waiters();
    Ok(shown)
}

/// Makes a new secret for an instance's messages. Those it has sign beside it for as long as `overlap`.
///
/// # Errors
/// [`AppError::NotFound`] where the merchant has no such instance with our addon.
pub async fn rotate_signing_secret(
    app: &App,
    by: &Administered,
    id: OdooInstanceId,
    overlap: Duration,
) -> Result<MadeInstance, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let made = roll_secret(app, &mut tx, by, id, overlap).await?;
    commit(tx).await?;
    Ok(made)
}

/// The same under a caller's key.
///
/// # Errors
/// As [`rotate_signing_secret`].
pub async fn rotate_signing_secret_once(
    app: &App,
    by: &Administered,
    key: Key,
    render: fn(&MadeInstance) -> Answer,
    id: OdooInstanceId,
    overlap: Duration,
) -> Result<Served, AppError> {
    super::once(app, by.merchant_id, key, render, async |conn, _| {
        roll_secret(app, conn, by, id, overlap).await
    })
    .await
}

async fn roll_secret(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: OdooInstanceId,
    overlap: Duration,
) -> Result<MadeInstance, AppError> {
    let secret = SigningSecret::new(&random()?);
    let (merchant, now) = (by.merchant_id, app.clock.now());
    let instance = store::odoo_instances::show(conn, merchant, id).await;
    let instance = instance.map_err(no(WHAT))?;
    if instance.sink != Via::Addon {
        return Err(AppError::NotFound("odoo instance with the addon"));
    }
    store::signing_secrets::end(conn, merchant, id, now + overlap).await?;
    store::signing_secrets::insert(conn, &app.sealer, merchant, id, &secret, now).await?;
    audit_log::record(
        app,
        conn,
        merchant,
        &by.actor(),
        (Action::InstanceUpdate, &id),
        &json!({ "what": "signing_secret" }),
    )
    .await?;
    Ok(MadeInstance {
        instance,
        signing_secret: Some(secret),
    })
}

/// Sends again to an instance that was disabled, that said that it is gone, or that rests, beginning with one message.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn enable(app: &App, by: &Administered, id: OdooInstanceId) -> Result<ShownInstance, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    store::odoo_instances::enable(&mut tx, by.merchant_id, id)
        .await
        .map_err(no(WHAT))?;
    let shown = store::odoo_instances::show(&mut tx, by.merchant_id, id).await?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::InstanceUpdate, &id),
        &json!({ "disabled": false }),
    )
    .await?;
    commit(tx).await?;
    app.bell.notify_waiters();
    Ok(shown)
}

/// Sends nothing to an instance until it is enabled. Its messages wait.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn disable(app: &App, by: &Administered, id: OdooInstanceId) -> Result<ShownInstance, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    store::odoo_instances::disable(&mut tx, by.merchant_id, id, app.clock.now()).await?;
    let shown = store::odoo_instances::show(&mut tx, by.merchant_id, id).await;
    let shown = shown.map_err(no(WHAT))?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::InstanceUpdate, &id),
        &json!({ "disabled": true }),
    )
    .await?;
    commit(tx).await?;
    Ok(shown)
}

/// Refuses an address that configuration does not allow before anything is sent there.
pub(in crate::app) async fn check_address(app: &App, url: &Url) -> Result<(), AppError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(AppError::Invalid {
            field: "url",
            code: "invalid_url",
            message: "must begin with https:// or http://".to_owned(),
        });
    }
    match app.sink.check_address(url).await {
        Err(SinkError::NotAllowed { message }) => Err(AppError::Invalid {
            field: "url",
            code: "address_not_allowed",
            message: format!("leads to an address that is not allowed: {message}"),
        }),
        answer => Ok(answer?),
    }
}
