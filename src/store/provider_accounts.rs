//! Merchants' accounts at providers, and the secrets their webhooks are signed with.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, ProviderAccountId, WebhookSecretId};
use crate::provider::ProviderAccount;

fn key_place(merchant: MerchantId, id: ProviderAccountId) -> Place {
    Place {
        merchant: merchant.uuid(),
        table: "provider_account",
        column: "secret_key_sealed",
        row: id.uuid(),
    }
}

fn secret_place(merchant: MerchantId, id: WebhookSecretId) -> Place {
    Place {
        merchant: merchant.uuid(),
        table: "webhook_secret",
        column: "secret_sealed",
        row: id.uuid(),
    }
}

/// Adds an account and the route that leads webhooks to its merchant.
pub async fn insert(
    conn: &mut PgConnection,
    sealer: &Sealer,
    account: &ProviderAccount,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let place = key_place(account.merchant_id, account.id);
    sqlx::query(
        "with route as (
             insert into provider_account_route (provider_account_id, merchant_id) values ($2, $1)
         )
         insert into provider_account (merchant_id, id, provider, live, external_account, api_base,
             secret_key_sealed, publishable_key, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(account.merchant_id)
    .bind(account.id)
    .bind(&account.provider)
    .bind(account.live)
    .bind(&account.external_account)
    .bind(account.api_base.as_str())
    .bind(sealer.seal(place, account.secret_key.expose_secret().as_bytes())?)
    .bind(&account.publishable_key)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: ProviderAccountId,
    provider: String,
    live: bool,
    external_account: Option<String>,
    api_base: String,
    secret_key_sealed: Vec<u8>,
    publishable_key: Option<String>,
}

impl Row {
    fn open(self, sealer: &Sealer) -> Result<ProviderAccount, StoreError> {
        Ok(ProviderAccount {
            secret_key: sealer.open_text(key_place(self.merchant_id, self.id), &self.secret_key_sealed)?,
            api_base: self
                .api_base
                .parse()
                .map_err(|error| StoreError::corrupt("provider_account", &error))?,
            merchant_id: self.merchant_id,
            id: self.id,
            provider: self.provider,
            live: self.live,
            external_account: self.external_account,
            publishable_key: self.publishable_key,
        })
    }
}

/// One account, opened.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: ProviderAccountId,
) -> Result<ProviderAccount, StoreError> {
    let row: Row = sqlx::query_as(
        "select merchant_id, id, provider, live, external_account, api_base, secret_key_sealed, publishable_key
         from provider_account where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    row.open(sealer)
}

/// The ids of a merchant's accounts of one mode, oldest first, two at most: enough to see whether there is one.
pub async fn list_of_mode(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
) -> Result<Vec<ProviderAccountId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from provider_account where merchant_id = $1 and live = $2 order by id limit 2",
    )
    .bind(merchant)
    .bind(live)
    .fetch_all(conn)
    .await?)
}

/// The ids of a merchant's accounts of one mode, oldest first: all of them.
pub async fn list_ids(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
) -> Result<Vec<ProviderAccountId>, StoreError> {
    Ok(
        sqlx::query_scalar(
            "select id from provider_account where merchant_id = $1 and live = $2 order by id",
        )
        .bind(merchant)
        .bind(live)
        .fetch_all(conn)
        .await?,
    )
}

/// The accounts that were added last, with their merchants.
pub async fn list_newest(
    conn: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(MerchantId, ProviderAccountId)>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, provider_account_id from provider_account_route
         order by provider_account_id desc limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Whose account it is.
pub async fn find_merchant(
    conn: &mut PgConnection,
    id: ProviderAccountId,
) -> Result<Option<MerchantId>, StoreError> {
    Ok(
        sqlx::query_scalar("select merchant_id from provider_account_route where provider_account_id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?,
    )
}

/// Adds a secret that the account's webhooks may be signed with.
pub async fn insert_webhook_secret(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    account: ProviderAccountId,
    secret: &SecretString,
    now: OffsetDateTime,
) -> Result<WebhookSecretId, StoreError> {
    let id = WebhookSecretId::generate();
    sqlx::query(
        "insert into webhook_secret (merchant_id, provider_account_id, id, secret_sealed, created_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(sealer.seal(secret_place(merchant, id), secret.expose_secret().as_bytes())?)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(id)
}

/// Every secret that the account's webhooks may be signed with, opened.
pub async fn list_webhook_secrets(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<SecretString>, StoreError> {
    let rows: Vec<(WebhookSecretId, Vec<u8>)> = sqlx::query_as(
        "select id, secret_sealed from webhook_secret where merchant_id = $1 and provider_account_id = $2 order by id",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, sealed)| Ok(sealer.open_text(secret_place(merchant, id), &sealed)?))
        .collect()
}
