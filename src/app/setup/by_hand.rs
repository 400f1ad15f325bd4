//! The same as whoever may run commands on this machine does it, with what is usual where little is said. For tests and trials.

use secrecy::SecretString;
use time::Duration;
use url::Url;

use super::api_keys::{KeyWish, MadeKey};
use super::odoo_instances::InstanceWish;
use super::{api_keys, merchants, odoo_instances, provider_accounts};
use crate::app::auth::{Administered, Administrator};
use crate::app::{App, AppError, commit};
use crate::domain::ids::{ApiKeyId, MerchantId, OdooInstanceId, ProviderAccountId, WebhookSecretId};
use crate::domain::name::{Name, NoName};
use crate::domain::network::Networks;
use crate::domain::scope::{Preset, Scope};
use crate::domain::signing_secret::SigningSecret;
use crate::provider::ProviderAccount;
use crate::sink::BooksRequest;

/// Adds a merchant.
pub async fn add_merchant(app: &App, name: &str) -> Result<MerchantId, AppError> {
    let by = Administrator::at_the_command_line();
    let merchant = merchants::create(app, &by, &name_of(name)?).await?;
    Ok(merchant.id)
}

fn name_of(text: &str) -> Result<Name, AppError> {
    text.parse().map_err(|error: NoName| AppError::Invalid {
        field: "name",
        code: "invalid_name",
        message: error.to_string(),
    })
}

/// Adds a merchant's account at a provider, with an id that is known before, and the secret that its webhooks are signed with.
pub async fn add_provider_account(
    app: &App,
    account: &ProviderAccount,
    webhook_secret: Option<&SecretString>,
) -> Result<(), AppError> {
    let mut tx = app.begin(account.merchant_id).await?;
    provider_accounts::insert(app, &mut tx, account, webhook_secret).await?;
    commit(tx).await
}

/// Adds a secret that an account's webhooks may be signed with, beside those it has.
pub async fn add_webhook_secret(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    secret: &SecretString,
) -> Result<WebhookSecretId, AppError> {
    let by = Administered::at_the_command_line(merchant);
    provider_accounts::add_webhook_secret(app, &by, account, secret).await
}

/// Adds a stock Odoo.
pub async fn add_odoo_instance(
    app: &App,
    merchant: MerchantId,
    url: Url,
    database: String,
    login: Option<String>,
    api_key: SecretString,
    request: Option<&BooksRequest>,
) -> Result<OdooInstanceId, AppError> {
    let wish = InstanceWish::Rpc {
        url,
        database,
        login,
        api_key,
        books: request.cloned(),
    };
    let by = Administered::at_the_command_line(merchant);
    let made = odoo_instances::create(app, &by, &wish).await?;
    Ok(made.instance.id)
}

/// Adds an Odoo with our addon; what its messages are signed with.
pub async fn add_addon_instance(
    app: &App,
    merchant: MerchantId,
    url: Url,
) -> Result<(OdooInstanceId, SigningSecret), AppError> {
    let by = Administered::at_the_command_line(merchant);
    let made = odoo_instances::create(app, &by, &InstanceWish::Addon { url }).await?;
    let secret = made.signing_secret.ok_or(AppError::NotFound("signing secret"))?;
    Ok((made.instance.id, secret))
}

/// Makes a new secret for an instance's messages.
pub async fn rotate_signing_secret(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
    overlap: Duration,
) -> Result<SigningSecret, AppError> {
    let by = Administered::at_the_command_line(merchant);
    let made = odoo_instances::rotate_signing_secret(app, &by, instance, overlap).await?;
    made.signing_secret.ok_or(AppError::NotFound("signing secret"))
}

/// Sends to an instance again.
pub async fn enable_odoo_instance(
    app: &App,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<(), AppError> {
    let by = Administered::at_the_command_line(merchant);
    odoo_instances::enable(app, &by, instance).await.map(drop)
}

/// Makes an API key such as an Odoo has.
pub async fn create_api_key(
    app: &App,
    merchant: MerchantId,
    name: &str,
    live: bool,
) -> Result<(ApiKeyId, MadeKey), AppError> {
    create_api_key_with(app, merchant, name, live, Preset::Odoo.scopes()).await
}

/// Makes an API key that may do exactly this.
pub async fn create_api_key_with(
    app: &App,
    merchant: MerchantId,
    name: &str,
    live: bool,
    scopes: &[Scope],
) -> Result<(ApiKeyId, MadeKey), AppError> {
    let wish = KeyWish {
        name: name_of(name)?,
        live,
        scopes: scopes.to_vec(),
        networks: Networks::default(),
        expires_at: None,
    };
    let by = Administered::at_the_command_line(merchant);
    let made = api_keys::create(app, &by, &wish).await?;
    Ok((made.key.id, made))
}
