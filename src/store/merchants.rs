//! Tenants.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::MerchantId;

/// A tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Merchant {
    /// Its id.
    #[sqlx(rename = "merchant_id")]
    pub id: MerchantId,
    /// What people call it.
    pub name: String,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// Since when its keys are refused.
    pub disabled_at: Option<OffsetDateTime>,
}

/// Adds a merchant; `creation_key` is the hash of the request that asks for it. `false` where that request added one before; it is then
/// left as it is.
pub async fn insert(
    conn: &mut PgConnection,
    id: MerchantId,
    name: &str,
    creation_key: Option<&[u8; 32]>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into merchant (merchant_id, name, creation_key, created_at) values ($1, $2, $3, $4)
         on conflict (creation_key) do nothing",
    )
    .bind(id)
    .bind(name)
    .bind(creation_key.map(<[u8; 32]>::as_slice))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The merchant that a request added.
pub async fn find_created(
    conn: &mut PgConnection,
    creation_key: &[u8; 32],
) -> Result<Option<MerchantId>, StoreError> {
    Ok(
        sqlx::query_scalar("select merchant_id from merchant where creation_key = $1")
            .bind(creation_key.as_slice())
            .fetch_optional(conn)
            .await?,
    )
}

/// One merchant.
pub async fn get(conn: &mut PgConnection, id: MerchantId) -> Result<Merchant, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, name, created_at, disabled_at from merchant where merchant_id = $1",
    )
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// Whether its keys are refused.
pub async fn is_disabled(conn: &mut PgConnection, id: MerchantId) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar("select disabled_at is not null from merchant where merchant_id = $1")
            .bind(id)
            .fetch_one(conn)
            .await?,
    )
}

/// Holds a merchant until the transaction ends: its instances are found or made by one at a time.
pub async fn lock(conn: &mut PgConnection, id: MerchantId) -> Result<(), StoreError> {
    sqlx::query("select from merchant where merchant_id = $1 for no key update")
        .bind(id)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Gives a merchant another name.
pub async fn rename(conn: &mut PgConnection, id: MerchantId, name: &str) -> Result<(), StoreError> {
    sqlx::query("update merchant set name = $2 where merchant_id = $1")
        .bind(id)
        .bind(name)
        .execute(conn)
        .await?;
    Ok(())
}

/// Refuses a merchant's keys from then on, or takes them again. What is so already stays as it is.
pub async fn set_disabled(
    conn: &mut PgConnection,
    id: MerchantId,
    since: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update merchant set disabled_at = $2 where merchant_id = $1 and (disabled_at is null) <> ($2 is null)",
    )
    .bind(id)
    .bind(since)
    .execute(conn)
    .await?;
    Ok(())
}

/// All of them.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<MerchantId>, StoreError> {
    Ok(
        sqlx::query_scalar("select merchant_id from merchant order by merchant_id")
            .fetch_all(conn)
            .await?,
    )
}

/// A page of them, newest first, older than `before`.
pub async fn list_page(
    conn: &mut PgConnection,
    before: Option<MerchantId>,
    limit: i64,
) -> Result<Vec<Merchant>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, name, created_at, disabled_at from merchant
         where $1::uuid is null or merchant_id < $1 order by merchant_id desc limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
