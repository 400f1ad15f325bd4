//! What an operator sets up: merchants, what they reach, and what reaches them.

use secrecy::SecretString;
use time::Duration;
use url::Url;

use super::error::no;
use super::{App, AppError, commit, keys};
use crate::crypto::random;
use crate::domain::api_key::NewApiKey;
use crate::domain::ids::{ApiKeyId, MerchantId, OdooInstanceId, ProviderAccountId, WebhookSecretId};
use crate::domain::scope::Scope;
use crate::domain::signing_secret::SigningSecret;
use crate::provider::ProviderAccount;
use crate::sink::{Access, BooksRequest, Journals, OdooInstance, RpcAccess, SinkError, Via};
use crate::store;
use crate::store::api_keys::ApiKey;

/// Adds a merchant.
pub async fn add_merchant(app: &App, name: &str) -> Result<MerchantId, AppError> {
    let id = MerchantId::generate();
    let (_, wrapped) = keys::first_of(app, id).await?;
    let mut tx = app.begin(id).await?;
    store::merchants::insert(&mut tx, id, name, app.clock.now()).await?;
    store::data_keys::insert_first(&mut tx, id, &wrapped).await?;
    commit(tx).await?;
    Ok(id)
}

/// Adds a merchant's account at a provider, and the secret that its webhooks are signed with.
///
/// # Errors
/// [`AppError::UnknownProvider`]; [`AppError::Invalid`] where a key is of another mode; [`AppError::NotFound`] where the
/// merchant does not exist.
pub async fn add_provider_account(
    app: &App,
    account: &ProviderAccount,
    webhook_secret: Option<&SecretString>,
) -> Result<(), AppError> {
    app.provider(&account.provider)?
        .check_keys(account)
        .map_err(|message| AppError::Invalid {
            field: "secret key or publishable key",
            code: "key_of_another_mode",
            message: format!("cannot be used: {message}"),
        })?;
    let now = app.clock.now();
    let mut tx = app.begin(account.merchant_id).await?;
    store::provider_accounts::insert(&mut tx, &app.sealer, account, now)
        .await
        .map_err(no("merchant"))?;
    if let Some(secret) = webhook_secret {
        let (merchant, id) = (account.merchant_id, account.id);
        store::provider_accounts::insert_webhook_secret(&mut tx, &app.sealer, merchant, id, secret, now)
            .await?;
    }
    commit(tx).await
}

/// Adds a secret that an account's webhooks may be signed with, beside those it has.
pub async fn add_webhook_secret(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    secret: &SecretString,
) -> Result<WebhookSecretId, AppError> {
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    let id =
        store::provider_accounts::insert_webhook_secret(&mut tx, &app.sealer, merchant, account, secret, now)
            .await?;
    commit(tx).await?;
    Ok(id)
}

/// Adds an Odoo instance, once its journal and accounts are found and can balance; or, where none are named, once its key is
/// good: then `odoo_setup` maps journals.
///
/// # Errors
/// [`AppError::Sink`] says what to set in Odoo.
pub async fn add_odoo_instance(
    app: &App,
    merchant: MerchantId,
    url: Url,
    database: String,
    login: Option<String>,
    api_key: SecretString,
    request: Option<&BooksRequest>,
) -> Result<OdooInstanceId, AppError> {
    check_address(app, &url).await?;
    let mut access = RpcAccess {
        database,
        login,
        api_key,
        journals: Journals::default(),
    };
    if let Some(request) = request {
        let books = app
            .sink
            .set_up(
                &url,
                &access.database,
                access.login.as_deref(),
                &access.api_key,
                request,
            )
            .await?;
        access.journals = Journals::new([], Some(books));
    } else {
        app.sink.check_key(&url, &access).await?;
    }
    let instance = OdooInstance {
        merchant_id: merchant,
        id: OdooInstanceId::generate(),
        url,
        access: Access::Rpc(access),
    };
    let mut tx = app.begin(merchant).await?;
    store::odoo_instances::insert(&mut tx, &app.sealer, &instance, app.clock.now())
        .await
        .map_err(no("merchant"))?;
    commit(tx).await?;
    Ok(instance.id)
}

/// Adds an Odoo instance that has our addon. What its messages are signed with is in the answer, and is shown nowhere else.
///
/// # Errors
/// [`AppError::Invalid`] where the address is not allowed.
pub async fn add_addon_instance(
    app: &App,
    merchant: MerchantId,
    url: Url,
) -> Result<(OdooInstanceId, SigningSecret), AppError> {
    check_address(app, &url).await?;
    let secret = SigningSecret::new(&random()?);
    let instance = OdooInstance {
        merchant_id: merchant,
        id: OdooInstanceId::generate(),
        url,
        access: Access::Addon { secrets: Vec::new() },
    };
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    store::odoo_instances::insert(&mut tx, &app.sealer, &instance, now)
        .await
        .map_err(no("merchant"))?;
    store::signing_secrets::insert(&mut tx, &app.sealer, merchant, instance.id, &secret, now).await?;
    commit(tx).await?;
    Ok((instance.id, secret))
}

/// Makes a new secret for an instance's messages. Those it has sign beside it for as long as `overlap`.
///
/// # Errors
/// [`AppError::NotFound`] where the merchant has no such instance with our addon.
pub async fn rotate_signing_secret(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
    overlap: Duration,
) -> Result<SigningSecret, AppError> {
    let secret = SigningSecret::new(&random()?);
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    let via = store::odoo_instances::get_via(&mut tx, merchant, instance)
        .await
        .map_err(no("odoo instance"))?;
    if via != Via::Addon {
        return Err(AppError::NotFound("odoo instance with the addon"));
    }
    store::signing_secrets::end(&mut tx, merchant, instance, now + overlap).await?;
    store::signing_secrets::insert(&mut tx, &app.sealer, merchant, instance, &secret, now).await?;
    commit(tx).await?;
    Ok(secret)
}

/// Sends again to an instance that said that it is gone, beginning with one message.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn enable_odoo_instance(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    store::odoo_instances::enable(&mut tx, merchant, instance)
        .await
        .map_err(no("odoo instance"))?;
    commit(tx).await?;
    app.bell.notify_waiters();
    Ok(())
}

/// Refuses an address that configuration does not allow before anything is sent there.
async fn check_address(app: &App, url: &Url) -> Result<(), AppError> {
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

/// Makes an API key that may do what is usual. Its text is in the answer and nowhere else.
pub async fn create_api_key(
    app: &App,
    merchant: MerchantId,
    name: &str,
    live: bool,
) -> Result<(ApiKeyId, NewApiKey), AppError> {
    create_api_key_with(app, merchant, name, live, &Scope::USUAL).await
}

/// Makes an API key that may do exactly this beside what every key may.
pub async fn create_api_key_with(
    app: &App,
    merchant: MerchantId,
    name: &str,
    live: bool,
    scopes: &[Scope],
) -> Result<(ApiKeyId, NewApiKey), AppError> {
    let key = NewApiKey::new(live, &random()?);
    let entry = ApiKey {
        merchant_id: merchant,
        id: ApiKeyId::generate(),
        live,
        scopes: scopes.to_vec(),
    };
    let mut tx = app.begin(merchant).await?;
    store::api_keys::insert(&mut tx, &entry, name, &key.prefix, &key.hash, app.clock.now())
        .await
        .map_err(no("merchant"))?;
    commit(tx).await?;
    Ok((entry.id, key))
}
