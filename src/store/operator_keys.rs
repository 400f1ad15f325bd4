//! Keys of operators, who belong to no merchant.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::ids::OperatorKeyId;
use crate::domain::network::Networks;

const TABLE: &str = "operator_key";

/// Holds off whoever makes operator keys at the same time: any number, the same everywhere.
const ALONE: i64 = 0x7175_6974_6f70_6b00;

/// An operator's key, without its text, which is nowhere.
#[derive(Clone, Debug)]
pub struct OperatorKey {
    /// Its id.
    pub id: OperatorKeyId,
    /// What people call it.
    pub name: String,
    /// The first characters of its text.
    pub prefix: String,
    /// Where it may be used from; none stands for everywhere.
    pub networks: Networks,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it is refused.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was last used: to the minute, and known a little later.
    pub last_used_at: Option<OffsetDateTime>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: OperatorKeyId,
    name: String,
    prefix: String,
    networks: Vec<String>,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for OperatorKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            networks: Networks::parse(&row.networks).map_err(|error| StoreError::corrupt(TABLE, &error))?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// Makes sure that nobody else counts or adds operator keys until the transaction ends.
pub async fn lock_all(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(ALONE)
        .execute(conn)
        .await?;
    Ok(())
}

/// How many there are that are neither revoked nor over.
pub async fn count_good(conn: &mut PgConnection, now: OffsetDateTime) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select count(*) from operator_key where revoked_at is null and (expires_at is null or expires_at > $1)",
    )
    .bind(now)
    .fetch_one(conn)
    .await?)
}

/// Keeps a new key under its hash.
pub async fn insert(conn: &mut PgConnection, key: &OperatorKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query(
        "insert into operator_key (id, hash, name, prefix, networks, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.id)
    .bind(hash.as_slice())
    .bind(&key.name)
    .bind(&key.prefix)
    .bind(key.networks.texts())
    .bind(key.created_at)
    .bind(key.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The key with that hash, whatever became of it.
pub async fn find(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<OperatorKey>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select id, name, prefix, networks, created_at, expires_at, revoked_at, last_used_at
         from operator_key where hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?;
    row.map(OperatorKey::try_from).transpose()
}

/// All of them, newest first, those that ended too.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<OperatorKey>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, name, prefix, networks, created_at, expires_at, revoked_at, last_used_at
         from operator_key order by id desc limit 1000",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OperatorKey::try_from).collect()
}

/// Revokes a key for good; one that was revoked stays as it was.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn revoke(
    conn: &mut PgConnection,
    id: OperatorKeyId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let done = sqlx::query("update operator_key set revoked_at = coalesce(revoked_at, $2) where id = $1")
        .bind(id)
        .bind(now)
        .execute(conn)
        .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::NotFound)
    }
}

/// Notes when keys were used, unless that is known to the minute.
pub async fn note_used(conn: &mut PgConnection, used: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
    let (ids, times): (Vec<Uuid>, Vec<OffsetDateTime>) = used.iter().copied().unzip();
    sqlx::query(
        "update operator_key set last_used_at = u.at
         from unnest($1::uuid[], $2::timestamptz[]) as u (id, at)
         where operator_key.id = u.id and (last_used_at is null or last_used_at <= u.at - interval '1 minute')",
    )
    .bind(ids)
    .bind(times)
    .execute(conn)
    .await?;
    Ok(())
}
