//! API keys, found by their hash before the merchant is known.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{ApiKeyId, MerchantId};

/// What a key lets its bearer be.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKey {
    /// Whose key it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: ApiKeyId,
    /// Whether it moves real money.
    pub live: bool,
}

/// Keeps a new key's hash.
pub async fn insert(
    conn: &mut PgConnection,
    key: &ApiKey,
    name: &str,
    prefix: &str,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into api_key (hash, merchant_id, id, name, prefix, live, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(hash.as_slice())
    .bind(key.merchant_id)
    .bind(key.id)
    .bind(name)
    .bind(prefix)
    .bind(key.live)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The key with that hash, unless it was revoked.
pub async fn find(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    Ok(
        sqlx::query_as("select merchant_id, id, live from api_key where hash = $1 and revoked_at is null")
            .bind(hash.as_slice())
            .fetch_optional(conn)
            .await?,
    )
}
