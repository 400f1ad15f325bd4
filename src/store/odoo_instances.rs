//! Odoo databases and companies that we post to.

use secrecy::ExposeSecret;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::StoreError;
use crate::crypto::{Place, Sealer};
use crate::domain::ids::{MerchantId, OdooInstanceId};
use crate::sink::{Books, OdooInstance};

fn key_place(merchant: MerchantId, id: OdooInstanceId) -> Place {
    Place {
        merchant: merchant.uuid(),
        table: "odoo_instance",
        column: "api_key_sealed",
        row: id.uuid(),
    }
}

/// Adds an instance.
pub async fn insert(
    conn: &mut PgConnection,
    sealer: &Sealer,
    instance: &OdooInstance,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let place = key_place(instance.merchant_id, instance.id);
    sqlx::query(
        "insert into odoo_instance (merchant_id, id, url, database, api_key_sealed, books, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(instance.merchant_id)
    .bind(instance.id)
    .bind(instance.url.as_str())
    .bind(&instance.database)
    .bind(sealer.seal(place, instance.api_key.expose_secret().as_bytes())?)
    .bind(Json(&instance.books))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    url: String,
    database: String,
    api_key_sealed: Vec<u8>,
    books: Json<Books>,
}

/// One instance, opened.
pub async fn get(
    conn: &mut PgConnection,
    sealer: &Sealer,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<OdooInstance, StoreError> {
    let row: Row = sqlx::query_as(
        "select url, database, api_key_sealed, books from odoo_instance where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(OdooInstance {
        merchant_id: merchant,
        id,
        url: row
            .url
            .parse()
            .map_err(|error| StoreError::corrupt("odoo_instance", &error))?,
        database: row.database,
        api_key: sealer.open_text(key_place(merchant, id), &row.api_key_sealed)?,
        books: row.books.0,
    })
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

/// Stops sending to an instance until `until`. No message spends an attempt.
pub async fn pause(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
    until: OffsetDateTime,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "update odoo_instance set paused_until = $3, paused_reason = $4 where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(id)
    .bind(until)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a pause: the instance answered.
pub async fn resume(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OdooInstanceId,
) -> Result<(), StoreError> {
    sqlx::query(
        "update odoo_instance set paused_until = null, paused_reason = null
         where merchant_id = $1 and id = $2 and paused_until is not null",
    )
    .bind(merchant)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}
