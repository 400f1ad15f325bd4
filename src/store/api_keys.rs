//! API keys, found by their hash before the merchant is known.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{ApiKeyId, MerchantId};
use crate::domain::scope::Scope;

/// What a key lets its bearer be.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Whose key it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: ApiKeyId,
    /// Whether it moves real money.
    pub live: bool,
    /// What it may do beside what every key may.
    pub scopes: Vec<Scope>,
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
    let words: Vec<&str> = key.scopes.iter().map(|scope| scope.word()).collect();
    sqlx::query(
        "insert into api_key (hash, merchant_id, id, name, prefix, live, scopes, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(hash.as_slice())
    .bind(key.merchant_id)
    .bind(key.id)
    .bind(name)
    .bind(prefix)
    .bind(key.live)
    .bind(words)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The key with that hash, unless it was revoked. Scopes that this version does not know are none.
pub async fn find(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    let row: Option<(MerchantId, ApiKeyId, bool, Vec<String>)> = sqlx::query_as(
        "select merchant_id, id, live, scopes from api_key where hash = $1 and revoked_at is null",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(merchant_id, id, live, scopes)| ApiKey {
        merchant_id,
        id,
        live,
        scopes: scopes.iter().filter_map(|word| word.parse().ok()).collect(),
    }))
}
