//! Claimed idempotency keys.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, sealed};
use crate::crypto::{Place, Sealer};
use crate::domain::idempotency::{Asked, Fingerprint};
use crate::domain::ids::{MerchantId, OperationId};

/// A claimed key.
#[derive(Clone)]
pub struct IdempotencyRecord {
    /// The operation that the key stands for.
    pub operation_id: OperationId,
    /// What was asked under it.
    pub fingerprint: Vec<u8>,
    /// Until when the caller who claimed it is being served.
    pub serving_until: OffsetDateTime,
    /// The answer, once there is one: status and body, byte for byte.
    pub answer: Option<(u16, Vec<u8>)>,
}

impl std::fmt::Debug for IdempotencyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdempotencyRecord of {}", self.operation_id)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    operation_id: OperationId,
    fingerprint: Vec<u8>,
    serving_until: OffsetDateTime,
    status: Option<i16>,
    body_sealed: Option<Vec<u8>>,
}

/// The row is the key itself; 16 bytes of its hash are enough to tell rows apart.
fn body_place(merchant: MerchantId, key_hash: &[u8; 32]) -> Place {
    let mut row = [0; 16];
    row.copy_from_slice(&key_hash[..16]);
    sealed::ANSWER.place(merchant, Uuid::from_bytes(row))
}

/// Claims a key for an operation. `false` where it was claimed before, or its merchant is fenced; the row is then not touched.
///
/// Of several at once, one gets `true`; the others wait for its transaction to end.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    key_hash: &[u8; 32],
    fingerprint: &Fingerprint,
    operation: OperationId,
    serving_until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into idempotency_record (merchant_id, key_hash, fingerprint, operation_id, serving_until, created_at)
         select $1, $2, $3, $4, $5, $6 where not quittance_is_fenced($1) on conflict do nothing",
    )
    .bind(merchant)
    .bind(key_hash.as_slice())
    .bind(fingerprint.bytes().as_slice())
    .bind(operation)
    .bind(serving_until)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes again that a key stands for an operation, after a restore to before it was claimed: nobody is being served.
pub async fn rewrite(
    conn: &mut PgConnection,
    merchant: MerchantId,
    asked: &Asked,
    operation: OperationId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into idempotency_record (merchant_id, key_hash, fingerprint, operation_id, serving_until, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(merchant)
    .bind(asked.key_hash.as_slice())
    .bind(asked.fingerprint.bytes().as_slice())
    .bind(operation)
    .bind(OffsetDateTime::UNIX_EPOCH)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a key was claimed.
pub async fn exists(
    conn: &mut PgConnection,
    merchant: MerchantId,
    key_hash: &[u8; 32],
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select exists (select from idempotency_record where merchant_id = $1 and key_hash = $2)",
    )
    .bind(merchant)
    .bind(key_hash.as_slice())
    .fetch_one(conn)
    .await?)
}

/// A claimed key, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    key_hash: &[u8; 32],
) -> Result<IdempotencyRecord, StoreError> {
    let row: Row = sqlx::query_as(
        "select operation_id, fingerprint, serving_until, status, body_sealed
         from idempotency_record where merchant_id = $1 and key_hash = $2 for update",
    )
    .bind(merchant)
    .bind(key_hash.as_slice())
    .fetch_one(&mut *conn)
    .await?;
    let answer = match (row.status, row.body_sealed) {
        (Some(status), Some(ciphertext)) => {
            let place = body_place(merchant, key_hash);
            let body = sealer.open(conn, place, &ciphertext).await?.to_vec();
            let status =
                u16::try_from(status).map_err(|error| StoreError::corrupt("idempotency_record", &error))?;
            Some((status, body))
        }
        _ => None,
    };
    Ok(IdempotencyRecord {
        operation_id: row.operation_id,
        fingerprint: row.fingerprint,
        serving_until: row.serving_until,
        answer,
    })
}

/// Says until when the key's caller is being served.
pub async fn serve_until(
    conn: &mut PgConnection,
    merchant: MerchantId,
    key_hash: &[u8; 32],
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("update idempotency_record set serving_until = $3 where merchant_id = $1 and key_hash = $2")
        .bind(merchant)
        .bind(key_hash.as_slice())
        .bind(until)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps the answer for every later request under the key.
pub async fn finish(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    key_hash: &[u8; 32],
    status: u16,
    body: &[u8],
) -> Result<(), StoreError> {
    let ciphertext = sealer.seal(conn, body_place(merchant, key_hash), body).await?;
    sqlx::query("update idempotency_record set status = $3, body_sealed = $4 where merchant_id = $1 and key_hash = $2")
        .bind(merchant)
        .bind(key_hash.as_slice())
        .bind(i16::try_from(status).map_err(|error| StoreError::corrupt("idempotency_record", &error))?)
        .bind(ciphertext)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives a claimed key back that has no answer.
pub async fn forget(
    conn: &mut PgConnection,
    merchant: MerchantId,
    key_hash: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query("delete from idempotency_record where merchant_id = $1 and key_hash = $2 and status is null")
        .bind(merchant)
        .bind(key_hash.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Whose keys are among the `limit` that are older than `before`.
pub async fn list_merchants(
    conn: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from
             (select merchant_id from idempotency_record where created_at < $1 order by created_at limit $2) old",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Drops keys of the transaction's merchants that are older than `before`, `limit` at most; how many.
pub async fn purge(conn: &mut PgConnection, before: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    let purged = sqlx::query(
        "delete from idempotency_record where (merchant_id, key_hash) in
             (select merchant_id, key_hash from idempotency_record where created_at < $1 limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(purged.rows_affected())
}
