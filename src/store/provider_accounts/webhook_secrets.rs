//! What accounts' webhooks may be signed with.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, ProviderAccountId, WebhookSecretId};
use crate::store::{StoreError, sealed};

fn place(merchant: MerchantId, id: WebhookSecretId) -> Place {
    sealed::WEBHOOK_SECRET.place(merchant, id.uuid())
}

/// A secret without its text.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct WebhookSecret {
    /// Its id.
    pub id: WebhookSecretId,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// Since when it proves nothing.
    pub ended_at: Option<OffsetDateTime>,
    /// Whether an endpoint that we registered signs with it.
    pub is_of_endpoint: bool,
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
    let (place, plain) = (place(merchant, id), secret.expose_secret().as_bytes());
    let ciphertext = sealer.seal(conn, place, plain).await?;
    sqlx::query(
        "insert into webhook_secret (merchant_id, provider_account_id, id, secret_sealed, created_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(ciphertext)
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
        "select id, secret_sealed from webhook_secret
         where merchant_id = $1 and provider_account_id = $2 and ended_at is null order by id",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(&mut *conn)
    .await?;
    let mut secrets = Vec::with_capacity(rows.len());
    for (id, ciphertext) in rows {
        secrets.push(sealer.open_text(conn, place(merchant, id), &ciphertext).await?);
    }
    Ok(secrets)
}

/// All of an account's secrets, oldest first, those that ended too.
pub async fn show_webhook_secrets(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<WebhookSecret>, StoreError> {
    Ok(sqlx::query_as(
        "select id, created_at, ended_at, exists (select from webhook_endpoint e
                 where e.merchant_id = s.merchant_id and e.provider_account_id = s.provider_account_id and e.secret_id = s.id)
             as is_of_endpoint
         from webhook_secret s where merchant_id = $1 and provider_account_id = $2 order by id limit 100",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?)
}

/// Lets a secret prove nothing from now on; one that ended stays as it is.
pub async fn end_webhook_secret(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    id: WebhookSecretId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update webhook_secret set ended_at = $4
         where merchant_id = $1 and provider_account_id = $2 and id = $3 and ended_at is null",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
