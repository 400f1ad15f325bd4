//! Rotations of data keys: which merchants have a new one, and whose things are sealed with it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use super::data_keys::uuids;
use crate::crypto::Wrapped;
use crate::domain::ids::MerchantId;

/// The advisory lock under which it is decided which rotation is under way.
const ROTATING: i64 = 0x0071_7569_7402;

/// A merchant's newest data key.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Newest {
    /// Whose.
    pub merchant_id: MerchantId,
    /// Which.
    pub version: i32,
    /// The rotation that made it.
    pub round: Option<OffsetDateTime>,
}

/// The newest data keys of these merchants.
pub async fn list_newest(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
) -> Result<Vec<Newest>, StoreError> {
    Ok(sqlx::query_as(
        "select distinct on (merchant_id) merchant_id, version, round from data_key where merchant_id = any($1)
         order by merchant_id, version desc",
    )
    .bind(uuids(merchants))
    .fetch_all(conn)
    .await?)
}

/// The rotation of these merchants' keys that is under way: the newest that did not end, else one that begins now; and whether it
/// began before. Who decides is alone until the transaction ends: the first to write a key of a new one makes it the one.
pub async fn lock(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
) -> Result<(OffsetDateTime, bool), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(ROTATING)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_as(
        "select coalesce(max(round), clock_timestamp()), max(round) is not null from data_key
         where merchant_id = any($1) and round is not null and swept_at is null",
    )
    .bind(uuids(merchants))
    .fetch_one(conn)
    .await?)
}

/// Makes a wrapped key the one that follows `after`, and retires that. `false` where another did so first.
pub async fn insert(
    conn: &mut PgConnection,
    after: &Newest,
    round: OffsetDateTime,
    wrapped: &Wrapped,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "with made as (
             insert into data_key (merchant_id, version, kek_id, wrapped, round) values ($1, $2 + 1, $3, $4, $5)
             on conflict do nothing returning merchant_id
         )
         update data_key k set retired_at = clock_timestamp() from made
         where k.merchant_id = made.merchant_id and k.version = $2",
    )
    .bind(after.merchant_id)
    .bind(after.version)
    .bind(&wrapped.kek)
    .bind(&wrapped.bytes)
    .bind(round)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Those of these merchants whose things are not all known to be sealed with the key of a rotation.
pub async fn list_unswept(
    conn: &mut PgConnection,
    merchants: &[MerchantId],
) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from data_key
         where merchant_id = any($1) and round is not null and swept_at is null order by merchant_id",
    )
    .bind(uuids(merchants))
    .fetch_all(conn)
    .await?)
}

/// Notes that all that a merchant has is sealed with that key or a newer one.
pub async fn note_swept(
    conn: &mut PgConnection,
    merchant: MerchantId,
    version: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "update data_key set swept_at = clock_timestamp() where merchant_id = $1 and version <= $2 and swept_at is null",
    )
    .bind(merchant)
    .bind(i64::from(version))
    .execute(conn)
    .await?;
    Ok(())
}
