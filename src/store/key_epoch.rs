//! A number that rises with whatever changes what a key may do, so that replicas need not read keys again and again.

use sqlx::PgConnection;

use super::StoreError;

/// The number now: all that was changed before it was raised to it can be seen.
pub async fn get(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select number from key_epoch")
        .fetch_one(conn)
        .await?)
}
