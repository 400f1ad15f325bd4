//! Odoo databases and companies that we tell.

use secrecy::ExposeSecret;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use url::Url;

use super::{StoreError, odoo_journals, sealed, signing_secrets};
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, OdooInstanceId};
use crate::domain::redact::mask;
use crate::sink::{Access, AddonAccess, Books, Journals, OdooInstance, RpcAccess, Via};

const TABLE: &str = "odoo_instance";

fn key_place(merchant: MerchantId, id: OdooInstanceId) -> Place {
    sealed::ODOO_KEY.place(merchant, id.uuid())
}

/// Adds an instance. The signing secrets of one with the addon are added apart.
pub async fn insert(
    conn: &mut PgConnection,
    sealer: &Sealer,
    instance: &OdooInstance,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let (via, rpc) = match &instance.access {
        Access::Rpc(rpc) => (Via::Rpc, Some(rpc)),
        Access::Addon { .. } => (Via::Addon, None),
    };
    let place = key_place(instance.merchant_id, instance.id);
    let api_key = sealer.seal_text(conn, place, rpc.map(|rpc| &rpc.api_key)).await?;
    sqlx::query(
        "insert into odoo_instance (merchant_id, id, url, sink, database, login, api_key_sealed, books, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(instance.merchant_id)
    .bind(instance.id)
    .bind(instance.url.as_str())
    .bind(via)
    .bind(rpc.map(|rpc| &rpc.database))
    .bind(rpc.and_then(|rpc| rpc.login.as_ref()))
    .bind(api_key)
    .bind(rpc.and_then(|rpc| rpc.journals.whole()).map(Json))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    url: String,
    sink: Via,
    database: Option<String>,
    company: Option<String>,
    login: Option<String>,
    api_key_sealed: Option<Vec<u8>>,
    books: Option<Json<Books>>,
}

/// One instance, opened.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<OdooInstance, StoreError> {
    let row: Row = sqlx::query_as(
        "select url, sink, database, company, login, api_key_sealed, books from odoo_instance
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(&mut *conn)
    .await?;
    let access = match row.sink {
        Via::Rpc => {
            let missing = || StoreError::corrupt(TABLE, &"what RPC needs is not there");
            let key = row.api_key_sealed.ok_or_else(missing)?;
            Access::Rpc(RpcAccess {
                database: row.database.ok_or_else(missing)?,
                login: row.login,
                api_key: sealer.open_text(conn, key_place(merchant, id), &key).await?,
                journals: Journals::new(
                    odoo_journals::list(conn, merchant, id).await?,
                    row.books.map(|books| books.0),
                ),
            })
        }
        Via::Addon => Access::Addon(AddonAccess {
            database: row.database,
            company: row.company,
            secrets: signing_secrets::list(conn, sealer, merchant, id).await?,
        }),
    };
    Ok(OdooInstance {
        merchant_id: merchant,
        id,
        url: row
            .url
            .parse()
            .map_err(|error| StoreError::corrupt(TABLE, &error))?,
        access,
    })
}

/// An instance without what is secret about it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ShownInstance {
    /// Its id.
    pub id: OdooInstanceId,
    /// Where it answers, or takes messages.
    pub url: String,
    /// Which way it is told.
    pub sink: Via,
    /// The database's name, of a stock Odoo; of one with our addon its `database.uuid`, once it connected.
    pub database: Option<String>,
    /// The id of the company, of one with our addon that connected.
    pub company: Option<String>,
    /// What people call that.
    pub company_name: Option<String>,
    /// The Odoo's own version, as it says.
    pub odoo_version: Option<String>,
    /// The version of our addon.
    pub addon_version: Option<String>,
    /// Whose key we have, where its version asks for that.
    pub login: Option<String>,
    /// Until when it rests.
    pub paused_until: Option<OffsetDateTime>,
    /// Why.
    pub paused_reason: Option<String>,
    /// Since when nothing is sent.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was added.
    pub created_at: OffsetDateTime,
}

/// One instance, without opening it.
pub async fn show(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<ShownInstance, StoreError> {
    Ok(sqlx::query_as(
        "select id, url, sink, database, login, company, company_name, odoo_version, addon_version, paused_until, paused_reason,
             disabled_at, created_at
         from odoo_instance where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// A page of a merchant's instances, newest first, older than `before`.
pub async fn list_page(
    conn: &mut PgConnection,
    merchant: MerchantId,
    before: Option<OdooInstanceId>,
    limit: i64,
) -> Result<Vec<ShownInstance>, StoreError> {
    Ok(sqlx::query_as(
        "select id, url, sink, database, login, company, company_name, odoo_version, addon_version, paused_until, paused_reason,
             disabled_at, created_at
         from odoo_instance where merchant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3",
    )
    .bind(merchant)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// An Odoo with our addon, as it presents itself.
#[derive(Clone, Debug)]
pub struct AddonSide {
    /// Its `database.uuid`.
    pub database: String,
    /// The id of its company.
    pub company: String,
    /// What people call that.
    pub company_name: Option<String>,
    /// Where it takes messages.
    pub url: Url,
    /// The Odoo's own version.
    pub odoo_version: Option<String>,
    /// The version of our addon.
    pub addon_version: Option<String>,
}

/// The instance that stands for a company of a database; where there is none, the one with our addon that was added at its address
/// and never connected.
pub async fn find_addon(
    conn: &mut PgConnection,
    merchant: MerchantId,
    side: &AddonSide,
) -> Result<Option<OdooInstanceId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from odoo_instance where merchant_id = $1 and sink = $2
             and ((database = $3 and company = $4) or (database is null and url = $5))
         order by database limit 1",
    )
    .bind(merchant)
    .bind(Via::Addon)
    .bind(&side.database)
    .bind(&side.company)
    .bind(side.url.as_str())
    .fetch_optional(conn)
    .await?)
}

/// Keeps what an Odoo with our addon says of itself, in the row that is there or in a new one. It does not rest any more: one message
/// tries for the others.
pub async fn upsert_addon(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
    side: &AddonSide,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into odoo_instance (merchant_id, id, sink, url, database, company, company_name, odoo_version, addon_version, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (merchant_id, id) do update set url = excluded.url, database = excluded.database, company = excluded.company,
             company_name = excluded.company_name, odoo_version = excluded.odoo_version, addon_version = excluded.addon_version,
             paused_until = null, paused_reason = null, failures = least(odoo_instance.failures, 1)",
    )
    .bind(merchant)
    .bind(id)
    .bind(Via::Addon)
    .bind(side.url.as_str())
    .bind(&side.database)
    .bind(&side.company)
    .bind(&side.company_name)
    .bind(&side.odoo_version)
    .bind(&side.addon_version)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps another key of a stock Odoo, and whose it is.
pub async fn update_key(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: OdooInstanceId,
    access: &RpcAccess,
) -> Result<(), StoreError> {
    let plain = access.api_key.expose_secret().as_bytes();
    let key = sealer.seal(conn, key_place(merchant, id), plain).await?;
    sqlx::query(
        "update odoo_instance set api_key_sealed = $3, login = $4 where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(key)
    .bind(&access.login)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which way an instance is told.
pub async fn get_via(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<Via, StoreError> {
    Ok(
        sqlx::query_scalar("select sink from odoo_instance where merchant_id = $1 and id = $2")
            .bind(merchant)
            .bind(id)
            .fetch_one(conn)
            .await?,
    )
}

/// The ids of a merchant's instances, oldest first, two at most: enough to see whether there is one.
pub async fn list(conn: &mut PgConnection, merchant: MerchantId) -> Result<Vec<OdooInstanceId>, StoreError> {
    Ok(
        sqlx::query_scalar("select id from odoo_instance where merchant_id = $1 order by id limit 2")
            .bind(merchant)
            .fetch_all(conn)
            .await?,
    )
}

/// Every merchant's instances of stock Odoo that are told.
pub async fn list_enabled_rpc(
    conn: &mut PgConnection,
) -> Result<Vec<(MerchantId, OdooInstanceId)>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, id from odoo_instance where sink = $1 and disabled_at is null order by id",
    )
    .bind(Via::Rpc)
    .fetch_all(conn)
    .await?)
}

/// Holds the instances that have something due and may be told, until the transaction ends, passing over those that someone
/// else holds: who counts what is in hand must be alone.
pub async fn lock_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<Vec<(MerchantId, OdooInstanceId)>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, id from odoo_instance i
         where disabled_at is null and (paused_until is null or paused_until <= $1)
             and exists (select from outbox_message o
                 where o.merchant_id = i.merchant_id and o.odoo_instance_id = i.id and o.due_at <= $1)
         for no key update of i skip locked",
    )
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// How an instance that is not told much stands.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Rest {
    /// How often in a row it was not reached.
    pub failures: i32,
    /// Until when it rests.
    pub paused_until: Option<OffsetDateTime>,
}

/// How an instance stands, its row held until the transaction ends.
pub async fn lock_rest(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<Rest, StoreError> {
    Ok(sqlx::query_as(
        "select failures, paused_until from odoo_instance where merchant_id = $1 and id = $2 for no key update",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?)
}

/// Stops sending to an instance until `until`, as it failed `failures` times in a row. No message spends an attempt.
pub async fn pause(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
    until: OffsetDateTime,
    failures: i32,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "update odoo_instance set paused_until = $3, paused_reason = $5, failures = $4
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(until)
    .bind(failures)
    .bind(mask(reason))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a pause and the failures before it: the instance answered.
pub async fn resume(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<(), StoreError> {
    sqlx::query(
        "update odoo_instance set paused_until = null, paused_reason = null, failures = 0
         where merchant_id = $1 and id = $2 and failures > 0",
    )
    .bind(merchant)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Stops sending to an instance until it is enabled. `false` where that was so already.
pub async fn disable(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update odoo_instance set disabled_at = $3 where merchant_id = $1 and id = $2 and disabled_at is null",
    )
    .bind(merchant)
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sends to an instance again, beginning with one message.
///
/// # Errors
/// [`StoreError::NotFound`] where there is no such instance.
pub async fn enable(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update odoo_instance set disabled_at = null, paused_until = null, paused_reason = null, failures = 1
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::NotFound)
    }
}
