//! The chain of what was done to a merchant's things. It is only added to.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::audit_log::{Action, Actor, AuditEntry};
use crate::domain::ids::MerchantId;

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    at: OffsetDateTime,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    request_id: Option<String>,
    origin_digest: Option<Vec<u8>>,
    address: Option<String>,
    salt: Option<Vec<u8>>,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            sequence: row.sequence,
            at: row.at,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            detail: row.detail,
            request_id: row.request_id,
            origin_digest: row.origin_digest,
            origin: row.address.zip(row.salt),
            previous: row.previous,
            hash: row.hash,
        }
    }
}

/// What is written of one act.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What.
    pub action: Action,
    /// To what.
    pub subject: &'a str,
    /// What else matters: a JSON object, without secrets or personal data.
    pub detail: &'a serde_json::Value,
    /// When.
    pub at: OffsetDateTime,
    /// Makes the digest of where from one that cannot be guessed.
    pub salt: [u8; 16],
}

/// Appends to a merchant's chain, whose end is held until the transaction ends: what comes last in it.
pub async fn append(
    conn: &mut PgConnection,
    merchant: MerchantId,
    entry: NewEntry<'_>,
) -> Result<(), StoreError> {
    let address = entry.actor.address.map(|address| address.to_string());
    let salt = address.as_ref().map(|_| entry.salt.as_slice());
    sqlx::query("select audit_append($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(merchant)
        .bind(entry.at)
        .bind(&entry.actor.name)
        .bind(entry.action.word())
        .bind(entry.subject)
        .bind(entry.detail.to_string())
        .bind(&entry.actor.request_id)
        .bind(&address)
        .bind(salt)
        .execute(conn)
        .await?;
    Ok(())
}

/// The entries after one, in order.
pub async fn list_after(
    conn: &mut PgConnection,
    merchant: MerchantId,
    after: i64,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select e.sequence, e.at, e.actor, e.action, e.subject, e.detail, e.request_id, e.origin_digest, o.address, o.salt,
             e.previous, e.hash
         from audit_entry e left join audit_origin o using (merchant_id, sequence)
         where e.merchant_id = $1 and e.sequence > $2 order by e.sequence limit $3",
    )
    .bind(merchant)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// The entries before one, newest first; the newest where none is named.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select e.sequence, e.at, e.actor, e.action, e.subject, e.detail, e.request_id, e.origin_digest, o.address, o.salt,
             e.previous, e.hash
         from audit_entry e left join audit_origin o using (merchant_id, sequence)
         where e.merchant_id = $1 and ($2::bigint is null or e.sequence < $2) order by e.sequence desc limit $3",
    )
    .bind(merchant)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// What the chain ends with: how many entries it has, and the hash of the last. None where nothing was ever written.
pub async fn find_head(
    conn: &mut PgConnection,
    merchant: MerchantId,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    Ok(
        sqlx::query_as("select sequence, hash from audit_head where merchant_id = $1")
            .bind(merchant)
            .fetch_optional(conn)
            .await?,
    )
}
