//! Which journal and accounts of stock Odoo stand for an account at the provider, by settlement currency.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use super::StoreError;
use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::money::Currency;
use crate::sink::Books;

/// Maps a journal to what an account holds in a currency; one that was mapped before makes way.
///
/// # Errors
/// [`StoreError::Conflict`] where the journal stands for another account or currency.
pub async fn upsert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    (account, currency): (ProviderAccountId, Currency),
    instance: OdooInstanceId,
    books: &Books,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into odoo_journal (merchant_id, provider_account_id, currency, odoo_instance_id, journal_id, books)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (merchant_id, provider_account_id, currency) do update
             set odoo_instance_id = excluded.odoo_instance_id, journal_id = excluded.journal_id, books = excluded.books,
                 mapped_at = clock_timestamp()",
    )
    .bind(merchant)
    .bind(account)
    .bind(currency.code())
    .bind(instance)
    .bind(books.journal_id)
    .bind(Json(books))
    .execute(conn)
    .await?;
    Ok(())
}

/// The journals of an instance, each with what it stands for.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    instance: OdooInstanceId,
) -> Result<Vec<((ProviderAccountId, String), Books)>, StoreError> {
    let rows: Vec<(ProviderAccountId, String, Json<Books>)> = sqlx::query_as(
        "select provider_account_id, currency, books from odoo_journal
         where merchant_id = $1 and odoo_instance_id = $2 order by provider_account_id, currency",
    )
    .bind(merchant)
    .bind(instance)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(account, currency, books)| ((account, currency), books.0))
        .collect())
}

/// Which instance keeps the books of an account, by settlement currency: for each only one can.
pub async fn list_instances(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<HashMap<String, OdooInstanceId>, StoreError> {
    let rows: Vec<(String, OdooInstanceId)> = sqlx::query_as(
        "select currency, odoo_instance_id from odoo_journal where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}
