//! Tenants.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::MerchantId;

/// Adds a merchant.
pub async fn insert(
    conn: &mut PgConnection,
    id: MerchantId,
    name: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("insert into merchant (merchant_id, name, created_at) values ($1, $2, $3)")
        .bind(id)
        .bind(name)
        .bind(now)
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
