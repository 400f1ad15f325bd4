//! Merchants' accounts at providers, and the secrets their webhooks are signed with.

mod webhook_secrets;

use secrecy::ExposeSecret;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::ProviderAccount;

pub use webhook_secrets::{
    WebhookSecret, end_webhook_secret, insert_webhook_secret, list_webhook_secrets, show_webhook_secrets,
};

fn key_place(merchant: MerchantId, id: ProviderAccountId) -> Place {
    sealed::PROVIDER_KEY.place(merchant, id.uuid())
}

/// The accounts that were added last, with their merchants.
pub async fn list_newest(
    conn: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(MerchantId, ProviderAccountId)>, StoreError> {
    Ok(
        sqlx::query_as("select merchant_id, id from provider_account order by id desc limit $1")
            .bind(limit)
            .fetch_all(conn)
            .await?,
    )
}

/// Adds an account and the route that leads webhooks to its merchant.
pub async fn insert(
    conn: &mut PgConnection,
    sealer: &Sealer,
    account: &ProviderAccount,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let place = key_place(account.merchant_id, account.id);
    let plain = account.secret_key.expose_secret().as_bytes();
    let ciphertext = sealer.seal(conn, place, plain).await?;
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
    .bind(ciphertext)
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
    async fn open(self, conn: &mut PgConnection, sealer: &Sealer) -> Result<ProviderAccount, StoreError> {
        let place = key_place(self.merchant_id, self.id);
        Ok(ProviderAccount {
            secret_key: sealer.open_text(conn, place, &self.secret_key_sealed).await?,
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
    .fetch_one(&mut *conn)
    .await?;
    row.open(conn, sealer).await
}

/// An account without what is secret about it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ShownAccount {
    /// Its id.
    pub id: ProviderAccountId,
    /// The provider's name.
    pub provider: String,
    /// Whether real money moves.
    pub live: bool,
    /// The connected account that calls are made for.
    pub external_account: Option<String>,
    /// The key that browsers use.
    pub publishable_key: Option<String>,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// Since when nothing begins there.
    pub disabled_at: Option<OffsetDateTime>,
}

/// One account, without opening it.
pub async fn show(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ProviderAccountId,
) -> Result<ShownAccount, StoreError> {
    Ok(sqlx::query_as(
        "select id, provider, live, external_account, publishable_key, created_at, disabled_at
         from provider_account where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// Holds an account until the transaction ends: who keeps its books is decided by one at a time.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ProviderAccountId,
) -> Result<(), StoreError> {
    sqlx::query("select from provider_account where merchant_id = $1 and id = $2 for no key update")
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// A page of a merchant's accounts, newest first, older than `before`; those of one mode where it is said.
pub async fn list_page(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: Option<bool>,
    before: Option<ProviderAccountId>,
    limit: i64,
) -> Result<Vec<ShownAccount>, StoreError> {
    Ok(sqlx::query_as(
        "select id, provider, live, external_account, publishable_key, created_at, disabled_at
         from provider_account
         where merchant_id = $1 and ($2::boolean is null or live = $2) and ($3::uuid is null or id < $3)
         order by id desc limit $4",
    )
    .bind(merchant)
    .bind(live)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Keeps other keys of an account.
pub async fn update_keys(
    conn: &mut PgConnection,
    sealer: &Sealer,
    account: &ProviderAccount,
) -> Result<(), StoreError> {
    let (merchant, id) = (account.merchant_id, account.id);
    let plain = account.secret_key.expose_secret().as_bytes();
    let key = sealer.seal(conn, key_place(merchant, id), plain).await?;
    sqlx::query(
        "update provider_account set secret_key_sealed = $3, publishable_key = $4
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(key)
    .bind(&account.publishable_key)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets nothing begin at an account from then on, or lets it again. What is so already stays as it is.
pub async fn set_disabled(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ProviderAccountId,
    since: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update provider_account set disabled_at = $3
         where merchant_id = $1 and id = $2 and (disabled_at is null) <> ($3 is null)",
    )
    .bind(merchant)
    .bind(id)
    .bind(since)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether nothing begins at an account.
pub async fn is_disabled(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ProviderAccountId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select disabled_at is not null from provider_account where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// The ids of a merchant's accounts of one mode that are in use, oldest first, two at most: enough to see whether there is one.
pub async fn list_of_mode(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
) -> Result<Vec<ProviderAccountId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from provider_account where merchant_id = $1 and live = $2 and disabled_at is null
         order by id limit 2",
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

/// Whose account it is: the transaction is for that merchant from then on, and nobody else.
pub(super) async fn enter(
    conn: &mut PgConnection,
    id: ProviderAccountId,
) -> Result<Option<MerchantId>, StoreError> {
    let found: Option<(MerchantId, String)> = sqlx::query_as(
        "select merchant_id, set_config('quittance.merchants', merchant_id::text, true)
         from provider_account_route where provider_account_id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|(merchant, _)| merchant))
}
