//! API keys, found by their hash before the merchant is known.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::api_key::Binding;
use crate::domain::ids::{ApiKeyId, MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::network::Networks;
use crate::domain::scope::Scope;

const TABLE: &str = "api_key";

/// A key, without its text, which is nowhere.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Whose key it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// The first characters of its text.
    pub prefix: String,
    /// Whether it moves real money.
    pub live: bool,
    /// What it may do.
    pub scopes: Vec<Scope>,
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
    /// Which key took its place, where it was rolled.
    pub rolled_to: Option<ApiKeyId>,
    /// The Odoo that it was connected from, where it was.
    pub binding: Option<Binding>,
}

impl ApiKey {
    /// Whether it is neither revoked nor over.
    #[must_use]
    pub fn is_good(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: ApiKeyId,
    name: String,
    prefix: String,
    live: bool,
    scopes: Vec<String>,
    networks: Vec<String>,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    rolled_to: Option<ApiKeyId>,
    odoo_instance_id: Option<OdooInstanceId>,
    odoo_database: Option<String>,
    provider_account_id: Option<ProviderAccountId>,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    /// Scopes that this version does not know are none; networks that it cannot read make the whole row unreadable.
    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            live: row.live,
            scopes: row.scopes.iter().filter_map(|word| word.parse().ok()).collect(),
            networks: Networks::parse(&row.networks).map_err(|error| StoreError::corrupt(TABLE, &error))?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            rolled_to: row.rolled_to,
            binding: row
                .odoo_instance_id
                .zip(row.odoo_database)
                .zip(row.provider_account_id)
                .map(|((odoo_instance, database), provider_account)| Binding {
                    odoo_instance,
                    database,
                    provider_account,
                }),
        })
    }
}

/// Keeps a new key under its hash.
pub async fn insert(conn: &mut PgConnection, key: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    let words: Vec<&str> = key.scopes.iter().map(|scope| scope.word()).collect();
    let binding = key.binding.as_ref();
    sqlx::query(
        "insert into api_key (hash, merchant_id, id, name, prefix, live, scopes, networks, created_at, expires_at,
             odoo_instance_id, odoo_database, provider_account_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(hash.as_slice())
    .bind(key.merchant_id)
    .bind(key.id)
    .bind(&key.name)
    .bind(&key.prefix)
    .bind(key.live)
    .bind(words)
    .bind(key.networks.texts())
    .bind(key.created_at)
    .bind(key.expires_at)
    .bind(binding.map(|binding| binding.odoo_instance))
    .bind(binding.map(|binding| &binding.database))
    .bind(binding.map(|binding| binding.provider_account))
    .execute(conn)
    .await?;
    Ok(())
}

/// The key with that hash, whatever became of it; from then on the transaction is for its merchant.
pub async fn enter(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select merchant_id, id, name, prefix, live, scopes, networks, created_at, expires_at, revoked_at, last_used_at, rolled_to,
             odoo_instance_id, odoo_database, provider_account_id, set_config('quittance.merchants', merchant_id::text, true)
         from api_key where hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?;
    row.map(ApiKey::try_from).transpose()
}

/// One of a merchant's keys.
pub async fn get(conn: &mut PgConnection, merchant: MerchantId, id: ApiKeyId) -> Result<ApiKey, StoreError> {
    let row: Row = sqlx::query_as(
        "select merchant_id, id, name, prefix, live, scopes, networks, created_at, expires_at, revoked_at, last_used_at, rolled_to,
             odoo_instance_id, odoo_database, provider_account_id
         from api_key where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// The same, held until the transaction ends.
pub async fn lock(conn: &mut PgConnection, merchant: MerchantId, id: ApiKeyId) -> Result<ApiKey, StoreError> {
    let row: Row = sqlx::query_as(
        "select merchant_id, id, name, prefix, live, scopes, networks, created_at, expires_at, revoked_at, last_used_at, rolled_to,
             odoo_instance_id, odoo_database, provider_account_id
         from api_key where merchant_id = $1 and id = $2 for update",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// A merchant's keys, newest first, older than `before`; those of one mode where it is said.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: Option<bool>,
    before: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select merchant_id, id, name, prefix, live, scopes, networks, created_at, expires_at, revoked_at, last_used_at, rolled_to,
             odoo_instance_id, odoo_database, provider_account_id
         from api_key where merchant_id = $1 and ($2::boolean is null or live = $2) and ($3::uuid is null or id < $3)
         order by id desc limit $4",
    )
    .bind(merchant)
    .bind(live)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Binds a key to the Odoo that it was connected from. The caller holds the key.
pub async fn bind(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ApiKeyId,
    to: &Binding,
) -> Result<(), StoreError> {
    sqlx::query(
        "update api_key set odoo_instance_id = $3, odoo_database = $4, provider_account_id = $5
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(to.odoo_instance)
    .bind(&to.database)
    .bind(to.provider_account)
    .execute(conn)
    .await?;
    Ok(())
}

/// Revokes a key for good; one that was revoked stays as it was.
pub async fn revoke(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ApiKeyId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update api_key set revoked_at = $3 where merchant_id = $1 and id = $2 and revoked_at is null",
    )
    .bind(merchant)
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a key end then, as another took its place.
pub async fn succeed(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: ApiKeyId,
    by: ApiKeyId,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("update api_key set expires_at = $4, rolled_to = $3 where merchant_id = $1 and id = $2")
        .bind(merchant)
        .bind(id)
        .bind(by)
        .bind(expires_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes when keys of any merchants were used, unless that is known to the minute.
pub async fn note_used(conn: &mut PgConnection, used: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
    let (ids, times): (Vec<Uuid>, Vec<OffsetDateTime>) = used.iter().copied().unzip();
    sqlx::query(
        "update api_key set last_used_at = u.at
         from unnest($1::uuid[], $2::timestamptz[]) as u (id, at)
         where api_key.id = u.id and (last_used_at is null or last_used_at <= u.at - interval '1 minute')",
    )
    .bind(ids)
    .bind(times)
    .execute(conn)
    .await?;
    Ok(())
}
