//! Merchants' accounts at providers: added, given other keys, put out of use; and what their webhooks are signed with.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::PgConnection;
use url::Url;

use crate::app::audit_log;
use crate::app::auth::Administered;
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::{Answer, App, AppError, Key, Page, Served, commit};
use crate::domain::audit_log::Action;
use crate::domain::ids::{ProviderAccountId, WebhookSecretId};
use crate::provider::ProviderAccount;
use crate::store::{self, StoreError};

pub use crate::store::provider_accounts::{ShownAccount, WebhookSecret};

const WHAT: &str = "provider account";

/// How an account is to be.
#[derive(Debug)]
pub struct AccountWish {
    /// The provider's name.
    pub provider: String,
    /// Whether real money moves.
    pub live: bool,
    /// The connected account that calls are made for, where the secret key is a platform's.
    pub external_account: Option<String>,
    /// Where the provider answers; its usual address where nothing is said.
    pub api_base: Option<Url>,
    /// The key that calls are made with.
    pub secret_key: SecretString,
    /// The key that browsers use.
    pub publishable_key: Option<String>,
    /// What webhooks are signed with.
    pub webhook_secret: Option<SecretString>,
}

/// An account without what is secret about it.
#[derive(Debug)]
pub struct AccountDetail {
    /// The account.
    pub account: ShownAccount,
    /// What its webhooks are and were signed with, oldest first.
    pub webhook_secrets: Vec<WebhookSecret>,
}

/// Adds an account, and the secret that its webhooks are signed with.
///
/// # Errors
/// [`AppError::Invalid`] where there is no such provider, or a key is of another mode; [`AppError::NotFound`] where the merchant
/// does not exist.
pub async fn create(app: &App, by: &Administered, wish: &AccountWish) -> Result<AccountDetail, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let made = make(app, &mut tx, by, ProviderAccountId::generate(), wish).await?;
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
    render: fn(&AccountDetail) -> Answer,
    wish: &AccountWish,
) -> Result<Served, AppError> {
    super::once(app, by.merchant_id, key, render, async |conn, id| {
        make(app, conn, by, id.uuid().into(), wish).await
    })
    .await
}

async fn make(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: ProviderAccountId,
    wish: &AccountWish,
) -> Result<AccountDetail, AppError> {
    if !by.reaches(wish.live) {
        return Err(AppError::Invalid {
            field: "live",
            code: "mode_out_of_reach",
            message: "must be the mode of the key that asks".to_owned(),
        });
    }
    let provider = app.providers.find(&wish.provider).ok_or(AppError::Invalid {
        field: "provider",
        code: "unknown_provider",
        message: "is none that this version knows".to_owned(),
    })?;
    let api_base = match &wish.api_base {
        Some(url) => url.clone(),
        None => provider
            .home()
            .parse()
            .map_err(|error| StoreError::corrupt("provider", &error))?,
    };
    let account = ProviderAccount {
        merchant_id: by.merchant_id,
        id,
        provider: wish.provider.clone(),
        live: wish.live,
        external_account: wish.external_account.clone(),
        api_base,
        secret_key: wish.secret_key.clone(),
        publishable_key: wish.publishable_key.clone(),
    };
    insert(app, conn, &account, wish.webhook_secret.as_ref()).await?;
    audit_log::record(
        app,
        conn,
        by.merchant_id,
        &by.actor(),
        (Action::AccountCreate, &id),
        &json!({ "provider": wish.provider, "live": wish.live }),
    )
    .await?;
    show(conn, by, id).await
}

/// Adds an account as it is.
pub(super) async fn insert(
    app: &App,
    conn: &mut PgConnection,
    account: &ProviderAccount,
    webhook_secret: Option<&SecretString>,
) -> Result<(), AppError> {
    check_keys(app, account)?;
    let now = app.clock.now();
    store::provider_accounts::insert(conn, &app.sealer, account, now)
        .await
        .map_err(no("merchant"))?;
    if let Some(secret) = webhook_secret {
        check_secret("webhook_secret", secret)?;
        let (merchant, id) = (account.merchant_id, account.id);
        store::provider_accounts::insert_webhook_secret(conn, &app.sealer, merchant, id, secret, now).await?;
    }
    Ok(())
}

fn check_keys(app: &App, account: &ProviderAccount) -> Result<(), AppError> {
    check_secret("secret_key", &account.secret_key)?;
    if let Some(key) = &account.publishable_key {
        check_secret("publishable_key", &key.clone().into())?;
    }
    let fits = app.provider(&account.provider)?.check_keys(account);
    fits.map_err(|message| AppError::Invalid {
        field: "secret_key",
        code: "key_of_another_mode",
        message: format!("or publishable_key cannot be used: {message}"),
    })
}

fn check_secret(field: &'static str, secret: &SecretString) -> Result<(), AppError> {
    let text = secret.expose_secret();
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(AppError::Invalid {
        field,
        code: "invalid_secret",
        message: "must be 1 to 255 visible ASCII characters".to_owned(),
    })
}

async fn show(
    conn: &mut PgConnection,
    by: &Administered,
    id: ProviderAccountId,
) -> Result<AccountDetail, AppError> {
    let account = store::provider_accounts::show(conn, by.merchant_id, id).await;
    let account = account.map_err(no(WHAT))?;
    if !by.reaches(account.live) {
        return Err(AppError::NotFound(WHAT));
    }
    let webhook_secrets = store::provider_accounts::show_webhook_secrets(conn, by.merchant_id, id).await?;
    Ok(AccountDetail {
        account,
        webhook_secrets,
    })
}

/// The merchant's accounts within reach, newest first, older than `before`.
pub async fn list(
    app: &App,
    by: &Administered,
    before: Option<ProviderAccountId>,
    limit: u16,
) -> Result<Page<ShownAccount>, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    store::merchants::get(&mut conn, by.merchant_id)
        .await
        .map_err(no("merchant"))?;
    let (merchant, most) = (by.merchant_id, one_more(limit));
    let found = store::provider_accounts::list_page(&mut conn, merchant, by.live, before, most).await?;
    Ok(Page::of(found, limit))
}

/// One account.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(app: &App, by: &Administered, id: ProviderAccountId) -> Result<AccountDetail, AppError> {
    let mut conn = app.db.read(by.merchant_id).await?;
    show(&mut conn, by, id).await
}

/// Gives an account other keys; a publishable key that is left out stays. All replicas use them within a few seconds, so that the
/// old secret key should go on at the provider for a minute.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] where a key is of another mode.
pub async fn rotate_keys(
    app: &App,
    by: &Administered,
    id: ProviderAccountId,
    secret_key: SecretString,
    publishable_key: Option<String>,
) -> Result<AccountDetail, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    show(&mut tx, by, id).await?;
    let mut account = store::provider_accounts::get(&mut tx, &app.sealer, by.merchant_id, id).await?;
    account.secret_key = secret_key;
    account.publishable_key = publishable_key.or(account.publishable_key);
    check_keys(app, &account)?;
    store::provider_accounts::update_keys(&mut tx, &app.sealer, &account).await?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::AccountUpdate, &id),
        &json!({ "what": "keys" }),
    )
    .await?;
    let detail = show(&mut tx, by, id).await?;
    commit(tx).await?;
    app.accounts.forget(id);
    Ok(detail)
}

/// Lets nothing begin at an account, or lets it again. What began goes on: captures, refunds, webhooks, the books.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn set_disabled(
    app: &App,
    by: &Administered,
    id: ProviderAccountId,
    is_disabled: bool,
) -> Result<AccountDetail, AppError> {
    let since = is_disabled.then(|| app.clock.now());
    let mut tx = app.begin(by.merchant_id).await?;
    show(&mut tx, by, id).await?;
    store::provider_accounts::set_disabled(&mut tx, by.merchant_id, id, since).await?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::AccountUpdate, &id),
        &json!({ "disabled": is_disabled }),
    )
    .await?;
    let detail = show(&mut tx, by, id).await?;
    commit(tx).await?;
    app.accounts.forget(id);
    Ok(detail)
}

/// Adds a secret that an account's webhooks may be signed with, beside those it has.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`].
pub async fn add_webhook_secret(
    app: &App,
    by: &Administered,
    id: ProviderAccountId,
    secret: &SecretString,
) -> Result<WebhookSecretId, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let added = insert_secret(app, &mut tx, by, id, secret).await?;
    commit(tx).await?;
    app.accounts.forget(id);
    Ok(added)
}

/// The same under a caller's key; the answer is the account.
///
/// # Errors
/// As [`add_webhook_secret`].
pub async fn add_webhook_secret_once(
    app: &App,
    by: &Administered,
    key: Key,
    render: fn(&AccountDetail) -> Answer,
    id: ProviderAccountId,
    secret: &SecretString,
) -> Result<Served, AppError> {
    let served = super::once(app, by.merchant_id, key, render, async |conn, _| {
        insert_secret(app, conn, by, id, secret).await?;
        show(conn, by, id).await
    });
    let served = served.await?;
    app.accounts.forget(id);
    Ok(served)
}

async fn insert_secret(
    app: &App,
    conn: &mut PgConnection,
    by: &Administered,
    id: ProviderAccountId,
    secret: &SecretString,
) -> Result<WebhookSecretId, AppError> {
    check_secret("webhook_secret", secret)?;
    show(conn, by, id).await?;
    let (merchant, now) = (by.merchant_id, app.clock.now());
    let added =
        store::provider_accounts::insert_webhook_secret(conn, &app.sealer, merchant, id, secret, now).await?;
    audit_log::record(
        app,
        conn,
        merchant,
        &by.actor(),
        (Action::AccountUpdate, &id),
        &json!({ "webhook_secret": added }),
    )
    .await?;
    Ok(added)
}

/// Lets a secret prove nothing any more, on all replicas within a few seconds. One that ended stays as it is.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Refused`] where an endpoint that we registered signs with it, since all it delivers would be
/// refused: that is rolled instead.
pub async fn end_webhook_secret(
    app: &App,
    by: &Administered,
    id: ProviderAccountId,
    secret: WebhookSecretId,
) -> Result<AccountDetail, AppError> {
    let mut tx = app.begin(by.merchant_id).await?;
    let detail = show(&mut tx, by, id).await?;
    let found = detail.webhook_secrets.iter().find(|known| known.id == secret);
    let found = found.ok_or(AppError::NotFound("webhook secret"))?;
    if found.is_of_endpoint {
        return Err(AppError::Refused {
            code: "webhook_secret_in_use",
            message: "an endpoint signs with it; roll it with `provider-account rotate-webhook-secret`"
                .to_owned(),
        });
    }
    store::provider_accounts::end_webhook_secret(&mut tx, by.merchant_id, id, secret, app.clock.now())
        .await?;
    audit_log::record(
        app,
        &mut tx,
        by.merchant_id,
        &by.actor(),
        (Action::AccountUpdate, &id),
        &json!({ "webhook_secret_ended": secret }),
    )
    .await?;
    let detail = show(&mut tx, by, id).await?;
    commit(tx).await?;
    app.accounts.forget(id);
    Ok(detail)
}
